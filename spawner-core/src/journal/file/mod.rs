//! What the journal asks of files that each system has in a way of its own:
//!
//! * `usual()`: the folder of a user's journal where the environment names none.
//! * `make(folder)`: makes it, for this user's eyes as far as the system lets a program say so.
//! * `private(options)`: the same for a new file.
//! * `open_plain(path, write)`: opens a file that is no link, and no pipe that would keep its reader waiting.
//! * `try_lock(file)`: takes the one lock of a file, for as long as it is open; false where somebody has it. It keeps
//!   nobody from reading the file.
//! * `is_at(file, path)`: whether it is this file that is at `path` now.
//! * `is_foreign(file)`: whether it is another user's.
//! * `remove(path)`: after it there is no such name, be the file open somewhere; fine where it is gone.
//! * `remedy(path)`: the command by which a person does the same.

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows/mod.rs"]
mod system;

pub(super) use system::{is_at, is_foreign, make, open_plain, private, remedy, remove, try_lock, usual};
