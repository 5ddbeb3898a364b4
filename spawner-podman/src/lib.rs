//! Starts tasks in containers, removes all of them, and proves that they are gone.
#![cfg(unix)]

mod amount;
mod backend;
mod config;
mod declared;
mod engine;
mod keep;
#[allow(dead_code)]
mod local;
mod probe;
mod remains;
#[allow(dead_code)]
mod task;

pub use backend::PodmanSpawner;
pub use config::PodmanConfig;
pub use declared::{Declared, Place, declared};
pub use engine::PullProgress;
pub use probe::{Found, probe};

/// The kind of this backend, in configuration and records.
pub const KIND: &str = "podman";
