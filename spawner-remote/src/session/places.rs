//! How many sessions a server takes on one connection is found out when it refuses one; then tasks wait for one another.

use std::sync::{Arc, Mutex};

use crate::lock::lock;
use tokio::sync::Notify;

/// How many tasks have a connection each, where the server lets none share the one that there is.
const ALONE: usize = 8;

#[derive(Debug)]
struct Count {
    open: usize,
    limit: usize,
}

#[derive(Debug)]
pub(crate) struct Places {
    count: Mutex<Count>,
    freed: Notify,
}

/// A place for one session, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Default for Places {
    fn default() -> Self {
        Self { count: Mutex::new(Count { open: 0, limit: usize::MAX }), freed: Notify::new() }
    }
}

impl Places {
    /// A place, once there is one.
    pub(crate) async fn take(self: &Arc<Self>) -> Place {
        loop {
            let freed = self.freed.notified();
            {
                let mut count = lock(&self.count);
                let limit = if count.limit == 0 { ALONE } else { count.limit };
                if count.open < limit {
                    count.open += 1;
                    return Place(Arc::clone(self));
                }
            }
            freed.await;
        }
    }

    /// Whether a task needs a connection of its own.
    pub(crate) fn is_alone(&self) -> bool {
        lock(&self.count).limit == 0
    }
}

impl Place {
    /// The server refused it: all others that are open are as many as it takes. Those among them that will be refused too
    /// say so themselves.
    pub(crate) fn refuse(self) {
        // Before it is given back: whoever takes it next must not count.
        let mut count = lock(&self.0.count);
        count.limit = count.limit.min(count.open.saturating_sub(1));
        tracing::debug!(limit = count.limit, "the server takes no more sessions; others wait");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.0.count).open -= 1;
        self.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn as_many_share_a_connection_as_the_server_lets() {
        for taken in [0, 1, 2] {
            let places = Arc::new(Places::default());
            let mut open = Vec::new();
            for _ in 0..6 {
                open.push(places.take().await);
            }
            while open.len() > taken {
                open.pop().unwrap().refuse();
            }
            assert_eq!(places.count.lock().unwrap().limit, taken);
            assert_eq!(places.is_alone(), taken == 0);
        }
    }
}
