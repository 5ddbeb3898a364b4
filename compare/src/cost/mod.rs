//! What things cost.

pub(crate) mod containers;
pub(crate) mod crowd;
pub(crate) mod death;
pub(crate) mod destroy;
pub(crate) mod herd;
pub(crate) mod latency;
pub(crate) mod life;
pub(crate) mod many;
pub(crate) mod output;
pub(crate) mod programs;
pub(crate) mod rate;
pub(crate) mod remote;

use crate::context::Run;

/// All of it, in turn.
pub(crate) fn measure(run: &mut Run) {
    life::measure(run);
    programs::measure(run);
    destroy::measure(run);
    death::measure(run);
    latency::measure(run);
    many::measure(run);
    rate::measure(run);
    output::measure(run);
    containers::measure(run);
    remote::measure(run);
}

/// The process backend by its mechanisms that prove something, the one that `auto` takes for root first.
pub(crate) const OURS: [&str; 3] = ["spawner cgroup-v2", "spawner subreaper", "spawner pid-namespace"];
