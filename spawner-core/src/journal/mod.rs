//! The journal: what was about to be created, on record before it was, until it was observed to be gone.
//!
//! There is one small file for each task that lives, in one folder for each user: `$SPAWNER_STATE_DIR`, else
//! `$XDG_STATE_HOME/spawner`, else `~/.local/state/spawner` (`%LOCALAPPDATA%\spawner` on Windows). The file's first line is the [`Opening`],
//! written to the side and renamed, so that it is whole or not there; each later line is a [`Note`], appended
//! by one write(2). What a crash cut short is a last line without an end, and counts as not written.
//!
//! It protects against the death of processes, not of the machine: nothing is synced to disk, since a machine
//! that went down took the processes along, and what else there is of a task is found by its marks.
//!
//! The file names the harness by identity, so nobody touches the tasks of a living one.

mod account;
mod file;
mod host;
mod name;
mod page;
mod place;

pub use account::{Account, Found, Whose};
pub use host::{Harness, Host};
pub use name::{NameHold, is_plain_name};
pub use page::{Claim, Note, Opening, Page};
pub use place::Journal;
