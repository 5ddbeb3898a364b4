//! The harness's side: what runs in the process that embeds this crate.

pub(crate) mod evidence;
pub(crate) mod keeper_link;
pub(crate) mod keepers;
pub(crate) mod leaving;
pub(crate) mod link;
pub(crate) mod live;
mod lost;
mod orphans;
mod recover;
pub(crate) mod rungs;
mod start;
mod supervisor;
mod sweep;
