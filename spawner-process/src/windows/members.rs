//! Who is, or was, in a job: by handle, so that nobody is taken for another.

use std::io;
use std::os::windows::io::AsHandle as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spawner_core::{Evidence, Fate, Resource, ResourceKind};

use super::job::Job;
use super::process::Process;

/// How long a process that has left its job may take until its own handle says that it has ended.
const LAST_BREATH: Duration = Duration::from_millis(100);

/// How long a look may take to learn names. Where many are born meanwhile, the others are counted only.
const NAMING: Duration = Duration::from_millis(250);

/// The members that are known by name: the main process, and what was there when somebody looked; at most
/// [`Evidence::LISTED`] and one.
#[derive(Debug, Default)]
pub(super) struct Roster(Vec<Member>);

#[derive(Debug)]
struct Member {
    process: Arc<Process>,
    name: Option<String>,
    /// It is the system's server of a console that was made for the task. It ends by itself a moment after the last
    /// process of its console, and is nothing that the task left behind.
    is_console: bool,
    /// Once it is known that it has ended.
    fate: Option<Fate>,
}

impl Roster {
    /// Begins with the main process.
    pub(super) fn with(leader: Option<&Arc<Process>>, name: &str) -> Self {
        let leader = leader.map(|process| Member {
            process: Arc::clone(process),
            name: Some(name.to_owned()),
            is_console: false,
            fate: None,
        });
        Self(leader.into_iter().collect())
    }

    /// Looks who is in the job now, and gives the full number of those that run, without the servers of consoles. A pid
    /// is believed only once its process was opened and found to be in the job. Bounded in time.
    pub(super) fn look(&mut self, job: &Job) -> io::Result<usize> {
        let mut running = 0;
        let began = Instant::now();
        for pid in job.pids()? {
            if let Some(member) = self.0.iter().find(|member| member.process.pid() == pid) {
                // A job may list a process for a moment after it has ended.
                let counts = member.fate.is_none() && !member.is_console;
                running += usize::from(counts && (began.elapsed() > NAMING || !member.has_ended()));
                continue;
            }
            if self.0.len() > Evidence::LISTED || began.elapsed() > NAMING {
                running += 1;
                continue;
            }
            let opened = Process::open(pid).and_then(|process| match process {
                Some(process) if job.has(process.as_handle())? => Ok(Some(process)),
                // It has ended since, or is somebody else by now.
                _ => Ok(None),
            });
            match opened {
                Ok(Some(process)) => {
                    let member = Member::found(process);
                    running += usize::from(!member.is_console && !member.has_ended());
                    self.0.push(member);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(pid, %error, "a member cannot be looked at");
                    running += 1;
                }
            }
        }
        Ok(running)
    }

    /// Whoever has ended by now did so in this way. Nobody leaves a job but by ending, so who is not listed any more need
    /// not be asked, which takes long beside a storm.
    pub(super) fn note_ended(&mut self, job: &Job, fate: Fate) -> io::Result<()> {
        let listed = job.pids()?;
        for member in self.0.iter_mut().filter(|member| member.fate.is_none()) {
            if !listed.contains(&member.process.pid()) || member.has_ended() {
                member.fate = Some(fate);
            }
        }
        Ok(())
    }

    /// Nobody is in the job any more. A process leaves its job an instant before its handle says that it has ended.
    pub(super) fn note_all_gone(&mut self, fate: Fate) {
        for member in self.0.iter_mut().filter(|member| member.fate.is_none()) {
            if member.process.has_ended(LAST_BREATH).unwrap_or(false) {
                member.fate = Some(fate);
            }
        }
    }

    /// Those that run, as far as is known.
    pub(super) fn running(&self) -> impl Iterator<Item = &Arc<Process>> {
        let runs = |member: &&Member| member.fate.is_none() && !member.has_ended();
        self.0.iter().filter(runs).map(|member| &member.process)
    }

    /// Those that run and may be called left behind, as resources.
    pub(super) fn resources_running(&self) -> Vec<Resource> {
        let running: Vec<u32> = self.running().map(|process| process.pid()).collect();
        let runs = |member: &&Member| !member.is_console && running.contains(&member.process.pid());
        let members = self.0.iter().filter(runs);
        members.map(|member| member.resource(Fate::Unverified, None)).map(plain).collect()
    }

    /// All that are known; those of which it is not known that they have ended are `otherwise`, for this reason.
    pub(super) fn resources(&self, otherwise: Fate, why: &str) -> Vec<Resource> {
        self.0.iter().map(|member| member.resource(otherwise, Some(why))).collect()
    }
}

/// Whether this is the system's own program, and not another of its name.
fn is_console_server(image: &Path) -> bool {
    let Some(system) = std::env::var_os("SystemRoot") else { return false };
    let own = Path::new(&system).join("System32").join("conhost.exe");
    image.as_os_str().eq_ignore_ascii_case(own.as_os_str())
}

/// A process that is there is neither gone nor a leftover yet.
fn plain(resource: Resource) -> Resource {
    Resource { fate: Fate::Survived, reason: None, remedy: None, ..resource }
}

impl Member {
    /// One that was found in the job.
    fn found(process: Process) -> Self {
        let image = process.image();
        let name = image.as_deref().and_then(Path::file_name);
        Self {
            name: name.map(|name| name.to_string_lossy().into_owned()),
            is_console: image.as_deref().is_some_and(is_console_server),
            process: Arc::new(process),
            fate: None,
        }
    }

    /// One of which the system does not say it is taken to run.
    fn has_ended(&self) -> bool {
        self.process.has_ended(Duration::ZERO).unwrap_or(false)
    }

    fn resource(&self, otherwise: Fate, why: Option<&str>) -> Resource {
        let fate = self.fate.unwrap_or(otherwise);
        let identity = self.process.identity();
        let leftover = fate.is_leftover();
        Resource {
            kind: ResourceKind::Process,
            id: identity.pid.to_string(),
            started: identity.started_at(),
            name: self.name.clone(),
            fate,
            reason: why.filter(|_| leftover).map(str::to_owned),
            remedy: leftover.then(|| format!("taskkill /F /PID {}", identity.pid)),
        }
    }
}
