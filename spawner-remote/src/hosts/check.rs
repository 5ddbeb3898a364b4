//! Which hosts answer now, and what each of them gives.

use std::sync::Arc;

use spawner_core::{Check, Error, Result};
use tokio::task::JoinSet;

use super::Hosts;
use super::left_out::listed;
use crate::declared::Means;
use crate::session::Host;

/// How many hosts are asked at one time.
const ASKED: usize = 32;

impl Hosts {
    /// Asks all of them.
    pub(crate) async fn check(self: &Arc<Self>) -> Result<Check> {
        if let Some(host) = self.only() {
            return self.check_one(host).await;
        }
        let (mut asked, mut next) = (JoinSet::new(), self.all.iter().enumerate());
        let mut answers: Vec<Option<Result<Check>>> = self.all.iter().map(|_| None).collect();
        loop {
            while asked.len() < ASKED
                && let Some((at, host)) = next.next()
            {
                let (hosts, host) = (Arc::clone(self), Arc::clone(host));
                asked.spawn(async move { (at, hosts.check_one(&host).await) });
            }
            match asked.join_next().await {
                Some(Ok((at, answer))) => answers[at] = Some(answer),
                Some(Err(_)) => {}
                None => break,
            }
        }
        let (mut up, mut notes, mut failed) = (Vec::new(), Vec::new(), Vec::<Error>::new());
        for answer in answers.into_iter().flatten() {
            match answer {
                Ok(check) => {
                    up.push(check.answered.into_owned());
                    notes.extend(check.notes);
                }
                Err(error) => {
                    notes.push(format!("left out: {error}"));
                    failed.push(error);
                }
            }
        }
        match failed.first() {
            Some(first) if up.is_empty() => {
                let why = listed(failed.iter().map(ToString::to_string));
                Err(Error::new(first.kind(), "use", self.name()).because(why))
            }
            _ => {
                let answered =
                    format!("{} of {} hosts: {}", up.len(), self.all.len(), listed(up.into_iter()));
                Ok(Check { answered: answered.into(), notes })
            }
        }
    }

    async fn check_one(&self, host: &Host) -> Result<Check> {
        let link = host.connection().await?;
        let means = self.means(host, &link)?;
        let host = host.address.name();
        let mut notes = Vec::new();
        if matches!(means, Means::Marks | Means::Session) {
            notes.push(format!(
                "{host} gives no proof: install perl, python3 or spawner there, or delegate a control group"
            ));
        }
        if link.facts.setsid.is_none() {
            notes.push(format!("{host} has no setsid: tasks share the session of their guardian"));
        }
        if !link.facts.signals {
            notes.push(format!("{host} has no GNU env: tasks start with SIGINT and SIGQUIT ignored"));
        }
        let answered = format!("{} at {host}, by {}", link.facts.system, means.name());
        Ok(Check { answered: answered.into(), notes })
    }
}
