//! The cases, a file for each theme.

mod controls;
mod detach;
mod ends;
mod harness;
mod limits;
mod members;
mod privilege;
mod starts;
mod storms;
mod streams;
mod teardown;
mod terminal;
mod view;

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
        harness::CASES,
        controls::CASES,
    ]
    .into_iter()
    .flatten()
}

/// The names of the cases that prove `capability`.
pub fn proofs_of(capability: Capability) -> Vec<&'static str> {
    all().filter(|case| case.proves.contains(&capability)).map(|case| case.name).collect()
}
