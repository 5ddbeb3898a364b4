//! SIGINT, SIGTERM and SIGHUP.

mod ignored;

use spawner::{Error, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Stop;

pub(in crate::cli) use self::ignored::is_ignored;

/// What these wishes are called.
pub(in crate::cli) const WISHES: &str = "SIGINT, SIGTERM and SIGHUP";

/// Wishes that come as signals.
pub(in crate::cli) struct Signals(Vec<Signal>);

impl Signals {
    /// Listens to the signals that mean it, but for those that our parent had us ignore (`nohup`, a
    /// background job of a script). With the `terminal` in our hands, SIGQUIT must not end us unprepared.
    pub(in crate::cli) fn listen(terminal: bool) -> Result<Self> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        if terminal {
            kinds.push(SignalKind::quit());
        }
        let heeded = kinds.into_iter().filter(|kind| !is_ignored(kind.as_raw_value()));
        let listening: std::io::Result<_> = heeded.map(signal).collect();
        listening.map(Self).map_err(|error| Error::io("listen to", "signals", error))
    }
}

impl Stop for Signals {
    async fn wished(&mut self) {
        std::future::poll_fn(|context| {
            // Every one is polled, so that every one wakes us.
            let ready = self.0.iter_mut().filter_map(|signal| match signal.poll_recv(context) {
                std::task::Poll::Ready(Some(())) => Some(()),
                _ => None,
            });
            if ready.count() > 0 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}
