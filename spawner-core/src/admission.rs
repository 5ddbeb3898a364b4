//! Refuses what a backend does not support, before the backend sees it.

use std::ops::Deref;

use crate::capability::{Capabilities, Capability, Support};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{Lifetime, Output, TaskSpec};

/// A specification that makes sense and asks for nothing that the backend does not support.
///
/// Only [`spawn_task`](crate::Spawner::spawn_task) makes one, so that a backend cannot be reached with a
/// specification that was not checked.
#[derive(Debug, Clone, Copy)]
pub struct Admitted<'a>(&'a TaskSpec);

impl Deref for Admitted<'_> {
    type Target = TaskSpec;

    fn deref(&self) -> &TaskSpec {
        self.0
    }
}

/// The capabilities that a specification needs.
pub fn needed_by(spec: &TaskSpec) -> Vec<Capability> {
    let wants = [
        (spec.limits.memory.is_some(), Capability::LimitMemory),
        (spec.limits.pids.is_some(), Capability::LimitPids),
        (spec.limits.cpus.is_some(), Capability::LimitCpu),
        (spec.wants_stream(), Capability::StreamOutput),
        (spec.wants_terminal(), Capability::Terminal),
        (spec.lifetime == Lifetime::Detached, Capability::Detach),
        (!spec.container.is_empty(), Capability::Container),
    ];
    wants.into_iter().filter_map(|(wanted, capability)| wanted.then_some(capability)).collect()
}

/// Checks a specification against what `backend` supports.
pub(crate) fn admit<'a, 'b>(
    backend: &str,
    capabilities: impl FnOnce() -> &'b Capabilities,
    spec: &'a TaskSpec,
) -> Result<Admitted<'a>> {
    sensible(spec)?;
    let needed = needed_by(spec);
    if needed.is_empty() {
        return Ok(Admitted(spec));
    }
    let capabilities = capabilities();
    for capability in needed {
        if let Support::Unsupported { why } = capabilities.get(capability) {
            return Err(refusal(backend, capability, why));
        }
    }
    Ok(Admitted(spec))
}

/// The typed refusal of what `backend` does not support.
pub fn refusal(backend: &str, capability: Capability, why: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported(capability),
        "start the task",
        format!("with backend `{backend}`, which does not support {capability}"),
    )
    .because(why.to_owned())
}

fn sensible(spec: &TaskSpec) -> Result<()> {
    let invalid = |what: String| Err(Error::new(ErrorKind::InvalidSpec, "start the task", "").because(what));
    let Some(program) = spec.argv.first() else {
        return invalid("its argv is empty; name a program".into());
    };
    if program.is_empty() {
        return invalid("the name of its program is empty".into());
    }
    if let Some(index) = spec.argv.iter().position(|argument| has_nul(argument)) {
        return invalid(format!("argument {index} has a NUL byte in it, which no program can be given"));
    }
    for (name, value) in &spec.env.changes {
        let shown = name.to_string_lossy();
        if name.is_empty() || has_nul(name) || name.as_encoded_bytes().contains(&b'=') {
            return invalid(format!("`{shown}` cannot be the name of an environment variable"));
        }
        if value.as_deref().is_some_and(has_nul) {
            return invalid(format!("the environment variable `{shown}` has a NUL byte in it"));
        }
    }
    if spec.cwd.as_deref().is_some_and(|cwd| has_nul(cwd.as_os_str())) {
        return invalid("its working directory has a NUL byte in it".into());
    }
    let detached = spec.lifetime == Lifetime::Detached;
    if detached && (spec.wants_stream() || spec.wants_terminal()) {
        return invalid(
            "it is detached, so it cannot have a stream or a terminal that ends with its harness".into(),
        );
    }
    if !detached && [&spec.stdout, &spec.stderr].contains(&&Output::Log) {
        return invalid("its output is to be kept, which is for detached tasks".into());
    }
    if spec.name.as_deref().is_some_and(|name| !is_name(name)) {
        return invalid(
            "its name must have 1 to 64 letters, digits, `.`, `_` or `-`, begin with no `-`, and not look like an id".into(),
        );
    }
    let Limits { memory, pids, cpus } = spec.limits;
    if memory == Some(0) || pids == Some(0) || cpus.is_some_and(|cpus| !cpus.is_finite() || cpus <= 0.0) {
        return invalid("a limit must be a number above zero".into());
    }
    Ok(())
}

use crate::spec::Limits;

/// Whether people can type it, and it cannot be taken for an id.
fn is_name(name: &str) -> bool {
    let typed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&name.len())
        && name.bytes().all(typed)
        && !name.starts_with('-')
        && name.parse::<crate::id::TaskId>().is_err()
}

fn has_nul(text: &std::ffi::OsStr) -> bool {
    text.as_encoded_bytes().contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_what_is_wrong() {
        for (spec, wrong) in [
            (TaskSpec::new([""; 0]), "argv is empty"),
            (TaskSpec::new([""]), "program is empty"),
            (TaskSpec::new(["a", "b\0c"]), "argument 1"),
            (TaskSpec::new(["a"]).env("B=C", "d"), "`B=C`"),
            (TaskSpec::new(["a"]).env("B", "\0"), "`B`"),
            (TaskSpec::new(["a"]).cwd("/\0"), "working directory"),
            (TaskSpec::new(["a"]).limits(Limits { cpus: Some(f64::NAN), ..Limits::default() }), "limit"),
        ] {
            let error = sensible(&spec).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidSpec);
            assert!(error.to_string().contains(wrong), "{error}");
        }
    }
}
