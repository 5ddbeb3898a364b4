//! The near end of a task's terminal, whose far end the engine's monitor holds.

use std::time::Duration;

use spawner_core::stream::{Reader, Terminal, TerminalControl, Writer};
use spawner_core::{Error, ErrorKind, Result, WindowSize};
use tokio::io::AsyncRead;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::engine::Engine;

/// How long an engine may take to change a size.
const PATIENCE: Duration = Duration::from_secs(2);

/// Joins the two directions and the size.
pub(super) fn near(
    output: impl AsyncRead + Send + Unpin + 'static,
    writer: Writer,
    engine: &Engine,
    container: &str,
) -> Terminal {
    let (sizes, mut wanted) = watch::channel(None);
    let (engine, container) = (engine.clone(), container.to_owned());
    // One after the other, and of several only the last.
    tokio::spawn(async move {
        while wanted.changed().await.is_ok() {
            let Some(size) = *wanted.borrow_and_update() else { continue };
            if let Err(error) = resize(&engine, &container, size).await {
                tracing::debug!(%error, "the task's terminal did not take its new size");
            }
        }
    });
    let reader: Reader = Box::new(output);
    Terminal { reader, writer, control: Box::new(Control(sizes)) }
}

/// Gives the terminal of a container the size that is wished for.
pub(super) async fn fit(engine: &Engine, container: &str, wished: Option<WindowSize>) {
    if let Some(size) = wished
        && let Err(error) = resize(engine, container, size).await
    {
        tracing::warn!(%error, "the task's terminal has another size");
    }
}

/// Changes the size of a container's terminal.
pub(super) async fn resize(engine: &Engine, container: &str, size: WindowSize) -> Result<()> {
    engine.resize(container, size.rows, size.columns, Instant::now() + PATIENCE).await
}

struct Control(watch::Sender<Option<WindowSize>>);

impl TerminalControl for Control {
    fn resize(&self, size: WindowSize) -> Result<()> {
        let failed = |_| Error::new(ErrorKind::Unavailable, "resize", "the terminal of the task");
        self.0.send(Some(size)).map_err(failed)
    }
}
