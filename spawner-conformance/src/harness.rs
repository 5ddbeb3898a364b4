//! Harnesses that die: this program, started again to embed the backend and come to a bad end.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use spawner_core::{Input, Output, Result, Spawner, TaskSpec};

use crate::case::{Checked, NotPassed};
use crate::mischief;
use crate::scene::Scene;

/// The first argument of a program that is to be a harness for the suite.
pub(crate) const ARGUMENT: &str = "spawner-conformance-harness";

/// How long such a harness lives at most.
const LIFE: Duration = Duration::from_mins(1);

/// Becomes a harness for the suite and never returns, where this program was started to be one. A program
/// whose `main` is its own calls it there, before anything else, with how its backends are made;
/// [`main`](crate::main) does so by itself.
pub fn serve_if_asked(make: impl Fn(&str) -> Result<Box<dyn Spawner>>) {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|first| first != ARGUMENT) {
        return;
    }
    let args: Vec<OsString> = args.collect();
    let status = match serve(&args, make) {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("the harness could not start its tasks: {why}");
            70
        }
    };
    std::process::exit(status);
}

fn serve(args: &[OsString], make: impl Fn(&str) -> Result<Box<dyn Spawner>>) -> Result<(), String> {
    let [backend, lock, token, workloads @ ..] = args else { return Err("it was told too little".into()) };
    std::thread::spawn(|| {
        std::thread::sleep(LIFE);
        std::process::exit(71);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let _inside = runtime.enter();
    let spawner = make(&backend.to_string_lossy()).map_err(|error| error.to_string())?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    for workload in workloads {
        let own = [program.as_os_str(), mischief::ARGUMENT.as_ref(), workload, lock, token];
        let spec = TaskSpec::new(own).stdin(Input::Null).stdout(Output::Null).stderr(Output::Null);
        runtime.block_on(spawner.spawn_task(&spec)).map_err(|error| error.to_string())?;
    }
    println!("started");
    // Ends, without destroying anything, when it is told to by the end of its input.
    for line in std::io::stdin().lines() {
        line.map_err(|error| error.to_string())?;
    }
    std::process::exit(0);
}

/// A harness that has started its tasks. Dropped, it is killed.
pub(crate) struct Harness(Child);

impl Harness {
    /// Starts a harness of the scene's backend, which starts the workloads.
    pub(crate) async fn start(scene: &Scene, workloads: &[&'static str]) -> Checked<Self> {
        let mut command = Command::new(scene.program());
        command
            .arg(ARGUMENT)
            .arg(scene.enrolment.name())
            .arg(scene.witness.lock())
            .arg(scene.witness.token());
        command.args(workloads).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut harness = Self(command.spawn()?);
        let Some(output) = harness.0.stdout.take() else {
            return Err("its output is gone".to_owned().into());
        };
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_| line)
        });
        let line = line.await.map_err(|error| error.to_string())??;
        if line.trim_end() == "started" {
            return Ok(harness);
        }
        Err(NotPassed::Failed("a harness of its own could not start its tasks; it says why above".into()))
    }

    pub(crate) fn kill(&mut self) -> Checked {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// Lets it exit, without destroying anything.
    pub(crate) fn let_exit(&mut self) -> Checked {
        if let Some(mut input) = self.0.stdin.take() {
            input.flush()?;
        }
        self.0.wait()?;
        Ok(())
    }

    /// Stops it, or lets it go on. It is not reaped, so its pid is its own.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) -> Checked {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        let Some(pid) = pid else { return Err("its pid is none".to_owned().into()) };
        rustix::process::kill_process(pid, signal).map_err(std::io::Error::from)?;
        Ok(())
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("cannot end the harness {}: {error}", self.0.id());
        }
    }
}
