//! A task of many processes, and whether anything of it is left.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

/// A task of `count` processes. All of them hold the fifo open, and a byte in it says that they are there. They end
/// by themselves after two minutes.
pub(crate) fn argv(count: usize, fifo: &str) -> Vec<String> {
    let children = count.saturating_sub(1);
    let program = format!(
        "open my $f, '>', $ARGV[0] or die; for (1..{children}) {{ my $p = fork; defined $p or die; \
         if (!$p) {{ sleep 120; exit }} }} syswrite $f, '.'; sleep 120"
    );
    ["perl", "-e", program.as_str(), fifo].map(str::to_owned).into()
}

/// The reading end of the fifo.
pub(crate) struct Witness(File);

impl Witness {
    /// Makes the fifo, in place of what is there.
    pub(crate) fn make(fifo: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", fifo.display());
        if fifo.exists() {
            std::fs::remove_file(fifo).map_err(failed)?;
        }
        mknodat(CWD, fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .map_err(|errno| failed(errno.into()))?;
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(fifo).map_err(failed)?;
        Ok(Self(file))
    }

    /// Waits until all of the task is there.
    pub(crate) fn await_up(&self) -> Result<(), String> {
        match self.read()? {
            1 => Ok(()),
            _ => Err("a task of many processes ended before it was there".into()),
        }
    }

    /// Waits until nothing of the task is left.
    pub(crate) fn await_end(&self) -> Result<(), String> {
        match self.read()? {
            0 => Ok(()),
            _ => Err("a task of many processes said something besides".into()),
        }
    }

    fn read(&self) -> Result<usize, String> {
        let patience = Timespec { tv_sec: 60, tv_nsec: 0 };
        let noticed = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&patience));
        match noticed {
            Ok(0) => return Err(format!("nothing within {} s", Duration::from_secs(60).as_secs())),
            Ok(_) => {}
            Err(errno) => return Err(errno.to_string()),
        }
        (&self.0).read(&mut [0]).map_err(|error| error.to_string())
    }
}
