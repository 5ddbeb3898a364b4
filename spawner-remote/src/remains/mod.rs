//! What other harnesses left: tasks to get hold of again, and what they wrote.

mod logs;
mod recover;

pub(crate) use logs::collect;
pub(crate) use recover::recover;
