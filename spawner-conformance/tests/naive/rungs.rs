//! The rungs of the naive backend.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{
    PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, pidfd_open, pidfd_send_signal, waitid, waitpid,
};
use spawner_core::ladder::Progress;
use spawner_core::{AskScope, Evidence, Fate, Mechanism, Resource, ResourceKind, Result, Rungs, Strength};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::tree::{Member, below};
use super::{Flaw, State};

pub(crate) struct NaiveRungs {
    flaw: Flaw,
    state: Arc<State>,
    progress: OwnedMutexGuard<Progress>,
    counterfeit: Progress,
}

impl NaiveRungs {
    pub(crate) fn new(flaw: Flaw, state: Arc<State>, progress: OwnedMutexGuard<Progress>) -> Self {
        Self { flaw, state, progress, counterfeit: Progress::default() }
    }

    /// Reaps what can be reaped; gives what is alive.
    fn alive(&self) -> Vec<Member> {
        let ended = self.state.poll(self.flaw).is_some();
        let mut members = below(self.flaw);
        if self.flaw == Flaw::CountsZombies {
            return members;
        }
        members.retain(|member| {
            if member.zombie && (ended || member.pid != self.state.leader) {
                // Another's child where this fails, and that one's to reap.
                waitpid(Some(member.pid), WaitOptions::NOHANG).is_ok_and(|_| false)
            } else {
                !member.zombie
            }
        });
        if self.flaw == Flaw::KillsLeaderOnly {
            members.retain(|member| member.pid == self.state.leader);
        }
        members
    }

    /// Whether nothing is below this process. A walk can miss what moves; that there is no child cannot.
    fn empty(&self) -> bool {
        let blind = [Flaw::KillsLeaderOnly, Flaw::TrustsFirstThread, Flaw::TrustsNames].contains(&self.flaw);
        let childless = || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            matches!(waitid(WaitId::All, options), Err(rustix::io::Errno::CHILD))
        };
        self.alive().is_empty() && self.state.poll(self.flaw).is_some() && (blind || childless())
    }

    fn send(signal: Signal, members: &[Member]) {
        for member in members {
            // One that has ended meanwhile needs no signal.
            if let Ok(handle) = pidfd_open(member.pid, PidfdFlags::empty())
                && let Err(error) = pidfd_send_signal(handle, signal)
                && error != rustix::io::Errno::SRCH
            {
                eprintln!("naive: cannot signal {:?}: {error}", member.pid);
            }
        }
    }

    fn resources(members: &[Member], fate: Fate) -> Vec<Resource> {
        let describe = |member: &Member| Resource {
            kind: ResourceKind::Process,
            id: member.pid.as_raw_nonzero().to_string(),
            started: None,
            name: Some(member.name.clone()),
            fate,
            reason: fate.is_leftover().then(|| "it did not heed SIGKILL".into()),
            remedy: fate.is_leftover().then(|| format!("kill -KILL {}", member.pid.as_raw_nonzero())),
        };
        members.iter().map(describe).collect()
    }
}

#[async_trait]
impl Rungs for NaiveRungs {
    fn progress(&mut self) -> &mut Progress {
        if self.flaw == Flaw::ForgetsForce {
            self.counterfeit = Progress::default();
            return &mut self.counterfeit;
        }
        &mut self.progress
    }

    fn ended_at(&self) -> Option<Instant> {
        self.state.poll(self.flaw).map(|(_, at)| at)
    }

    async fn await_empty(&mut self) -> Result<()> {
        while !self.empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    async fn members(&mut self) -> Result<(Vec<Resource>, usize)> {
        let mut alive = self.alive();
        if self.flaw == Flaw::ForgetsLeftBehind {
            alive.clear();
        }
        let total = alive.len();
        alive.truncate(Evidence::LISTED);
        Ok((Self::resources(&alive, Fate::Survived), total))
    }

    async fn ask(&mut self, scope: AskScope) -> Result<()> {
        let mut members = self.alive();
        if scope == AskScope::Leader || self.flaw == Flaw::SignalsBareLeaderOnly {
            members.retain(|member| member.pid == self.state.leader);
        }
        let killing = self.flaw == Flaw::KillsWhenAsking;
        Self::send(if killing { Signal::KILL } else { Signal::TERM }, &members);
        Self::send(Signal::CONT, &members);
        Ok(())
    }

    async fn force(&mut self) -> Result<()> {
        match self.flaw {
            Flaw::NeverForces => return Ok(()),
            Flaw::PanicsInForce => panic!("a fault of the backend"),
            Flaw::WalksOnce => {
                Self::send(Signal::KILL, &self.alive());
                return Ok(());
            }
            _ => {}
        }
        let until = Instant::now() + Duration::from_secs(2);
        loop {
            if self.empty() || Instant::now() > until {
                return Ok(());
            }
            Self::send(Signal::KILL, &self.alive());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn look(&mut self) -> Result<Evidence> {
        if self.flaw == Flaw::HangsInLook {
            std::future::pending::<()>().await;
        }
        let mut alive = self.alive();
        while alive.is_empty() && !self.empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            alive = self.alive();
        }
        let mut resources = Self::resources(&alive, Fate::Survived);
        let mut strength = Strength::CannotMiss;
        if self.flaw == Flaw::HidesSurvivors && !resources.is_empty() {
            resources.clear();
            strength = Strength::MayMiss;
        }
        let leader = Member { pid: self.state.leader, name: "leader".into(), zombie: false };
        if self.flaw == Flaw::NamesTheGone {
            resources.extend(Self::resources(&[leader], Fate::Survived));
        } else if self.state.poll(self.flaw).is_some() {
            resources.extend(Self::resources(&[leader], Fate::AlreadyGone));
        }
        let total = resources.len();
        Ok(Evidence { mechanisms: vec![Mechanism::Subreaper], strength, resources, total, usage: None })
    }

    fn last_known(&mut self, why: &str) -> Evidence {
        let leader = Member { pid: self.state.leader, name: "leader".into(), zombie: false };
        let mut resource = Self::resources(&[leader], Fate::Unverified).remove(0);
        resource.reason = Some(why.into());
        Evidence::blind(vec![Mechanism::Subreaper], resource)
    }

    async fn release(&mut self) -> Vec<Resource> {
        if self.flaw != Flaw::ForgetsToClose
            && let Some(page) = &self.state.page
            && let Err(error) = page.close()
        {
            eprintln!("naive: cannot close a record: {error}");
        }
        Vec::new()
    }
}
