//! A process that is told apart from whoever gets its pid later.

#[cfg(not(target_os = "linux"))]
#[path = "handle/none.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "handle/pidfd.rs"]
mod system;

pub(crate) use system::Handle;
