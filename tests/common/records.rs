//! Records in a state folder of the test's own, as harnesses of every fate would have left them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use spawner::journal::{Harness, Host, Note, Opening};
use spawner::{Lifetime, ProcessIdentity, TaskRecord, TaskSpec};

use super::{Ran, command, finish, folder, names};

/// A state folder.
pub(crate) struct Records(tempfile::TempDir);

impl Records {
    pub(crate) fn new() -> Self {
        Self(folder())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file that a task's record has.
    pub(crate) fn file(&self, id: &str) -> PathBuf {
        self.path().join(format!("{id}.task"))
    }

    /// Puts a task on record.
    pub(crate) fn add(&self, opening: &Opening, notes: &[Note]) -> PathBuf {
        let mut lines = vec![serde_json::to_string(opening).unwrap()];
        lines.extend(notes.iter().map(|note| serde_json::to_string(note).unwrap()));
        let file = self.file(&opening.record.id.to_string());
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
        file
    }

    /// The program, with this state folder.
    pub(crate) fn command<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> std::process::Command {
        let mut command = command();
        command.args(arguments).env("SPAWNER_STATE_DIR", self.path());
        command
    }

    /// Runs the program with this state folder.
    pub(crate) fn spawner<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        finish(&mut self.command(arguments))
    }
}

impl Drop for Records {
    /// A test that failed leaves no task behind.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let files = names(self.path()).into_iter().filter(|name| name.extension() == Some("task".as_ref()));
        for id in files.filter_map(|file| Some(file.file_stem()?.to_owned())) {
            let arguments = ["destroy".as_ref(), "--grace=0".as_ref(), id.as_os_str()];
            eprintln!("{:?}", self.command(arguments).output());
        }
    }
}

/// A task that this process has started just now: a harness that lives.
pub(crate) fn living(id: &str, argv: &[&str]) -> Opening {
    let spec = TaskSpec::new(argv.iter().copied());
    Opening {
        schema: Opening::SCHEMA.into(),
        record: TaskRecord::of(id.parse().unwrap(), "process", &spec),
        kind: "process".into(),
        created: jiff::Timestamp::now().to_string(),
        host: Host::own(),
        harness: Harness { process: ProcessIdentity::own(), command: "pytest".into() },
        traces: serde_json::Value::Null,
    }
}

/// One of a harness that is dead.
pub(crate) fn dead(id: &str, argv: &[&str]) -> Opening {
    let mut opening = living(id, argv);
    opening.harness = Harness { process: nobody(), command: "make".into() };
    opening
}

/// A detached one.
pub(crate) fn detached(id: &str, argv: &[&str], name: Option<&str>) -> Opening {
    let mut opening = dead(id, argv);
    opening.record.lifetime = Lifetime::Detached;
    opening.record.name = name.map(str::to_owned);
    opening
}

/// Says that the task has this main process.
pub(crate) fn started(leader: ProcessIdentity) -> Note {
    Note::Started { leader: Some(leader), mechanisms: Vec::new(), traces: serde_json::Value::Null }
}

/// Says how its main process ended.
pub(crate) fn ended(exit: spawner::Exit) -> Note {
    Note::Ended { exit, at: jiff::Timestamp::now().to_string() }
}

/// Says that nothing of it is left.
pub(crate) fn gone() -> Note {
    Note::Gone { sight: serde_json::Value::Null }
}

/// A process that had a pid that another has now.
pub(crate) fn nobody() -> ProcessIdentity {
    let own = ProcessIdentity::own();
    ProcessIdentity { start_time: own.start_time + 1, ..own }
}
