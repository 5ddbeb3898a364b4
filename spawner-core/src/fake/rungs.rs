//! The rungs of the fake backend.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::script::{Heeds, Step};
use super::{FakeSpawner, FakeTask};
use crate::cleanup::{Evidence, Fate, Mechanism, Resource, ResourceKind};
use crate::error::{Error, ErrorKind, Result};
use crate::ladder::{Progress, Rungs};
use crate::teardown::AskScope;
use crate::verdict::Strength;

pub(super) struct FakeRungs {
    pub(super) spawner: FakeSpawner,
    pub(super) task: Arc<FakeTask>,
    pub(super) progress: OwnedMutexGuard<Progress>,
}

impl FakeRungs {
    async fn step(&self, step: Step) -> Result<()> {
        self.task.lock_calls().push(step);
        self.spawner.fault(step).await
    }

    fn resources(&self) -> Vec<Resource> {
        let members = self.task.members.borrow();
        let describe = |(index, (_, fate)): (usize, &(Heeds, Option<Fate>))| Resource {
            kind: ResourceKind::Process,
            id: (index + 1).to_string(),
            started: None,
            name: Some("fake".into()),
            fate: fate.unwrap_or(Fate::Survived),
            reason: fate.is_none().then(|| "the script says that it heeds nothing".into()),
            remedy: fate.is_none().then(|| format!("kill -KILL {}", index + 1)),
        };
        members.iter().enumerate().map(describe).collect()
    }
}

#[async_trait]
impl Rungs for FakeRungs {
    fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    fn ended_at(&self) -> Option<Instant> {
        self.task.exit.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, at)| *at)
    }

    async fn await_empty(&mut self) -> Result<()> {
        self.step(Step::AwaitEmpty).await?;
        let mut members = self.task.members.subscribe();
        let waited = members.wait_for(|members| members.iter().all(|(_, fate)| fate.is_some())).await;
        waited.map(|_| ()).map_err(|error| Error::new(ErrorKind::Lost, "watch", "the fake").because(error))
    }

    async fn members(&mut self) -> Result<(Vec<Resource>, usize)> {
        self.step(Step::Members).await?;
        let mut members = self.resources();
        members.retain(|member| member.fate.is_leftover());
        let total = members.len();
        Ok((members, total))
    }

    async fn ask(&mut self, _: AskScope) -> Result<()> {
        self.step(Step::Ask).await?;
        self.task.end(|_, heeds| heeds == Heeds::Ask, Fate::Terminated);
        Ok(())
    }

    async fn force(&mut self) -> Result<()> {
        self.step(Step::Force).await?;
        self.task.end(|_, heeds| heeds != Heeds::Nothing, Fate::Killed);
        Ok(())
    }

    async fn look(&mut self) -> Result<Evidence> {
        self.step(Step::Look).await?;
        let resources = self.resources();
        let total = resources.len();
        let strength = self.spawner.shared.script.strength;
        Ok(Evidence { mechanisms: vec![Mechanism::Fake], strength, resources, total, usage: None })
    }

    fn last_known(&mut self, why: &str) -> Evidence {
        let mut resources = self.resources();
        for resource in resources.iter_mut().filter(|resource| resource.fate.is_leftover()) {
            resource.fate = Fate::Unverified;
            resource.reason = Some(why.into());
        }
        let total = resources.len();
        Evidence {
            mechanisms: vec![Mechanism::Fake],
            strength: Strength::Blind,
            resources,
            total,
            usage: None,
        }
    }

    async fn release(&mut self) -> Vec<Resource> {
        match self.step(Step::Release).await {
            Ok(()) => Vec::new(),
            Err(error) => vec![Resource {
                kind: ResourceKind::Folder,
                id: "scratch".into(),
                started: None,
                name: None,
                fate: Fate::Survived,
                reason: Some(error.to_string()),
                remedy: Some("rm -r scratch".into()),
            }],
        }
    }
}
