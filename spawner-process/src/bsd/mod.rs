//! The process backend on macOS and FreeBSD: the mechanism `process-group`.
//!
//! A task is a child of the harness, in a session of its own. Its members are who is in that session, bears the task's
//! mark in its environment, or stands below one of these in the process table; they are looked up in that table, awaited
//! by kqueue(2), and signalled one by one after their start time was compared. A small helper, a `spawner_core::lifeline`,
//! does the same when the harness dies. Nothing of it proves that a task is gone: a member that leaves the session,
//! is orphaned and does not show the mark is missed, so the best verdict is `unverified`.
//!
//! The harness does not reap the main process before its members were seen to be gone: for so long nobody else gets its
//! pid, and its session and process group are the task's own.
//!
//! It builds for tests on Linux too, where the process table is `/proc`; what is particular to a system is in
//! `spawner_core::processes` and `spawner_core::exits`.
#![cfg_attr(
    test,
    allow(
        dead_code,
        unused_imports,
        unreachable_pub,
        reason = "on Linux it is built for its own tests only"
    )
)]

mod backend;
mod birth;
mod child;
mod evidence;
mod herd;
mod hook;
mod live;
mod look;
mod probe;
mod recover;
mod rungs;
mod start;
mod strike;
mod sweep;
#[cfg(test)]
mod tests;
mod watcher;

pub use backend::ProcessSpawner;
pub use hook::{dismiss_supervisor, fork_supervisor};
pub use probe::probe;
