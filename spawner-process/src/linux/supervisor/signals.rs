//! The signals of helpers: what they ignore, and what tasks get back.

use std::io;
use std::sync::OnceLock;

use crate::linux::keeper::CHANGED_SIGNALS;
use crate::linux::sys;

/// Which signals the harness ignored, and tasks inherit as ignored (as under nohup(1)).
static IGNORED: OnceLock<Vec<i32>> = OnceLock::new();

/// Makes a helper deaf to what is meant for the harness and its session: it leaves when its socket ends.
pub(super) fn prepare() -> io::Result<()> {
    let mut ignored = Vec::new();
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1] {
        if sys::ignore(signal)? {
            ignored.push(signal);
        }
    }
    sys::ignore(libc::SIGPIPE)?;
    IGNORED.get_or_init(|| ignored);
    sys::unblock_signals()
}

/// Gives a task the signals that the harness had; SIGPIPE, which Rust programs ignore, its default.
pub(crate) fn restore() -> io::Result<()> {
    let ignored = IGNORED.get().map_or(&[][..], Vec::as_slice);
    CHANGED_SIGNALS
        .iter()
        .filter(|signal| !ignored.contains(signal))
        .try_for_each(|&signal| sys::reset(signal))
}

/// Has the standard streams be nobody's, so that a helper keeps no pipe or terminal of the harness's open.
pub(super) fn close_streams() -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    (0..3).try_for_each(|stream| sys::place(null.as_raw_fd(), stream))
}
