//! Making a container by podman's own API, which says more than Docker's.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use spawner_core::Result;
use tokio::time::Instant;

use super::Engine;
use super::fault::timed;
use super::wire::{refusal, whole};

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Made {
    id: String,
    #[serde(default)]
    warnings: Option<Vec<String>>,
}

impl Engine {
    /// Makes a container as `wish` says, in the words of podman's `SpecGenerator`; returns its full id and what
    /// podman warns of.
    pub(crate) async fn make(
        &self,
        name: &str,
        wish: &serde_json::Value,
        by: Instant,
    ) -> Result<(String, Vec<String>)> {
        const OPERATION: &str = "create container";
        let make = async {
            let request = Request::post("/v4.0.0/libpod/containers/create")
                .header(CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from(serde_json::to_vec(wish)?)))?;
            let response = self.0.wire.send(request).await?;
            let status = response.status();
            let body = whole(response).await?;
            if status.is_success() { Ok(body) } else { Err(refusal(status, &body)) }
        };
        let answer = timed(self.who(), by, OPERATION, name, make).await?;
        let Made { id, warnings } = self.understood(OPERATION, name, &answer)?;
        Ok((id, warnings.unwrap_or_default()))
    }
}
