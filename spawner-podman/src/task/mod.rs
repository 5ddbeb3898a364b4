//! One task: its start, its streams, its end.

mod account;
mod counters;
pub(crate) mod end;
mod evidence;
mod input;
pub(crate) mod live;
mod look;
mod obstacle;
mod removal;
pub(crate) mod rungs;
mod start;
pub(crate) mod streams;
mod terminal;
#[cfg(test)]
mod tests;
mod wish;
