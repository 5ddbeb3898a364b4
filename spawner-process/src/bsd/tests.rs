//! The whole backend on Linux, against `/proc`: the same code but for how the process table is read and exits are noticed.
//! The witness is a pipe that everything of a task inherits: it ends when the last holder is gone.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use spawner_core::{
    Capability, ErrorKind, Exit, Fate, Input, Mechanism, Output, Spawner as _, Task, TaskSpec, TaskState,
    Teardown, Verdict, WindowSize,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::ProcessSpawner;
use crate::{Choice, ProcessConfig};

const PATIENCE: Duration = Duration::from_secs(10);

fn spawner(folder: &Path) -> ProcessSpawner {
    let state_dir = Some(folder.to_owned());
    ProcessSpawner::new(ProcessConfig { state_dir, ..ProcessConfig::default() }).unwrap()
}

fn shell(script: &str) -> TaskSpec {
    TaskSpec::new(["sh", "-c", script]).stdin(Input::Null).stdout(Output::Stream).stderr(Output::Null)
}

/// What it writes, up to the end of the first line.
async fn first_line(spawner: &ProcessSpawner, task: &Task) -> (String, spawner_core::stream::Reader) {
    let mut stdout = spawner.task_output(task).await.unwrap().stdout.unwrap();
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let byte = tokio::time::timeout(PATIENCE, stdout.read_u8()).await.unwrap().unwrap();
        line.push(byte);
    }
    (String::from_utf8(line).unwrap().trim().to_owned(), stdout)
}

fn runs(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}

