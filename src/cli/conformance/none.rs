//! `spawner conformance` on a system for which the suite has no witness.

use spawner::Capability;

use super::args::ConformanceOptions;
use super::failure::Failure;

fn nowhere() -> Failure {
    Failure::new("cannot prove anything here: the suite runs on Linux and on Windows")
}

pub(super) fn proofs_of(_: Capability) -> Vec<String> {
    Vec::new()
}

pub(super) fn schema() -> Result<schemars::Schema, Failure> {
    Err(nowhere())
}

/// Nobody starts this program as a process of the suite.
pub(crate) fn serve_if_asked() {}

pub(crate) fn run(_: ConformanceOptions) -> Result<i32, Failure> {
    Err(nowhere())
}
