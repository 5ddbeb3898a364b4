//! What no signal ends for a while.

use std::path::{Path, PathBuf};

use spawner_core::{Input, Output, Spawner, Task, TaskSpec};
use spawner_process::ProcessSpawner;
use tokio::io::AsyncReadExt as _;

/// A control group, version 1, whose members nothing ends as long as it is frozen.
pub(crate) struct Freezer(PathBuf);

impl Freezer {
    pub(crate) fn new(name: &str) -> Option<Self> {
        let own = Path::new("/sys/fs/cgroup/freezer").join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir(&own).inspect_err(|error| eprintln!("skipped: no freezer: {error}")).ok()?;
        Some(Self(own))
    }

    pub(crate) fn say(&self, state: &str) {
        std::fs::write(self.0.join("freezer.state"), state).unwrap();
    }

    /// A task whose one child is in it, and the pid of that.
    pub(crate) async fn start(&self, spawner: &ProcessSpawner) -> (Task, u32) {
        self.start_after(spawner, ":").await
    }

    /// The same where the main process runs `first`, in sh, before it has a child.
    pub(crate) async fn start_after(&self, spawner: &ProcessSpawner, first: &str) -> (Task, u32) {
        let script = format!("{first}; sh -c 'echo $$ > \"$0\"; echo $$; exec sleep 300' \"$0\" & wait");
        let door = self.0.join("cgroup.procs");
        let argv = ["sh".into(), "-c".into(), script.into(), door.into_os_string()];
        let spec = TaskSpec::new(argv).stdin(Input::Null).stdout(Output::Stream);
        let task = spawner.spawn_task(&spec).await.unwrap();
        let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            line.push(stdout.read_u8().await.unwrap());
        }
        (task, String::from_utf8(line).unwrap().trim().parse().unwrap())
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}
