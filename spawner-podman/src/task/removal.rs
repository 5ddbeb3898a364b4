//! Gives a container back to its engine with all that hangs on it, and looks twice whether it is gone: by asking
//! the engine again, and by looking at this host without it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use spawner_core::shell::typed;
use spawner_core::{Error, ErrorKind, Fate, ProcessIdentity, Resource, ResourceKind, Result};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::evidence::{self, Leftover};
use super::rungs::{CALL, PodmanRungs};
use crate::engine::{Engine, Removal};
use crate::local::Local;
use crate::remains::TASK;

/// How long what the engine says to be removed may take to go.
const GOING: Duration = Duration::from_secs(2);

/// How often a removal that fails is tried, and how long to wait before it is tried again.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(150);

impl PodmanRungs {
    /// Has the container removed, and says what became of it and of what hung on it.
    pub(super) async fn give_back(&self) -> Vec<Resource> {
        let lives = self.lives();
        wake_shims(&lives);
        let shims = find_shims(&lives).await;
        let has_sessions = shims.len() > lives.len();
        self.live.account.known().shims.extend(shims);

        let removed = match self.engine().await {
            Ok(engine) => match self.remove(&engine, has_sessions).await {
                Ok(fate) => Ok((engine, fate)),
                Err(error) => Err(self.not_removed(&engine, &error).await),
            },
            Err(error) => Err(Leftover::unverified(&error, self.remedy())),
        };
        let (engine, fate) = match removed {
            Ok(removed) => removed,
            Err(leftover) => return vec![self.container(Err(leftover))],
        };
        let Some(fate) = fate else { return Vec::new() };
        let mut resources = vec![self.container(Ok(fate))];
        resources.extend(self.volumes(&engine).await);
        resources.extend(self.sessions(&engine).await);
        resources.extend(self.without_engine(&lives).await);
        resources
    }

    /// Has it removed until the engine says that there is none; `None` where there never was one.
    async fn remove(&self, engine: &Engine, has_sessions: bool) -> Result<Option<Fate>> {
        let mut tries = 1;
        loop {
            match self.remove_once(engine, has_sessions).await {
                Ok(fate) => return Ok(fate),
                Err(error) => {
                    self.live.account.known().trouble = Some(error.to_string());
                    if tries >= TRIES {
                        return Err(error);
                    }
                }
            }
            tries += 1;
            sleep(PAUSE * tries).await;
        }
    }

    async fn remove_once(&self, engine: &Engine, has_sessions: bool) -> Result<Option<Fate>> {
        let by = || Instant::now() + CALL;
        let known = !self.live.account.known().ids.is_empty();
        // Commands that somebody runs in it besides are seen only as long as it is there.
        let touched = self.progress.asked() || self.progress.escalated();
        if !known || has_sessions || touched {
            self.inspect(engine).await?;
        }
        let id = self.live.traces().id;
        if !id.is_empty() && engine.remove(&id, by()).await? == Removal::Removed {
            self.live.account.known().removed = true;
        }
        // Asked again, by its id and by our label.
        let label = format!("{TASK}={}", self.live.id);
        let (seen, listed) = tokio::join!(self.inspect(engine), engine.labelled(&label, by()));
        if let Some(other) = listed?.first() {
            self.live.learn(|traces| traces.id.clone_from(&other.id));
            return Err(there_still(&other.id));
        }
        if let Some(seen) = seen? {
            return Err(there_still(&seen.id));
        }
        let known = self.live.account.known();
        Ok(match (known.removed, id.is_empty()) {
            (true, _) => Some(Fate::Removed),
            (false, false) => Some(Fate::AlreadyGone),
            (false, true) => None,
        })
    }

    /// What a removal that failed has left: something that is seen, or nobody knows.
    async fn not_removed(&self, engine: &Engine, error: &Error) -> Leftover {
        match self.inspect(engine).await {
            Ok(Some(_)) => Leftover::survived(&error, self.remedy()),
            Ok(None) | Err(_) => Leftover::unverified(&error, self.remedy()),
        }
    }

    async fn volumes(&self, engine: &Engine) -> Vec<Resource> {
        let names = self.live.account.known().volumes.clone();
        let ends = names.into_iter().map(|name| async move {
            let remedy = engine.by_hand(&format!("volume rm --force {name}"));
            let by = || Instant::now() + CALL;
            let mut end = match engine.volume(&name, by()).await {
                Ok(false) => Ok(Fate::Removed),
                Ok(true) => match engine.remove_volume(&name, by()).await {
                    Ok(_) => Ok(Fate::Removed),
                    Err(error) => Err(Leftover::survived(&error, remedy.clone())),
                },
                Err(error) => Err(Leftover::unverified(&error, remedy.clone())),
            };
            if end.is_ok() && engine.volume(&name, by()).await.unwrap_or(true) {
                end = Err(Leftover::unverified(&"the engine does not say that it is gone", remedy));
            }
            evidence::thing(ResourceKind::Volume, name, end)
        });
        join_all(ends).await
    }

    async fn sessions(&self, engine: &Engine) -> Vec<Resource> {
        let ids = self.live.account.known().execs.clone();
        let ends = ids.into_iter().map(|id| async move {
            let end = match engine.exec(&id, Instant::now() + CALL).await {
                Ok(false) => Ok(Fate::Removed),
                Ok(true) => Err(Leftover::unverified(
                    &"the engine still has it, without its container",
                    self.remedy(),
                )),
                Err(error) => Err(Leftover::unverified(&error, self.remedy())),
            };
            evidence::thing(ResourceKind::ExecSession, id, end)
        });
        join_all(ends).await
    }

