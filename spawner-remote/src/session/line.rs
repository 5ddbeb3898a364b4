//! Lines of a channel, bounded in memory.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

use crate::said::MARK;

/// What a line may be at most.
const LONGEST: usize = 64 * 1024;

/// How much of what came before the mark is kept, for whoever asks why there was none.
const KEPT: usize = 4 * 1024;

/// Reads up to the mark with this name. What came before it is the account's own noise; where the mark never comes,
/// that is the error.
pub(crate) async fn until_mark(
    from: &mut (impl AsyncBufRead + Unpin),
    name: &str,
    noise: &mut Vec<u8>,
) -> io::Result<()> {
    let mark = format!("{MARK}{name}\n").into_bytes();
    let mut line = Vec::new();
    loop {
        if !piece(from, &mut line).await? {
            noise.extend_from_slice(&line[..line.len().min(KEPT.saturating_sub(noise.len()))]);
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.ends_with(&mark) {
            return Ok(());
        }
        if line.ends_with(b"\n") || line.len() >= LONGEST {
            noise.extend_from_slice(&line[..line.len().min(KEPT.saturating_sub(noise.len()))]);
            line.clear();
        }
    }
}

/// The next line; `None` at the end.
pub(super) async fn next(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        if !piece(from, &mut line).await? {
            return Ok(None);
        }
        if line.len() > LONGEST {
            return Err(io::Error::other("the far end said a line without end"));
        }
    }
    line.pop();
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// Adds what is there, up to the end of a line; `false` at the end of file.
async fn piece(from: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> io::Result<bool> {
    let there = from.fill_buf().await?;
    let end = there.iter().position(|&byte| byte == b'\n').map_or(there.len(), |at| at + 1);
    line.extend_from_slice(&there[..end]);
    from.consume(end);
    Ok(end > 0)
}
