//! Control groups that a case makes itself.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use spawner_core::TaskSpec;

use crate::case::{Checked, NotPassed, require};
use crate::scene::Scene;

/// A control group that a case made; dropped, what is in it is thawed or killed, and it is removed.
pub(super) struct Group(pub(super) PathBuf);

impl Group {
    pub(super) fn make(path: PathBuf) -> Checked<Self> {
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// A task with a member that moves itself to this group; one that [`settle`](Self::settle) moves there, where
    /// the task cannot.
    pub(super) fn task(&self, scene: &Scene) -> TaskSpec {
        if scene.contained() { scene.spec("wide", ["1"]) } else { scene.spec("joins-group", [&self.0]) }
    }

    /// Waits until that member is in the group.
    pub(super) async fn settle(&self, scene: &Scene) -> Checked {
        scene.ready(2).await?;
        if scene.contained() {
            let inner = scene.witness.inner().ok_or("no member has a parent in the task".to_owned())?;
            std::fs::write(self.0.join("cgroup.procs"), inner.to_string())?;
        }
        Ok(())
    }

    fn try_remove(&self) -> std::io::Result<()> {
        let give_up = Instant::now() + Duration::from_secs(2);
        loop {
            match std::fs::remove_dir(&self.0) {
                Err(_) if Instant::now() < give_up => std::thread::sleep(Duration::from_millis(2)),
                removed => return removed,
            }
        }
    }

    /// Freezes what is in it; for a group of the version 1 freezer.
    pub(super) async fn freeze(&self) -> Checked {
        let state = self.0.join("freezer.state");
        std::fs::write(&state, "FROZEN")?;
        let give_up = Instant::now() + Duration::from_secs(5);
        while std::fs::read_to_string(&state)?.trim() != "FROZEN" {
            require!(Instant::now() < give_up, "the freezer did not freeze");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Lets it go on.
    pub(super) fn thaw(&self) -> Checked {
        Ok(std::fs::write(self.0.join("freezer.state"), "THAWED")?)
    }

    pub(super) fn remove(self) -> Checked {
        match self.try_remove() {
            Ok(()) => Ok(()),
            Err(error) => Err(NotPassed::Failed(format!("{} is not empty: {error}", self.0.display()))),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.0.exists() {
            return;
        }
        let write = |name: &str, text: &str| {
            let file = self.0.join(name);
            if file.exists() { std::fs::write(file, text) } else { Ok(()) }
        };
        let freed = write("freezer.state", "THAWED").and_then(|()| write("cgroup.kill", "1"));
        if let Err(error) = freed.and_then(|()| self.try_remove()) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}
