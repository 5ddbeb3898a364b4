//! What the workloads ask of the operating system, each call wrapped once.
//!
//! Every process of a workload is single-threaded unless its workload says otherwise, so that a fork
//! without an exec is sound in it.
#![allow(unsafe_code)]
// ^ fork, ptrace and a timer that kills: what a task may do to a spawner has no safe wrapper.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long any process of a workload lives at most.
const LIFE: Duration = Duration::from_mins(1);

static STOP_FILE: OnceLock<PathBuf> = OnceLock::new();

/// The descriptor that holds the witness's lock; inherited by all that the workload makes.
static LOCK: AtomicI32 = AtomicI32::new(-1);
/// When every process of this workload ends, in milliseconds of [`clock`].
static END: AtomicU64 = AtomicU64::new(0);

/// Takes the witness's lock, and sets the end of this workload's life.
pub(super) fn begin(lock: &OsStr) -> std::io::Result<()> {
    live_at_most(LIFE);
    let path = CString::new(lock.as_bytes())?;
    // Without O_CLOEXEC: what the task executes must keep the lock.
    // SAFETY: `path` is a C string that outlives the call.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_APPEND | libc::O_CREAT, 0o600) };
    // SAFETY: flock only uses the number, and says EBADF where it is none.
    if fd < 0 || unsafe { libc::flock(fd, libc::LOCK_SH) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    LOCK.store(fd, Ordering::Relaxed);
    let mut stop = lock.to_owned();
    stop.push(crate::mischief::STOP);
    // It is set once in each process that is executed.
    if STOP_FILE.set(stop.into()).is_err() {
        leave(64);
    }
    Ok(())
}

/// Every process that is forked from here on ends within `life`.
pub(super) fn live_at_most(life: Duration) {
    let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
    END.store(clock(libc::CLOCK_MONOTONIC).saturating_add(life), Ordering::Relaxed);
    arm();
}

/// What is left of this workload's life.
pub(super) fn left() -> Duration {
    Duration::from_millis(END.load(Ordering::Relaxed).saturating_sub(clock(libc::CLOCK_MONOTONIC)))
}

/// Whether a storm is to end: its life is over, or the witness, whom it may outrun, asked it to.
pub(super) fn over() -> bool {
    left().is_zero() || STOP_FILE.get().is_some_and(|file| file.exists())
}

/// Ends this process when its life is over. SIGKILL rather than SIGALRM, so that one which is stopped,
/// traced or frozen ends too.
fn arm() {
    let left = left().max(Duration::from_millis(1));
    // A backstop that is kept over exec, which the timer is not.
    // SAFETY: alarm takes a number.
    unsafe { libc::alarm(u32::try_from(left.as_secs()).unwrap_or(60) + 1) };
    #[cfg(target_os = "linux")]
    // SAFETY: both structures are plain data for which zeroes are valid, and outlive the calls.
    unsafe {
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGKILL;
        let mut timer: libc::timer_t = std::mem::zeroed();
        let mut when: libc::itimerspec = std::mem::zeroed();
        when.it_value.tv_sec = libc::time_t::try_from(left.as_secs()).unwrap_or(60);
        when.it_value.tv_nsec = libc::c_long::from(left.subsec_nanos());
        if libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) != 0
            || libc::timer_settime(timer, 0, &raw const when, std::ptr::null_mut()) != 0
        {
            // A process without an end of its own must not go on.
            libc::_exit(75);
        }
    }
}

/// A clock of this process or of the machine, in milliseconds.
pub(super) fn clock(which: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writing.
    unsafe { libc::clock_gettime(which, &raw mut now) };
    u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}

/// The CPU time that this process has had, in milliseconds.
pub(crate) fn cpu_used() -> u64 {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Tells the case that one more process is where it should be: one byte more in the lock's file.
pub(crate) fn ready() {
    // SAFETY: the buffer is one byte long.
    if unsafe { libc::write(LOCK.load(Ordering::Relaxed), c".".as_ptr().cast(), 1) } != 1 {
        leave(74);
    }
}

/// Waits, without a sound, for the end of this workload's life.
pub(crate) fn linger() -> i32 {
    let end = Instant::now() + left();
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::sleep(left);
    }
    0
}

/// [`ready`], then [`linger`].
pub(super) fn stay() -> i32 {
    ready();
    linger()
}

