//! The connection to a host: one for all tasks, carried by the ssh program.
//!
//! The master of the connection is a child of ours, and its own session is the agent. So when the harness dies, however
//! it does, the agent reads end of file, and nothing of the connection stays on either side.

mod address;
mod connection;
mod fault;
mod hear;
mod host;
mod keeper;
mod line;
mod places;
mod socket;
mod worker;

pub(crate) use address::Address;
pub(crate) use connection::{Connection, SHELL, Session};
pub(crate) use fault::is_refused;
pub(crate) use hear::{Ear, Gone, Heard, Started};
pub(crate) use host::Host;
pub(crate) use line::until_mark;
pub(crate) use worker::Worker;
