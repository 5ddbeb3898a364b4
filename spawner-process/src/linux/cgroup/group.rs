//! One control group, version 2, that this process made.

use std::cell::{Cell, OnceCell};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// A control group, version 2. Dropping it removes nothing.
#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
    folder: File,
    events: File,
    /// The files that tell whether it is as it was made, and what they say then.
    controls: OnceCell<Vec<(File, &'static str)>>,
    /// Whether it was found to be removed, which a task may do that has left it.
    removed: Cell<bool>,
}

impl Group {
    /// Makes the group.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        fs::create_dir(path)?;
        Self::open(path).inspect_err(|_| {
            if let Err(error) = fs::remove_dir(path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove a control group that was just made");
            }
        })
    }

    /// The same for a group that another process may make at the same time.
    pub(crate) fn create_or_open(path: &Path) -> io::Result<Self> {
        match Self::create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::open(path),
            other => other,
        }
    }

    fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH;
        let folder = rustix::fs::open(path, flags, Mode::empty())?.into();
        let events = File::open(path.join("cgroup.events"))?;
        Ok(Self {
            path: path.to_owned(),
            folder,
            events,
            controls: OnceCell::new(),
            removed: Cell::new(false),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder, for CLONE_INTO_CGROUP.
    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Readable with POLLPRI whenever `cgroup.events` has changed since the last [`Group::is_empty`]; `None` where the group
    /// is known to be removed, since that file would be readable for ever.
    pub(crate) fn events(&self) -> Option<BorrowedFd<'_>> {
        (!self.removed.get()).then(|| self.events.as_fd())
    }

    /// Whether it was found to be removed. At its path there may be another one.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed.get()
    }

    /// Marks it as that of a task which may outlive its harness.
    pub(crate) fn mark_detached(&self) -> io::Result<()> {
        Ok(rustix::fs::setxattr(&self.path, DETACHED, b"1", rustix::fs::XattrFlags::empty())?)
    }

    /// Whether no process is in it or below it. The kernel removes none that is populated, and lets nobody into one that
    /// is removed, so its absence says the same.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        let mut buffer = [0u8; 128];
        match self.events.read_at(&mut buffer, 0) {
            Ok(read) => Ok(!buffer[..read].starts_with(b"populated 1")),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
                self.removed.set(true);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Kills every process in it and below it, atomically against forking.
    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }

    /// The pids of all processes in it and below it.
    pub(crate) fn pids(&self) -> io::Result<Vec<i32>> {
        pids_below(&self.path)
    }

    /// Removes the groups below it, which must be empty.
    pub(crate) fn remove_below(&self) -> io::Result<()> {
        // Two links are its own; each folder in it adds one.
        if rustix::fs::fstat(&self.folder)?.st_nlink == 2 {
            return Ok(());
        }
        subfolders(&self.path)?.iter().try_for_each(|folder| remove_tree(folder))
    }

    /// Removes it and the groups below it, all of which must be empty.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.path)
    }

    /// Whether a task that could write to it left it as it was made, so that another task can have it.
    pub(crate) fn is_as_made(&self) -> io::Result<bool> {
        let controls = if let Some(controls) = self.controls.get() {
            controls
        } else {
            let open = |(name, value)| Ok((File::open(self.path.join(name))?, value));
            let opened = AS_MADE.into_iter().map(open).collect::<io::Result<Vec<_>>>()?;
            self.controls.get_or_init(|| opened)
        };
        for (file, value) in controls {
            let mut buffer = [0u8; 64];
            let read = file.read_at(&mut buffer, 0)?;
            if buffer[..read].trim_ascii_end() != value.as_bytes() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The extended attribute of a group that holds a detached task (cgroup v2 has them since Linux 5.8).
const DETACHED: &str = "user.spawner.detached";

/// Whether the group at `path` is that of a task which may outlive its harness.
pub(crate) fn is_detached(path: &Path) -> bool {
    rustix::fs::getxattr(path, DETACHED, &mut [0u8; 8][..]).is_ok()
}

/// What a fresh group's files say.
const AS_MADE: [(&str, &str); 5] = [
    ("cgroup.freeze", "0"),
    ("cgroup.type", "domain"),
    ("cgroup.subtree_control", ""),
    ("cgroup.max.descendants", "max"),
    ("cgroup.max.depth", "max"),
];

/// The pids of all processes in the group at `path` and below it; none where it is gone.
pub(crate) fn pids_below(path: &Path) -> io::Result<Vec<i32>> {
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        match fs::read_to_string(folder.join("cgroup.procs")) {
            Ok(text) => found.extend(text.lines().filter_map(|pid| pid.parse::<i32>().ok())),
            Err(error) if gone(&error) => continue,
            // A threaded group lists its processes in the group above it.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
        folders.extend(subfolders(&folder)?);
    }
    Ok(found)
}

/// Removes a group and those below it. One that is gone already is fine.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let removed = || match fs::remove_dir(path) {
        Err(error) if gone(&error) => Ok(()),
        other => other,
    };
    // Most have nothing below them, and listing a group takes longer than removing it.
    removed().or_else(|_| {
        subfolders(path)?.iter().try_for_each(|folder| remove_tree(folder))?;
        removed()
    })
}

fn subfolders(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Err(error) if gone(&error) => return Ok(Vec::new()),
        other => other?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}
