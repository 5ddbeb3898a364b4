//! The peers that are programs: how each is put in front of a command.

/// The image that the engine of scripts/podman.sh has.
pub(crate) const IMAGE: &str = "localhost/busybox:latest";

/// A program that runs a command.
#[derive(Debug, Clone)]
pub(crate) struct Wrapper {
    pub(crate) name: &'static str,
    pub(crate) before: Vec<String>,
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// The bare command, which everything else is compared with.
pub(crate) const BARE: &str = "the bare command";
pub(crate) const BWRAP: &str = "bwrap --unshare-pid";

/// Those that run a command on this host.
pub(crate) fn wrappers() -> Vec<Wrapper> {
    let bwrap = "bwrap --unshare-pid --die-with-parent --dev-bind / / --proc /proc --";
    vec![
        Wrapper { name: BWRAP, before: words(bwrap) },
        Wrapper { name: "timeout -k", before: words("timeout -k 1 600") },
        // Not as pid 1, so as a subreaper; signals go to the process group.
        Wrapper { name: "tini -s -g", before: words("tini -s -g --") },
        Wrapper { name: "dumb-init", before: words("dumb-init --") },
    ]
}

/// Whether it can be used here, tried with `true`.
pub(crate) fn tried(wrapper: &Wrapper) -> Result<(), String> {
    use std::process::{Command, Stdio};
    let mut command = Command::new(&wrapper.before[0]);
    command.args(&wrapper.before[1..]).arg("true").stdin(Stdio::null()).stdout(Stdio::null());
    let output = command.output().map_err(|error| format!("{}: {error}", wrapper.before[0]))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
