//! Runs a task, ends *all* of it, and proves it.
//!
//! This crate is the facade over [`spawner_core`], whose items it re-exports, and the backends, one
//! feature each (`process`, `podman` and `remote`, on by default; the last two have something to build on
//! Unix only). With the feature `config`, [`Backends`] reads them from a configuration file; the program
//! `spawner` is the feature `cli`.
//!
//! ```no_run
//! # #[cfg(feature = "process")]
//! # async fn example() -> spawner::Result<()> {
//! use spawner::{Backends, TaskSpec};
//!
//! let backend = Backends::builtin().open(None)?;
//! let finished = spawner::run::run(&*backend, &TaskSpec::new(["make", "check"])).await?;
//! println!("{}; {}", finished.exit, finished.cleanup);
//! assert!(finished.cleanup.is_clean() && finished.cleanup.left_behind().is_empty());
//! backend.shutdown().await
//! # }
//! ```

pub mod backends;
#[cfg(feature = "config")]
pub mod config;
#[doc(hidden)]
pub mod names;

pub use backends::{Backend, Backends, Kind, Promise, Settings};
pub use spawner_core::*;

#[cfg(all(unix, feature = "podman"))]
pub use spawner_podman as podman;
#[cfg(feature = "process")]
pub use spawner_process as process;
#[cfg(all(unix, feature = "remote"))]
pub use spawner_remote as remote;

/// What the README shows compiles.
#[cfg(all(doctest, feature = "process"))]
#[doc = include_str!("../README.md")]
struct Readme;
