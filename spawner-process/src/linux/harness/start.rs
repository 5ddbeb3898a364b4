//! The start of a task, as the harness sees it: keeper, record, streams, birth.

use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::sync::Arc;
use std::time::Duration;

use spawner_core::journal::Page;
use spawner_core::{
    CleanupOutcome, Error, ErrorKind, Lifetime, Output, Result, Spawner as _, StartGuard, Task, TaskId,
    TaskRecord, TaskSpec, Teardown,
};

use super::keeper_link::KeeperLink;
use super::keepers::Keepers;
use crate::linux::backend::{ProcessSpawner, Shared};
use crate::linux::obstacle;
use crate::linux::words::{Order, Reply, Start, Whereabouts};
use crate::unix::MARK;
use crate::unix::stdio::{self, Ends};

/// How long an abandoned start may take before its keeper counts as stuck.
const PATIENCE: Duration = Duration::from_secs(5);

impl ProcessSpawner {
    pub(crate) async fn start(&self, spec: &TaskSpec) -> Result<Task> {
        let keeper = self.shared.keepers.take().await?;
        let mut record = TaskRecord::of(TaskId::random(), &self.shared.name, spec);
        let prepared = self.shared.put_on_record(&mut record, spec, &keeper).and_then(|page| {
            let opened = stdio::open(spec, &record.logs);
            Ok((opened.inspect_err(|_| discard(page.as_ref()))?, page))
        });
        let (streams, page) = prepared.inspect_err(|_| self.shared.keepers.give_back(Arc::clone(&keeper)))?;
        if spec.lifetime == Lifetime::Detached {
            keeper.detach();
        }
        let start = self.shared.prepare(&record, spec, streams.terminal, page.as_ref());
        let birth =
            Birth { shared: Arc::clone(&self.shared), keeper, record, linger: spec.teardown.linger, page };
        let number = match birth.keeper.say(Order::Start(Box::new(start)), streams.task) {
            Ok(number) => number,
            Err(error) => {
                birth.keeper.link.close();
                discard(birth.page.as_ref());
                return Err(error);
            }
        };
        self.sweep_aside(birth.record.id);
        let (keeper, record, page) = (Arc::clone(&birth.keeper), birth.record.clone(), birth.page.clone());
        let guard = StartGuard::new(&self.shared.ledger, move || birth.undo(number));
        match keeper.answer_awake(number).await {
            Ok(Reply::Started(started)) => {
                guard.succeed();
                let had = (streams.ends, page);
                Ok(self.shared.adopt(record, spec.teardown.linger, started, keeper, had))
            }
            Ok(Reply::NotStarted(obstacle)) => {
                guard.succeed();
                self.shared.keepers.give_back(keeper);
                Err(obstacle::error(&obstacle, spec))
            }
            Ok(other) => {
                Err(guard.fail(Error::new(ErrorKind::Lost, "start the task", format!("{other:?}"))).await)
            }
            Err(error) => Err(guard.fail(error).await),
        }
    }
}

/// A task that a keeper was told to start, and whose start nobody awaits any more.
struct Birth {
    shared: Arc<Shared>,
    keeper: Arc<KeeperLink>,
    record: TaskRecord,
    linger: Duration,
    page: Option<Page>,
}

impl Birth {
    /// Waits for the start that can no longer be called back, and ends what was started.
    async fn undo(self, number: u32) -> Option<CleanupOutcome> {
        let task = match tokio::time::timeout(PATIENCE, self.keeper.answer_awake(number)).await {
            Ok(Ok(Reply::Started(started))) => {
                let had = (Ends::default(), self.page);
                self.shared.adopt(self.record, self.linger, started, self.keeper, had)
            }
            Ok(Ok(Reply::NotStarted(_))) => {
                self.shared.keepers.give_back(self.keeper);
                return None;
            }
            // The keeper is stuck or gone. Closing its socket has it end what it may have started; whether
            // it did is not known.
            Ok(_) | Err(_) => {
                self.keeper.link.close();
                if let Err(error) = Keepers::end(&self.keeper) {
                    tracing::warn!(%error, "a keeper that does not answer may still be there");
                }
                self.shared.adopt_unborn(self.record, self.linger, self.keeper, self.page)
            }
        };
        let spawner = ProcessSpawner { shared: self.shared };
        Some(spawner.destroy_task(&task, &Teardown::at_once()).await)
    }
}

/// Nothing was started: its record goes.
fn discard(page: Option<&Page>) {
    if let Some(Err(error)) = page.map(Page::close) {
        tracing::warn!(%error, "the record of a task that was never started stays until the next sweep");
    }
}

impl Shared {
    /// Puts on record what is about to be created. Tasks run without a record where none can be written, for
    /// which the journal warns once; but for detached ones, which nobody would find again.
    fn put_on_record(
        &self,
        record: &mut TaskRecord,
        spec: &TaskSpec,
        keeper: &KeeperLink,
    ) -> Result<Option<Page>> {
        let detached = spec.lifetime == Lifetime::Detached;
        if let Ok(page) = self.journal.page(record.id) {
            record.logs.stdout = (spec.stdout == Output::Log).then(|| page.beside("stdout"));
            record.logs.stderr = (spec.stderr == Output::Log).then(|| page.beside("stderr"));
        }
        // What is meant, until the keeper notes what came of it.
        record.mechanisms = self.set_up.mechanism.mechanisms(self.set_up.group.is_some());
        let whereabouts = Whereabouts {
            keeper: keeper.identity.clone(),
            supervisor: keeper.supervisor.as_ref().and_then(|own| own.identity.clone()),
            group: keeper.group(),
        };
        let traces = serde_json::to_value(whereabouts).map_err(|error| {
            Error::new(ErrorKind::InvalidSpec, "put on record", "the task").because(error)
        })?;
        match self.journal.open(crate::KIND, record, traces) {
            Ok(page) => Ok(Some(page)),
            Err(error) if detached => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// What the keeper needs to know.
    fn prepare(
        &self,
        record: &TaskRecord,
        spec: &TaskSpec,
        terminal: Option<u8>,
        page: Option<&Page>,
    ) -> Start {
        let mut env = spec.env.resolve(std::env::vars_os());
        env.insert(MARK.into(), record.id.to_string().into());
        let path = env
            .get::<std::ffi::OsStr>("PATH".as_ref())
            .map_or(&b"/usr/local/bin:/bin:/usr/bin"[..], |path| path.as_bytes());
        let path = path.to_vec();
        let cwd = spec.cwd.clone().or_else(|| {
            // Helpers are where the harness was when they were started.
            std::env::current_dir().ok().filter(|now| Some(now) != self.folder.as_ref())
        });
        Start {
            argv: spec.argv.iter().map(|argument| argument.as_bytes().to_vec()).collect(),
            env: env
                .into_iter()
                .map(|(name, value)| [name.into_vec(), b"=".to_vec(), value.into_vec()].concat())
                .collect(),
            path,
            cwd: cwd.map(|cwd| cwd.into_os_string().into_vec()),
            terminal,
            limits: (!spec.limits.is_empty()).then(|| (spec.limits, self.limiters().clone())),
            page: page.map(|page| page.path().to_owned()),
            detached: spec.lifetime == Lifetime::Detached,
        }
    }
}
