//! What a program is given is what it gets.

use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt as _;

use spawner_core::{ErrorKind, Exit, Output, Spawner as _, TaskSpec, Teardown};
use spawner_process::ProcessSpawner;
use tokio::io::AsyncReadExt as _;

use super::lives::spawner;
use super::parts::part;
use super::run::{Test, block};

pub(crate) const ALL: &[Test] = &[
    ("every argument comes back as it was", arguments),
    ("a batch file gets its arguments, and none that cmd would read otherwise", batch),
    ("one text after /c is in the language of cmd", shell),
    ("a program is found by its bare name in the task's own PATH", lookup),
];

async fn said(spawner: &ProcessSpawner, spec: TaskSpec) -> (Exit, String) {
    let task = spawner.spawn_task(&spec.stdout(Output::Stream)).await.unwrap();
    let mut said = Vec::new();
    spawner.task_output(&task).await.unwrap().stdout.unwrap().read_to_end(&mut said).await.unwrap();
    let exit = spawner.wait_task(&task).await.unwrap();
    assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
    (exit, String::from_utf8_lossy(&said).into_owned())
}

/// What the part `argv` says.
fn read(said: &str) -> Vec<OsString> {
    let unit = |digits: &[u8]| u16::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    said.lines()
        .map(|line| OsString::from_wide(&line.trim().as_bytes().chunks(4).map(unit).collect::<Vec<_>>()))
        .collect()
}

fn arguments() {
    let (_folder, spawner) = spawner();
    block(async {
        let hard = [
            "",
            " ",
            "a b",
            "\"",
            "\\",
            "\\\\",
            "a\\",
            "a b\\",
            "a\\\\b",
            "\\\"",
            "a\\\"b c\\\\",
            "%PATH%",
            "&|<>^!",
            "tab\there",
            "line\nend",
            "é✓",
            "--x=\"y z\"",
            "*",
            "'single'",
            "C:\\with space\\",
        ];
        let mut expected: Vec<OsString> = hard.iter().map(OsString::from).collect();
        // No text at all: half of a surrogate pair.
        expected.push(OsString::from_wide(&[0xd800, 0x61]));
        let mut argv = part(["argv"]);
        argv.extend(expected.iter().cloned());
        let (_, said) = said(&spawner, TaskSpec::new(argv)).await;
        assert_eq!(read(&said), expected);
    });
}

fn batch() {
    let (folder, spawner) = spawner();
    block(async {
        let script = folder.path().join("say it.bat");
        std::fs::write(&script, "@\"%OWN%\" --part argv %*\r\n@exit /b 5\r\n").unwrap();
        let run = |arguments: [&str; 2]| {
            let [one, other] = arguments.map(OsString::from);
            TaskSpec::new([script.clone().into_os_string(), one, other])
                .env("OWN", std::env::current_exe().unwrap())
        };
        for fine in [["plain", "with space"], ["wow!", "C:\\x\\"], ["", "(a) ^ <b> ;,="], ["a&b", "c|d"]] {
            let (exit, out) = said(&spawner, run(fine)).await;
            assert_eq!((exit, read(&out)), (Exit::Exited { code: 5 }, fine.map(OsString::from).to_vec()));
        }
        let canary = folder.path().join("canary");
        let sly = format!("\"&echo>{}&rem", canary.display());
        for bad in ["%PATH%", &sly, "two\nlines"] {
            let error = spawner.spawn_task(&run(["fine", bad])).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidSpec, "{bad}: {error}");
            assert!(error.to_string().contains("argument 2"), "{error}");
        }
        let (_, out) = said(&spawner, run([&format!("x&echo>{}", canary.display()), "a|b"])).await;
        assert!(!canary.exists(), "{out}");
    });
}

fn shell() {
    let (_folder, spawner) = spawner();
    block(async {
        let (exit, out) = said(&spawner, TaskSpec::new(["cmd", "/c", "echo one& echo two& exit 7"])).await;
        assert_eq!(exit, Exit::Exited { code: 7 });
        assert_eq!(out.lines().map(str::trim).collect::<Vec<_>>(), ["one", "two"]);
        let (_, out) = said(&spawner, TaskSpec::new(["cmd", "/c", "echo", "a&b"])).await;
        assert!(out.contains("a&b"), "{out}");
        let bad = spawner.spawn_task(&TaskSpec::new(["cmd", "/c", "echo", "%PATH%"])).await.unwrap_err();
        assert_eq!(bad.kind(), ErrorKind::InvalidSpec);
    });
}

fn lookup() {
    let (folder, spawner) = spawner();
    block(async {
        std::fs::write(folder.path().join("only-here.cmd"), "@exit /b 9\r\n").unwrap();
        let spec = TaskSpec::new(["only-here"]);
        assert_eq!(spawner.spawn_task(&spec).await.unwrap_err().kind(), ErrorKind::ProgramNotFound);
        let spec = spec.env("path", folder.path());
        let (exit, _) = said(&spawner, spec).await;
        assert_eq!(exit, Exit::Exited { code: 9 });
        // Looked up from the task's folder.
        let spec = TaskSpec::new([".\\only-here"]).cwd(folder.path());
        assert_eq!(said(&spawner, spec).await.0, Exit::Exited { code: 9 });
    });
}
