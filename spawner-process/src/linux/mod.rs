//! Linux: a supervisor, a keeper for each task, and the kernel's own word that nothing is left.

mod backend;
mod cgroup;
mod children;
mod door;
mod harness;
mod hook;
mod keeper;
mod obstacle;
mod probe;
mod remains;
mod supervisor;
mod sys;
mod tree;
mod vfork;
mod wake;
mod wire;
mod words;

pub use backend::ProcessSpawner;
pub use hook::{dismiss_supervisor, fork_supervisor};
pub use probe::probe;
