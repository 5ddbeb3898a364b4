//! The command that becomes the task.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use spawner_core::{Error, Input, Output, Result, TaskId, TaskSpec};

use super::{Flaw, Naive};

impl Naive {
    pub(super) fn command(&self, spec: &TaskSpec, id: TaskId) -> Result<Command> {
        let io = |error| Error::io("open a stream of the task", "", error);
        let mut command = Command::new(&spec.argv[0]);
        command.args(&spec.argv[1..]).env_clear();
        if self.flaw != Flaw::LosesEnvironment {
            command.envs(spec.env.resolve(std::env::vars_os()));
        }
        command.env("SPAWNER_TASK_ID", id.to_string());
        if let Some(cwd) = &spec.cwd {
            command.current_dir(cwd);
        }
        command.stdin(match &spec.stdin {
            Input::File(path) => std::fs::File::open(path).map_err(io)?.into(),
            _ => Stdio::null(),
        });
        for (output, is_stdout) in [(&spec.stdout, true), (&spec.stderr, false)] {
            let to = match output {
                Output::File { path, append } => {
                    let mut options = std::fs::OpenOptions::new();
                    let options = options.create(true).write(true).append(*append).truncate(!append);
                    options.open(path).map_err(io)?.into()
                }
                _ => Stdio::null(),
            };
            if is_stdout {
                command.stdout(to)
            } else {
                command.stderr(to)
            };
        }
        Ok(command)
    }

    #[allow(unsafe_code)] // The only way to do something between fork and exec.
    pub(super) fn spoil(&self, command: &mut Command) {
        let flaw = self.flaw;
        let spoil = move || {
            match flaw {
                Flaw::DiesWithThread | Flaw::DetachedDies => {
                    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
                }
                Flaw::LeaksDescriptors => {
                    std::mem::forget(rustix::io::dup(std::io::stderr())?);
                }
                _ => {}
            }
            Ok(())
        };
        // SAFETY: the calls are async-signal-safe.
        unsafe { command.pre_exec(spoil) };
    }
}
