//! One cell: a task, run by a peer, ended in a way, and judged by a lock that everything of the task inherits.

mod claims;

use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use spawner_conformance::{MISCHIEF, Witness, place};

use super::daemon::Daemon;
use super::harness::Harness;
use super::jail::Jail;
use super::peers::{How, Peer};
use super::tasks::{ASKS, FIFO, Kind, OTHER_GROUP, SET_UID, TOKEN};
use crate::peers::library::{Claim, VOLUMES};
use claims::judged;

/// How long the task may take to be there.
const COMING_UP: Duration = Duration::from_secs(12);
/// How long a peer may take to say what became of it.
pub(super) const SAYING: Duration = Duration::from_secs(20);
/// What is there at the end may be on its way out.
const SETTLING: Duration = Duration::from_millis(300);
/// How long what ends with its harness may take.
const DYING: Duration = Duration::from_millis(1500);
/// The same on another machine: the lease of ours, and a second.
const DYING_FAR_AWAY: Duration = Duration::from_secs(11);
pub(super) const PAUSE: Duration = Duration::from_millis(2);

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ending {
    /// Destroyed on request.
    Requested,
    /// The harness was killed.
    Killed,
}

/// What a cell needs besides.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) folder: PathBuf,
    /// This program, where everybody may run it.
    pub(crate) program: &'a Path,
    /// A set-uid copy of it.
    pub(crate) set_uid: &'a Path,
    /// The ordinary account, with its user and group.
    pub(crate) account: Option<(&'a str, u32, u32)>,
    pub(crate) name: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Found {
    /// How many processes there were a moment after the peer had said so, or after its harness was killed.
    pub(crate) survivors: usize,
    /// Whether anything was alive at the very moment that the peer said so.
    pub(crate) alive_at_claim: bool,
    pub(crate) claim: Claim,
    /// Whether it named something that was not there.
    pub(crate) false_dirty: bool,
}

pub(super) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Plays it. An error says why it could not be played.
pub(crate) fn play(peer: &Peer, kind: &Kind, ending: Ending, place: &Place<'_>) -> Result<Found, String> {
    let jail = Jail::make(&place.name)?;
    let witness = Witness::new(place.folder.join("lock"), format!("{}-token", place.name));
    let other = place.other_group(kind, &jail)?;
    let found =
        Cell { peer, kind, place, witness: &witness, jail: &jail, other: other.as_deref() }.play(ending);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(text)?;
    if peer.ours() && peer.contained() {
        // Its helper is in the jail, and removes the container when the harness is dead.
        jail.left_within(Duration::from_secs(15));
    }
    jail.end()?;
    // What has left the jail, or was never in it.
    let ended = runtime.block_on(witness.end_survivors());
    if peer.contained() {
        remove_container(&place.name)?;
    }
    ended?;
    if let Some(group) = other {
        std::fs::remove_dir(&group).map_err(|error| format!("{}: {error}", group.display()))?;
    }
    found
}

/// Whatever is left of it; that there is nothing is no fault. One that is being stopped cannot be removed at once.
fn remove_container(name: &str) -> Result<(), String> {
    let give_up = Instant::now() + SAYING;
    loop {
        let mut remove = Command::new("podman");
        remove.args(["rm", "--force", "--ignore", "--time", "0", name]).env_remove("CONTAINER_HOST");
        let output = remove.stdin(Stdio::null()).output().map_err(text)?;
        if output.status.success() {
            return Ok(());
        }
        if Instant::now() > give_up {
            return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        std::thread::sleep(PAUSE);
    }
}

impl Place<'_> {
    /// A control group that is not the task's, for the task that moves to one.
    fn other_group(&self, kind: &Kind, jail: &Jail) -> Result<Option<PathBuf>, String> {
        if !kind.args.contains(&OTHER_GROUP) {
            return Ok(None);
        }
        let group = jail.folders().last().map(|group| group.with_file_name(format!("{}-other", self.name)));
        if let Some(group) = &group {
            std::fs::create_dir(group).map_err(|error| format!("{}: {error}", group.display()))?;
        }
        Ok(group)
    }
}

struct Cell<'a> {
    peer: &'a Peer,
    kind: &'a Kind,
    place: &'a Place<'a>,
    witness: &'a Witness,
    jail: &'a Jail,
    other: Option<&'a Path>,
}

