//! The start of a task: record, streams, job, birth.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spawner_core::journal::{Note, Page};
use spawner_core::{
    Error, ErrorKind, Mechanism, Result, Spawner as _, StartGuard, Task, TaskId, TaskRecord, TaskSpec,
    Teardown,
};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BAD_EXE_FORMAT, ERROR_COMMITMENT_LIMIT, ERROR_DIRECTORY,
    ERROR_ELEVATION_REQUIRED, ERROR_EXE_MACHINE_TYPE_MISMATCH, ERROR_FILE_NOT_FOUND,
    ERROR_FILENAME_EXCED_RANGE, ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY, ERROR_OUTOFMEMORY,
    ERROR_PATH_NOT_FOUND,
};

use super::backend::{Machinery, ProcessSpawner, Shared};
use super::birth::{Birth, Miscarried, Newborn};
use super::command_line::{self, Refused};
use super::environment;
use super::exit_wait::ExitWait;
use super::job::Job;
use super::live::{Live, Parts};
use super::program::{self, Kind};
use super::scratch::{self, Scratch};
use super::stdio::Streams;

/// The variable that every process of a task has.
const MARK: &str = "SPAWNER_TASK_ID";

/// The longest command line that CreateProcessW takes, in UTF-16 units.
const LONGEST_LINE: usize = 32_766;

/// What a record says of where its task is found.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Traces {
    /// The name of its job.
    pub(super) job: String,
    /// Its scratch folder, where it has one.
    #[serde(default)]
    pub(super) scratch: Option<PathBuf>,
}

/// The name of a task's job, in the namespace of this session.
pub(super) fn job_name(id: TaskId) -> String {
    format!(r"Local\spawner-task-{id}")
}

/// What is executed.
struct Prepared {
    image: PathBuf,
    command_line: Vec<u16>,
    environment: Vec<u16>,
    cwd: Option<PathBuf>,
}

impl ProcessSpawner {
    /// Nothing here awaits anything until the task is one of ours, so a start that is dropped has been either not begun or
    /// done.
    pub(super) async fn start(&self, spec: &TaskSpec) -> Result<Task> {
        let shared = &self.shared;
        let machinery = shared.machinery()?;
        let mut record = TaskRecord::of(TaskId::random(), &shared.name, spec);
        record.mechanisms = vec![Mechanism::JobObject];
        let scratch =
            shared.config.scratch.as_deref().map(|folder| Scratch::of(folder, record.id)).transpose()?;
        let prepared = prepare(spec, record.id, scratch.as_ref())?;
        let streams = Streams::open(spec)?;
        let page = shared.put_on_record(&record, scratch.as_ref())?;
        let made = make(&machinery, spec, &record, prepared, streams, scratch.as_ref());
        let (newborn, job, streams) = made.inspect_err(|_| discard(page.as_ref(), scratch.as_ref()))?;

        let process = Arc::clone(&newborn.process);
        record.leader = Some(process.identity());
        let parts = Parts {
            watch: machinery
                .port
                .watch(&job)
                .inspect_err(|error| tracing::debug!(%error, "a job tells nothing"))
                .ok(),
            job: Some(job),
            own: true,
            end: None,
            leader: Some(process),
            ends: Some(streams.ends),
            page: page.clone(),
            scratch,
        };
        let (task, resumed) = self.let_run(record, spec, parts, newborn);
        let (own, to_undo) = (ProcessSpawner { shared: Arc::clone(shared) }, task.clone());
        let guard = StartGuard::new(&shared.ledger, move || async move {
            Some(own.destroy_task(&to_undo, &Teardown::at_once()).await)
        });
        match resumed {
            Ok(()) => guard.succeed(),
            Err(error) => {
                let error = Error::io("let run", format!("task {}", task.id()), error);
                return Err(guard.fail(error).await);
            }
        }
        if let Some(page) = &page {
            shared.note_start(page, task.record());
        }
        self.sweep_aside(task.id());
        Ok(task)
    }

