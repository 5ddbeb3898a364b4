//! podman's log of one container, in the format of Kubernetes: a line is a time, the stream, `F` for a whole line or
//! `P` for a part of one, and the bytes.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use crate::engine::Stream;

/// What a line may be at most: conmon cuts at some thousand bytes.
const LONGEST: u64 = 1 << 20;

/// A log that is read from its beginning.
pub(super) struct LogFile {
    file: BufReader<File>,
    /// A line whose end was not there yet.
    begun: Vec<u8>,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufReader::new(File::open(path)?), begun: Vec::new() })
    }

    /// The next piece of output; `None` where there is no whole one now.
    pub(super) fn piece(&mut self) -> io::Result<Option<(Stream, Vec<u8>)>> {
        loop {
            (&mut self.file).take(LONGEST).read_until(b'\n', &mut self.begun)?;
            if self.begun.last() != Some(&b'\n') {
                if self.begun.len() as u64 >= LONGEST {
                    return Err(io::Error::other("it is in another format than podman's `k8s-file`"));
                }
                return Ok(None);
            }
            let line = std::mem::take(&mut self.begun);
            // What is in no such form was written by nobody's task.
            if let Some(piece) = parse(&line) {
                return Ok(Some(piece));
            }
        }
    }
}

fn parse(line: &[u8]) -> Option<(Stream, Vec<u8>)> {
    let mut fields = line.splitn(4, |&byte| byte == b' ');
    let (_time, stream, tag, bytes) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let stream = match stream {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    let whole = tag.starts_with(b"F");
    Some((stream, bytes[..bytes.len() - usize::from(!whole)].to_vec()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn parts_of_lines_are_put_together_byte_for_byte() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"2026-01-01T00:00:00.1+00:00 stdout P ab\n").unwrap();
        file.write_all(b"2026-01-01T00:00:00.2+00:00 stderr F  \xff\x00 x\n").unwrap();
        file.write_all(b"2026-01-01T00:00:00.3+00:00 stdout F \n2026-01-01T00:00:00.4+00:00 stdout P")
            .unwrap();
        let mut log = LogFile::open(file.path()).unwrap();
        assert_eq!(log.piece().unwrap(), Some((Stream::Stdout, b"ab".to_vec())));
        assert_eq!(log.piece().unwrap(), Some((Stream::Stderr, b" \xff\x00 x\n".to_vec())));
        assert_eq!(log.piece().unwrap(), Some((Stream::Stdout, b"\n".to_vec())));
        assert_eq!(log.piece().unwrap(), None);
        file.write_all(b" end\n").unwrap();
        assert_eq!(log.piece().unwrap(), Some((Stream::Stdout, b"end".to_vec())));
        assert_eq!(log.piece().unwrap(), None);
    }
}