    /// What this host sees of it, whatever the engine says.
    async fn without_engine(&self, before: &[Arc<Local>]) -> Vec<Resource> {
        let until = Instant::now() + GOING;
        let lives = self.lives();
        let mut resources = Vec::new();
        let storage = self.live.account.known().storage.clone();
        for layer in storage {
            let why = "the engine left it when it removed the container";
            let gone = await_absence(&layer, until).await;
            let end = gone.then_some(Fate::Removed).ok_or_else(|| Leftover::survived(&why, self.remedy()));
            resources.push(evidence::thing(ResourceKind::Storage, layer.display().to_string(), end));
        }
        for life in &lives {
            for group in life.groups() {
                if let Err(leftover) = remove_group(group, until).await {
                    let id = group.display().to_string();
                    resources.push(evidence::thing(ResourceKind::Cgroup, id, Err(leftover)));
                }
            }
        }
        let mut shims = self.live.account.known().shims.clone();
        shims.extend(lives.iter().filter_map(|life| life.shim().cloned()));
        resources.extend(end_shims(&lives, shims, until).await);
        // Somebody may have started it again before it was removed.
        for life in lives.iter().filter(|life| !before.iter().any(|known| Arc::ptr_eq(known, life))) {
            let emptied = timeout(GOING, life.emptied()).await;
            let alive = life.members().unwrap_or_default();
            life.roster().see(&alive, Fate::Killed);
            let (processes, _) = evidence::processes(life, &alive);
            resources.extend(processes);
            if !matches!(emptied, Ok(Ok(()))) && alive.is_empty() {
                let leftover = Leftover::unverified(&"its processes cannot be looked at", self.remedy());
                resources.push(self.container(Err(leftover)));
            }
        }
        resources
    }

    /// Closes its record, now that nothing of it is left.
    pub(super) fn close_record(&self) -> Vec<Resource> {
        let Some(page) = &self.live.page else { return Vec::new() };
        let closed = if self.live.is_detached() { page.close() } else { page.close_alone() };
        page.leftover(closed).into_iter().collect()
    }
}

fn there_still(id: &str) -> Error {
    Error::new(ErrorKind::Io, "remove container", id).because("the engine has it still")
}

/// Lets the engine's monitors go on, should something have stopped them: a removal waits for them. They are not waited
/// for here: once they have begun to tidy up after the end, an engine is kept from the container for as long.
fn wake_shims(lives: &[Arc<Local>]) {
    for life in lives {
        if let Err(error) = life.wake_shim() {
            tracing::debug!(%error, "the engine's monitor of a container is stopped");
        }
    }
}

async fn find_shims(lives: &[Arc<Local>]) -> Vec<ProcessIdentity> {
    let Some(life) = lives.first() else { return Vec::new() };
    life.shims(true).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "cannot look for the engine's processes beside a container");
        Vec::new()
    })
}

/// Ends the engine's processes beside a container that is removed. Podman lets those of `podman exec` wait for five
/// minutes; the first one goes by itself, and does so after it has tidied up.
async fn end_shims(lives: &[Arc<Local>], mut shims: Vec<ProcessIdentity>, until: Instant) -> Vec<Resource> {
    let firsts: Vec<_> = lives.iter().filter_map(|life| life.shim().cloned()).collect();
    let Some(life) = lives.first() else { return Vec::new() };
    loop {
        let mut leftovers = Vec::new();
        shims.retain(ProcessIdentity::is_alive);
        let others = shims.iter().any(|shim| !firsts.contains(shim));
        for shim in &shims {
            let by_itself = timeout_at(until, Local::process_ended(shim));
            let ended = async {
                if !firsts.contains(shim) || by_itself.await.is_err() {
                    life.end_shim(shim)?;
                }
                timeout(GOING, Local::process_ended(shim)).await.map_err(io::Error::other)?
            };
            if let Err(error) = ended.await {
                tracing::debug!(%error, "the engine's process beside a container does not end");
                leftovers.push(evidence::shim(shim));
            }
        }
        // One of a session forks when the session ends, which may have been after it was looked for.
        shims = if others && leftovers.is_empty() { find_shims(lives).await } else { Vec::new() };
        if shims.is_empty() {
            return leftovers;
        }
    }
}

/// Waits until nothing is at `path`.
async fn await_absence(path: &Path, until: Instant) -> bool {
    let mut pause = Duration::from_millis(2);
    while path.symlink_metadata().is_ok() {
        if Instant::now() >= until {
            return false;
        }
        sleep(pause).await;
        pause *= 2;
    }
    true
}

/// The engine removes the groups that it made; an empty one that it left is removed here.
async fn remove_group(group: &Path, until: Instant) -> std::result::Result<(), Leftover> {
    while let Err(error) = remove_tree(group) {
        if Instant::now() >= until {
            return Err(Leftover::survived(&error, format!("rmdir {}", typed(&group.to_string_lossy()))));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Removes a group and those below it. One that is gone already is fine.
fn remove_tree(group: &Path) -> io::Result<()> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match fs::read_dir(group) {
        Err(error) if gone(&error) => return Ok(()),
        Err(error) => return Err(error),
        Ok(entries) => {
            for entry in entries.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    remove_tree(&entry.path())?;
                }
            }
        }
    }
    match fs::remove_dir(group) {
        Err(error) if !gone(&error) => Err(error),
        _ => Ok(()),
    }
}
