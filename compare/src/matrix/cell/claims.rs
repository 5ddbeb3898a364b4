//! What a peer is told, and what it says became of the task.

use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use spawner_conformance::Witness;

use super::{Cell, PAUSE, SAYING, text};
use crate::matrix::harness::Harness;
use crate::matrix::peers::How;
use crate::peers::library::Claim;

impl Cell<'_> {
    /// Tells the peer to end the task. Gives what it says of that, and whether something that it names was not there when
    /// it said so.
    pub(super) fn request(&self, harness: &mut Harness) -> Result<(Claim, bool), String> {
        match &self.peer.how {
            How::Keep | How::Python(_) => harness.told().map(judged),
            How::Program(_) => {
                harness.signal(Signal::TERM)?;
                // It says so in its report, and goes on trying for a while what it could not do.
                let give_up = Instant::now() + SAYING;
                let said = loop {
                    match self.reported() {
                        Some(claim) => break judged(claim),
                        None if Instant::now() > give_up => return Err("it writes no report".into()),
                        None => std::thread::sleep(PAUSE),
                    }
                };
                harness.ended_within(SAYING)?.ok_or("it does not end")?;
                Ok(said)
            }
            How::Wrapper(_) | How::Ssh(_) => {
                harness.signal(Signal::TERM)?;
                let status = match harness.ended_within(crate::keep::GRACE)? {
                    Some(status) => status,
                    None => {
                        harness.signal(Signal::KILL)?;
                        harness.child.wait().map_err(text)?
                    }
                };
                self.claim_of(status).map(judged)
            }
            How::Podman => {
                let mut remove = Command::new("podman");
                remove.args(["rm", "--force", "--time", "1", &self.place.name]).env_remove("CONTAINER_HOST");
                let output = remove.stdin(Stdio::null()).output().map_err(text)?;
                if output.status.success() {
                    return Ok((Claim::Done, false));
                }
                Ok((Claim::Unsure(String::from_utf8_lossy(&output.stderr).trim().to_owned()), false))
            }
        }
    }

    /// What a program says by ending. Ours has written a report.
    pub(super) fn claim_of(&self, status: ExitStatus) -> Result<Claim, String> {
        if !matches!(self.peer.how, How::Program(_)) {
            return Ok(Claim::Done);
        }
        self.reported().ok_or_else(|| format!("{status}, and no report"))
    }

    /// What our program's report says, once it is whole.
    pub(super) fn reported(&self) -> Option<Claim> {
        let json = std::fs::read_to_string(self.report()).ok()?;
        let report: serde_json::Value = serde_json::from_str(&json).ok()?;
        let cleanup = &report["cleanup"];
        let resources = cleanup["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
        let survived: Vec<u32> = resources
            .iter()
            .filter(|one| one["fate"] == "survived")
            .filter_map(|one| one["id"].as_str()?.parse().ok())
            .collect();
        Some(match cleanup["verdict"].as_str() {
            Some("clean") => Claim::Proved,
            _ if !survived.is_empty() => Claim::Left(survived),
            _ => Claim::Unsure(cleanup["verdict"].to_string()),
        })
    }
}

/// A claim that was made just now, with whether it names what is not there.
pub(super) fn judged(claim: Claim) -> (Claim, bool) {
    let false_dirty = matches!(&claim, Claim::Left(pids) if pids.iter().any(|&pid| !Witness::is_alive(pid)));
    (claim, false_dirty)
}
