//! The cases, a file for each theme.

mod aftermath;
mod containers;
mod controls;
mod detach;
mod detached;
mod ends;
mod group;
mod harness;
mod helpers;
mod limits;
mod members;
mod privilege;
mod records;
mod starts;
mod storms;
mod streams;
mod sweep;
mod teardown;
mod terminal;
#[cfg(unix)]
mod unix;
mod view;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

use spawner_core::Capability;

use crate::case::Case;

/// Every case, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [
        ends::CASES,
        starts::CASES,
        view::CASES,
        streams::CASES,
        terminal::CASES,
        teardown::CASES,
        detach::CASES,
        members::CASES,
        privilege::CASES,
        storms::CASES,
        limits::CASES,
        containers::CASES,
        harness::CASES,
        helpers::CASES,
        sweep::CASES,
        detached::CASES,
        records::CASES,
        controls::CASES,
    ]
    .into_iter()
    .flatten()
}

/// The names of the cases that prove `capability`.
pub fn proofs_of(capability: Capability) -> Vec<&'static str> {
    all().filter(|case| case.proves.contains(&capability)).map(|case| case.name).collect()
}
