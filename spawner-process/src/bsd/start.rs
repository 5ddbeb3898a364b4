//! The start of a task: record, streams, helper, birth.

use std::io;
use std::path::Path;
use std::sync::Arc;

use spawner_core::journal::{Note, Page};
use spawner_core::{Error, ProcessIdentity, Result, Task, TaskId, TaskRecord, TaskSpec, processes};

use super::backend::ProcessSpawner;
use super::birth;
use super::live::Live;
use super::watcher::Charge;
use crate::config::Choice;
use crate::unix::not_executed::not_executed;
use crate::unix::{MARK, stdio};

impl ProcessSpawner {
    /// Starts a task. Nowhere does it wait for anything but the system, so nobody can drop it half done.
    pub(super) fn start(&self, spec: &TaskSpec) -> Result<Task> {
        let shared = &self.shared;
        let mut record = TaskRecord::of(TaskId::random(), &shared.name, spec);
        record.mechanisms = Choice::ProcessGroup.mechanisms(false);
        if let Some(folder) = &spec.cwd {
            enter(folder)?;
        }
        // Tasks run without a record where none can be written, for which the journal warns once.
        let page = shared.journal.open(crate::KIND, &record, serde_json::Value::Null).ok();
        let streams = stdio::open(spec, &record.logs).inspect_err(|_| discard(page.as_ref()))?;
        let charge = Charge { leader: None, page: page.as_ref().map(|page| page.path().to_owned()) };
        shared.watcher.keep(record.id, charge).inspect_err(|_| discard(page.as_ref()))?;

        let mut environment = spec.env.resolve(std::env::vars_os());
        environment.insert(MARK.into(), record.id.to_string().into());
        let child = birth::start(spec, environment, streams.task, streams.terminal).map_err(|source| {
            shared.watcher.forget(record.id);
            discard(page.as_ref());
            not_started(source, spec)
        })?;

        let pid = child.id();
        // One that has ended by now is there as a zombie.
        let start_time = processes::of(pid).map_or(0, |entry| entry.start_time);
        let leader = ProcessIdentity { boot_id: ProcessIdentity::boot(), pid, start_time };
        record.leader = Some(leader.clone());
        shared.watcher.learn(record.id, |charge| charge.leader = Some(leader.clone()));
        if let Some(page) = &page {
            let mechanisms = record.mechanisms.clone();
            let note = Note::Started { leader: Some(leader), mechanisms, traces: serde_json::Value::Null };
            if let Err(error) = page.note(&note) {
                tracing::warn!(%error, "a sweep would find the task by its mark alone");
            }
        }
        let live = Live::new(&record, spec.teardown.linger, page, true).with_ends(streams.ends);
        let task = shared.tasks.enter(record, Arc::new(live));
        self.sweep_aside(task.id());
        Ok(task)
    }
}

/// Afterwards, an error of this would look like one of the program.
fn enter(folder: &Path) -> Result<()> {
    let failed = |source| Error::io("enter the working directory", folder.display().to_string(), source);
    let found = std::fs::metadata(folder).map_err(failed)?;
    if !found.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    let access = rustix::fs::access(folder, rustix::fs::Access::EXEC_OK);
    access.map_err(|errno| {
        failed(errno.into()).hint("this account may not search it, or a folder on the way to it")
    })
}

fn not_started(source: io::Error, spec: &TaskSpec) -> Error {
    let program = spec.argv.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    match source.raw_os_error() {
        Some(errno) => not_executed(errno, program, spec),
        None => Error::io("start a process for", program, source),
    }
}

/// Nothing was started: its record goes.
fn discard(page: Option<&Page>) {
    if let Some(Err(error)) = page.map(Page::close) {
        tracing::warn!(%error, "the record of a task that was never started stays until the next sweep");
    }
}
