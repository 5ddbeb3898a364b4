//! What is shown while a backend fetches an image.

#[cfg(all(unix, feature = "podman"))]
mod progress;

use spawner::Backend;

/// Has the backend's fetching of images shown on standard error, where that is a terminal.
pub(crate) fn show(backend: &Backend) {
    match backend {
        #[cfg(all(unix, feature = "podman"))]
        Backend::Podman(podman) => progress::show(podman),
        _ => {}
    }
}
