//! Windows: a Job Object for each task, and the kernel's own count of what runs in it.
//!
//! There is no helper process. Each task has a job within the one of its harness; both end everything in them with
//! their last handle, and the kernel closes those of a dead harness, however it died.

mod ask;
mod backend;
mod birth;
mod command_line;
mod environment;
mod exit_wait;
mod handle;
mod holders;
mod hook;
mod job;
mod live;
mod members;
mod pipe;
mod port;
mod probe;
mod process;
mod program;
mod recover;
mod rungs;
mod scratch;
mod start;
mod stdio;
mod streams;
mod sweep;
mod wine;

pub use backend::ProcessSpawner;
pub use hook::{dismiss_supervisor, fork_supervisor};
pub use probe::probe;

/// The exit code of what is ended by force: what shells say of a program that SIGKILL ended, and no code that programs
/// give by themselves.
const KILLED: u32 = 137;
