//! What goes into a container and comes out of it.

use std::future::Future;
use std::pin::Pin;

use bollard::errors::Error as Told;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use spawner_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::Instant;

use super::Engine;
use super::fault::{timed, told};
use super::frames::Frames;
use super::wire::{bare, refusal, whole};

/// How much is read at a time.
const CHUNK: usize = 32 << 10;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The pieces of output, in the order in which they come. What is not taken is not read, so that the writer waits.
pub(crate) type Output = Pin<Box<dyn futures_util::Stream<Item = Result<(Stream, Bytes)>> + Send>>;

/// The streams of a container.
pub(crate) struct Attached {
    /// Ends with the container. With a terminal everything is `Stdout`.
    pub(crate) output: Output,
    /// Shut it down for an end of file.
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
}

impl Engine {
    /// Gets hold of a container's streams, before it is started. podman makes it ready by this, as
    /// [`init`](Self::init) does.
    pub(crate) async fn attach(&self, id: &str, stdin: bool, tty: bool, by: Instant) -> Result<Attached> {
        const OPERATION: &str = "attach to container";
        let path = format!("/containers/{id}/attach?stream=true&stdout=true&stderr=true&stdin={stdin}");
        let attach = async {
            let mut request = bare(Method::POST, &path)?;
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            request.headers_mut().insert(UPGRADE, HeaderValue::from_static("tcp"));
            let response = self.0.wire.send(request).await?;
            match response.status() {
                StatusCode::SWITCHING_PROTOCOLS => Ok(hyper::upgrade::on(response).await?),
                status => Err(refusal(status, &whole(response).await?)),
            }
        };
        let upgraded = timed(self.who(), by, OPERATION, id, attach).await?;
        let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
        let output = self.taken_apart(id, tty, Reader { from: reader, with_input: stdin });
        Ok(Attached { output, input: Box::pin(writer) })
    }

    /// What the engine kept of one stream of a container's output, as whole lines, where it had no terminal. With `follow` it ends when the container does.
    pub(crate) fn logs(&self, id: &str, follow: bool, which: Stream) -> Output {
        let (engine, id) = (self.clone(), id.to_owned());
        let begin = async move {
            let (out, err) = (which == Stream::Stdout, which == Stream::Stderr);
            let path = format!("/containers/{id}/logs?follow={follow}&stdout={out}&stderr={err}");
            let answer = async {
                let response = engine.0.wire.send(bare(Method::GET, &path)?).await?;
                match response.status() {
                    status if status.is_success() => Ok(response.into_body()),
                    status => Err(refusal(status, &whole(response).await?)),
                }
            };
            match answer.await {
                Ok(body) => engine.taken_apart(&id, false, body),
                Err(error) => {
                    let error = told(engine.who(), "read the log of container", &id, error);
                    Box::pin(stream::iter([Err(error)]))
                }
            }
        };
        Box::pin(futures_util::StreamExt::flatten(stream::once(begin)))
    }

    fn taken_apart(&self, id: &str, tty: bool, source: impl Source) -> Output {
        let (who, id) = (self.who(), id.to_owned());
        let state = (source, Bytes::new(), Frames::default(), false);
        Box::pin(stream::unfold(state, move |(mut source, mut input, mut frames, ended)| {
            let id = id.clone();
            async move {
                if ended {
                    return None;
                }
                let failed = |error| told(who, "read the output of container", &id, error);
                loop {
                    match frames.next(&mut input) {
                        Ok(Some(piece)) => return Some((Ok(piece), (source, input, frames, false))),
                        Ok(None) => {}
                        Err(error) => {
                            return Some((Err(failed(error.into())), (source, input, frames, true)));
                        }
                    }
                    match source.more().await {
                        Ok(Some(more)) if tty => {
                            return Some((Ok((Stream::Stdout, more)), (source, input, frames, false)));
                        }
                        Ok(Some(more)) => input = more,
                        Ok(None) if frames.is_whole() => return None,
                        Ok(None) => {
                            let error = Error::new(
                                ErrorKind::Unavailable,
                                "read the output of container",
                                id.as_str(),
                            )
                            .because(format!("{who} hung up in the midst of it"));
                            return Some((Err(error), (source, input, frames, true)));
                        }
                        Err(error) => return Some((Err(failed(error)), (source, input, frames, true))),
                    }
                }
            }
        }))
    }
}

/// Where bytes come from.
trait Source: Send + 'static {
    /// The next ones; `None` at the end.
    fn more(&mut self) -> impl Future<Output = Result<Option<Bytes>, Told>> + Send;
}

struct Reader<R> {
    from: R,
    /// Whether something may be sent the other way.
    with_input: bool,
}

impl<R: AsyncRead + Send + Unpin + 'static> Source for Reader<R> {
    async fn more(&mut self) -> Result<Option<Bytes>, Told> {
        let mut buffer = bytes::BytesMut::with_capacity(CHUNK);
        match self.from.read_buf(&mut buffer).await {
            Ok(read) => Ok((read > 0).then(|| buffer.freeze())),
            // An end like any other: what was sent and not read by who closes has the kernel say so, after the last
            // byte of what came (unix_stream_read_generic in Linux's net/unix/af_unix.c).
            Err(error) if self.with_input && error.kind() == std::io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Source for Incoming {
    async fn more(&mut self) -> Result<Option<Bytes>, Told> {
        while let Some(frame) = self.frame().await {
            // Trailers are none.
            if let Ok(data) = frame?.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}
