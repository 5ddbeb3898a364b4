//! Gets hold of tasks of other harnesses, of those that live and of those that died.

use std::ffi::OsStr;
use std::io;
use std::os::windows::io::AsHandle as _;
use std::sync::Arc;

use spawner_core::journal::{Account, Whose};
use spawner_core::{Error, ErrorKind, Result, Task, TaskRecord, Teardown};

use super::backend::ProcessSpawner;
use super::exit_wait::ExitWait;
use super::job::Job;
use super::live::{Live, Parts};
use super::process::Process;
use super::scratch::Scratch;
use super::start::Traces;

impl ProcessSpawner {
    /// What is recovered is borrowed: it is not ended where this spawner is dropped, unless its own harness has died.
    pub(super) fn recover(&self, given: &TaskRecord) -> Result<Task> {
        if let Some(task) = self.shared.tasks.known(given) {
            return Ok(task);
        }
        let account = self.shared.journal.recall(crate::KIND, given.id)?;
        let refused = |kind, why: &'static str| {
            Err(Error::new(kind, "recover task", given.id.to_string()).because(why))
        };
        let living = match account.whose() {
            Whose::OtherUser => return refused(ErrorKind::Denied, "it is another user's"),
            Whose::OtherHost => {
                return refused(
                    ErrorKind::Unavailable,
                    "it was started on another host, or in another session",
                );
            }
            Whose::OtherBoot | Whose::Dead => false,
            Whose::Living => true,
        };
        let parts = find(&account, given)?;
        if living && parts.job.is_none() {
            // Between its record and its job, or after its end and before its record is closed.
            return refused(ErrorKind::Unavailable, "its job is not there, and its harness is");
        }
        let record = record_of(&account, given);
        let live = Live::new(&record, Teardown::default().linger, parts);
        Ok(self.shared.enter(record, live))
    }
}

/// What the record does not say, the caller may know.
fn record_of(account: &Account, given: &TaskRecord) -> TaskRecord {
    let mut record = account.record();
    if account.started().is_none() {
        record.leader.clone_from(&given.leader);
    }
    record
}

/// Its job by name, and its main process by identity. Each is believed by itself: a job that has the name and not the
/// main process, where that runs, is not the task's.
fn find(account: &Account, given: &TaskRecord) -> Result<Parts> {
    let failed = |what: &'static str| {
        let id = given.id.to_string();
        move |source: io::Error| Error::io(what, id, source)
    };
    let traces: Traces = serde_json::from_value(account.opening.traces.clone()).map_err(|error| {
        Error::new(ErrorKind::Io, "understand the record of task", given.id.to_string()).because(error)
    })?;
    let job = Job::open(OsStr::new(&traces.job)).map_err(failed("open the job of task"))?;
    let leader = match &record_of(account, given).leader {
        Some(identity) => {
            Process::open_identity(identity).map_err(failed("open the main process of task"))?.map(Arc::new)
        }
        None => None,
    };
    if let (Some(job), Some(leader)) = (&job, &leader)
        && !leader.has_ended(std::time::Duration::ZERO).map_err(failed("look at task"))?
        && !job.has(leader.as_handle()).map_err(failed("look into the job of task"))?
    {
        return Err(Error::new(ErrorKind::Denied, "recover task", given.id.to_string())
            .because("a job has its name, and does not have its main process: it is somebody else's"));
    }
    let end = leader.as_ref().map(ExitWait::on).transpose().map_err(failed("wait for task"))?;
    let page = Some(account.page.clone());
    Ok(Parts { job, leader, end, page, scratch: traces.scratch.map(Scratch::at), ..Parts::default() })
}
