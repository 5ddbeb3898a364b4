//! What a sweep touches, and what it leaves alone.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use spawner_core::fake::{FakeSpawner, Script};
use spawner_core::journal::Page;
use spawner_core::{
    Admitted, Capabilities, Check, CleanupOutcome, Error, ErrorKind, Exit, Journal, Result, Rungs, Spawner,
    Task, TaskId, TaskRecord, TaskSpec, TaskState, TaskStreams,
};

/// A backend whose tasks are on record, and are gone as soon as they are recovered.
struct Recording {
    fake: FakeSpawner,
    journal: Journal,
    recovered: AtomicUsize,
}

impl Recording {
    fn at(folder: &tempfile::TempDir) -> Self {
        let (fake, journal) = (FakeSpawner::new(Script::default()), Journal::at(folder.path()));
        Self { fake, journal, recovered: AtomicUsize::new(0) }
    }

    /// Puts a task on record that `change` makes another's.
    fn left_by(&self, change: impl Fn(&mut serde_json::Value)) -> Page {
        let record = TaskRecord::of(TaskId::random(), "fake", &TaskSpec::new(["x"]));
        let page = self.journal.open(self.kind(), &record, serde_json::Value::Null).unwrap();
        let mut opening: serde_json::Value = serde_json::from_slice(&fs::read(page.path()).unwrap()).unwrap();
        change(&mut opening);
        fs::write(page.path(), format!("{opening}\n")).unwrap();
        page
    }

    fn left_by_a_dead_harness(&self) -> Page {
        self.left_by(|opening| opening["harness"]["process"]["start_time"] = 1.into())
    }

    fn recovered(&self) -> usize {
        self.recovered.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Spawner for Recording {
    fn name(&self) -> &str {
        self.fake.name()
    }
    fn kind(&self) -> &str {
        self.fake.kind()
    }
    fn journal(&self) -> &Journal {
        &self.journal
    }
    async fn recover_task(&self, record: &TaskRecord) -> Result<Task> {
        self.recovered.fetch_add(1, Ordering::SeqCst);
        // Time for another sweep to come to the same record.
        tokio::time::sleep(Duration::from_millis(30)).await;
        self.journal.page(record.id)?.close().map_err(|error| Error::io("close", "", error))?;
        let unknown = Error::new(ErrorKind::Io, "recover", record.id.to_string());
        Err(unknown.because("the test says so"))
    }
    async fn unrecorded(&self) -> Vec<TaskRecord> {
        Vec::new()
    }
    fn capabilities(&self) -> &Capabilities {
        self.fake.capabilities()
    }
    async fn check(&self) -> Result<Check> {
        self.fake.check().await
    }
    async fn start_task(&self, spec: Admitted<'_>) -> Result<Task> {
        self.fake.start_task(spec).await
    }
    async fn task_state(&self, task: &Task) -> Result<TaskState> {
        self.fake.task_state(task).await
    }
    async fn wait_task(&self, task: &Task) -> Result<Exit> {
        self.fake.wait_task(task).await
    }
    async fn task_output(&self, task: &Task) -> Result<TaskStreams> {
        self.fake.task_output(task).await
    }
    async fn signal_task(&self, task: &Task, signal: i32) -> Result<()> {
        self.fake.signal_task(task, signal).await
    }
    async fn rungs(&self, task: &Task) -> Result<Box<dyn Rungs + '_>> {
        self.fake.rungs(task).await
    }
    fn abandoned(&self) -> Vec<CleanupOutcome> {
        Vec::new()
    }
}

#[tokio::test]
async fn a_sweep_resolves_what_dead_harnesses_left_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = Recording::at(&folder);
    let dead = [
        spawner.left_by_a_dead_harness(),
        spawner.left_by(|opening| opening["host"]["boot_id"] = "of another boot".into()),
    ];
    let damaged = spawner.left_by(|opening| opening["schema"] = "another".into());
    let kept = [
        spawner.left_by(|_| {}),
        spawner.left_by(|opening| {
            opening["harness"]["process"]["start_time"] = 1.into();
            opening["record"]["lifetime"] = "detached".into();
        }),
        spawner.left_by(|opening| opening["host"]["machine"] = "another".into()),
        spawner.left_by(|opening| {
            opening["kind"] = "another".into();
            opening["harness"]["process"]["start_time"] = 1.into();
        }),
        damaged,
    ];
    let before = kept.each_ref().map(|page| fs::read(page.path()).unwrap());
    assert_eq!(spawner.sweep().await.len(), dead.len());
    assert!(dead.iter().all(|page| !page.path().exists()));
    assert_eq!(kept.each_ref().map(|page| fs::read(page.path()).unwrap()), before);
    assert!(spawner.sweep().await.is_empty());
    assert_eq!(spawner.recovered(), dead.len());
}

#[tokio::test]
async fn sweeps_at_the_same_time_resolve_each_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let sweepers = [Recording::at(&folder), Recording::at(&folder), Recording::at(&folder)];
    for _ in 0..5 {
        sweepers[0].left_by_a_dead_harness();
    }
    let [a, b, c] = &sweepers;
    let swept = tokio::join!(a.sweep(), b.sweep(), c.sweep());
    assert_eq!(swept.0.len() + swept.1.len() + swept.2.len(), 5);
    assert_eq!(sweepers.iter().map(Recording::recovered).sum::<usize>(), 5);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_lies_beside_no_record_is_removed_unless_somebody_may_need_it() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = Recording::at(&folder);
    let own = spawner.left_by(|_| {});
    let own_program = std::env::current_exe().unwrap();
    let mut ended =
        std::process::Command::new(own_program).arg("--list").stdout(Stdio::null()).spawn().unwrap();
    ended.wait().unwrap();
    let put = |name: String| {
        let path = folder.path().join(name);
        fs::write(&path, "").unwrap();
        path
    };
    let (of_none, of_own) = (TaskId::random(), own.path().file_stem().unwrap().to_str().unwrap());
    let removed = [
        put(format!("{of_none}.{}.tmp", ended.id())),
        put(format!("{of_none}.stdout")),
        put(format!("{of_none}.stderr")),
        put(format!("{of_none}.door")),
    ];
    let kept = [
        put(format!("{of_none}.{}.tmp", std::process::id())),
        put(format!("{of_own}.stdout")),
        put("notes.txt".into()),
    ];
    // One that cannot be removed does not keep the others: a folder is none of ours.
    fs::create_dir(folder.path().join("0.stdout")).unwrap();
    assert!(spawner.sweep().await.is_empty());
    assert_eq!(removed.iter().filter(|path| path.exists()).count(), 0);
    assert_eq!(kept.iter().filter(|path| !path.exists()).count(), 0);
}
