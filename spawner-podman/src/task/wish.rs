//! What a task wants of its container, put together from its specification and the configuration.

mod docker;
mod podman;

use std::collections::BTreeMap;
use std::ffi::OsStr;

use spawner_core::{
    Error, ErrorKind, Input, Lifetime, Output, Pull, Result, TaskRecord, TaskSpec, WindowSize,
};

use crate::config::PodmanConfig;

pub(super) use docker::body as docker_body;
pub(super) use podman::body as podman_body;

/// The variable by which a member of the task is known.
const MARK: &str = "SPAWNER_TASK_ID";

/// All that an engine is asked for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) pull: Pull,
    pub(super) argv: Vec<String>,
    /// Set, or with `None` removed.
    pub(super) env: BTreeMap<String, Option<String>>,
    pub(super) cwd: Option<String>,
    pub(super) user: Option<String>,
    pub(super) network: Option<String>,
    pub(super) volumes: Vec<Volume>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) memory: Option<i64>,
    pub(super) pids: Option<i64>,
    pub(super) cpus: Option<f64>,
    pub(super) init: bool,
    pub(super) host_pids: bool,
    pub(super) stdin: bool,
    pub(super) terminal: Option<WindowSize>,
    /// Whether the engine keeps what the task writes.
    pub(super) logs: bool,
}

/// A part of the host that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) host: String,
    pub(super) container: String,
    pub(super) read_only: bool,
}

impl Wish {
    /// Refuses what cannot be said to an engine.
    pub(super) fn of(
        name: &str,
        spec: &TaskSpec,
        config: &PodmanConfig,
        labels: BTreeMap<String, String>,
        record: &TaskRecord,
    ) -> Result<Self> {
        let own = &spec.container;
        let image = own.image.clone().or_else(|| config.image.clone());
        let image = image.filter(|image| !image.is_empty()).ok_or_else(|| {
            invalid("no image is named for its container")
                .hint("set `image` in the configuration of the backend, or name one with the task")
        })?;
        streams(spec)?;
        fits(spec)?;
        let mut env: BTreeMap<_, _> =
            config.env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        for (name, value) in &spec.env.changes {
            let value = value.as_deref().map(|value| text("environment", value)).transpose()?;
            env.insert(text("environment", name)?, value);
        }
        env.insert(MARK.to_owned(), Some(record.id.to_string()));
        let mut all = own.labels.clone();
        if let Some(taken) = all.keys().find(|label| label.starts_with("spawner.")) {
            return Err(invalid(&format!("its label `{taken}` begins with `spawner.`, as only our own do")));
        }
        all.extend(labels);
        let volumes = config.volumes.iter().chain(&own.volumes).map(|volume| Volume::parse(volume));
        let number = |limit: Option<u64>| limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let size = spec.window.unwrap_or(WindowSize { rows: 24, columns: 80 });
        Ok(Self {
            name: name.to_owned(),
            image,
            pull: own.pull.unwrap_or(config.pull),
            argv: spec.argv.iter().map(|argument| text("argv", argument)).collect::<Result<_>>()?,
            env,
            cwd: spec.cwd.as_ref().map(|cwd| text("working directory", cwd.as_os_str())).transpose()?,
            user: own.user.clone().or_else(|| config.user.clone()),
            network: own.network.clone().or_else(|| config.network.clone()),
            volumes: volumes.collect::<Result<_>>()?,
            labels: all,
            memory: number(spec.limits.memory.or(config.memory)),
            pids: number(spec.limits.pids.or(config.pids)),
            cpus: spec.limits.cpus.or(config.cpus),
            init: own.init.unwrap_or(config.init),
            host_pids: config.host_pids,
            stdin: spec.stdin != Input::Null,
            terminal: spec.wants_terminal().then_some(size),
            logs: spec.stdout == Output::Log || spec.stderr == Output::Log,
        })
    }
}

/// An engine gives a container one terminal for all three streams, or none.
fn streams(spec: &TaskSpec) -> Result<()> {
    let terminals =
        [spec.stdin == Input::Terminal, spec.stdout == Output::Terminal, spec.stderr == Output::Terminal];
    if terminals.contains(&true) && terminals.contains(&false) {
        return Err(invalid("a container has a terminal for all of its three streams or for none")
            .hint("run it without a terminal, or redirect none of them"));
    }
    let kept = |output: &Output| matches!(output, Output::Log | Output::Null);
    if spec.lifetime == Lifetime::Detached
        && !(spec.stdin == Input::Null && kept(&spec.stdout) && kept(&spec.stderr))
    {
        return Err(invalid("it is detached, and its streams go through its harness, which may end first")
            .hint("its input must be nothing, its output kept as a log or nothing"));
    }
    Ok(())
}

/// The engine starts what it is given, and says nothing where the kernel refuses it then.
fn fits(spec: &TaskSpec) -> Result<()> {
    // A quarter of the usual limit of the stack, and 32 pages: see execve(2). What the image adds is not counted.
    const ALL: usize = 2 << 20;
    const ONE: usize = 128 << 10;
    let values =
        spec.env.changes.iter().filter_map(|(name, value)| Some(name.len() + value.as_ref()?.len() + 1));
    let lengths = spec.argv.iter().map(|argument| argument.len()).chain(values);
    let (mut all, pointer) = (0, size_of::<usize>());
    for length in lengths {
        all += length + 1 + pointer;
        if length >= ONE || all > ALL {
            return Err(invalid("its arguments and environment are longer than a program can be given"));
        }
    }
    Ok(())
}

impl Volume {
    fn parse(volume: &str) -> Result<Self> {
        let wrong = || {
            invalid(&format!(
                "the volume `{volume}` is not `host:container` or `host:container:ro`, both absolute"
            ))
        };
        let mut parts = volume.split(':');
        let (Some(host), Some(container)) = (parts.next(), parts.next()) else { return Err(wrong()) };
        let read_only = match parts.next() {
            None | Some("rw") => false,
            Some("ro") => true,
            Some(_) => return Err(wrong()),
        };
        if parts.next().is_some() || !host.starts_with('/') || !container.starts_with('/') {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), container: container.to_owned(), read_only })
    }
}

fn text(what: &str, bytes: &OsStr) -> Result<String> {
    let wrong = || invalid(&format!("its {what} has bytes that are no UTF-8, which no engine can be told"));
    bytes.to_str().map(str::to_owned).ok_or_else(wrong)
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::InvalidSpec, "start the task", "").because(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_has_two_absolute_paths_and_may_be_read_only() {
        let parsed = |read_only| Volume { host: "/a".into(), container: "/b".into(), read_only };
        assert_eq!(Volume::parse("/a:/b").unwrap(), parsed(false));
        assert_eq!(Volume::parse("/a:/b:rw").unwrap(), parsed(false));
        assert_eq!(Volume::parse("/a:/b:ro").unwrap(), parsed(true));
        for wrong in ["", "/a", "a:/b", "/a:b", "/a:/b:rx", "/a:/b:ro:z"] {
            assert_eq!(Volume::parse(wrong).unwrap_err().kind(), ErrorKind::InvalidSpec, "{wrong}");
        }
    }
}
