//! What the podman backend promises, by where the engine is and which one it is.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use spawner_core::{Capabilities, Support};

use crate::config::PodmanConfig;

/// How long an engine may take to say which one it is; one that does not is taken for podman.
const PATIENCE: Duration = Duration::from_secs(1);

/// What an answer to that may be at most.
const LONGEST: u64 = 16 << 10;

/// The engine and where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Podman on this host.
    Podman,
    /// Docker Engine on this host.
    Docker,
    /// Either of them elsewhere, or where its processes are not seen: its word is all there is.
    Elsewhere,
}

impl Place {
    /// Every place, the strongest first.
    pub const ALL: [Self; 3] = [Self::Podman, Self::Docker, Self::Elsewhere];

    /// The name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
            Self::Elsewhere => "remote-engine",
        }
    }
}

/// The promises of one place on a host that gives it all it needs, and its story in plain words.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Which.
    pub mechanism: Place,
    /// Its promises.
    pub capabilities: Capabilities,
    /// What one can and cannot rely on.
    pub story: &'static str,
}

/// The promises of every place, the strongest first.
pub fn declared() -> Vec<Declared> {
    Place::ALL.into_iter().map(Declared::of).collect()
}

impl Declared {
    /// The promises of one place.
    pub fn of(place: Place) -> Self {
        let (capabilities, story) = match place {
            Place::Podman => (podman(), PODMAN),
            Place::Docker => (docker(), DOCKER),
            Place::Elsewhere => (elsewhere(), ELSEWHERE),
        };
        Self { mechanism: place, capabilities, story }
    }
}

/// The promises of the engine that this configuration leads to. An engine that is not podman is one that was named.
pub(crate) fn here(config: &PodmanConfig) -> Capabilities {
    let named = config.socket.clone().or_else(|| std::env::var("CONTAINER_HOST").ok());
    let address = named.unwrap_or_default();
    let place = if address.starts_with("tcp:") || address.starts_with("http:") {
        Place::Elsewhere
    } else {
        let path = address.trim_start_matches("unix:").trim_start_matches("//");
        if answers_as_docker(path).unwrap_or(false) { Place::Docker } else { Place::Podman }
    };
    Declared::of(place).capabilities
}

/// Asks without a runtime, as who asks for capabilities may have none.
fn answers_as_docker(path: &str) -> std::io::Result<bool> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).contains("\r\nServer: Docker/"))
}

const PODMAN: &str = "\
The spawner can end everything that runs in the task's container, remove the container with its storage, its anonymous \
volumes and its exec sessions, and prove it twice: the engine says that there is none, and the host itself shows that \
the container's first process is gone, its control groups are gone or empty, and the engine's monitor of it (conmon) \
has ended. The kernel ends a container's pid namespace with its first process, so nothing in it is missed, whatever it \
does. It cannot end what the task asked somebody else to start: through a socket of the engine or of a service manager \
that was mounted into the container. Named volumes and what was written to mounted folders stay: they are the user's. \
With `host_pids` members are known by the control group alone. A first process without a handler for a signal does not \
get that signal (pid_namespaces(7)); `init` puts one before it that passes signals on. \
When the harness dies, a helper kills what runs at once, has the engine remove the containers, or removes them by the \
`podman` program where the engine does not answer, and closes the records. When the helper dies first, the harness \
starts another one. When both are killed at once, a sweep finds the containers by the journal and by their labels. An \
engine that is stopped, hangs or dies while a container is destroyed gives `unverified`, with the container's full id \
and the command that removes it; a sweep resolves it when the engine is back.";

const DOCKER: &str = "\
Docker Engine on this host, which is used only where its socket is named: the same two proofs as with podman, with \
containerd's shim in place of conmon. What ended before it could be looked at is known by the engine's word alone, \
which tells an exit with a status above 128 and a signal alike. A working directory below a mounted folder is made by \
Docker where it is missing; podman says so. When the harness dies and the engine does not answer, what runs is killed, \
but the container itself stays until a sweep removes it.";

const ELSEWHERE: &str = "\
An engine on another machine, or one whose processes cannot be seen from here, is asked for everything, and its word \
is all there is: that a container is gone is not proved, so the best verdict is `unverified`. Containers, volumes and \
exec sessions are ended and removed all the same. When the harness dies, the helper has the engine remove its \
containers; one that cannot be reached then keeps them until a sweep.";

