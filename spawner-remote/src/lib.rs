//! Starts tasks on other machines over ssh, ends them, and says what it saw there.
#![cfg(unix)]

mod backend;
pub mod command;
mod config;
mod declared;
mod hosts;
mod keep;
mod lock;
pub mod quote;
mod remains;
pub mod said;
pub mod script;
mod session;
mod task;

pub use backend::RemoteSpawner;
pub use config::{Destination, RemoteConfig, Require};
pub use declared::{Declared, Means, declared};

/// The kind of this backend, in configuration and records.
pub const KIND: &str = "remote";
