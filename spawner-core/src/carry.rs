//! What carries the streams of a task that is not a child of the harness: for backends whose tasks run behind a connection.

mod feed;
mod flow;
mod opened;
mod sink;

pub use feed::feed;
pub use flow::{AHEAD, Flow, Flows, REST, flushed};
pub use opened::{Opened, Source, Target, open};
pub use sink::{Output, Sink, Trouble};
