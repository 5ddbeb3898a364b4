//! The harness's side: what runs in the process that embeds this crate.

pub(crate) mod evidence;
pub(crate) mod keeper_link;
pub(crate) mod keepers;
pub(crate) mod link;
pub(crate) mod live;
mod orphans;
mod ready;
pub(crate) mod rungs;
pub(crate) mod stdio;
pub(crate) mod streams;
