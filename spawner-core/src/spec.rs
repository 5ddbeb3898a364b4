//! What to run, and how.

mod environment;
mod streams;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::container::ContainerOptions;
use crate::os_text::{self, OsText};
use crate::teardown::Teardown;

pub use environment::Environment;
pub use streams::{Input, Output, WindowSize};

/// Describes a task: what to run, and how.
///
/// ```
/// use spawner_core::{Output, TaskSpec};
///
/// let spec = TaskSpec::new(["make", "check"])
///     .env("LANG", "C")
///     .cwd("/tmp")
///     .stdout(Output::Stream);
/// assert_eq!(spec.argv[0], "make");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// The program and its arguments. The program is looked up in the *task's* `PATH` where its name has
    /// no slash. Any bytes but NUL are allowed.
    #[serde(with = "os_text::list")]
    #[schemars(with = "Vec<OsText>")]
    pub argv: Vec<OsString>,
    /// The environment. Backends add `SPAWNER_TASK_ID`, by which the task is found again.
    #[serde(default)]
    pub env: Environment,
    /// The working directory; `None` is the harness's own where the place has it, else the place's
    /// default.
    #[serde(default)]
    pub cwd: Option<PathBuf>,
    /// Where standard input comes from.
    #[serde(default)]
    pub stdin: Input,
    /// Where standard output goes.
    #[serde(default)]
    pub stdout: Output,
    /// Where standard error goes.
    #[serde(default)]
    pub stderr: Output,
    /// The size of the pseudo-terminal, where one is asked for; `None` is 80 by 24.
    #[serde(default)]
    pub window: Option<WindowSize>,
    /// What people may call it: shown by `spawner ps`, and taken in place of its id.
    #[serde(default)]
    pub name: Option<String>,
    /// How long it may live.
    #[serde(default)]
    pub lifetime: Lifetime,
    /// How much it may use.
    #[serde(default)]
    pub limits: Limits,
    /// What it wants of its container, where it runs in one.
    #[serde(default)]
    pub container: ContainerOptions,
    /// How long it may run before it is ended; see [`run`](crate::run::run). `None` is for ever.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// How it is ended where the caller has no other wish. Its `linger` also says how long a stream
    /// stays open after the main process ended, when something else still holds it.
    #[serde(default)]
    pub teardown: Teardown,
}

impl TaskSpec {
    /// A task that runs `argv` with the environment, working directory and standard streams of the
    /// harness, without limits.
    pub fn new<I, S>(argv: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Environment::default(),
            cwd: None,
            stdin: Input::Inherit,
            stdout: Output::Inherit,
            stderr: Output::Inherit,
            window: None,
            name: None,
            lifetime: Lifetime::default(),
            limits: Limits::default(),
            container: ContainerOptions::default(),
            timeout: None,
            teardown: Teardown::default(),
        }
    }

    /// Sets one variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.changes.insert(name.into(), Some(value.into()));
        self
    }

    /// Starts from an empty environment instead of the harness's.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.env.inherit = false;
        self
    }

    /// Sets [`TaskSpec::cwd`].
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }

    /// Sets [`TaskSpec::stdin`].
    #[must_use]
    pub fn stdin(mut self, stdin: Input) -> Self {
        self.stdin = stdin;
        self
    }

    /// Sets [`TaskSpec::stdout`].
    #[must_use]
    pub fn stdout(mut self, stdout: Output) -> Self {
        self.stdout = stdout;
        self
    }

    /// Sets [`TaskSpec::stderr`].
    #[must_use]
    pub fn stderr(mut self, stderr: Output) -> Self {
        self.stderr = stderr;
        self
    }

    /// Sets [`TaskSpec::name`].
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A task that outlives its harness, reads nothing, and has its output kept.
    #[must_use]
    pub fn detached(mut self) -> Self {
        self.lifetime = Lifetime::Detached;
        (self.stdin, self.stdout, self.stderr) = (Input::Null, Output::Log, Output::Log);
        self
    }

    /// Sets [`TaskSpec::limits`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets [`TaskSpec::container`].
    #[must_use]
    pub fn container(mut self, container: ContainerOptions) -> Self {
        self.container = container;
        self
    }

    /// Sets [`TaskSpec::timeout`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets [`TaskSpec::teardown`].
    #[must_use]
    pub fn teardown(mut self, teardown: Teardown) -> Self {
        self.teardown = teardown;
        self
    }

    /// Whether any of the three standard streams is to be a pseudo-terminal.
    pub fn wants_terminal(&self) -> bool {
        self.stdin == Input::Terminal || self.stdout == Output::Terminal || self.stderr == Output::Terminal
    }

    /// Whether any of the three standard streams is to reach the embedder as a stream.
    pub fn wants_stream(&self) -> bool {
        self.stdin == Input::Stream || self.stdout == Output::Stream || self.stderr == Output::Stream
    }
}

/// How long a task may live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lifetime {
    /// As long as its harness, however that dies.
    #[default]
    Harness,
    /// Until it ends by itself or is destroyed. Another harness gets hold of it with
    /// [`recover_task`](crate::Spawner::recover_task). Its record, its output and how it ended are kept until
    /// it is destroyed.
    Detached,
}

/// How much a task may use. A limit that the backend cannot enforce on this host is refused with
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), never ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory of all its processes together, in bytes; swap is not added to it where the host can forbid
    /// that.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Processes and threads at one time.
    #[serde(default)]
    pub pids: Option<u64>,
    /// CPUs' worth of time: 1.5 is one and a half.
    #[serde(default)]
    pub cpus: Option<f64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_survives_json_with_any_bytes_in_it() {
        let mut spec = TaskSpec::new(["echo", "ü\n"]).env("A", "b").timeout(Duration::from_millis(1500));
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt as _;
            spec.argv.push(OsString::from_vec(vec![0xff, b'x']));
        }
        spec.env.changes.insert("GONE".into(), None);
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<TaskSpec>(&json).unwrap(), spec);
    }
}
