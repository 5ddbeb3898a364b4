//! HTTP over the engine's socket: a connection for each request, so that what hangs or is cut off is nobody
//! else's, and giving up is closing.

use std::io;
use std::sync::Arc;

use bollard::errors::Error as Told;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::address::Way;
use super::private::Private;

/// How requests get to the engine.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    pub(super) way: Way,
    /// The engine at its end, where that is ours and is started again on demand.
    pub(super) private: Option<Arc<Private>>,
}

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// More than any answer has that is no stream.
const LARGEST_ANSWER: usize = 64 << 20;

impl Wire {
    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send<B>(&self, mut request: Request<B>) -> Result<Response<Incoming>, Told>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = self.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the answer's body, or as soon as nobody waits for the answer any more.
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to the engine ended early");
            }
        });
        // The client writes the whole address where a server expects the path alone.
        if let Some(path) = request.uri().path_and_query() {
            *request.uri_mut() = path.clone().into();
        }
        request.headers_mut().insert(HOST, HeaderValue::from_static("engine"));
        Ok(sender.send_request(request).await?)
    }

    async fn connect(&self) -> io::Result<Box<dyn Both>> {
        match (self.way.connect().await, &self.private) {
            (Err(error), Some(private)) if nobody_listens(&error) => {
                private.start().await?;
                self.way.connect().await
            }
            (result, _) => result,
        }
    }

    /// Asks without a body, and returns the whole answer; a refusal is an error.
    pub(super) async fn ask(&self, method: Method, path: &str) -> Result<Bytes, Told> {
        let response = self.send(bare(method, path)?).await?;
        let status = response.status();
        let body = whole(response).await?;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            Ok(body)
        } else {
            Err(refusal(status, &body))
        }
    }
}

/// A request without a body.
pub(super) fn bare(method: Method, path: &str) -> Result<Request<Full<Bytes>>, Told> {
    Ok(Request::builder().method(method).uri(path).body(Full::default())?)
}

/// The body of an answer.
pub(super) async fn whole(response: Response<Incoming>) -> Result<Bytes, Told> {
    match Limited::new(response.into_body(), LARGEST_ANSWER).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => match error.downcast::<hyper::Error>() {
            Ok(error) => Err((*error).into()),
            Err(error) => Err(io::Error::other(error).into()),
        },
    }
}

/// The engine's own words for a refusal.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> Told {
    #[derive(serde::Deserialize)]
    struct Words {
        message: String,
    }
    let message = match serde_json::from_slice::<Words>(body) {
        Ok(words) => words.message,
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(1000)]).into_owned(),
    };
    Told::DockerResponseServerError { status_code: status.as_u16(), message }
}

/// A text as part of a path or query.
pub(super) fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            write!(escaped, "%{byte:02X}").expect("a String takes everything");
        }
    }
    escaped
}

/// Whether there is no engine at all, as opposed to one that does not answer.
pub(super) fn nobody_listens(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

impl Way {
    async fn connect(&self) -> io::Result<Box<dyn Both>> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Tcp(place) => Box::new(TcpStream::connect(place).await?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_engine_s_words() {
        let told = |body: &[u8]| match refusal(StatusCode::INTERNAL_SERVER_ERROR, body) {
            Told::DockerResponseServerError { status_code: 500, message } => message,
            other => panic!("{other}"),
        };
        assert_eq!(told(br#"{"cause":"a","message":"b","response":500}"#), "b");
        assert_eq!(told(b"Internal \xff"), "Internal \u{fffd}");
    }

    #[test]
    fn what_is_no_letter_is_escaped() {
        assert_eq!(escaped("a-b_c.d~"), "a-b_c.d~");
        assert_eq!(escaped("{\"ü /"), "%7B%22%C3%BC%20%2F");
    }
}
