//! The rungs of the careless backend.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use spawner_core::ladder::Progress;
use spawner_core::{AskScope, Evidence, Fate, Mechanism, Resource, ResourceKind, Result, Rungs, Strength};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::program::podman;
use super::{Flaw, State};

pub(crate) struct CarelessRungs {
    pub(crate) state: Arc<State>,
    pub(crate) progress: OwnedMutexGuard<Progress>,
}

impl CarelessRungs {
    fn handle(&self) -> &str {
        if self.state.flaw == Flaw::TrustsNames { &self.state.name } else { &self.state.id }
    }

    fn exists(&self) -> bool {
        podman(&["container", "inspect", self.handle()]).is_ok()
    }

    /// A first process that has no handler does not hear that it is asked.
    fn is_deaf(&self) -> bool {
        let pid = podman(&["inspect", "--format", "{{.State.Pid}}", &self.state.id]).unwrap_or_default();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let has = |set: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(set)).unwrap_or_default();
            u64::from_str_radix(line.trim(), 16).unwrap_or(0) & (1 << (libc::SIGTERM - 1)) != 0
        };
        // What is waited for with sigwait(3) is shown as neither blocked nor caught.
        let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        let waits = call.starts_with(&format!("{} ", libc::SYS_rt_sigtimedwait));
        !has("SigCgt:") && !has("SigIgn:") && !has("SigBlk:") && !waits
    }

    fn container(&self, fate: Fate, why: &str) -> Resource {
        let leftover = fate.is_leftover();
        Resource {
            kind: ResourceKind::Container,
            id: self.state.id.clone(),
            started: None,
            name: Some(self.state.name.clone()),
            fate,
            reason: leftover.then(|| why.to_owned()),
            remedy: leftover.then(|| format!("podman rm --force {}", self.state.id)),
        }
    }
}

#[async_trait]
impl Rungs for CarelessRungs {
    fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    fn ended_at(&self) -> Option<Instant> {
        self.state.poll().map(|(_, at)| at)
    }

    async fn await_empty(&mut self) -> Result<()> {
        while self.state.poll().is_none() {
            if self.state.flaw == Flaw::TrustsItsClient && self.progress.asked() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn members(&mut self) -> Result<(Vec<Resource>, usize)> {
        Ok((Vec::new(), usize::from(self.state.poll().is_none())))
    }

    async fn ask(&mut self, _: AskScope) -> Result<()> {
        let unpaused = if self.state.flaw == Flaw::LeavesPaused {
            Ok(String::new())
        } else {
            podman(&["unpause", &self.state.id])
        };
        // One that is not paused is no trouble.
        let signal = if self.is_deaf() { "KILL" } else { "TERM" };
        let asked = podman(&["kill", "--signal", signal, &self.state.id]);
        if let (Err(unpaused), Err(asked)) = (unpaused, asked) {
            eprintln!("careless: {unpaused}; {asked}");
        }
        Ok(())
    }

    async fn force(&mut self) -> Result<()> {
        let unpaused = podman(&["unpause", &self.state.id]);
        if let Err(why) = podman(&["kill", "--signal", "KILL", &self.state.id]) {
            eprintln!("careless: {why}; {unpaused:?}");
        }
        self.await_empty().await
    }

    async fn look(&mut self) -> Result<Evidence> {
        let mut why = String::new();
        let forgotten = [Flaw::RemovesNothing, Flaw::TrustsItsClient].contains(&self.state.flaw);
        if !forgotten && self.exists() {
            why = podman(&["rm", "--force", "--time", "0", "--volumes", self.handle()])
                .err()
                .unwrap_or_default();
        }
        if self.state.flaw == Flaw::NamesTheGone {
            why.push_str("nobody looked");
        }
        let there = self.state.flaw == Flaw::NamesTheGone || self.exists() && !forgotten;
        let resource = self.container(if there { Fate::Survived } else { Fate::Removed }, &why);
        let mechanisms = vec![Mechanism::ContainerEngine];
        let strength = Strength::CannotMiss;
        Ok(Evidence { mechanisms, strength, resources: vec![resource], total: 1, usage: None })
    }

    fn last_known(&mut self, why: &str) -> Evidence {
        Evidence::blind(vec![Mechanism::ContainerEngine], self.container(Fate::Unverified, why))
    }

    async fn release(&mut self) -> Vec<Resource> {
        Vec::new()
    }
}
