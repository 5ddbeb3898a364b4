//! What other harnesses left: tasks to get hold of again, and what they wrote.

mod logs;
mod recover;
mod sweep;

pub(crate) use logs::collect;
pub(crate) use recover::recover;
pub(crate) use sweep::sweep_aside;
