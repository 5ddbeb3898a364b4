//! Images: whether they are there, and getting them.

use std::time::Duration;

use bollard::errors::Error as Told;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;
use spawner_core::{Error, ErrorKind, Result};
use tokio::time::timeout;

use super::Engine;
use super::fault::{told, too_late};

/// How long the engine may be silent while it fetches: an image has no limit of time, but silence has.
const SILENCE: Duration = Duration::from_mins(5);

/// How far a pull has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullProgress {
    /// Which layer, where it is about one.
    pub layer: Option<String>,
    /// What the engine says.
    pub status: String,
    /// Bytes done.
    pub done: Option<u64>,
    /// Bytes in all.
    pub total: Option<u64>,
}

const OPERATION: &str = "fetch image";

impl Engine {
    /// Fetches the image from its registry, with the engine's own credentials.
    pub(crate) async fn pull(
        &self,
        name: &str,
        progress: &mut (dyn FnMut(PullProgress) + Send),
    ) -> Result<()> {
        let options = CreateImageOptionsBuilder::default().from_image(&tagged(name)).build();
        let mut pieces = std::pin::pin!(self.0.docker.create_image(Some(options), None, None));
        loop {
            let piece = match timeout(SILENCE, pieces.next()).await {
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(Told::DockerStreamError { error }))) => return Err(self.failed(name, &error)),
                Ok(Some(Err(error))) => return Err(told(self.who(), OPERATION, name, error)),
                Ok(None) => return Ok(()),
                Err(_) => return Err(too_late(self.who(), OPERATION, name)),
            };
            let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
            let detail = piece.progress_detail.unwrap_or_default();
            progress(PullProgress {
                layer: piece.id.filter(|id| !id.is_empty()),
                status: piece.status.unwrap_or_default(),
                done: number(detail.current),
                total: number(detail.total),
            });
        }
    }

    fn failed(&self, name: &str, why: &str) -> Error {
        Error::new(ErrorKind::Unavailable, OPERATION, name).because(format!("{} reported: {why}", self.who())).hint(
            "is its name right, and its registry to be reached? an image that is there already needs none: \
             pull = \"missing\" or \"never\"",
        )
    }
}

/// The name with the tag that is meant by none; without one Docker fetches all that there are.
fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::tagged;

    #[test]
    fn a_name_without_a_tag_means_the_latest() {
        for (written, meant) in [
            ("busybox", "busybox:latest"),
            ("box:5000/a/busybox", "box:5000/a/busybox:latest"),
            ("busybox:1", "busybox:1"),
            ("busybox@sha256:ab", "busybox@sha256:ab"),
        ] {
            assert_eq!(tagged(written), meant);
        }
    }
}