fn podman() -> Capabilities {
    Capabilities {
        end_everything: Support::guaranteed(
            "the kernel ends the container's pid namespace with its first process",
        ),
        prove_clean: Support::guaranteed(
            "the engine knows no such container, and its first process, control groups and monitor are gone",
        ),
        name_leftovers: Support::guaranteed(
            "the container's full id, and its processes with pid and start time",
        ),
        name_left_behind: Support::guaranteed("a look at the container's control groups or pid namespace"),
        ask_first: Support::guaranteed(
            "SIGTERM and SIGCONT to every member through pidfds, after a paused container was let go on",
        ),
        end_fork_storm: Support::guaranteed("the kernel kills the whole pid namespace at once"),
        end_other_users: Support::best_effort(
            "kill(2), and the engine",
            "where a root engine does not answer, an ordinary user cannot signal what runs: it is reported",
        ),
        end_with_harness: Support::guaranteed(
            "a helper's socket reads end of file, however the harness died",
        ),
        outlive_helpers: Support::best_effort(
            "the harness starts another helper",
            "where both are killed before it has, a sweep finds the containers by record and label",
        ),
        sweep: Support::guaranteed("the journal, the container's name and its labels"),
        detach: Support::guaranteed(
            "the container stays with its engine, and its output in the engine's log",
        ),
        exact_exit: if crate::local::exit_is_told() {
            Support::guaranteed("the kernel tells through a pidfd how the container's first process ended")
        } else {
            Support::best_effort(
                "the engine's exit code",
                "before Linux 6.15, an exit with a status above 128 looks like the signal of that number",
            )
        },
        stream_output: Support::guaranteed(
            "one connection to the engine, bounded by what sockets and pipes hold",
        ),
        terminal: Support::guaranteed("the container's own terminal, held by the engine's monitor"),
        signal: Support::best_effort(
            "the main process's pidfd",
            "a container's first process does not get signals that it has no handler for; `init` helps",
        ),
        limit_memory: Support::best_effort(
            "the container's control group",
            "rootless, controllers must be delegated",
        ),
        limit_pids: Support::best_effort(
            "the container's control group",
            "rootless, controllers must be delegated",
        ),
        limit_cpu: Support::best_effort(
            "the container's control group",
            "rootless, controllers must be delegated",
        ),
        usage: Support::best_effort(
            "the container's control groups, when its first process ends",
            "an engine without control groups counts nothing",
        ),
        container: Support::guaranteed("image, volumes, network, user, labels and init of its own"),
        unchanged_view: Support::unsupported("the task sees its container, not the host"),
    }
}

fn docker() -> Capabilities {
    Capabilities {
        terminal: Support::best_effort(
            "the container's own terminal, held by the engine's monitor",
            "its size is set just after the start: a task that looks at once sees 0x0",
        ),
        exact_exit: Support::best_effort(
            "a pidfd of the container's first process, else the engine's exit code",
            "of one that ended at once, an exit with a status above 128 looks like the signal of that number",
        ),
        end_with_harness: Support::best_effort(
            "a helper's socket reads end of file, however the harness died",
            "where the engine does not answer, what runs is killed, and the container is removed by a sweep",
        ),
        usage: Support::best_effort(
            "the container's control groups, when its first process ends",
            "of one that ended at once, nothing is known",
        ),
        ..podman()
    }
}

fn elsewhere() -> Capabilities {
    const WORD: &str = "the engine's word";
    Capabilities {
        end_everything: Support::best_effort(WORD, "nobody else looks"),
        prove_clean: Support::unsupported(
            "nothing but the engine can be asked, so the best verdict is `unverified`",
        ),
        name_leftovers: Support::best_effort(
            "the container's full id",
            "its processes are not seen from here",
        ),
        name_left_behind: Support::best_effort(WORD, "processes are not seen from here"),
        ask_first: Support::best_effort("the engine signals the first process", "others in it are not asked"),
        end_fork_storm: Support::best_effort(WORD, "nobody else looks"),
        end_other_users: Support::best_effort(WORD, "nobody else looks"),
        end_with_harness: Support::best_effort(
            "a helper's socket reads end of file, however the harness died",
            "an engine that cannot be reached then keeps the containers until a sweep",
        ),
        exact_exit: Support::best_effort(
            "the engine's exit code",
            "an exit with a status above 128 looks like the signal of that number",
        ),
        signal: Support::best_effort(
            "the engine signals the first process",
            "which does not get signals that it has no handler for; `init` helps",
        ),
        usage: Support::unsupported("control groups of another machine are not seen from here"),
        ..podman()
    }
}