impl Cell<'_> {
    fn argv(&self) -> Vec<String> {
        let own = [self.place.program.display().to_string(), MISCHIEF.into(), self.kind.workload.into()];
        let ours = [self.witness.lock().display().to_string(), self.witness.token().into()];
        let args = self.kind.args.iter().map(|&arg| match arg {
            FIFO => self.fifo().display().to_string(),
            TOKEN => self.witness.token().into(),
            SET_UID => self.place.set_uid.display().to_string(),
            OTHER_GROUP => self.other.unwrap_or(Path::new("")).display().to_string(),
            arg => arg.into(),
        });
        own.into_iter().chain(ours).chain(args).collect()
    }

    fn fifo(&self) -> PathBuf {
        self.place.folder.join("fifo")
    }

    fn report(&self) -> PathBuf {
        self.place.folder.join("report.json")
    }

    fn play(&self, ending: Ending) -> Result<Found, String> {
        let daemon = (self.kind.name == ASKS)
            .then(|| Daemon::begin(&self.fifo(), self.place.program, self.witness))
            .transpose()?;
        let mut harness = self.start()?;
        let found = self.judge(&mut harness, ending);
        // It may have ended, and is an unreaped child until here.
        harness.child.kill().and_then(|()| harness.child.wait()).map_err(text)?;
        if let Some(daemon) = daemon {
            daemon.end()?;
        }
        found.map_err(|why| format!("{why}; {}", self.log()))
    }

    fn start(&self) -> Result<Harness, String> {
        let volumes = place::volumes(self.place.program, [&self.place.folder, &self.place.folder]);
        let join = r#"for group in $JAIL; do echo 0 >"$group/cgroup.procs" || exit 99; done; exec "$@""#;
        let mut command = Command::new("sh");
        let jail: Vec<_> = self.jail.folders().iter().map(|folder| folder.display().to_string()).collect();
        command.args(["-c", join, "jail"]).env("JAIL", jail.join(" "));
        command.env("SPAWNER_STATE_DIR", self.place.folder.join("state"));
        if self.peer.contained() {
            command.env(VOLUMES, volumes.join("\n"));
        }
        if let How::Podman = self.peer.how {
            command.env_remove("CONTAINER_HOST");
        }
        if let Some((_, user, group)) = self.place.account {
            let words = ["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups"];
            command
                .arg("setpriv")
                .args(words)
                .args(["--inh-caps=-all", "--"])
                .env("HOME", &self.place.folder);
            command
                .env_remove("XDG_RUNTIME_DIR")
                .current_dir(&self.place.folder)
                .env("TMPDIR", &self.place.folder);
        }
        command.args(self.peer.words(self.place.program, &self.report(), &self.place.name, &volumes));
        let argv = self.argv();
        match self.peer.how {
            How::Ssh(_) => drop(command.arg(quoted(&argv))),
            _ if self.peer.is_told() => {}
            _ => drop(command.args(&argv)),
        }
        let log = std::fs::File::create(self.place.folder.join("log")).map_err(text)?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a harness without pipes".into());
        };
        if self.peer.is_told() {
            let line = serde_json::to_string(&argv).map_err(text)?;
            writeln!(input, "{line}").map_err(text)?;
        }
        Ok(Harness { child, input, output: Some(BufReader::new(output)) })
    }

    fn judge(&self, harness: &mut Harness, ending: Ending) -> Result<Found, String> {
        self.await_up(harness)?;
        let ended = harness.child.try_wait().map_err(text)?;
        let (claim, false_dirty) = match (ended, ending) {
            // The command had ended, and the program with it.
            (Some(status), _) => judged(self.claim_of(status)?),
            (None, Ending::Requested) => self.request(harness)?,
            (None, Ending::Killed) => {
                harness.child.kill().and_then(|()| harness.child.wait()).map_err(text)?;
                (Claim::Nothing, false)
            }
        };
        let alive_at_claim = self.witness.gone().is_err();
        let patience = match claim {
            Claim::Nothing if self.peer.remote() => DYING_FAR_AWAY,
            Claim::Nothing => DYING,
            _ => SETTLING,
        };
        let give_up = Instant::now() + patience;
        while self.witness.gone().is_err() && Instant::now() < give_up {
            std::thread::sleep(PAUSE);
        }
        let living = self.witness.living().iter().filter(|one| !self.is_helper(one.pid)).count();
        let locked = self.witness.is_locked().map_err(text)?;
        Ok(Found { survivors: living.max(usize::from(locked)), alive_at_claim, claim, false_dirty })
    }

    fn await_up(&self, harness: &mut Harness) -> Result<(), String> {
        let give_up = Instant::now() + COMING_UP;
        while self.witness.ready() < self.kind.ready {
            let ended = harness.child.try_wait().map_err(text)?;
            if let Some(status) = ended
                && self.witness.gone().is_ok()
                && self.witness.ready() < self.kind.ready
            {
                return Err(format!("it ended before the task was there: {status}"));
            }
            if Instant::now() > give_up {
                return Err(format!("{} of {} were there in time", self.witness.ready(), self.kind.ready));
            }
            std::thread::sleep(PAUSE);
        }
        // Its main process has seen them too, and ends now; those that ran it are not counted.
        let of_task = |what: &str| [self.kind.workload, "stays"].contains(&what);
        let count = || self.witness.living().iter().filter(|living| of_task(&living.what)).count() as u64;
        while self.kind.ends && count() > self.kind.ready {
            if Instant::now() > give_up {
                return Err("its main process does not end".into());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Whether it is our program's own helper, which has the command on its command line as well.
    fn is_helper(&self, pid: u32) -> bool {
        let How::Program(program) = &self.peer.how else { return false };
        std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == Path::new(program))
    }

    /// The last line that the harness had to say.
    fn log(&self) -> String {
        let text = std::fs::read(self.place.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().last().unwrap_or("it said nothing").to_owned()
    }
}

/// One word that a shell takes apart into these again.
fn quoted(argv: &[String]) -> String {
    let quote = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}