async fn until_ended(pid: &str) {
    let deadline = Instant::now() + PATIENCE;
    while runs(pid) {
        assert!(Instant::now() < deadline, "{pid} runs still");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn records(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |found| {
        found.filter(|file| file.as_ref().unwrap().path().extension() == Some("task".as_ref())).count()
    })
}

#[tokio::test]
async fn a_task_that_ends_by_itself_is_waited_for_and_is_unverified_without_anything_left() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = spawner(folder.path());
    let task = spawner.spawn_task(&shell("exit 7")).await.unwrap();
    assert_eq!(records(folder.path()), 1);
    assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 7 });
    let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
    assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome}");
    assert_eq!((outcome.mechanisms(), outcome.leftovers().count()), (&[Mechanism::ProcessGroup][..], 0));
    assert_eq!(outcome.resources().iter().map(|own| own.fate).collect::<Vec<_>>(), [Fate::Exited]);
    assert!(outcome.usage().is_some_and(|usage| usage.peak_memory > Some(0)) && !outcome.escalated());
    assert_eq!(records(folder.path()), 0);
    assert_eq!(spawner.task_state(&task).await.unwrap(), TaskState::Ended(Exit::Exited { code: 7 }));
    let again = spawner.destroy_task(&task, &Teardown::default()).await;
    assert_eq!((again.verdict(), again.resources()), (Verdict::Unverified, outcome.resources()));
    let pid = task.record().leader.as_ref().unwrap().pid;
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "its main process has been reaped");
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_left_the_session_or_was_orphaned_is_left_behind_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = spawner(folder.path());
    let script = "setsid sleep 300 & a=$!; (sleep 300 & echo $! $$ $a); exit 3";
    let task = spawner.spawn_task(&shell(script)).await.unwrap();
    let (pids, _stdout) = first_line(&spawner, &task).await;
    assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 3 });
    let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
    let left: Vec<_> = outcome.left_behind().iter().map(|own| own.name.clone().unwrap()).collect();
    assert_eq!(left, ["sleep", "sleep"], "{outcome}");
    assert_eq!((outcome.verdict(), outcome.leftovers().count()), (Verdict::Unverified, 0));
    assert!(outcome.left_behind().iter().all(|own| own.started.is_some()));
    for pid in pids.split(' ') {
        assert!(!runs(pid), "{pid} of {pids}");
    }
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn who_does_not_listen_is_killed_and_who_does_is_terminated() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = spawner(folder.path());
    let deaf = spawner.spawn_task(&shell("trap '' TERM; echo; sleep 300 & wait; sleep 300")).await.unwrap();
    let (_, _stdout) = first_line(&spawner, &deaf).await;
    let outcome = spawner.destroy_task(&deaf, &Teardown::default().grace(Duration::from_millis(100))).await;
    assert!(
        outcome.escalated() && outcome.resources().iter().all(|own| own.fate == Fate::Killed),
        "{outcome}"
    );
    let stopped = spawner.spawn_task(&shell("echo; kill -STOP $$; exit 9")).await.unwrap();
    let (_, _stdout) = first_line(&spawner, &stopped).await;
    let outcome = spawner.destroy_task(&stopped, &Teardown::default()).await;
    assert!(!outcome.escalated(), "{outcome}");
    assert_eq!(outcome.resources()[0].fate, Fate::Terminated);
    assert_eq!(
        spawner.task_state(&stopped).await.unwrap(),
        TaskState::Ended(Exit::Signalled { signal: 15, core: false })
    );
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_tree_that_forks_without_pause_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = spawner(folder.path());
    let script = "trap '' TERM; echo; f() { sleep 0.01; f & exit; }; f & f & f & wait; sleep 300";
    let task = spawner.spawn_task(&shell(script)).await.unwrap();
    let (_, mut stdout) = first_line(&spawner, &task).await;
    let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
    assert_eq!((outcome.verdict(), outcome.leftovers().count()), (Verdict::Unverified, 0), "{outcome}");
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, stdout.read_to_end(&mut rest)).await.unwrap().unwrap();
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_program_that_cannot_be_had_or_a_folder_that_is_not_there_is_an_error_that_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = spawner(folder.path());
    let error = spawner.spawn_task(&TaskSpec::new(["no-such-program"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProgramNotFound, "{error}");
    let error = spawner.spawn_task(&TaskSpec::new(["/etc/passwd"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotExecutable, "{error}");
    let error = spawner.spawn_task(&shell("true").cwd("/no/such/folder")).await.unwrap_err();
    assert!(error.to_string().contains("enter the working directory /no/such/folder"), "{error}");
    let error = spawner.spawn_task(&TaskSpec::new(["true"]).detached()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported(Capability::Detach), "{error}");
    assert_eq!(records(folder.path()), 0);
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn streams_environment_folder_and_signals_are_the_task_s() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = spawner(folder.path());
    let script = "trap 'echo usr1; exit 0' USR1; read line; echo \"$line $X $PWD $SPAWNER_TASK_ID\"; while :; do read line; done";
    let spec = shell(script).stdin(Input::Stream).env("X", "a b").cwd("/usr");
    let task = spawner.spawn_task(&spec).await.unwrap();
    let mut streams = spawner.task_output(&task).await.unwrap();
    assert_eq!(spawner.task_output(&task).await.unwrap_err().kind(), ErrorKind::Taken);
    let mut stdin = streams.stdin.take().unwrap();
    stdin.write_all(b"hello\n").await.unwrap();
    let expected = format!("hello a b /usr {}\n", task.id());
    let mut said = vec![0; expected.len()];
    streams.stdout.as_mut().unwrap().read_exact(&mut said).await.unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), expected);
    spawner.signal_task(&task, libc::SIGUSR1).await.unwrap();
    // For a shell whose read is not interrupted; one that was may have ended by now.
    if let Err(error) = stdin.write_all(b"\n").await {
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{error}");
    }
    assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 0 });
    let error = spawner.signal_task(&task, libc::SIGUSR1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownTask);
    let mut rest = String::new();
    streams.stdout.unwrap().read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "usr1\n");
    drop(spawner.destroy_task(&task, &Teardown::default()).await);
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_terminal_is_the_task_s_own_and_its_controlling_one() {
    let folder = tempfile::tempdir().unwrap();
    let spawner = spawner(folder.path());
    let script = "stty size; ps -o tty= -o sid= -p $$; exec <&-; echo to the terminal >/dev/tty";
    let mut spec = shell(script).stdin(Input::Terminal).stdout(Output::Terminal).stderr(Output::Terminal);
    spec.window = Some(WindowSize { rows: 33, columns: 77 });
    let task = spawner.spawn_task(&spec).await.unwrap();
    let terminal = spawner.task_output(&task).await.unwrap().terminal.unwrap();
    let (mut reader, mut said) = (terminal.reader, String::new());
    tokio::time::timeout(PATIENCE, reader.read_to_string(&mut said)).await.unwrap().unwrap();
    let pid = task.record().leader.as_ref().unwrap().pid.to_string();
    assert!(said.starts_with("33 77") && said.contains(&pid) && said.contains("to the terminal"), "{said}");
    drop(spawner.destroy_task(&task, &Teardown::default()).await);
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn shutting_down_and_dropping_end_what_is_still_there() {
    let folder = tempfile::tempdir().unwrap();
    for drops in [false, true] {
        let spawner = spawner(folder.path());
        let task = spawner.spawn_task(&shell("setsid sleep 300 & echo $! $$; wait")).await.unwrap();
        let (pids, _stdout) = first_line(&spawner, &task).await;
        if drops {
            drop(spawner);
        } else {
            spawner.shutdown().await.unwrap();
        }
        for pid in pids.split(' ') {
            until_ended(pid).await;
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while records(folder.path()) > 0 {
        assert!(Instant::now() < deadline, "a record is left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Where the state folder of [`a_harness_for_others`] is.
const FOLDER: &str = "SPAWNER_TEST_STATE";

/// Not a test by itself: the harness of those below, started by them as this test alone.
#[tokio::test]
async fn a_harness_for_others() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let spawner = spawner(Path::new(&folder));
    let spec = shell("setsid sleep 300 & echo $! $$; wait");
    let task = spawner.spawn_task(&spec).await.unwrap();
    let (pids, _stdout) = first_line(&spawner, &task).await;
    let own = std::process::id().to_string();
    let helper = Command::new("pgrep").args(["-P", &own, "-f", "process-group"]).output().unwrap();
    eprintln!("pids {pids} helper {}", String::from_utf8_lossy(&helper.stdout).trim());
    std::future::pending::<()>().await;
}

struct Harness {
    child: std::process::Child,
    task: Vec<String>,
    helper: String,
}

fn harness(folder: &Path) -> Harness {
    use std::io::{BufRead as _, BufReader};
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bsd::tests::a_harness_for_others", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let said = lines.map(Result::unwrap).find(|line| line.starts_with("pids ")).unwrap();
    let words: Vec<String> = said.split(' ').map(str::to_owned).collect();
    Harness { child, task: words[1..3].to_vec(), helper: words[4].clone() }
}

fn kill(pids: &[&str]) {
    assert!(Command::new("kill").arg("-KILL").args(pids).status().unwrap().success());
}

#[tokio::test]
async fn when_the_harness_is_killed_the_helper_ends_its_tasks_and_closes_their_records() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = harness(folder.path());
    assert_eq!(records(folder.path()), 1);
    harness.child.kill().unwrap();
    harness.child.wait().unwrap();
    for pid in &harness.task {
        until_ended(pid).await;
    }
    until_ended(&harness.helper).await;
    assert_eq!(records(folder.path()), 0);
}

#[tokio::test]
async fn a_helper_that_is_killed_is_replaced_and_its_successor_knows_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = harness(folder.path());
    kill(&[&harness.helper]);
    until_ended(&harness.helper).await;
    let deadline = Instant::now() + PATIENCE;
    let own = harness.child.id().to_string();
    while !Command::new("pgrep").args(["-P", &own, "-f", "process-group"]).output().unwrap().status.success()
    {
        assert!(Instant::now() < deadline, "there is no other helper");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    harness.child.kill().unwrap();
    harness.child.wait().unwrap();
    for pid in &harness.task {
        until_ended(pid).await;
    }
}

#[tokio::test]
async fn where_harness_and_helper_were_killed_at_once_a_sweep_ends_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = harness(folder.path());
    let own = harness.child.id().to_string();
    kill(&[&harness.helper, &own]);
    harness.child.wait().unwrap();
    assert!(harness.task.iter().all(|pid| runs(pid)), "nobody has ended them");
    let spawner = spawner(folder.path());
    let outcomes = spawner.sweep().await;
    let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((outcome.verdict(), outcome.leftovers().count()), (Verdict::Unverified, 0), "{outcome}");
    assert!(!harness.task.iter().any(|pid| runs(pid)));
    assert_eq!(records(folder.path()), 0);
    assert!(spawner.sweep().await.is_empty());
    spawner.shutdown().await.unwrap();
}

#[tokio::test]
async fn only_the_process_group_is_to_be_had() {
    for mechanism in Choice::MECHANISMS {
        let found = ProcessSpawner::new(ProcessConfig { mechanism, ..ProcessConfig::default() });
        match (mechanism, found) {
            (Choice::ProcessGroup, Ok(spawner)) => assert_eq!(spawner.mechanism(), Choice::ProcessGroup),
            (Choice::ProcessGroup, Err(error)) => panic!("{error}"),
            (_, found) => assert_eq!(found.unwrap_err().kind(), ErrorKind::Unavailable),
        }
    }
    let report = super::probe(&ProcessConfig::default());
    assert_eq!(report.chosen, Choice::ProcessGroup);
    assert!(report.limits.iter().all(|(_, limit)| limit.is_err()) && report.cgroup_parent.is_none());
}
