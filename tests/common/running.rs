//! One run of the program, from its start to its last word.

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{LIMIT, command, status_of};

/// What became of one run of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// Runs the program with these arguments.
pub(crate) fn spawner<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    finish(command().args(arguments))
}

/// Runs it to its end, and reads all that it says.
pub(crate) fn finish(command: &mut Command) -> Ran {
    let began = Instant::now();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    collect(child, began)
}

/// Waits for a started one, and for the end of all that it says.
pub(crate) fn collect(mut child: Child, began: Instant) -> Ran {
    let stdout = read(child.stdout.take().unwrap());
    let stderr = read(child.stderr.take().unwrap());
    let Some(status) = eventually(|| child.try_wait().unwrap()) else {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("it did not end within {LIMIT:?}: {:?}", stderr.recv_timeout(LIMIT));
    };
    let took = began.elapsed();
    let all = |stream: Receiver<String>| {
        stream.recv_timeout(LIMIT).expect("nothing that it left holds its standard streams open")
    };
    Ran { status: status_of(status), stdout: all(stdout), stderr: all(stderr), took }
}

/// Reads a stream to its end, beside us.
fn read(mut stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        // Where nobody waits any more, the test has failed already.
        drop(sender.send(String::from_utf8_lossy(&bytes).into_owned()));
    });
    receiver
}

/// Asks until there is an answer, or the time is up.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}
