//! The process backend: starts tasks on this machine, ends everything that they made, and proves it.
//!
//! A harness that embeds this crate never forks itself. Its first task starts one *supervisor*, the
//! harness's own executable started again and taken over before `main`, and that forks a small *keeper* for
//! each task. A keeper is the parent of its task and the subreaper to which every orphan of the task falls;
//! the kernel's ECHILD is then the proof that nothing is left. Where there is cgroup v2 the task is born in a
//! control group besides.
//!
//! Helpers notice the harness's death by the end of a socket, however it died, and end its tasks at once.
//!
//! On Windows there are no helpers: each task has a Job Object, whose own count of running processes is the proof,
//! and which the kernel ends with the harness.
//!
//! ```no_run
//! # async fn example() -> spawner_core::Result<()> {
//! use spawner_core::{Spawner, TaskSpec, Teardown};
//! use spawner_process::{ProcessConfig, ProcessSpawner};
//!
//! let spawner = ProcessSpawner::new(ProcessConfig::default())?;
//! let task = spawner.spawn_task(&TaskSpec::new(["sh", "-c", "setsid sleep 300 & exit 7"])).await?;
//! println!("{}", spawner.wait_task(&task).await?);
//! let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
//! assert!(outcome.is_clean());
//! assert_eq!(outcome.left_behind_total(), 1);
//! spawner.shutdown().await
//! # }
//! ```

#[cfg(any(target_os = "macos", target_os = "freebsd", all(test, target_os = "linux")))]
mod bsd;
mod config;
mod declared;
mod finding;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
/// What is pure of it is tested everywhere.
#[cfg(all(test, not(windows)))]
mod windows {
    mod command_line;
    mod environment;
}

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
use bsd as platform;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(windows)]
use windows as platform;

/// The kind of this backend in records.
pub(crate) const KIND: &str = "process";

pub use config::{Choice, ProcessConfig};
pub use declared::{Declared, declared};
pub use finding::{Finding, HostReport};
pub use platform::{ProcessSpawner, dismiss_supervisor, fork_supervisor, probe};
