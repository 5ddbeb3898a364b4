//! What a child is given before it is born, and what it does until it executes its program.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::obstacle::{BEGUN, write_obstacle};
use super::reap_stillborn;
use crate::linux::cgroup::Group;
use crate::linux::sys::{self, CStrings};
use crate::linux::vfork::{self, Stack};
use crate::linux::words::{Obstacle, Start, Step};

/// Everything a child needs between its birth and its program, made before it is born.
pub(in crate::linux::keeper) struct Cradle {
    argv: CStrings,
    env: CStrings,
    candidates: Vec<CString>,
    cwd: Option<CString>,
    terminal: Option<i32>,
    streams: [OwnedFd; 3],
    /// Files through which the child joins control groups that it was not born in.
    doors: Vec<CString>,
}

impl Cradle {
    pub(super) fn new(start: &Start, streams: &[OwnedFd], doors: Vec<PathBuf>) -> Result<Self, Obstacle> {
        let invalid = |what: &str| Obstacle::new(Step::Execute, libc::EINVAL, what);
        let strings =
            |list: &[Vec<u8>]| list.iter().cloned().map(CString::new).collect::<Result<Vec<_>, _>>();
        let argv = strings(&start.argv).map_err(|_| invalid("a NUL byte in an argument"))?;
        let env = strings(&start.env).map_err(|_| invalid("a NUL byte in the environment"))?;
        let cwd = start.cwd.clone().map(CString::new).transpose();
        let cwd = cwd.map_err(|_| invalid("a NUL byte in the working directory"))?;
        let doors = doors.into_iter().map(|door| CString::new(door.into_os_string().into_vec()));
        let doors = doors.collect::<Result<_, _>>().map_err(|_| invalid("a NUL byte in a group's name"))?;
        let program = argv.first().cloned().ok_or_else(|| invalid("an empty argv"))?;
        // Copies above the standard numbers: putting one in its place must not close another.
        let streams: Vec<OwnedFd> = streams
            .iter()
            .map(|stream| sys::above_stdio(stream.as_fd()))
            .collect::<io::Result<_>>()
            .map_err(|error| Obstacle::from_io(Step::Streams, &error))?;
        // Where the keeper had no descriptor left to receive them with, none has come.
        let streams = streams.try_into().map_err(|_| Obstacle::new(Step::Streams, libc::EMFILE, ""))?;
        Ok(Self {
            argv: CStrings::new(argv),
            env: CStrings::new(env),
            candidates: candidates(&program, &start.path),
            cwd,
            terminal: start.terminal.map(i32::from),
            streams,
            doors,
        })
    }

    /// Has a child that becomes the task's program, or says why it cannot and ends.
    pub(in crate::linux::keeper) fn rock(
        &self,
        stack: &mut Stack,
        group: Option<&Group>,
        obstacle: &sys::SharedWord,
    ) -> io::Result<i32> {
        let not_binary = Cell::new(None);
        let mut child = |door: Option<&CStr>| {
            let (step, errno, candidate) = self.become_program(&self.candidates, &self.argv, door);
            write_obstacle(obstacle, step, errno);
            not_binary.set(Some(candidate).filter(|_| step == Step::Execute && errno == libc::ENOEXEC));
        };
        let pid = bear(stack, group, obstacle, &mut child)?;
        let Some(path) = not_binary.get().and_then(|candidate| self.candidates.get(candidate)) else {
            return Ok(pid);
        };
        // A file without a magic number is a shell script (POSIX, execvp).
        reap_stillborn(pid);
        let argv = self.argv.with_front(&[CString::from(c"sh"), path.clone()]);
        let shell = [CString::from(c"/bin/sh")];
        let mut child = |door: Option<&CStr>| {
            let (step, errno, _) = self.become_program(&shell, &argv, door);
            write_obstacle(obstacle, step, errno);
        };
        bear(stack, group, obstacle, &mut child)
    }

