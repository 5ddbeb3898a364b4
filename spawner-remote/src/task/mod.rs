//! One task on a host.

mod asked;
mod evidence;
mod input;
pub(crate) mod live;
pub(crate) mod reach;
mod refusal;
pub(crate) mod rungs;
mod sink;
pub(crate) mod start;
mod stdio;
pub(crate) mod streams;