    /// From now on it is one of ours, and it runs where that is said.
    fn let_run(
        &self,
        record: TaskRecord,
        spec: &TaskSpec,
        mut parts: Parts,
        newborn: Newborn,
    ) -> (Task, io::Result<()>) {
        let waited = ExitWait::on(&newborn.process);
        let (end, resumed) = match waited {
            Ok(end) => (Some(end), newborn.resume()),
            Err(error) => (None, Err(error)),
        };
        parts.end = end;
        let live = Live::new(&record, spec.teardown.linger, parts);
        (self.shared.enter(record, live), resumed)
    }
}

/// All that can be found out before anything is made.
fn prepare(spec: &TaskSpec, id: TaskId, scratch: Option<&Scratch>) -> Result<Prepared> {
    let here = || std::env::current_dir().map_err(|error| Error::io("find", "the working directory", error));
    let cwd = spec.cwd.as_deref().map(program::absolute).transpose()?;
    if let Some(cwd) = &cwd {
        let failed = |error| Error::io("enter the working directory", cwd.display().to_string(), error);
        if !cwd.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
    }
    let wide = |text: &OsStr| text.encode_wide().collect::<Vec<u16>>();
    let given = spec.env.inherit.then(std::env::vars_os).into_iter().flatten();
    let given = given.map(|(name, value)| (wide(&name), wide(&value)));
    let changes =
        spec.env.changes.iter().map(|(name, value)| (wide(name), value.as_deref().map(|value| wide(value))));
    let text = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
    let own = [
        Some((text(MARK), Some(text(&id.to_string())))),
        scratch.map(|scratch| (text(scratch::VARIABLE), Some(wide(scratch.path().as_os_str())))),
    ];
    let environment = environment::block(given, changes.chain(own.into_iter().flatten()));
    let folder = cwd.clone().map_or_else(here, Ok)?;
    let Some(name) = spec.argv.first() else {
        return Err(Error::new(ErrorKind::InvalidSpec, "execute", "nothing"));
    };
    let found = program::find(name, &environment, &folder)?;
    let argv: Vec<Vec<u16>> = spec.argv.iter().map(|argument| wide(argument)).collect();
    let (image, line) = match found.kind {
        Kind::Ordinary => (program::verbatim(&found.path), command_line::ordinary(&argv)),
        Kind::Shell => {
            let line = command_line::shell(&argv).unwrap_or_else(|| command_line::ordinary(&argv));
            (program::verbatim(&found.path), line)
        }
        Kind::Batch => {
            let shell = shell(&environment, &folder)?;
            let script = wide(found.path.as_os_str());
            let line = command_line::batch(&wide(shell.as_os_str()), &script, &argv[1..]);
            (shell, line)
        }
    };
    let mut command_line = line.map_err(|Refused { index, why }| {
        Error::new(ErrorKind::InvalidSpec, "hand over", format!("argument {index}")).because(why)
    })?;
    if command_line.len() > LONGEST_LINE {
        return Err(Error::new(ErrorKind::NotExecutable, "execute", name.to_string_lossy()).because(
            format!(
                "its command line would have {} characters, and Windows takes {LONGEST_LINE}",
                command_line.len()
            ),
        ));
    }
    command_line.push(0);
    Ok(Prepared { image, command_line, environment, cwd })
}

/// The system's own cmd.exe: no other one is to run a batch file.
fn shell(environment: &[u16], folder: &Path) -> Result<PathBuf> {
    let path = program::system_folder().join("cmd.exe");
    program::find(path.as_os_str(), environment, folder).map(|found| found.path)
}

