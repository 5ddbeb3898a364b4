//! The life of one process of a workload: its hold on the lock's file, what it writes down about itself, its end.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::mischief::{Args, STOP};
use crate::win::{console, file, process};
use crate::witness::WRITTEN_DOWN;

/// How long any process of a workload lives at most.
const LIFE: Duration = Duration::from_mins(1);
/// How long the witness may be in the way of who opens the lock's file.
const IN_THE_WAY: Duration = Duration::from_secs(5);
/// The variable by which a process finds the file that it inherited: the token and the handle's number.
const INHERITED: &str = "SPAWNER_CONFORMANCE_LOCK";

const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_WRITE: u32 = 2;
const ERROR_SHARING_VIOLATION: i32 = 32;

static LOCK: OnceLock<File> = OnceLock::new();
static STOP_FILE: OnceLock<PathBuf> = OnceLock::new();
static END: OnceLock<Instant> = OnceLock::new();

/// Takes hold of the lock's file, writes down who this is, and sets the end of its life.
pub(crate) fn begin(name: &str, args: &Args) -> io::Result<()> {
    console::die_quietly();
    let end = *END.get_or_init(|| Instant::now() + LIFE);
    std::thread::spawn(move || {
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
        process::leave(75)
    });
    let lock = match inherited(args) {
        Some(lock) => lock,
        None => open(args)?,
    };
    file::hand_on(&lock)?;
    write_down(name, args)?;
    let mut stop = args.lock.clone();
    stop.push(STOP);
    let first = LOCK.set(lock).is_ok() && STOP_FILE.set(stop.into()).is_ok();
    if first { Ok(()) } else { Err(io::Error::other("it is begun twice")) }
}

fn inherited(args: &Args) -> Option<File> {
    let told = std::env::var(INHERITED).ok()?;
    let (token, number) = told.split_once(' ')?;
    let own = args.token.to_str().is_some_and(|own| own == token);
    if own { file::inherited(number.parse().ok()?) } else { None }
}

/// The variable by which what this process starts finds the file.
pub(super) fn handed_on(args: &Args) -> (&'static str, OsString) {
    let mut told = args.token.clone();
    told.push(format!(" {}", LOCK.get().map_or(0, file::number)));
    (INHERITED, told)
}

/// Nobody can open it for themselves alone, or remove it, while this is open.
fn open(args: &Args) -> io::Result<File> {
    let give_up = Instant::now() + IN_THE_WAY;
    let mut options = OpenOptions::new();
    options.append(true).create(true).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
    loop {
        match options.open(&args.lock) {
            Err(error)
                if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) && Instant::now() < give_up =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            opened => return opened,
        }
    }
}

fn write_down(name: &str, args: &Args) -> io::Result<()> {
    let mut list = args.lock.clone();
    list.push(WRITTEN_DOWN);
    let line = format!("{} {} {name}\n", std::process::id(), process::own_created()?);
    OpenOptions::new().append(true).create(true).open(list)?.write_all(line.as_bytes())
}

/// Tells the case that one more process is where it should be: one byte more in the lock's file.
pub(crate) fn ready() {
    let told = LOCK.get().map(|mut lock| lock.write_all(b"."));
    if !matches!(told, Some(Ok(()))) {
        process::leave(74);
    }
}

/// Whether a storm is to end: its life is over, or the witness, whom it may outrun, asked it to.
pub(super) fn over() -> bool {
    let late = END.get().is_none_or(|end| *end < Instant::now());
    late || STOP_FILE.get().is_some_and(|file| file.exists())
}

/// Waits, without a sound, for the end of this workload's life.
pub(crate) fn linger() -> i32 {
    loop {
        std::thread::sleep(LIFE);
    }
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
            process::leave(73);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
