//! Workloads about standard streams, and about what a task sees of the world. Two processes at most.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use super::births::{DETACHED, breaking_away, command};
use super::life::linger;
use crate::mischief::common::{await_ready, say};
use crate::mischief::{Args, Workload};

pub(super) const WORKLOADS: &[(&str, Workload)] = &[
    ("holds-stdout", holds_stdout),
    ("repeats", |_| repeats()),
    ("tees", tees),
    ("tee", tee),
    ("tells-pid", tells_pid),
];

/// Says `held`, and leaves a detached process behind that keeps standard output open.
fn holds_stdout(args: &Args) -> i32 {
    breaking_away(&mut command(args, "stays", &[]), DETACHED);
    say(b"held\n");
    await_ready(args, 1)
}

/// Says back what it is told, as it comes.
fn repeats() -> i32 {
    let mut buffer = [0; 64];
    loop {
        match std::io::stdin().read(&mut buffer) {
            Ok(0) => return 0,
            Ok(count) => {
                if say(&buffer[..count]) != 0 {
                    return 74;
                }
            }
            Err(_) => return 74,
        }
    }
}

/// 3000 lines and an `x`, by way of a child that writes them to the file `args[0]` too, and ends after this.
fn tees(args: &Args) -> i32 {
    let mut command = command(args, "tee", &[args.text(0)]);
    let Ok(mut child) = command.stdin(Stdio::piped()).spawn() else { return 72 };
    let Some(mut pipe) = child.stdin.take() else { return 72 };
    let lines = (0..3000).map(|line| format!("line {line}\n")).chain(["x\n".to_owned()]);
    for line in lines {
        if pipe.write_all(line.as_bytes()).is_err() {
            return 74;
        }
    }
    0
}

fn tee(args: &Args) -> i32 {
    let Ok(mut file) = std::fs::File::create(args.os(0)) else { return 65 };
    let (mut buffer, mut input) = ([0; 4096], std::io::stdin().lock());
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return 0,
            Ok(count) => {
                if file.write_all(&buffer[..count]).is_err() || say(&buffer[..count]) != 0 {
                    return 74;
                }
            }
            Err(_) => return 74,
        }
    }
}

/// Writes its pid to the file `args[0]`, in one step, and stays.
fn tells_pid(args: &Args) -> i32 {
    let new = format!("{}.new", args.text(0));
    let written = std::fs::write(&new, std::process::id().to_string());
    if written.and_then(|()| std::fs::rename(&new, args.text(0))).is_err() {
        return 65;
    }
    linger()
}
