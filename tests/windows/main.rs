//! The program on Windows, as a user meets it.
//!
//! The tasks are this executable again ([`task`]). Whether they are gone is asked of Windows: a file that a process
//! holds without sharing cannot be opened by anybody else until that process is gone ([`scene`]).
#![cfg(windows)]

mod asked;
mod console;
mod documents;
mod ends;
mod left_behind;
mod program;
mod records;
mod scene;
mod statuses;
mod task;