    /// Returns only with what kept it from its program: the step, the error number and the candidate.
    fn become_program(
        &self,
        candidates: &[CString],
        argv: &CStrings,
        door: Option<&CStr>,
    ) -> (Step, i32, usize) {
        match self.prepare(door) {
            Ok(()) => {
                let (errno, candidate) = sys::exec(candidates, argv, &self.env);
                (Step::Execute, errno, candidate)
            }
            Err((step, error)) => (step, error.raw_os_error().unwrap_or(libc::EIO), 0),
        }
    }

    /// Allocates nothing: a child that is killed in the middle of it would leave the keeper's heap broken.
    fn prepare(&self, door: Option<&CStr>) -> Result<(), (Step, io::Error)> {
        for door in self.doors.iter().map(CString::as_c_str).chain(door) {
            join(door).map_err(|errno| (Step::Join, errno.into()))?;
        }
        rustix::process::setsid().map_err(|errno| (Step::Session, errno.into()))?;
        for (number, stream) in (0..).zip(&self.streams) {
            sys::place(stream.as_raw_fd(), number).map_err(|error| (Step::Streams, error))?;
        }
        if let Some(terminal) = self.terminal {
            sys::take_terminal(terminal).map_err(|error| (Step::Streams, error))?;
        }
        crate::linux::supervisor::restore_signals().map_err(|error| (Step::Session, error))?;
        match &self.cwd {
            Some(cwd) => rustix::process::chdir(cwd).map_err(|errno| (Step::Folder, errno.into())),
            None => Ok(()),
        }
    }

    /// The descriptors that it needs until the program starts.
    pub(in crate::linux::keeper) fn descriptors(&self) -> impl Iterator<Item = i32> {
        self.streams.iter().map(AsRawFd::as_raw_fd)
    }

    pub(super) fn describe(&self, step: Step) -> String {
        match (step, &self.cwd) {
            (Step::Folder, Some(cwd)) => cwd.to_string_lossy().into_owned(),
            (Step::Join, _) => {
                self.doors.first().map(|door| door.to_string_lossy().into_owned()).unwrap_or_default()
            }
            _ => String::new(),
        }
    }
}

/// Has a child that runs `child` until it executes a program.
///
/// It is born in `group`. Some kernels (6.18 is one) kill what is born in a group other than its parent's,
/// unless both have seen equally many `cgroup.kill`: they compare the count of the one with that of the other.
/// Such a child has not run a single instruction, and another one is had, which joins the group by the door.
fn bear(
    stack: &mut Stack,
    group: Option<&Group>,
    obstacle: &sys::SharedWord,
    child: &mut dyn FnMut(Option<&CStr>),
) -> io::Result<i32> {
    obstacle.take();
    let mut begun = |door: Option<&CStr>| {
        obstacle.set(BEGUN);
        child(door);
    };
    // SAFETY: keepers and inits have one thread; the child changes nothing that its parent relies on but
    // what it says why it failed with, and what it allocates it frees.
    #[allow(unsafe_code)]
    let pid = unsafe { vfork::run_until_exec(stack, group.map(Group::folder), &mut || begun(None)) }?;
    let Some(group) = group.filter(|_| obstacle.get() == 0) else { return Ok(pid) };
    reap_stillborn(pid);
    let door = CString::new(group.path().join("cgroup.procs").into_os_string().into_vec())?;
    // SAFETY: as above.
    #[allow(unsafe_code)]
    unsafe {
        vfork::run_until_exec(stack, None, &mut || begun(Some(&door)))
    }
}

/// Moves the calling process into the group whose `cgroup.procs` is `door`.
fn join(door: &CStr) -> rustix::io::Result<()> {
    use rustix::fs::{Mode, OFlags};
    let file = rustix::fs::open(door, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, b"0").map(drop)
}

/// Where a program may be: as it is where its name has a slash, else in each folder of the path.
fn candidates(program: &CString, path: &[u8]) -> Vec<CString> {
    let name = program.as_bytes();
    if name.contains(&b'/') {
        return vec![program.clone()];
    }
    let in_folder = |folder: &[u8]| {
        let folder = if folder.is_empty() { b"." } else { folder };
        CString::new([folder, b"/", name].concat()).ok()
    };
    path.split(|&byte| byte == b':').filter_map(in_folder).collect()
}
