//! The peers of the matrix, and how each is told to end a task.

use std::path::Path;

use crate::context::Run;
use crate::peers::library::Lab;
use crate::peers::program::{IMAGE, Wrapper};
use crate::peers::{
    AVOCADO, KILL_TREE, OURS_IN_PODMAN, OURS_OVER_SSH, PODMAN_RUN, PROCESS_WRAP, PROCESSKIT, PSUTIL, SSH,
    SSH_TERMINAL, TOKIO,
};

/// The program, which takes the strongest mechanism that there is.
pub(crate) const OUR_PROGRAM: &str = "spawner run";

#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) how: How,
}

#[derive(Debug, Clone)]
pub(crate) enum How {
    /// A harness of this program that embeds it.
    Keep,
    /// One in Python, by these words.
    Python(Vec<String>),
    /// A program in front of the command. It is sent SIGTERM, and SIGKILL after the grace.
    Wrapper(Vec<String>),
    /// `spawner run`, which writes a report.
    Program(String),
    /// `podman run --rm`, ended by `podman rm --force`.
    Podman,
    /// `ssh`, to which the command is one word for a shell.
    Ssh(Vec<String>),
}

impl Peer {
    /// Whether it is ours.
    pub(crate) fn ours(&self) -> bool {
        self.name.starts_with("spawner")
    }

    /// Whether tasks run in containers.
    pub(crate) fn contained(&self) -> bool {
        [OURS_IN_PODMAN, PODMAN_RUN].contains(&self.name.as_str())
    }

    /// Whether tasks run on another machine, which this one plays too.
    pub(crate) fn remote(&self) -> bool {
        [OURS_OVER_SSH, SSH, SSH_TERMINAL].contains(&self.name.as_str())
    }

    /// Whether it may say that a task is clean, and promises that nothing escapes.
    pub(crate) fn promises(&self) -> bool {
        self.ours() && self.name != "spawner process-group"
    }

    /// What starts the harness of a cell. The words are the program's own before it runs the command; those of
    /// harnesses get the command on standard input.
    pub(crate) fn words(
        &self,
        program: &Path,
        report: &Path,
        container: &str,
        volumes: &[String],
    ) -> Vec<String> {
        let program = program.display().to_string();
        match &self.how {
            How::Keep => vec![program, crate::keep::ARGUMENT.into(), self.name.clone()],
            How::Python(words) | How::Wrapper(words) | How::Ssh(words) => words.clone(),
            How::Program(spawner) => {
                let grace = format!("{}ms", crate::keep::GRACE.as_millis());
                let words = [spawner, "run", "--grace", &grace, "--report-format", "json", "--report"];
                let report = report.display().to_string();
                words.into_iter().map(str::to_owned).chain([report, "--".into()]).collect()
            }
            How::Podman => {
                let words = ["podman", "run", "--rm", "--network=none", "--name", container];
                let volumes = volumes.iter().flat_map(|volume| ["-v", volume]);
                words.into_iter().chain(volumes).chain([IMAGE]).map(str::to_owned).collect()
            }
        }
    }

    /// Whether the command is said on its standard input.
    pub(crate) fn is_told(&self) -> bool {
        matches!(self.how, How::Keep | How::Python(_))
    }
}

/// All that are there, ours first.
pub(crate) fn all(run: &mut Run, spawner: &Path) -> Vec<Peer> {
    let keep = |name: &str| Peer { name: name.into(), how: How::Keep };
    let mut peers: Vec<Peer> =
        ["spawner cgroup-v2", "spawner subreaper", "spawner pid-namespace", "spawner process-group"]
            .map(keep)
            .into();
    peers.push(Peer { name: OUR_PROGRAM.into(), how: How::Program(spawner.display().to_string()) });
    let engine = std::env::var_os("CONTAINER_HOST").is_some();
    if engine {
        peers.push(keep(OURS_IN_PODMAN));
        peers.push(Peer { name: PODMAN_RUN.into(), how: How::Podman });
    }
    if let Ok(lab) = Lab::find() {
        peers.push(keep(OURS_OVER_SSH));
        for (name, terminal) in [(SSH, "-T"), (SSH_TERMINAL, "-tt")] {
            let words = ["ssh"].into_iter().map(str::to_owned).chain(lab.words());
            let words = words.chain([terminal, "127.0.0.1", "--"].map(str::to_owned)).collect();
            peers.push(Peer { name: name.into(), how: How::Ssh(words) });
        }
    }
    for Wrapper { name, before } in &run.wrappers {
        peers.push(Peer { name: (*name).into(), how: How::Wrapper(before.clone()) });
    }
    peers.extend([TOKIO, PROCESS_WRAP, PROCESSKIT, KILL_TREE].map(keep));
    for name in [PSUTIL, AVOCADO] {
        let Some(command) = run.python_harness(&["keep", name]) else { continue };
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let words = words.map(|word| word.to_string_lossy().into_owned()).collect();
        peers.push(Peer { name: name.into(), how: How::Python(words) });
    }
    peers
}
