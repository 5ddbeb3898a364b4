//! How far the fetching of an image has come, on a terminal.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use spawner::podman::{PodmanSpawner, PullProgress};

/// Has its fetching of images shown.
pub(super) fn show(podman: &PodmanSpawner) {
    let shown = Mutex::new(None);
    podman.on_pull(move |image, progress| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Some(progress) => shown.get_or_insert_with(|| Fetching::new(image)).tell(progress),
            None => *shown = None,
        }
    });
}

/// An image that is being fetched.
struct Fetching {
    spinner: ProgressBar,
    image: String,
    /// Bytes done and in all, by layer.
    layers: BTreeMap<String, (u64, u64)>,
}

impl Fetching {
    fn new(image: &str) -> Self {
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} ({elapsed})") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(Duration::from_millis(100));
        Self { spinner, image: image.to_owned(), layers: BTreeMap::new() }
    }

    fn tell(&mut self, progress: &PullProgress) {
        let line = self.line(progress);
        self.spinner.set_message(line);
    }

    fn line(&mut self, progress: &PullProgress) -> String {
        if let (Some(layer), Some(done), Some(total)) = (&progress.layer, progress.done, progress.total) {
            self.layers.insert(layer.clone(), (done, total));
        }
        let (done, total) =
            self.layers.values().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
        let image = &self.image;
        match total {
            // What an engine says may have several lines.
            0 => format!("fetching {image}: {}", progress.status.lines().next().unwrap_or_default()),
            _ => format!("fetching {image}: {} of {}", HumanBytes(done), HumanBytes(total)),
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.spinner.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_added_up_and_words_shown_where_there_are_no_numbers() {
        let mut fetching = Fetching::new("docker.io/library/debian:12");
        let told = |layer: Option<&str>, status: &str, bytes: Option<(u64, u64)>| PullProgress {
            layer: layer.map(str::to_owned),
            status: status.to_owned(),
            done: bytes.map(|bytes| bytes.0),
            total: bytes.map(|bytes| bytes.1),
        };
        let words = fetching.line(&told(None, "Trying to pull debian\nand more", None));
        assert_eq!(words, "fetching docker.io/library/debian:12: Trying to pull debian");
        fetching.line(&told(Some("a"), "Downloading", Some((1024, 4096))));
        let sum = fetching.line(&told(Some("b"), "Downloading", Some((1024, 4096))));
        assert_eq!(sum, "fetching docker.io/library/debian:12: 2.00 KiB of 8.00 KiB");
    }
}
