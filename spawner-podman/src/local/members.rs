//! Who belongs to a container: what is in its control groups; where it has none of its own, what is in its pid
//! namespace, or below such a process in the tree.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;

use spawner_core::ProcessIdentity;
use spawner_core::proc::Stat;

use super::groups;

/// A process of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) identity: ProcessIdentity,
    pub(crate) name: String,
    /// What it was doing when it was seen, in words.
    pub(crate) state: &'static str,
}

impl Member {
    fn of(pid: i32) -> Option<Self> {
        let stat = Stat::of(pid).ok().filter(|stat| !stat.is_dead())?;
        let identity = ProcessIdentity {
            boot_id: ProcessIdentity::boot(),
            pid: pid.cast_unsigned(),
            start_time: stat.start_time,
        };
        Some(Self { identity, state: stat.state_in_words(), name: stat.name })
    }

    /// This very process, if it runs.
    pub(super) fn of_identity(identity: &ProcessIdentity) -> Option<Self> {
        Self::of(identity.pid.cast_signed()).filter(|member| member.identity == *identity)
    }

    pub(crate) fn pid(&self) -> i32 {
        self.identity.pid.cast_signed()
    }
}

/// A pid namespace. Held open, so that no later one gets its number.
#[derive(Debug)]
pub(super) struct Namespace {
    number: (u64, u64),
    _held: File,
}

impl Namespace {
    /// That of the process `pid`; an error where this account may not look.
    pub(super) fn of(pid: i32) -> io::Result<Self> {
        let held = File::open(format!("/proc/{pid}/ns/pid"))?;
        let metadata = held.metadata()?;
        Ok(Self { number: (metadata.dev(), metadata.ino()), _held: held })
    }

    fn has(&self, pid: i32) -> bool {
        fs::metadata(format!("/proc/{pid}/ns/pid"))
            .is_ok_and(|namespace| (namespace.dev(), namespace.ino()) == self.number)
    }
}

/// Whether the first process of a container has a pid namespace that begins with it.
pub(super) fn is_first(pid: i32) -> io::Result<bool> {
    Ok(status_field(&fs::read_to_string(format!("/proc/{pid}/status"))?, "NSpid:")
        .is_some_and(|pids| pids.split_ascii_whitespace().skip(1).last() == Some("1")))
}

/// Whether the process would end by SIGTERM, were it not the first of a pid namespace: to such a one the kernel
/// gives only the signals that it has a handler for (pid_namespaces(7)).
pub(super) fn is_deaf(pid: i32) -> io::Result<bool> {
    const TERM: u64 = 1 << (libc::SIGTERM - 1);
    // A thread that has it blocked may be waiting for it by other means than a handler.
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = entry?.path();
        let status = match fs::read_to_string(thread.join("status")) {
            Err(error) if groups::gone(&error) => continue,
            other => other?,
        };
        // While one waits with sigwait(3), what it waits for is shown as not blocked, and yet is delivered.
        let call = match fs::read_to_string(thread.join("syscall")) {
            Err(error) if groups::gone(&error) => continue,
            other => other?,
        };
        if call.split(' ').next().and_then(|number| number.parse().ok()) == Some(libc::SYS_rt_sigtimedwait) {
            return Ok(false);
        }
        for field in ["SigBlk:", "SigIgn:", "SigCgt:"] {
            let mask = status_field(&status, field).and_then(|mask| u64::from_str_radix(mask, 16).ok());
            if mask.is_none_or(|mask| mask & TERM != 0) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn status_field<'a>(status: &'a str, field: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(field)).map(str::trim)
}

/// How often in a row everything that is listed may be gone when it is looked at.
const GLANCES: usize = 1000;

/// Whether this says that something runs, which nobody could name.
pub(super) fn is_too_quick(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ResourceBusy
}

/// By what the members of one container are known.
#[derive(Debug)]
pub(super) struct Marks<'a> {
    pub(super) id: &'a str,
    pub(super) init: &'a ProcessIdentity,
    pub(super) groups: &'a [std::path::PathBuf],
    pub(super) namespace: Option<&'a Namespace>,
    /// What is in the environment of its first process, and of what inherited that.
    pub(super) mark: Option<&'a str>,
}

