//! The process backend: starts tasks on this machine, ends everything that they made, and proves it.

mod config;
mod declared;

pub use config::{Choice, ProcessConfig};
pub use declared::{Declared, declared};
