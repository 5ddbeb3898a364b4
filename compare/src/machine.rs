//! What all of it was measured on.

use std::process::Command;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    pub(crate) memory_gib: f64,
    /// How busy it was when the run began: processes that wanted a core, in the mean of the last minute.
    pub(crate) load: f64,
    pub(crate) versions: Vec<String>,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let line = |file: &str, start: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(start)).unwrap_or_default();
            line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
        };
        let memory = line("/proc/meminfo", "MemTotal");
        let kib: f64 = memory.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: line("/proc/cpuinfo", "model name"),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            memory_gib: kib / f64::from(1 << 20),
            load: load.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0),
            versions: Vec::new(),
        }
    }

    /// In one line.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} cores ({}), {:.0} GiB of memory, Linux {}, load {:.1} at the start",
            self.cores, self.processor, self.memory_gib, self.kernel, self.load
        )
    }

    /// Notes the version that a program says it has.
    pub(crate) fn note_version(&mut self, program: &str) {
        let Ok(output) = Command::new(program).arg("--version").output() else { return };
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        if let Some(line) = String::from_utf8_lossy(&text).lines().next() {
            self.versions.push(line.trim().to_owned());
        }
    }
}
