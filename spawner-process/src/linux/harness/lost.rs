//! The rungs of a task that nobody keeps any more, and what is given back in the end.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use spawner_core::shell::typed;
use spawner_core::{Error, Evidence, Fate, Resource, ResourceKind, Result, Strength};

use super::evidence;
use super::rungs::{ProcessRungs, unexpected};
use crate::linux::remains::{Found, Remains};
use crate::linux::words::{Order, Reply};

/// How long to wait between two looks at what sends no notice.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

impl ProcessRungs {
    /// Looks for what is left, on a thread where that may take its time.
    pub(super) async fn remains<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Remains) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let live = Arc::clone(&self.live);
        let failed = |source| Error::io("look for what is left of", format!("task {}", self.live.id), source);
        let done = tokio::task::spawn_blocking(move || work(&live.remains)).await;
        done.map_err(|error| failed(std::io::Error::other(error)))?.map_err(failed)
    }

    /// Kills what is found, and remembers it.
    pub(super) async fn strike(&self) -> Result<Found> {
        let found = self.remains(Remains::strike).await?;
        let mut struck = self.live.struck.lock().unwrap_or_else(PoisonError::into_inner);
        for member in found.alive.iter().take(Evidence::LISTED.saturating_sub(struck.len())) {
            if !struck.iter().any(|own| (own.pid, own.start_time) == (member.pid, member.start_time)) {
                struck.push(member.clone());
            }
        }
        Ok(found)
    }

    /// Nobody gives notice of the end of what nobody keeps: looks again and again, and strikes where force is
    /// being used.
    pub(super) async fn await_no_remains(&self) -> Result<()> {
        let mut pause = PAUSE.0;
        loop {
            let forced = self.progress.escalated();
            let found =
                if forced { self.strike().await? } else { self.remains(|all| all.look(false)).await? };
            if found.alive.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// What is seen of a task that nobody keeps.
    pub(super) async fn look_at_remains(&self) -> Result<Evidence> {
        let forced = self.progress.escalated();
        let found = self.remains(move |remains| remains.look(forced)).await?;
        let mut members = found.alive;
        let struck = self.live.struck.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for mut gone in struck {
            if !members.iter().any(|member| member.pid == gone.pid) {
                (gone.fate, gone.reason) = (Fate::Killed, None);
                members.push(gone);
            }
        }
        if let Some(leader) = &self.live.leader
            && !members.iter().any(|member| member.pid == leader.pid.cast_signed())
        {
            members.insert(0, Remains::leader(leader, Some(self.live.name.clone()), Fate::AlreadyGone));
        }
        Ok(Evidence {
            mechanisms: self.live.mechanisms.clone(),
            strength: if found.certain { Strength::CannotMiss } else { Strength::MayMiss },
            total: members.len(),
            resources: members.iter().map(evidence::resource).collect(),
            usage: None,
        })
    }

    /// Gives back what was made for the task besides its processes; says what could not be.
    pub(super) async fn give_back(&self, seen: &Evidence) -> Vec<Resource> {
        if self.live.proof().is_some() {
            return self.close_record();
        }
        if let Some(sight) = self.live.gone() {
            // The keeper has given back all but the record of a detached task, which is for us to close.
            return if sight.recorded && !self.live.detached { Vec::new() } else { self.close_record() };
        }
        if self.is_lost() {
            if self.inherited().is_some() {
                // Without certainty a later look may still find out.
                return if self.may_settle(seen) { self.close_record() } else { Vec::new() };
            }
            let removed = self.remains(|remains| Ok(remains.remove_groups())).await;
            return match removed {
                Ok(Ok(())) => self.close_record(),
                Ok(Err((path, error))) => vec![not_removed((path, Some(error.to_string())))],
                Err(error) => vec![not_removed((PathBuf::from("/sys/fs/cgroup"), Some(error.to_string())))],
            };
        }
        match self.tell(Order::Release).await {
            Ok(Reply::Released(trouble)) if trouble.is_empty() && self.live.detached => self.close_record(),
            Ok(Reply::Released(trouble)) => trouble.into_iter().map(not_removed).collect(),
            Ok(other) => {
                vec![not_removed((PathBuf::from("/sys/fs/cgroup"), Some(unexpected(&other).to_string())))]
            }
            Err(error) => vec![not_removed((PathBuf::from("/sys/fs/cgroup"), Some(error.to_string())))],
        }
    }

    /// Whether nothing more can be learned, so that the task is kept in mind no longer.
    pub(super) fn may_settle(&self, seen: &Evidence) -> bool {
        seen.strength == Strength::CannotMiss || !self.is_lost() || self.inherited().is_none()
    }

    fn close_record(&self) -> Vec<Resource> {
        self.live.page.iter().filter_map(|page| page.leftover(page.close())).collect()
    }
}

/// A thing that was made for the task and is still there.
fn not_removed((path, why): (PathBuf, Option<String>)) -> Resource {
    let is_group = path.starts_with("/sys/fs/cgroup") || path.is_dir();
    let path = path.display().to_string();
    let (kind, remove) = if is_group { (ResourceKind::Cgroup, "rmdir") } else { (ResourceKind::File, "rm") };
    Resource {
        kind,
        started: None,
        name: None,
        fate: Fate::Survived,
        reason: why,
        remedy: Some(format!("{remove} {}", typed(&path))),
        id: path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_typed_names_the_path_whatever_is_in_it() {
        // systemd writes what its names may not hold as `\x2d`.
        let group = r"/sys/fs/cgroup/app-my\x2dlab.scope/spawner";
        let left = not_removed((PathBuf::from(group), None));
        assert_eq!((left.kind, left.id.as_str()), (ResourceKind::Cgroup, group));
        assert_eq!(left.remedy.as_deref(), Some(r"rmdir '/sys/fs/cgroup/app-my\x2dlab.scope/spawner'"));
        let left = not_removed((PathBuf::from("/home/me too/exit"), None));
        assert_eq!((left.kind, left.remedy.as_deref()), (ResourceKind::File, Some("rm '/home/me too/exit'")));
    }
}
