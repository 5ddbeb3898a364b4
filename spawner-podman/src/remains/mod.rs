//! Containers that this process did not start: of other harnesses, dead or alive, and of nobody.

mod engines;
mod labels;
mod logs;
mod recover;
mod sweep;

pub(crate) use engines::end_engines_of_the_dead;
pub(crate) use labels::{Origin, TASK, is_of, labels};
pub(crate) use logs::collect;
pub(crate) use recover::{recover, stray};
pub(crate) use sweep::unrecorded;
