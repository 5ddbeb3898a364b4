//! One task on a host.

mod asked;
mod evidence;
pub(crate) mod live;
pub(crate) mod reach;
mod refusal;
mod roster;
pub(crate) mod rungs;
pub(crate) mod start;
pub(crate) mod streams;
