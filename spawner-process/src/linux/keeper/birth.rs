//! The start of a task, from its keeper to its program's first instruction.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Keeper;
use super::group_watch::GroupWatch;
use super::init;
use super::life::{Life, Newborn};
use crate::config::Choice;
use crate::linux::cgroup::{Group, LimitGroups};
use crate::linux::sys::{self, CStrings};
use crate::linux::vfork::{self, Stack};
use crate::linux::words::{Obstacle, Reply, Start, Started, Step};
use spawner_core::proc::Stat;

/// The signals whose meaning helpers changed; the task gets what the harness had.
pub(crate) const CHANGED_SIGNALS: [i32; 7] =
    [libc::SIGUSR1, libc::SIGCHLD, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE];

/// Everything a child needs between its birth and its program, made before it is born.
pub(super) struct Cradle {
    argv: CStrings,
    env: CStrings,
    candidates: Vec<CString>,
    cwd: Option<CString>,
    terminal: Option<i32>,
    streams: [OwnedFd; 3],
    /// Files through which the child joins control groups that it was not born in.
    doors: Vec<CString>,
}

impl Keeper {
    pub(super) fn start(&mut self, start: &Start, streams: &[OwnedFd]) -> Result<Reply, Obstacle> {
        if self.life.is_some() {
            return Err(Obstacle::new(Step::Fork, libc::EBUSY, "its keeper has a task already"));
        }
        self.renew_group();
        let group = match &self.group {
            Some(Ok(group)) => Some(group),
            Some(Err(error)) => return Err(Obstacle::from_io(Step::Group, error)),
            None => None,
        };
        let path = group.map(|group| group.path().to_owned());
        let limits = match &start.limits {
            None => LimitGroups::default(),
            Some((limits, limiters)) => {
                let supervisor = self.supervisor.map_or(0, |pid| pid.as_raw_nonzero().get().cast_unsigned());
                let name = format!("{}{}", LimitGroups::prefix(supervisor, self.index), self.stem());
                match LimitGroups::create(limits, limiters, &name, path.as_deref()) {
                    Ok(groups) => groups,
                    Err(error) => {
                        self.group_is_used_up();
                        return Err(Obstacle::from_io(Step::Limits, &error));
                    }
                }
            }
        };
        let mut limits = Some(limits);
        if let (true, Some(Ok(group))) = (start.detached, &self.group)
            && let Err(error) = group.mark_detached()
        {
            tracing::debug!(%error, "a sweep with another state folder may take the task for a stray");
        }
        let born = self.give_birth(start, streams, &mut limits);
        match born {
            Ok(life) => {
                let (mut life, started) = life;
                if start.detached {
                    life.wear_out_group();
                }
                self.life = Some(life);
                self.told_empty = false;
                self.tasks += 1;
                Ok(Reply::Started(started))
            }
            Err(obstacle) => {
                if start.limits.is_some() {
                    self.group_is_used_up();
                }
                if let Some(Err(error)) = limits.as_mut().map(LimitGroups::remove) {
                    return Err(Obstacle {
                        detail: format!("{}; and then: {error}", obstacle.detail),
                        ..obstacle
                    });
                }
                Err(obstacle)
            }
        }
    }