/// Waits until `done`, for at most ten seconds.
pub(crate) fn until(mut done: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(10);
    while !done() {
        if Instant::now() > give_up {
            leave(73);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Ends this process at once; no destructor of the host program runs.
pub(crate) fn leave(status: i32) -> ! {
    // SAFETY: _exit takes a number.
    unsafe { libc::_exit(status) }
}

/// Who one is after a fork.
pub(super) enum Fork {
    Child,
    Parent(i32),
    Failed,
}

/// Forks; the child gets an end of its own.
pub(super) fn fork() -> Fork {
    // SAFETY: see the head of this module.
    match unsafe { libc::fork() } {
        -1 => Fork::Failed,
        0 => {
            arm();
            Fork::Child
        }
        pid => Fork::Parent(pid),
    }
}

/// Forks a child that does `work` and exits with what that returns; gives its pid.
pub(super) fn child(work: impl FnOnce() -> i32) -> i32 {
    match fork() {
        Fork::Child => leave(work()),
        Fork::Parent(pid) => pid,
        Fork::Failed => leave(72),
    }
}

/// Forks a process that is nobody's child any more and has a session of its own, and does `work` in it.
pub(super) fn daemon(work: impl FnOnce() -> i32) {
    let parent = child(|| {
        setsid();
        child(work);
        0
    });
    reap(parent, 0);
}

/// Waits for `pid`; returns the raw wait status.
pub(super) fn reap(pid: i32, options: i32) -> i32 {
    let mut status = 0;
    loop {
        // SAFETY: `status` is valid for writing.
        let got = unsafe { libc::waitpid(pid, &raw mut status, options) };
        if got >= 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return status;
        }
    }
}

/// A session of one's own; nothing where one leads a group already.
pub(super) fn setsid() {
    // SAFETY: it takes nothing.
    unsafe { libc::setsid() };
}

/// Whether this process leads its session.
pub(super) fn leads_session() -> bool {
    // SAFETY: both take or give numbers.
    unsafe { libc::getsid(0) == libc::getpid() }
}

/// Whether the session has `fd` as its controlling terminal, with this process's group in front.
pub(super) fn in_front_of(fd: i32) -> bool {
    // SAFETY: both take or give numbers.
    unsafe { libc::tcgetpgrp(fd) == libc::getpgrp() }
}

/// The size of the terminal at `fd`.
pub(super) fn window(fd: i32) -> (u16, u16) {
    // SAFETY: winsize is plain data, and what TIOCGWINSZ fills.
    unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        libc::ioctl(fd, libc::TIOCGWINSZ, &raw mut size);
        (size.ws_row, size.ws_col)
    }
}

/// Dies of SIGSEGV, which no process can be deaf to when it has earned it.
pub(super) fn fault() -> i32 {
    // SAFETY: it takes numbers; a mapping that nobody may touch, of no use to anybody else.
    let nothing = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    // SAFETY: it is aligned, and nothing is read: the kernel ends this process here.
    unsafe { std::ptr::read_volatile(nothing.cast::<i32>()) }
}

/// Becomes `program`; returns only where that fails.
pub(super) fn exec(program: &OsStr, argv: &[&OsStr], env: Option<&[&OsStr]>) -> i32 {
    let list = |texts: &[&OsStr]| -> Vec<CString> {
        texts.iter().filter_map(|text| CString::new(text.as_bytes()).ok()).collect()
    };
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (list(argv), env.map(list));
    let Ok(program) = CString::new(program.as_bytes()) else { return 127 };
    // SAFETY: every array ends with a null pointer, and what the others point at outlives the call.
    unsafe {
        match &env {
            Some(env) => {
                libc::execve(program.as_ptr(), pointers(&argv).as_ptr(), pointers(env).as_ptr());
            }
            None => {
                libc::execvp(program.as_ptr(), pointers(&argv).as_ptr());
            }
        }
    }
    127
}

/// Numbers that this process and all that it forks see alike.
pub(super) fn shared() -> &'static [AtomicU64; 64] {
    // SAFETY: a fresh mapping is aligned to a page, long enough, zeroed, and never unmapped; zeroes are
    // valid atomics.
    unsafe {
        let memory = libc::mmap(
            std::ptr::null_mut(),
            size_of::<[AtomicU64; 64]>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if memory == libc::MAP_FAILED {
            leave(71);
        }
        &*memory.cast()
    }
}

/// Whether this program was executed with somebody else's privilege (set-uid).
#[cfg(target_os = "linux")]
pub(crate) fn privileged_copy() -> bool {
    // SAFETY: it takes a number.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Whether this program was executed with somebody else's privilege (set-uid).
#[cfg(not(target_os = "linux"))]
pub(crate) fn privileged_copy() -> bool {
    // SAFETY: they take nothing.
    unsafe { libc::getuid() != libc::geteuid() }
}

#[cfg(target_os = "linux")]
pub(super) use linux::*;

#[cfg(target_os = "linux")]
mod linux;
mod signals;

pub(super) use signals::*;
