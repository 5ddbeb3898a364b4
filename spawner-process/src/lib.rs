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

mod backend;
mod cgroup;
mod children;
mod config;
mod declared;
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

/// The kind of this backend in records.
pub(crate) const KIND: &str = "process";

pub use backend::ProcessSpawner;
pub use config::{Choice, ProcessConfig};
pub use declared::{Declared, declared};
pub use hook::{dismiss_supervisor, fork_supervisor};
pub use probe::{Finding, HostReport, probe};