    fn give_birth(
        &mut self,
        start: &Start,
        streams: &[OwnedFd],
        limits: &mut Option<LimitGroups>,
    ) -> Result<(Life, Started), Obstacle> {
        let doors = limits.as_ref().map(LimitGroups::doors).unwrap_or_default();
        let cradle = Cradle::new(start, streams, doors)?;
        let group = self.group.as_ref().and_then(|group| group.as_ref().ok());
        let mechanism = self.set_up.mechanism;
        let (pid, init, pidfd) = if mechanism == Choice::PidNamespace {
            let (init, leader, pidfd) = init::start(&cradle, group.map(Group::folder), &self.obstacle)?;
            (leader, Some(init), pidfd)
        } else {
            let born = cradle.rock(&mut self.stack, group, &self.obstacle);
            (born.map_err(|error| Obstacle::from_io(Step::Fork, &error))?, None, None)
        };
        if let Some((step, errno)) = read_obstacle(&self.obstacle) {
            reap_stillborn(init.as_ref().map_or(pid, |init| init.pid));
            return Err(Obstacle::new(step, errno, cradle.describe(step)));
        }
        let own = || -> io::Result<OwnedFd> {
            let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
            Ok(pidfd_open(pid, PidfdFlags::empty())?)
        };
        let pidfd = match pidfd.map_or_else(own, Ok) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                // It runs already, and cannot be kept as it should be: it is ended as an unreaped child.
                kill_stillborn(init.as_ref().map_or(pid, |init| init.pid));
                return Err(Obstacle::from_io(Step::Fork, &error));
            }
        };
        let watch = match mechanism {
            Choice::ProcessGroup => match GroupWatch::new(pid) {
                Ok(watch) => Some(watch),
                Err(error) => {
                    kill_stillborn(pid);
                    return Err(Obstacle::from_io(Step::Fork, &error));
                }
            },
            _ => None,
        };
        let seen = Stat::of(pid).ok();
        let start_time = seen.as_ref().map(|seen| seen.start_time);
        let mechanisms = mechanism.mechanisms(group.is_some());
        let init_pid = init.as_ref().map(|init| init.pid);
        let started = Started { pid, start_time, mechanisms, init: init_pid };
        let life = Life::new(Newborn {
            pid,
            pidfd,
            start_time,
            name: seen.map(|seen| seen.name),
            init,
            watch,
            limits: limits.take().unwrap_or_default(),
        });
        Ok((life, started))
    }
}

impl Cradle {
    fn new(start: &Start, streams: &[OwnedFd], doors: Vec<PathBuf>) -> Result<Self, Obstacle> {
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
    pub(super) fn rock(
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
    pub(super) fn descriptors(&self) -> impl Iterator<Item = i32> {
        self.streams.iter().map(AsRawFd::as_raw_fd)
    }

    fn describe(&self, step: Step) -> String {
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

/// What a child's word is once it runs.
const BEGUN: u64 = 1;
/// The bit that tells an obstacle.
const OBSTACLE: u64 = 1 << 63;

pub(super) fn has_obstacle(word: &sys::SharedWord) -> bool {
    word.get() & OBSTACLE != 0
}

/// How a child says what kept it from its program: step and error number in one word.
pub(super) fn write_obstacle(word: &sys::SharedWord, step: Step, errno: i32) {
    let step = STEPS.iter().position(|&own| own == step).unwrap_or(0) as u64;
    word.set(OBSTACLE | step << 32 | u64::from(errno.cast_unsigned()));
}

fn read_obstacle(word: &sys::SharedWord) -> Option<(Step, i32)> {
    let value = word.take();
    if value & OBSTACLE == 0 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)]
    let (step, errno) = (((value >> 32) & 0xff) as usize, value as u32);
    Some((STEPS.get(step).copied().unwrap_or(Step::Execute), errno.cast_signed()))
}

const STEPS: [Step; 9] = [
    Step::Group,
    Step::Limits,
    Step::Fork,
    Step::Join,
    Step::Streams,
    Step::Session,
    Step::Namespace,
    Step::Folder,
    Step::Execute,
];

/// Reaps a child that said why it could not start and is about to end.
fn reap_stillborn(pid: i32) {
    use rustix::process::{WaitOptions, waitpid};
    let Some(pid) = Pid::from_raw(pid) else { return };
    while matches!(waitpid(Some(pid), WaitOptions::empty()), Err(rustix::io::Errno::INTR)) {}
}

fn kill_stillborn(pid: i32) {
    if let Some(own) = Pid::from_raw(pid) {
        // It is an unreaped child, so the pid is its own; that it has ended already is the only way to fail.
        if rustix::process::kill_process(own, rustix::process::Signal::KILL).is_ok() {
            reap_stillborn(pid);
        }
    }
}

impl Obstacle {
    pub(super) fn new(step: Step, errno: i32, detail: impl Into<String>) -> Self {
        Self { step, errno, detail: detail.into() }
    }

    pub(super) fn from_io(step: Step, error: &io::Error) -> Self {
        Self { step, errno: error.raw_os_error().unwrap_or(libc::EIO), detail: error.to_string() }
    }
}
