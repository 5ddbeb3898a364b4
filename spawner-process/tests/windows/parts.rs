//! What this program does as a task.
#![allow(unsafe_code, reason = "a handler of console events")]

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use spawner_core::{Output, Spawner as _, TaskSpec};
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::Win32::System::Threading::CREATE_BREAKAWAY_FROM_JOB;

use super::{eyes, run};

/// How long a part waits for its end.
const LONG: Duration = Duration::from_secs(300);

/// The argv by which this program plays a part.
pub(crate) fn part<const N: usize>(arguments: [&str; N]) -> Vec<OsString> {
    let mut argv = vec![std::env::current_exe().unwrap().into_os_string(), "--part".into()];
    argv.extend(arguments.map(OsString::from));
    argv
}

pub(crate) fn play(arguments: &[OsString]) -> ExitCode {
    let text: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let text: Vec<&str> = text.iter().map(AsRef::as_ref).collect();
    match text[..] {
        ["exit", code] => std::process::exit(code.parse::<u32>().unwrap().cast_signed()),
        ["crash"] => eyes::crash(),
        ["argv", ..] => {
            for argument in &arguments[1..] {
                let units: Vec<_> = argument.encode_wide().map(|unit| format!("{unit:04x}")).collect();
                println!("{}", units.concat());
            }
        }
        ["env", name] => match std::env::var(name) {
            Ok(value) => println!("{value}"),
            Err(_) => println!("(none)"),
        },
        ["cwd"] => println!("{}", std::env::current_dir().unwrap().display()),
        ["cat"] => {
            let mut all = Vec::new();
            std::io::stdin().read_to_end(&mut all).unwrap();
            std::io::stdout().write_all(&all).unwrap();
        }
        ["tree", depth] => tree(depth.parse().unwrap()),
        ["leave"] => {
            // Ends at once, and leaves one behind that holds nothing of its parent's.
            own(&["tree", "1"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
        }
        ["break-away"] => {
            let mut child = own(&["tree", "1"]);
            let away = child.creation_flags(CREATE_BREAKAWAY_FROM_JOB).spawn();
            // Windows refuses it; Wine has the child in the job all the same.
            if away.is_err() {
                println!("{}", std::process::id());
            }
            std::thread::sleep(LONG);
        }
        ["storm"] => loop {
            // So that a spawner that does not end it does not end this machine.
            if eyes::copies().len() > 150 || own(&["storm"]).spawn().is_err() {
                std::thread::sleep(Duration::from_millis(100));
            }
        },
        ["many", count] => many(count.parse().unwrap()),
        ["hold", file] => {
            let file = OpenOptions::new().write(true).create(true).truncate(false).share_mode(0).open(file);
            println!("{}", std::process::id());
            std::thread::sleep(LONG);
            drop(file);
        }
        ["hear"] => {
            // SAFETY: the handler lives as long as the program, and only ends it.
            assert_ne!(unsafe { SetConsoleCtrlHandler(Some(end), 1) }, 0);
            println!("{}", std::process::id());
            std::thread::sleep(LONG);
        }
        ["deaf"] => {
            // SAFETY: as above; this one claims to have handled it.
            assert_ne!(unsafe { SetConsoleCtrlHandler(Some(ignore), 1) }, 0);
            println!("{}", std::process::id());
            std::thread::sleep(LONG);
        }
        ["window"] => return eyes::window(),
        ["harness", how, folder] => harness(how, folder),
        _ => panic!("no such part: {text:?}"),
    }
    ExitCode::SUCCESS
}

/// This program in a part, as a child of the standard library's.
pub(crate) fn own(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--part").args(arguments);
    command
}

unsafe extern "system" fn end(_: u32) -> i32 {
    std::process::exit(7);
}

unsafe extern "system" fn ignore(_: u32) -> i32 {
    1
}

/// Says its pid, makes a child that does so too, and waits.
fn tree(depth: u32) {
    println!("{}", std::process::id());
    if depth > 1 {
        own(&["tree", &(depth - 1).to_string()]).spawn().unwrap();
    }
    std::thread::sleep(LONG);
}

/// Makes as many children as it may, and says how many that were.
fn many(count: usize) {
    let made = (0..count).map_while(|_| own(&["tree", "1"]).stdout(Stdio::null()).spawn().ok()).count();
    println!("{made}");
    std::thread::sleep(LONG);
}

/// A harness with a task of three processes; it dies as it is told, or is killed.
fn harness(how: &str, folder: &str) {
    run::block(async {
        let spawner = super::lives::spawner_in(folder.as_ref());
        if how == "spawning" {
            println!("{}", std::process::id());
            loop {
                // It is killed in the midst of this.
                spawner.spawn_task(&TaskSpec::new(part(["tree", "2"])).stdout(Output::Null)).await.unwrap();
            }
        }
        let task = spawner.spawn_task(&TaskSpec::new(part(["tree", "3"]))).await.unwrap();
        match how {
            // What it says comes before this.
            "abort" => {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line).unwrap();
                std::process::abort();
            }
            _ => drop(spawner.wait_task(&task).await),
        }
    });
}
