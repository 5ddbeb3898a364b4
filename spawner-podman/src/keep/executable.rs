//! How a process becomes this helper instead of running its `main`.

use spawner_core::lifeline;

use super::{ROLE, helper};

/// Takes a freshly executed copy of the harness over, where it was started to be this helper.
#[ctor::ctor(unsafe)]
fn take_over() {
    lifeline::take_over(ROLE, helper::main);
}

/// Whether the hook is part of the executable that this process runs.
pub(super) fn has_the_hook() -> bool {
    lifeline::is_in_executable(take_over)
}
