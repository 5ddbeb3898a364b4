//! Who this is on Windows.

use std::path::Path;

fn does_not_apply(why: &str) -> Result<(), String> {
    Err(format!("does not apply on Windows: {why}"))
}

pub(super) fn is_unix(why: &str) -> Result<(), String> {
    does_not_apply(why)
}

/// Nobody is root.
pub(crate) fn is_root() -> bool {
    false
}

pub(super) fn writable(_: &Path) -> Result<(), String> {
    does_not_apply("there are no control groups")
}

pub(super) fn set_uid_copy() -> Result<(), String> {
    does_not_apply("no program has another owner's privilege")
}
