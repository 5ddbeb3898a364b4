//! What kept a child from its program, in a word of memory that it shares with its parent.

use std::io;

use crate::linux::sys;
use crate::linux::words::{Obstacle, Step};

/// What a child's word is once it runs.
pub(super) const BEGUN: u64 = 1;
/// The bit that tells an obstacle.
const OBSTACLE: u64 = 1 << 63;

pub(in crate::linux::keeper) fn has_obstacle(word: &sys::SharedWord) -> bool {
    word.get() & OBSTACLE != 0
}

/// How a child says what kept it from its program: step and error number in one word.
pub(in crate::linux::keeper) fn write_obstacle(word: &sys::SharedWord, step: Step, errno: i32) {
    let step = STEPS.iter().position(|&own| own == step).unwrap_or(0) as u64;
    word.set(OBSTACLE | step << 32 | u64::from(errno.cast_unsigned()));
}

pub(super) fn read_obstacle(word: &sys::SharedWord) -> Option<(Step, i32)> {
    let value = word.take();
    if value & OBSTACLE == 0 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)]
    let (step, errno) = (((value >> 32) & 0xff) as usize, value as u32);
    Some((STEPS.get(step).copied().unwrap_or(Step::Execute), errno.cast_signed()))
}

const STEPS: [Step; 9] = [
    Step::Group,
    Step::Limits,
    Step::Fork,
    Step::Join,
    Step::Streams,
    Step::Session,
    Step::Namespace,
    Step::Folder,
    Step::Execute,
];

impl Obstacle {
    pub(in crate::linux::keeper) fn new(step: Step, errno: i32, detail: impl Into<String>) -> Self {
        Self { step, errno, detail: detail.into() }
    }

    pub(in crate::linux::keeper) fn from_io(step: Step, error: &io::Error) -> Self {
        Self { step, errno: error.raw_os_error().unwrap_or(libc::EIO), detail: error.to_string() }
    }
}
