//! Whether a container's first process runs the task's program yet. An engine answers that it started a container when
//! its runtime was told to go on, and the runtime's own process executes the program a little later: a signal in
//! between ends, or is lost on, the runtime (runc is a Go program, which exits with 2 for most of them).

use std::time::Duration;

use spawner_core::proc::Stat;
use tokio::time::{Instant, sleep};

use super::Local;

/// How long a hook of the start may hold up the program before nobody waits for it. Also how long one is waited for
/// in vain that has the runtime's own name.
const PATIENCE: Duration = Duration::from_secs(2);

/// The beginning of the name that runc gives itself in the place of the program.
const RUNC: &str = "runc:[";

impl Local {
    /// The name that its first process has now; `None` where it has ended.
    pub(crate) fn name(&self) -> Option<String> {
        let stat = Stat::of(self.init.pid.cast_signed()).ok()?;
        (!self.has_ended()).then_some(stat.name)
    }

    /// Waits until its first process runs another program than the engine's runtime, which is known by the name that
    /// it had before the start; or until it has ended, or [`PATIENCE`] is over. Cancel-safe.
    pub(crate) async fn program_runs(&self, runtime: Option<&str>) {
        let by = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        while let Some(name) = self.name() {
            if !name.starts_with(RUNC) && Some(&*name) != runtime {
                return;
            }
            if Instant::now() >= by {
                tracing::debug!(name, "the first process still has the runtime's name");
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Child, Command, Stdio};

    use spawner_core::ProcessIdentity;

    use super::super::pidfd::Pidfd;
    use super::*;

    /// Gives itself a name, waits for a line, and executes a program.
    fn waiting_as(name: &str) -> (Child, Local) {
        let script = format!("printf %s '{name}' >/proc/self/comm; echo; read -r line; exec sleep 60");
        let mut shell = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let init = ProcessIdentity::of(shell.id()).unwrap();
        let pidfd = Pidfd::of(&init).unwrap();
        (shell, Local { pidfd, ..Local::of(String::new(), init) })
    }

    #[tokio::test]
    async fn a_start_is_not_over_before_the_program_runs() {
        for (name, runtime) in [("runc:[2:INIT]", None), ("another", Some("another"))] {
            let (mut shell, local) = waiting_as(name);
            assert_eq!(local.name().as_deref(), Some(name));
            let mut waiting = std::pin::pin!(local.program_runs(runtime));
            let early = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await;
            assert!(early.is_err(), "{name} is not the program");
            shell.stdin.take().unwrap().write_all(b"\n").unwrap();
            waiting.await;
            assert_eq!(local.name().as_deref(), Some("sleep"));
            shell.kill().unwrap();
            shell.wait().unwrap();
            local.program_runs(runtime).await;
        }
    }
}
