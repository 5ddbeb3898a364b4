//! The peers, each used as its own documentation advises.

pub(crate) mod helper;
pub(crate) mod library;
pub(crate) mod program;
pub(crate) mod raw;

/// The crates, by the names that they have in every table. The process backend is `spawner` with its mechanism.
pub(crate) const TOKIO: &str = "tokio::process";
pub(crate) const PROCESS_WRAP: &str = "process-wrap";
pub(crate) const PROCESSKIT: &str = "processkit";
pub(crate) const KILL_TREE: &str = "kill_tree";
/// By a control group of one's own, `cgroup.kill` and waiting for the end of all: what the kernel takes.
pub(crate) const RAW_CGROUP: &str = "raw cgroup.kill";
/// The same, by one who reaps all of it, as `spawner` does for its proof.
pub(crate) const RAW_REAPED: &str = "raw cgroup.kill and reaping";
/// A helper that starts what it is told to and says when it has ended: what it takes that a task is another process's child.
pub(crate) const BARE_HELPER: &str = "a bare helper";
/// The same, with a record of each task on file.
pub(crate) const RECORDING_HELPER: &str = "a bare helper, with a record";
/// Python's: the recipe of psutil's documentation, and Avocado's process spawner.
pub(crate) const PSUTIL: &str = "psutil recipe";
pub(crate) const AVOCADO: &str = "Avocado process spawner";
/// The podman backend of `spawner`, and its peer.
pub(crate) const OURS_IN_PODMAN: &str = "spawner podman";
pub(crate) const PODMAN_RUN: &str = "podman run --rm";
/// The remote backend of `spawner`, and its peer.
pub(crate) const OURS_OVER_SSH: &str = "spawner over ssh";
pub(crate) const SSH_TWICE: &str = "ssh -S, twice";
/// One command of ssh with what keeps a task there at the least.
pub(crate) const BARE_GUARDIAN: &str = "a bare guardian";
/// Without a terminal at the far end, and with one, whose hang-up its foreground processes hear of.
pub(crate) const SSH: &str = "ssh";
pub(crate) const SSH_TERMINAL: &str = "ssh -tt";
