//! Something to look at for a person who waits.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Sooner than this, nobody waits.
const LONG: Duration = Duration::from_millis(400);

/// Turns a spinner on the terminal, where there is one, once the work takes long.
pub(super) async fn with_spinner<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(LONG, &mut work).await {
        return done;
    }
    let spinner = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        spinner.set_style(style);
    }
    spinner.set_message("ending what dead harnesses left");
    spinner.enable_steady_tick(Duration::from_millis(100));
    let done = work.await;
    spinner.finish_and_clear();
    done
}
