//! Ctrl-C, Ctrl-Break, and the end of the console, of the session or of the system.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use spawner::{Error, Result};
use tokio::signal::windows as console;
use tokio::time::{Instant, sleep_until};

use super::Stop;

/// What these wishes are called.
pub(in crate::cli) const WISHES: &str = "Ctrl-C, Ctrl-Break and the end of the console or the session";

/// Windows ends a program 5 s after it told it that its console was closed (`CTRL_CLOSE_EVENT`, "Timeouts"). What the
/// longest grace would not leave time for is done before that.
const LAST_CALL: Duration = Duration::from_secs(3);

/// Wishes that come from the console. What our parent had us ignore (`CREATE_NEW_PROCESS_GROUP` disables Ctrl-C) never
/// comes.
pub(in crate::cli) struct Signals {
    interrupt: console::CtrlC,
    break_key: console::CtrlBreak,
    close: console::CtrlClose,
    logoff: console::CtrlLogoff,
    shutdown: console::CtrlShutdown,
    /// When what is not over by then is to be ended at once.
    last_call: Option<Instant>,
}

impl Signals {
    /// Listens. There is no `terminal` of the task's own here.
    pub(in crate::cli) fn listen(_terminal: bool) -> Result<Self> {
        Self::try_listen().map_err(|error| Error::io("listen to", "the console", error))
    }

    fn try_listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: console::ctrl_c()?,
            break_key: console::ctrl_break()?,
            close: console::ctrl_close()?,
            logoff: console::ctrl_logoff()?,
            shutdown: console::ctrl_shutdown()?,
            last_call: None,
        })
    }

    /// What has been wished. Every one is polled, so that every one wakes us.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Wish> {
        let ready = |poll: Poll<Option<()>>| matches!(poll, Poll::Ready(Some(())));
        let keys = [self.interrupt.poll_recv(context), self.break_key.poll_recv(context)].map(ready);
        let ends =
            [self.close.poll_recv(context), self.logoff.poll_recv(context), self.shutdown.poll_recv(context)]
                .map(ready);
        if ends.contains(&true) {
            Poll::Ready(Wish::End)
        } else if keys.contains(&true) {
            Poll::Ready(Wish::Key)
        } else {
            Poll::Pending
        }
    }
}

enum Wish {
    Key,
    /// Windows will end us soon.
    End,
}

impl Stop for Signals {
    async fn wished(&mut self) {
        let last_call = self.last_call;
        let hurry = async {
            match last_call {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            wish = std::future::poll_fn(|context| self.poll(context)) => {
                if let Wish::End = wish {
                    self.last_call = Some(Instant::now() + LAST_CALL);
                }
            }
            // The second wish, which skips the grace.
            () = hurry => self.last_call = None,
        }
    }
}
