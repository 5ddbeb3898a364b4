//! The peers that are libraries, for the harnesses that this program can be.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use serde::{Deserialize, Serialize};
use spawner_core::{Fate, Input, Output, Spawner, Task, TaskSpec, Teardown, Verdict};
use spawner_podman::{PodmanConfig, PodmanSpawner};
use spawner_process::{Choice, ProcessConfig, ProcessSpawner};
use spawner_remote::{RemoteConfig, RemoteSpawner};
use tokio::io::AsyncReadExt as _;

use super::helper::Helper;
use super::{
    BARE_HELPER, KILL_TREE, OURS_IN_PODMAN, OURS_OVER_SSH, PROCESS_WRAP, PROCESSKIT, RECORDING_HELPER, TOKIO,
};

/// A library, ready to start tasks.
pub(crate) enum Library {
    Spawner(Box<dyn Spawner>),
    Tokio,
    ProcessWrap,
    Processkit,
    KillTree,
    /// For whole lives only.
    BareHelper(Helper),
}

/// A task that one of them has started.
pub(crate) enum Started {
    Spawner(Task),
    Child(tokio::process::Child),
    Wrapped(Box<dyn ChildWrapper>),
    Kit(processkit::ProcessGroup, Box<processkit::RunningProcess>),
}

/// What a peer says of the end of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Claim {
    /// Proved to be gone.
    Proved,
    /// It did what it does, and names nothing that is left.
    Done,
    /// These processes are left.
    Left(Vec<u32>),
    /// It does not know, or could not.
    Unsure(String),
    /// It was killed, or has no way to say anything.
    Nothing,
}

/// What a task's standard output is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Out {
    Inherit,
    Null,
}

/// What takes a task's volumes where it runs in a container, in words of the command line: `-v`.
pub(crate) const VOLUMES: &str = "COMPARE_VOLUMES";

/// The server of scripts/sshd.sh.
pub(crate) struct Lab {
    pub(crate) port: u16,
    pub(crate) key: PathBuf,
    pub(crate) known: PathBuf,
}

impl Lab {
    pub(crate) fn find() -> Result<Self, String> {
        let of = |name: &str| std::env::var(name).map_err(|_| "no sshd was brought up".to_owned());
        Ok(Self {
            port: of("SSH_LAB_PORT")?.parse().map_err(text)?,
            key: of("SSH_LAB_KEY")?.into(),
            known: of("SSH_LAB_KNOWN")?.into(),
        })
    }

