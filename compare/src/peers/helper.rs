//! What a task takes that is another process's child, with nothing around it: the least that a keeper could take.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The first argument of a program that is to be the helper.
pub(crate) const ARGUMENT: &str = "bare-helper";

/// A helper that starts `/bin/true` when it is told to, says so, waits for it, and says that too. With a record, what it
/// starts is on file meanwhile, with what tells it from another process of its pid: nobody could find it otherwise when
/// both are dead.
pub(crate) struct Helper {
    recording: bool,
    socket: tokio::sync::Mutex<tokio::net::UnixStream>,
    child: Child,
}

impl Helper {
    pub(crate) fn begin(recording: bool) -> Result<Self, String> {
        let failed = |error: std::io::Error| error.to_string();
        let (near, far) = UnixStream::pair().map_err(failed)?;
        near.set_nonblocking(true).map_err(failed)?;
        let own = std::env::current_exe().map_err(failed)?;
        let stdin = Stdio::from(std::os::fd::OwnedFd::from(far));
        let child = Command::new(own).arg(ARGUMENT).stdin(stdin).spawn().map_err(failed)?;
        let socket = tokio::net::UnixStream::from_std(near).map_err(failed)?;
        Ok(Self { recording, socket: tokio::sync::Mutex::new(socket), child })
    }

    /// Gives when the task had been started.
    pub(crate) async fn life(&self) -> Result<Instant, String> {
        let failed = |error: std::io::Error| error.to_string();
        let mut socket = self.socket.lock().await;
        socket.write_all(if self.recording { b"gr" } else { b"go" }).await.map_err(failed)?;
        socket.read_u8().await.map_err(failed)?;
        let started = Instant::now();
        socket.read_u8().await.map_err(failed)?;
        Ok(started)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("cannot end a helper: {error}");
        }
    }
}

pub(crate) fn main() -> i32 {
    let serve = || -> std::io::Result<()> {
        let mut socket = UnixStream::from(rustix::io::dup(std::io::stdin())?);
        let mut word = [0; 2];
        while socket.read_exact(&mut word).is_ok() {
            let record = (&word == b"gr").then(Record::begin).transpose()?;
            let mut child = Command::new("/bin/true").stdin(Stdio::null()).spawn()?;
            let stat =
                record.as_ref().map(|_| std::fs::read(format!("/proc/{}/stat", child.id()))).transpose()?;
            socket.write_all(b"s")?;
            if let (Some(record), Some(stat)) = (&record, stat) {
                record.append(&stat)?;
            }
            child.wait()?;
            record.map_or(Ok(()), Record::close)?;
            socket.write_all(b"e")?;
        }
        Ok(())
    };
    i32::from(serve().is_err())
}

/// A file that is there whole or not at all, in the folder of the journal.
struct Record(PathBuf);

impl Record {
    fn begin() -> std::io::Result<Self> {
        let folder = PathBuf::from(
            std::env::var_os("SPAWNER_STATE_DIR").unwrap_or_else(|| std::env::temp_dir().into()),
        );
        let name = format!("bare-helper-{}", std::process::id());
        let (half, whole) = (folder.join(format!("{name}.tmp")), folder.join(name));
        std::fs::create_dir_all(folder)?;
        std::fs::write(&half, [b'x'; 800])?;
        std::fs::rename(half, &whole)?;
        Ok(Self(whole))
    }

    fn append(&self, line: &[u8]) -> std::io::Result<()> {
        std::fs::File::options().append(true).open(&self.0)?.write_all(line)
    }

    fn close(self) -> std::io::Result<()> {
        std::fs::remove_file(self.0)
    }
}
