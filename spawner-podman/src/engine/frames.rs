//! How the engines put two streams into one: eight bytes before each piece, of which the first says which stream
//! and the last four how long. Taken apart in the memory of the piece at hand.

use std::io;

use bytes::{Buf as _, Bytes};

use super::Stream;

const HEADER: usize = 8;

/// Takes the two streams apart.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; HEADER],
    /// How much of the header is there.
    filled: usize,
    stream: Option<Stream>,
    /// How much of the piece is still to come.
    remaining: usize,
}

impl Frames {
    /// The next part of a stream in what came; call it until `input` is empty.
    pub(super) fn next(&mut self, input: &mut Bytes) -> io::Result<Option<(Stream, Bytes)>> {
        while !input.is_empty() {
            if self.remaining > 0 {
                let part = input.split_to(self.remaining.min(input.len()));
                self.remaining -= part.len();
                return Ok(self.stream.map(|stream| (stream, part)));
            }
            let take = (HEADER - self.filled).min(input.len());
            input.copy_to_slice(&mut self.header[self.filled..self.filled + take]);
            self.filled += take;
            if self.filled == HEADER {
                self.begin()?;
            }
        }
        Ok(None)
    }

    /// Whether what came so far ends between two pieces.
    pub(super) fn is_whole(&self) -> bool {
        self.remaining == 0 && self.filled == 0
    }

    fn begin(&mut self) -> io::Result<()> {
        self.filled = 0;
        let [kind, 0, 0, 0, length @ ..] = self.header else {
            return Err(corrupt(self.header));
        };
        self.stream = Some(match kind {
            // What a terminal echoes of standard input, says the description of the API.
            0 | 1 => Stream::Stdout,
            2 => Stream::Stderr,
            _ => return Err(corrupt(self.header)),
        });
        self.remaining = u32::from_be_bytes(length) as usize;
        Ok(())
    }
}

fn corrupt(header: [u8; HEADER]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{header:?} is no header of a piece of output"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[kind, 0, 0, 0], &length[..], text].concat()
    }

    #[test]
    fn the_streams_are_told_apart_wherever_the_pieces_are_cut() {
        let whole = [frame(1, b"out"), frame(2, b""), frame(2, b"err\n"), frame(1, &[0, 1, 2])].concat();
        for cut in 1..whole.len() {
            let (mut frames, mut out, mut err) = (Frames::default(), Vec::new(), Vec::new());
            for part in whole.chunks(cut) {
                let mut input = Bytes::copy_from_slice(part);
                while let Some((stream, part)) = frames.next(&mut input).unwrap() {
                    if stream == Stream::Stdout { &mut out } else { &mut err }.extend_from_slice(&part);
                }
            }
            assert_eq!((&out[..], &err[..]), (&b"out\0\x01\x02"[..], &b"err\n"[..]), "cut every {cut}");
            assert!(frames.is_whole());
        }
    }

    #[test]
    fn what_is_no_header_is_an_error_and_half_a_piece_is_not_whole() {
        let mut frames = Frames::default();
        let mut input = Bytes::from_static(b"HTTP/1.1 500 Internal");
        assert!(frames.next(&mut input).is_err());
        let mut frames = Frames::default();
        let mut input = Bytes::from(frame(1, b"abc")).slice(..9);
        assert_eq!(frames.next(&mut input).unwrap(), Some((Stream::Stdout, Bytes::from_static(b"a"))));
        assert!(!frames.is_whole());
    }
}
