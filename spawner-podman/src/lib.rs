//! Starts tasks in containers, removes all of them, and proves that they are gone.
#![cfg(unix)]

mod config;

pub use config::PodmanConfig;

/// The kind of this backend, in configuration and records.
pub const KIND: &str = "podman";