/// The scratch folder, the job, and the process in it, which does not run yet.
fn make(
    machinery: &Machinery,
    spec: &TaskSpec,
    record: &TaskRecord,
    prepared: Prepared,
    streams: Streams,
    scratch: Option<&Scratch>,
) -> Result<(Newborn, Job, Streams)> {
    scratch.map_or(Ok(()), Scratch::make)?;
    let job = Job::new(Some(OsStr::new(&job_name(record.id))))
        .map_err(|error| Error::io("make a job for", format!("task {}", record.id), error))?;
    if !spec.limits.is_empty() {
        job.limit(&spec.limits).map_err(|error| Error::io("limit", "the task", error))?;
    }
    let inheritable =
        streams.inheritable().map_err(|error| Error::io("open", "the streams of the task", error))?;
    let Prepared { image, command_line, environment, cwd } = prepared;
    let mut birth = Birth {
        image: &image,
        command_line,
        environment: &environment,
        cwd: cwd.as_deref(),
        streams: &inheritable,
        jobs: [&machinery.outer, &job],
    };
    match birth.create() {
        Ok(newborn) => Ok((newborn, job, streams)),
        Err(Miscarried::Create(source)) => Err(not_created(spec, cwd.as_deref(), source)),
        Err(Miscarried::Assign(source, ended)) => {
            let error = Error::io("put into its job", format!("task {}", record.id), source);
            Err(match ended {
                Ok(()) => error,
                Err(left) => error.hint(format!("it was started suspended, and cannot be ended: {left}")),
            })
        }
    }
}

fn not_created(spec: &TaskSpec, cwd: Option<&Path>, source: io::Error) -> Error {
    let program = spec.argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    let code = source.raw_os_error().unwrap_or_default().cast_unsigned();
    let new = |kind, source| Error::new(kind, "execute", program.clone()).because(source);
    match code {
        ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND => new(ErrorKind::ProgramNotFound, source),
        ERROR_DIRECTORY => {
            let cwd = cwd.map(|cwd| cwd.display().to_string()).unwrap_or_default();
            Error::io("enter the working directory", cwd, source)
                .hint("a working directory has at most 258 characters")
        }
        ERROR_BAD_EXE_FORMAT | ERROR_EXE_MACHINE_TYPE_MISMATCH => new(ErrorKind::NotExecutable, source)
            .hint("it is no program for this system; a script needs its interpreter named before it"),
        ERROR_ELEVATION_REQUIRED => new(ErrorKind::NotExecutable, source)
            .hint("it asks for an administrator's rights, which this process does not have"),
        ERROR_ACCESS_DENIED => new(ErrorKind::NotExecutable, source).hint("may this account execute it?"),
        ERROR_FILENAME_EXCED_RANGE => new(ErrorKind::NotExecutable, source),
        ERROR_NOT_ENOUGH_MEMORY | ERROR_OUTOFMEMORY | ERROR_COMMITMENT_LIMIT | ERROR_NO_SYSTEM_RESOURCES => {
            new(ErrorKind::Exhausted, source)
        }
        _ => Error::io("execute", program, source),
    }
}

/// Nothing was started: its record and its folder go.
fn discard(page: Option<&Page>, scratch: Option<&Scratch>) {
    if let Some(scratch) = scratch
        && let Err(error) = std::fs::remove_dir(scratch.path())
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "the scratch folder of a task that was never started stays");
    }
    if let Some(Err(error)) = page.map(Page::close_alone) {
        tracing::warn!(%error, "the record of a task that was never started stays until the next sweep");
    }
}

impl Shared {
    /// Puts on record what is about to be created. Tasks run without a record where none can be written, for which the
    /// journal warns once.
    fn put_on_record(&self, record: &TaskRecord, scratch: Option<&Scratch>) -> Result<Option<Page>> {
        let traces =
            Traces { job: job_name(record.id), scratch: scratch.map(|scratch| scratch.path().to_owned()) };
        let traces = serde_json::to_value(traces).map_err(|error| {
            Error::new(ErrorKind::InvalidSpec, "put on record", "the task").because(error)
        })?;
        Ok(self.journal.open(crate::KIND, record, traces).ok())
    }

    fn note_start(&self, page: &Page, record: &TaskRecord) {
        let note = Note::Started {
            leader: record.leader.clone(),
            mechanisms: record.mechanisms.clone(),
            traces: serde_json::Value::Null,
        };
        if let Err(error) = page.note(&note) {
            tracing::warn!(%error, task = %record.id, "the record does not say that it was started");
        }
    }
}
