//! From SIGKILL of a harness to the end of the last process of its task, beside two peers: `bwrap --die-with-parent
//! --unshare-pid`, killed, and a process group, killed as one, which is as fast as the kernel can be.
//!
//! Everything of a task inherits one pipe; what is measured is the time until that reads end of file.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};
use spawner::process::{Choice, ProcessConfig, ProcessSpawner};
use spawner::{Input, Output, Spawner as _, TaskSpec};

/// The variable that tells this program to be a harness, with the mechanism and the number of processes.
const PART: &str = "SPAWNER_BENCH_HARNESS";
/// What ends a tree, by name, and how long that took.
type Way<'a> = (String, Box<dyn Fn() -> Duration + 'a>);
/// How often each is tried for the ratio.
const TURNS: usize = 31;

fn main() -> ExitCode {
    if let Ok(part) = std::env::var(PART) {
        return harness(&part);
    }
    let state = tempfile::tempdir().expect("a state folder");
    let mut criterion = Criterion::default().configure_from_args();
    for count in [10, 1000] {
        death(&mut criterion, count, state.path());
    }
    criterion.final_summary();
    ExitCode::SUCCESS
}

/// A task of `count` processes, which says that it is there by a byte on its standard output.
fn tree(count: usize) -> [String; 3] {
    let children = count - 1;
    let program = format!(
        "for (1..{children}) {{ my $pid = fork; die unless defined $pid; if (!$pid) {{ sleep 60; exit }} }} \
         syswrite STDOUT, '.'; sleep 60"
    );
    ["perl".into(), "-e".into(), program]
}

/// Starts the task and waits to be killed.
fn harness(part: &str) -> ExitCode {
    let (mechanism, count) = part.split_once(' ').expect("a mechanism and a number");
    let mechanism = Choice::MECHANISMS.into_iter().find(|choice| choice.name() == mechanism);
    let config = ProcessConfig { mechanism: mechanism.expect("a mechanism"), ..ProcessConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let spawner = ProcessSpawner::new(config).expect("a spawner");
        let spec = TaskSpec::new(tree(count.parse().expect("a number")));
        let spec = spec.stdin(Input::Null).stdout(Output::Inherit).stderr(Output::Null);
        let task = spawner.spawn_task(&spec).await.expect("a task");
        spawner.wait_task(&task).await.expect("an exit");
    });
    ExitCode::FAILURE
}

/// Starts `command`, kills it when its tree is there, and says how long the tree lived on.
fn measure(command: &mut Command, kill: impl Fn(u32)) -> Duration {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a child");
    let mut output: ChildStdout = child.stdout.take().expect("its output");
    output.read_exact(&mut [0]).expect("a tree that came up");
    let began = Instant::now();
    kill(child.id());
    let rest = output.read(&mut [0]).expect("the end of the pipe");
    let took = began.elapsed();
    assert_eq!(rest, 0, "the tree said something besides");
    child.wait().expect("a killed child");
    took
}

/// One that is not reaped has its pid for itself.
fn kill_one(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it can be killed");
}

fn kill_group(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
    rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).expect("it can be killed");
}

fn ours(mechanism: Choice, count: usize, state: &Path) -> Duration {
    let mut own = Command::new(std::env::current_exe().expect("this program"));
    own.env(PART, format!("{} {count}", mechanism.name())).env("SPAWNER_STATE_DIR", state);
    measure(&mut own, kill_one)
}

fn bwrap(count: usize) -> Duration {
    let mut command = Command::new("bwrap");
    command.args(["--dev-bind", "/", "/", "--unshare-pid", "--die-with-parent"]).args(tree(count));
    measure(&mut command, kill_one)
}

fn group(count: usize) -> Duration {
    let tree = tree(count);
    measure(Command::new(&tree[0]).args(&tree[1..]).process_group(0), kill_group)
}

fn there(program: &str, args: &[&str]) -> bool {
    let tried = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

fn death(criterion: &mut Criterion, count: usize, state: &Path) {
    let mut ways: Vec<Way<'_>> = Vec::new();
    for mechanism in [Choice::CgroupV2, Choice::Subreaper, Choice::PidNamespace] {
        match ProcessSpawner::new(ProcessConfig { mechanism, ..ProcessConfig::default() }) {
            Ok(_) => ways.push((mechanism.name().into(), Box::new(move || ours(mechanism, count, state)))),
            Err(error) => println!("skipped {}: {error}", mechanism.name()),
        }
    }
    if there("bwrap", &["--dev-bind", "/", "/", "--unshare-pid", "true"]) {
        ways.push(("bwrap".into(), Box::new(move || bwrap(count))));
    } else {
        println!("skipped bwrap: it is not installed, or cannot make a pid namespace here");
    }
    ways.push(("a killed process group".into(), Box::new(move || group(count))));

    let mut benches = criterion.benchmark_group(format!("death of a harness with {count} processes"));
    benches.sample_size(10).sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_millis(500));
    for (name, once) in &ways {
        benches
            .bench_function(name, |bencher| bencher.iter_custom(|rounds| (0..rounds).map(|_| once()).sum()));
    }
    benches.finish();
    figures(count, &ways);
}

/// In turns, so that whatever else the machine does hits all alike.
fn figures(count: usize, ways: &[Way<'_>]) {
    let mut times = vec![Vec::new(); ways.len()];
    for _ in 0..TURNS {
        for ((_, once), times) in ways.iter().zip(&mut times) {
            times.push(once());
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        (times[TURNS / 2].as_secs_f64() * 1e3, times[TURNS - 1].as_secs_f64() * 1e3)
    };
    let found: Vec<_> = times.iter_mut().map(median).collect();
    let (peer, _) = found[found.len() - 1];
    for ((name, _), (middle, worst)) in ways.iter().zip(found) {
        let ratio = middle / peer;
        println!(
            "{count} processes, {name}: {middle:.1} ms, at most {worst:.1} ms; {ratio:.2} of a killed process group"
        );
    }
}