impl Marks<'_> {
    /// All that run, without regard to whether the first process does. [`is_too_quick`] tells the error that something
    /// does, and nobody knows what.
    pub(super) fn all(&self) -> io::Result<Vec<Member>> {
        if self.groups.is_empty() {
            let mut pids = self.family()?;
            pids.sort_unstable();
            return Ok(pids.into_iter().filter_map(Member::of).collect());
        }
        for _ in 0..GLANCES {
            let mut pids = Vec::new();
            for group in self.groups {
                groups::pids_below(group, &mut pids)?;
            }
            pids.sort_unstable();
            pids.dedup();
            let members: Vec<_> = pids.iter().copied().filter_map(Member::of).collect();
            // Only the living are listed. Who has ended since may have left another in its place.
            if pids.is_empty() || !members.is_empty() {
                return Ok(members);
            }
        }
        let why = "something runs in its control group, and cannot be looked at before it is gone";
        Err(io::Error::new(io::ErrorKind::ResourceBusy, why))
    }

    /// Whether the process with this pid now is one of them.
    pub(super) fn has(&self, pid: i32) -> bool {
        pid == self.init.pid.cast_signed() && self.init.is_alive()
            || groups::has(pid, self.id).unwrap_or(false)
            || self.groups.is_empty() && self.is_of_family(pid)
    }

    /// Whether a process is one of them by itself, where there are no groups to tell.
    fn is_head(&self, pid: i32) -> bool {
        match self.namespace {
            Some(namespace) => namespace.has(pid),
            None => self.mark.is_some_and(|mark| is_marked(pid, mark)),
        }
    }

    /// Those, and what is below them in the tree: the processes of a nested namespace are below its first process,
    /// however often they are orphaned.
    fn family(&self) -> io::Result<Vec<i32>> {
        let mut others = Vec::new();
        let mut found = HashSet::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            if self.is_head(pid) {
                found.insert(pid);
            } else if let Ok(stat) = Stat::of(pid) {
                others.push((pid, stat.parent));
            }
        }
        loop {
            let before = found.len();
            for (pid, parent) in &others {
                if found.contains(parent) {
                    found.insert(*pid);
                }
            }
            if found.len() == before {
                return Ok(found.into_iter().collect());
            }
        }
    }

    fn is_of_family(&self, pid: i32) -> bool {
        let mut pid = pid;
        for _ in 0..CLIMB {
            if pid <= 1 {
                return false;
            }
            if self.is_head(pid) {
                return true;
            }
            let Ok(stat) = Stat::of(pid) else { return false };
            pid = stat.parent;
        }
        false
    }
}

/// How many processes a climb passes at most: deeper than pid namespaces nest and shells do.
const CLIMB: usize = 1024;

fn is_marked(pid: i32, mark: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    use super::*;

    /// Ends by force when dropped.
    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    fn shell(script: &str) -> Ended {
        Ended(Command::new("sh").args(["-c", script]).spawn().unwrap())
    }

    #[test]
    fn who_catches_ignores_or_blocks_the_request_is_not_deaf() {
        let deaf = |script: &str, wanted: bool| {
            let child = shell(script);
            let pid = child.0.id().cast_signed();
            let deadline = Instant::now() + Duration::from_secs(10);
            while is_deaf(pid).unwrap() != wanted {
                assert!(Instant::now() < deadline, "{script}: deaf should be {wanted}");
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        deaf("exec sleep 60", true);
        deaf("trap : TERM; read x < /dev/zero", false);
        deaf("trap '' TERM; exec sleep 60", false);
    }

    #[test]
    fn this_process_is_the_first_of_no_namespace_but_in_its_own() {
        let own = std::process::id().cast_signed();
        assert_eq!(is_first(own).unwrap(), own == 1);
        let namespace = Namespace::of(own).unwrap();
        let init = ProcessIdentity::of(1).unwrap();
        let marks = Marks { id: "", init: &init, groups: &[], namespace: Some(&namespace), mark: None };
        assert!(marks.has(own) && marks.family().unwrap().contains(&own));
    }

    /// A control group of this test's own, with few processes.
    struct Jail(std::path::PathBuf);

    impl Jail {
        fn make() -> Option<Self> {
            let name = format!("spawner-members-{}", std::process::id());
            let below = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
            let folder = below.iter().map(|folder| std::path::Path::new(folder).join(&name));
            let jail = Self(folder.into_iter().find(|folder| fs::create_dir(folder).is_ok())?);
            if let Err(error) = fs::write(jail.0.join("pids.max"), "20") {
                println!("no limit of processes: {error}");
            }
            Some(jail)
        }
    }

    impl Drop for Jail {
        fn drop(&mut self) {
            // Who has just ended is in its way for a moment.
            let deadline = Instant::now() + Duration::from_secs(10);
            while let Err(error) = fs::remove_dir(&self.0) {
                if Instant::now() > deadline {
                    eprintln!("a control group stays: {}: {error}", self.0.display());
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    #[test]
    fn a_chain_of_forks_is_never_taken_for_nobody() {
        let Some(jail) = Jail::make() else {
            return println!("skipped: no control group can be made by this account");
        };
        let folder = tempfile::tempdir().unwrap();
        let stop = folder.path().join("stop");
        let chain =
            "$0 = \"chain\"; for (1 .. 300000) { exit if -e $ARGV[0]; my $next = fork; exit if $next }";
        let script =
            format!("echo $$ >{}/cgroup.procs; exec perl -e '{chain}' {}", jail.0.display(), stop.display());
        let mut first = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        let init = ProcessIdentity::of(1).unwrap();
        let groups = [jail.0.clone()];
        let marks = Marks { id: "", init: &init, groups: &groups, namespace: None, mark: None };
        let deadline = Instant::now() + Duration::from_secs(10);
        while first.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the chain does not begin");
            std::thread::sleep(Duration::from_millis(1));
        }
        for _ in 0..3000 {
            match marks.all() {
                Ok(members) => {
                    assert!(!members.is_empty(), "nobody was seen in a group where a chain goes on");
                }
                Err(error) => assert!(is_too_quick(&error), "{error}"),
            }
        }
        fs::write(&stop, "").unwrap();
        while !marks.all().is_ok_and(|members| members.is_empty()) {
            assert!(Instant::now() < deadline, "the chain does not end");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
