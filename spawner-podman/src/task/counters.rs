//! What control groups counted, read once when the main process has ended: the engine removes them soon after.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use spawner_core::Usage;

/// What they said, as far as there are any that count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counters {
    cpu: Option<(Duration, Duration)>,
    peak: Option<u64>,
    /// How often the kernel killed for want of memory.
    kills: Option<u64>,
}

impl Counters {
    /// Reads those of version 2 and of every hierarchy of version 1.
    pub(super) fn read(groups: &[PathBuf]) -> Self {
        let mut all = Self::default();
        for group in groups {
            let micros = |name| Some(Duration::from_micros(named(group, "cpu.stat", name)?));
            let nanos = |file| Some(Duration::from_nanos(alone(group, file)?));
            let cpu = micros("user_usec").zip(micros("system_usec"));
            all.cpu = all.cpu.or(cpu).or_else(|| nanos("cpuacct.usage_user").zip(nanos("cpuacct.usage_sys")));
            let peak = || alone(group, "memory.peak").or_else(|| alone(group, "memory.max_usage_in_bytes"));
            all.peak = all.peak.or_else(peak);
            let kills = || {
                named(group, "memory.events", "oom_kill")
                    .or_else(|| named(group, "memory.oom_control", "oom_kill"))
            };
            all.kills = all.kills.or_else(kills);
        }
        all
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        let (cpu_user, cpu_system) = self.cpu?;
        Some(Usage { cpu_user, cpu_system, peak_memory: self.peak })
    }

    pub(super) fn kills(&self) -> Option<u64> {
        self.kills
    }
}

/// The number in a file that has no other.
fn alone(group: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(group.join(file)).ok()?.trim().parse().ok()
}

/// The number beside a name.
fn named(group: &Path, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(group.join(file)).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read_and_what_is_not_there_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let group = |name: &str, files: &[(&str, &str)]| {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            for (file, text) in files {
                fs::write(path.join(file), text).unwrap();
            }
            path
        };
        let two = group(
            "2",
            &[
                ("cpu.stat", "usage_usec 5\nuser_usec 3\nsystem_usec 2\n"),
                ("memory.peak", "4096\n"),
                ("memory.events", "oom 2\noom_kill 1\noom_group_kill 0\n"),
            ],
        );
        let cpu = group("cpu", &[("cpuacct.usage_user", "3000\n"), ("cpuacct.usage_sys", "2000\n")]);
        let memory = group(
            "memory",
            &[
                ("memory.max_usage_in_bytes", "4096\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
            ],
        );
        let read = Counters::read(&[two]);
        assert_eq!(read, Counters::read(&[cpu, memory]));
        assert_eq!(read.kills(), Some(1));
        let micros = Duration::from_micros;
        let usage = Usage { cpu_user: micros(3), cpu_system: micros(2), peak_memory: Some(4096) };
        assert_eq!(read.usage(), Some(usage));
        assert_eq!(Counters::read(&[folder.path().join("none")]), Counters::default());
    }
}