    /// What `ssh` needs to get there.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = ["-F", "none", "-o", "BatchMode=yes", "-p", &self.port.to_string(), "-i"]
            .map(str::to_owned)
            .to_vec();
        words.push(self.key.display().to_string());
        words.extend(["-o".to_owned(), format!("UserKnownHostsFile={}", self.known.display())]);
        words
    }

    /// The server's main process.
    pub(crate) fn server(&self) -> Result<String, String> {
        let pid = self.key.with_file_name("pid");
        let text = std::fs::read_to_string(&pid).map_err(|error| format!("{}: {error}", pid.display()))?;
        Ok(text.trim().to_owned())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Library {
    pub(crate) fn open(name: &str) -> Result<Self, String> {
        match name {
            TOKIO => return Ok(Self::Tokio),
            BARE_HELPER => return Helper::begin(false).map(Self::BareHelper),
            RECORDING_HELPER => return Helper::begin(true).map(Self::BareHelper),
            PROCESS_WRAP => return Ok(Self::ProcessWrap),
            PROCESSKIT => return Ok(Self::Processkit),
            KILL_TREE => return Ok(Self::KillTree),
            OURS_IN_PODMAN => {
                let config = PodmanConfig {
                    image: Some(super::program::IMAGE.into()),
                    network: Some("none".into()),
                    ..PodmanConfig::default()
                };
                return Ok(Self::Spawner(Box::new(PodmanSpawner::new(config).map_err(text)?)));
            }
            OURS_OVER_SSH => {
                let Lab { port, key, known } = Lab::find()?;
                let config = RemoteConfig {
                    port: Some(port),
                    identity_file: Some(key),
                    known_hosts_file: Some(known),
                    ..RemoteConfig::at("127.0.0.1")
                };
                return Ok(Self::Spawner(Box::new(RemoteSpawner::named("lab", config).map_err(text)?)));
            }
            _ => {}
        }
        let mechanism =
            name.strip_prefix("spawner ").ok_or_else(|| format!("no library is called `{name}`"))?;
        let mechanism = Choice::MECHANISMS.into_iter().find(|choice| choice.name() == mechanism);
        let mechanism = mechanism.ok_or_else(|| format!("`{name}` has no such mechanism"))?;
        let config = ProcessConfig { mechanism, ..ProcessConfig::default() };
        Ok(Self::Spawner(Box::new(ProcessSpawner::new(config).map_err(text)?)))
    }

    pub(crate) async fn start(&self, argv: &[String], out: Out) -> Result<Started, String> {
        match self {
            Self::Spawner(spawner) => {
                let output = if out == Out::Null { Output::Null } else { Output::Inherit };
                let spec = TaskSpec::new(argv).stdin(Input::Null).stdout(output).stderr(Output::Inherit);
                let mut spec = spec;
                if let Ok(volumes) = std::env::var(VOLUMES) {
                    spec.container.volumes = volumes.lines().map(str::to_owned).collect();
                }
                spawner.spawn_task(&spec).await.map(Started::Spawner).map_err(text)
            }
            // What is to be ended by its pid.
            Self::Tokio | Self::KillTree => command(argv, out).spawn().map(Started::Child).map_err(text),
            Self::BareHelper(_) => Err("it has whole lives only".into()),
            Self::ProcessWrap => {
                let mut wrapped = CommandWrap::from(command(argv, out));
                wrapped.wrap(ProcessGroup::leader()).wrap(KillOnDrop);
                wrapped.spawn().map(Started::Wrapped).map_err(text)
            }
            Self::Processkit => {
                let group = processkit::ProcessGroup::new().map_err(text)?;
                let running = group.start(&kit(argv, out)).await.map_err(text)?;
                Ok(Started::Kit(group, Box::new(running)))
            }
        }
    }

    /// Spawn, wait and whatever it does to be rid of a task. Gives when the task had been started.
    pub(crate) async fn life(&self, argv: &[String]) -> Result<Instant, String> {
        if let Self::BareHelper(helper) = self {
            return helper.life().await;
        }
        if let Self::Processkit = self {
            // The group is the handle's own, and ends with it.
            let running = kit(argv, Out::Inherit).start().await.map_err(text)?;
            let started = Instant::now();
            running.wait().await.map_err(text)?;
            return Ok(started);
        }
        let task = self.start(argv, Out::Inherit).await?;
        let started = Instant::now();
        match (self, task) {
            (Self::Spawner(spawner), Started::Spawner(task)) => {
                spawner.wait_task(&task).await.map_err(text)?;
                let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
                if !outcome.is_clean() && outcome.verdict() != Verdict::Unverified {
                    return Err(outcome.to_string());
                }
            }
            (_, Started::Child(mut child)) => drop(child.wait().await.map_err(text)?),
            (_, Started::Wrapped(mut child)) => drop(child.wait().await.map_err(text)?),
            _ => return Err("a task of another library".into()),
        }
        Ok(started)
    }

    /// Ends a task: asks where the library has a way to ask, gives it `grace`, and uses force.
    pub(crate) async fn end(&self, task: Started, grace: Duration) -> Result<Claim, String> {
        match (self, task) {
            (Self::Spawner(spawner), Started::Spawner(task)) => {
                let teardown = Teardown::at_once().grace(grace);
                let outcome = spawner.destroy_task(&task, &teardown).await;
                let survived = outcome.leftovers().map(|leftover| leftover.resource().clone());
                let survived: Vec<u32> = survived
                    .filter(|one| one.fate == Fate::Survived)
                    .filter_map(|one| one.id.parse().ok())
                    .collect();
                Ok(match outcome.verdict() {
                    Verdict::Clean => Claim::Proved,
                    _ if !survived.is_empty() => Claim::Left(survived),
                    _ => Claim::Unsure(outcome.to_string()),
                })
            }
            (Self::KillTree, Started::Child(mut child)) => {
                // One that was reaped has no tree that could be found.
                if let Some(pid) = child.id().filter(|_| matches!(child.try_wait(), Ok(None))) {
                    let ask = !grace.is_zero();
                    if ask {
                        kill_tree::tokio::kill_tree(pid).await.map_err(text)?;
                    }
                    if !ask || tokio::time::timeout(grace, child.wait()).await.is_err() {
                        let force = kill_tree::Config { signal: "SIGKILL".into(), ..Default::default() };
                        kill_tree::tokio::kill_tree_with_config(pid, &force).await.map_err(text)?;
                    }
                }
                child.wait().await.map_err(text)?;
                Ok(Claim::Done)
            }
            (_, Started::Child(mut child)) => {
                child.kill().await.map_err(text)?;
                Ok(Claim::Done)
            }
            (_, Started::Wrapped(mut child)) => {
                const SIGTERM: i32 = 15;
                let asked = !grace.is_zero() && child.signal(SIGTERM).is_ok();
                if !asked || tokio::time::timeout(grace, child.wait()).await.is_err() {
                    // The group is gone where its last member has ended.
                    if let Err(error) = child.start_kill()
                        && error.raw_os_error() != Some(rustix::io::Errno::SRCH.raw_os_error())
                    {
                        return Ok(Claim::Unsure(error.to_string()));
                    }
                }
                child.wait().await.map_err(text)?;
                Ok(Claim::Done)
            }
            (_, Started::Kit(group, running)) => {
                // The handle is waited for meanwhile, as its documentation asks.
                let waiting = tokio::spawn(running.wait());
                // What it reports was counted before force was used, and is no claim of what is left.
                group.stop(grace, true).await.map_err(text)?;
                drop(tokio::time::timeout(Duration::from_secs(5), waiting).await);
                Ok(Claim::Done)
            }
            _ => Err("a task of another library".into()),
        }
    }

    /// Runs a task whose standard output is read to its end, in pieces. Gives how many bytes that was.
    pub(crate) async fn read_all(&self, argv: &[String]) -> Result<u64, String> {
        let (mut buffer, mut total) = (vec![0; 64 << 10], 0);
        match self {
            Self::Spawner(spawner) => {
                let spec = TaskSpec::new(argv).stdin(Input::Null).stdout(Output::Stream);
                let task = spawner.spawn_task(&spec).await.map_err(text)?;
                let mut output = spawner.task_output(&task).await.map_err(text)?.stdout.ok_or("no output")?;
                loop {
                    match output.read(&mut buffer).await.map_err(text)? {
                        0 => break,
                        count => total += count as u64,
                    }
                }
                spawner.wait_task(&task).await.map_err(text)?;
                let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
                if outcome.is_clean() { Ok(total) } else { Err(outcome.to_string()) }
            }
            Self::Tokio => {
                let mut child =
                    command(argv, Out::Null).stdout(std::process::Stdio::piped()).spawn().map_err(text)?;
                let mut output = child.stdout.take().ok_or("no output")?;
                loop {
                    match output.read(&mut buffer).await.map_err(text)? {
                        0 => break,
                        count => total += count as u64,
                    }
                }
                child.wait().await.map_err(text)?;
                Ok(total)
            }
            _ => Err("not measured for this one".into()),
        }
    }
}

fn command(argv: &[String], out: Out) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(&argv[0]);
    command.args(&argv[1..]).stdin(std::process::Stdio::null());
    if out == Out::Null {
        command.stdout(std::process::Stdio::null());
    }
    command
}

fn kit(argv: &[String], out: Out) -> processkit::Command {
    let mode = if out == Out::Null { processkit::StdioMode::Null } else { processkit::StdioMode::Inherit };
    let command = processkit::Command::new(&argv[0]).args(&argv[1..]);
    command.stdout(mode).stderr(processkit::StdioMode::Inherit).kill_on_parent_death()
}
