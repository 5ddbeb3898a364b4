//! A harness dies, and nothing of it is there a second later, whatever was done to its helpers.

#![allow(unsafe_code)] // A harness that forks a copy of itself.

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Witness, field, keeper_of, parent, poll, signal, with};
use spawner_core::{Input, Output, Spawner, TaskSpec, Teardown};
use spawner_process::{Choice, ProcessSpawner};
use tokio::io::AsyncReadExt as _;

/// How long everything of a dead harness may take to go.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A harness in a process of its own, with one task.
struct Harness {
    process: Child,
    witness: Witness,
    /// Its keeper, its supervisor, and a copy of the harness that has executed nothing.
    keeper: u32,
    supervisor: u32,
    copy: u32,
}

impl Harness {
    fn start(mechanism: Choice, task: &str) -> Self {
        let witness = Witness::new();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "a_harness", "--nocapture"])
            .env("TEST_MECHANISM", mechanism.name())
            .env("TEST_TASK", witness.program(task))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("pids ").map(str::to_owned));
        let line = line.unwrap_or_else(|| panic!("the harness has ended: {:?}", process.wait()));
        let mut pids = line.split(' ').map(|pid| pid.parse().unwrap());
        let mut next = || pids.next().unwrap();
        Self { keeper: next(), supervisor: next(), copy: next(), process, witness }
    }

    /// Kills it, and sees that everything but its copy is gone in time.
    async fn dies(mut self, what: &str) {
        assert!(self.witness.is_held() && is_alive(self.keeper) && is_alive(self.supervisor), "{what}");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let died = Instant::now();
        poll("the lock is held", || !self.witness.is_held()).await;
        let task = died.elapsed();
        poll("helpers are there", || !is_alive(self.keeper) && !is_alive(self.supervisor)).await;
        println!("{what}: the task after {task:?}, the helpers after {:?}", died.elapsed());
        assert!(died.elapsed() < AT_ONCE, "{what}: {:?}", died.elapsed());
        assert!(is_alive(self.copy), "{what}: nobody held the sockets open");
        signal(self.copy, "KILL");
    }
}

/// Whether something of the process runs; a zombie is nothing.
fn is_alive(pid: u32) -> bool {
    field(pid, "State:").is_some_and(|state| !state.starts_with('Z'))
}

fn is_stopped(pid: u32) -> bool {
    field(pid, "State:").is_some_and(|state| state.starts_with(['T', 't']))
}

fn each() -> Vec<Choice> {
    let choices = [Choice::CgroupV2, Choice::Subreaper, Choice::PidNamespace];
    with(&choices).iter().map(ProcessSpawner::mechanism).collect()
}

/// Forks this process; the copy does nothing, for at most a minute.
fn copy() -> i32 {
    // SAFETY: the copy calls nothing but alarm(2) and pause(2), which are signal-safe.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::alarm(60);
            loop {
                libc::pause();
            }
        }
        pid
    }
}

#[tokio::test]
#[ignore = "run by the tests of this file, in a process of its own"]
async fn a_harness() {
    let [mechanism, task] = ["TEST_MECHANISM", "TEST_TASK"].map(|name| std::env::var(name).unwrap());
    let spawner =
        with(&Choice::MECHANISMS).into_iter().find(|own| own.mechanism().name() == mechanism).unwrap();
    let spec = TaskSpec::new(["perl", "-e", &task]).stdin(Input::Null).stdout(Output::Stream);
    let task = spawner.spawn_task(&spec).await.unwrap();
    let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
    let mut ready = [0; 6];
    stdout.read_exact(&mut ready).await.unwrap();
    let mut keeper = keeper_of(&task);
    if spawner.mechanism() == Choice::PidNamespace {
        keeper = parent(keeper);
    }
    println!("pids {keeper} {} {}", parent(keeper), copy());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_copy_of_the_harness_that_holds_its_sockets_keeps_nothing_alive() {
    for mechanism in each() {
        let task = "for (1 .. 9) { fork or do { setpgrp; sleep 300; exit } } sleep 300;";
        Harness::start(mechanism, task).dies(mechanism.name()).await;
    }
}

#[tokio::test]
async fn helpers_that_were_stopped_go_on_when_the_harness_dies() {
    for mechanism in each() {
        for who in ["keeper", "supervisor", "both"] {
            let harness = Harness::start(mechanism, "sleep 300;");
            if who != "keeper" {
                signal(harness.supervisor, "STOP");
            }
            if who != "supervisor" {
                signal(harness.keeper, "STOP");
            }
            harness.dies(&format!("{}, {who} stopped", mechanism.name())).await;
        }
    }
}

#[tokio::test]
async fn a_task_that_keeps_its_keeper_stopped_is_ended() {
    let stop = "while (1) { kill 'STOP', $keeper; $pause->() }";
    // PTRACE_ATTACH is 16: a process that is traced and stopped does not go on by SIGCONT.
    let trace = "require 'syscall.ph'; syscall(&SYS_ptrace, 16, $keeper, 0, 0) == 0 or die; sleep 300;";
    // In a pid namespace a task sees no keeper that it could stop.
    for mechanism in each().into_iter().filter(|&mechanism| mechanism != Choice::PidNamespace) {
        for way in [stop, trace] {
            let task = format!(
                "my $keeper = getppid; my $pause = sub {{ select undef, undef, undef, 0.001 }}; \
                 $pause->() until -e \"$lock.go\"; {way}"
            );
            let harness = Harness::start(mechanism, &task);
            std::fs::write(harness.witness.path().with_extension("go"), "").unwrap();
            poll("the keeper runs", || is_stopped(harness.keeper)).await;
            harness.dies(&format!("{}: {way}", mechanism.name())).await;
        }
    }
}

#[tokio::test]
async fn a_task_has_no_signal_for_its_parent_s_end() {
    for spawner in with(&Choice::MECHANISMS) {
        // PR_GET_PDEATHSIG is 2; its number is asked of the system's own header.
        let program = "require 'syscall.ph'; my $signal = pack 'i', 77; \
             syscall(&SYS_prctl, 2, $signal) == 0 or die; print unpack 'i', $signal;";
        let spec = TaskSpec::new(["perl", "-e", program]).stdout(Output::Stream);
        let task = spawner.spawn_task(&spec).await.unwrap();
        let mut said = String::new();
        let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
        stdout.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "0", "{}", spawner.mechanism().name());
        assert_eq!(spawner.destroy_task(&task, &Teardown::default()).await.leftovers().count(), 0);
        spawner.shutdown().await.unwrap();
    }
}

#[test]
fn the_end_of_a_thread_that_started_the_helpers_changes_nothing() {
    for spawner in with(&[Choice::CgroupV2, Choice::Subreaper]) {
        let on_a_thread = |spec: TaskSpec| {
            std::thread::scope(|scope| {
                let started = scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(spawner.spawn_task(&spec)).unwrap()
                });
                started.join().unwrap()
            })
        };
        let first = on_a_thread(TaskSpec::new(["sleep", "300"]));
        let second = on_a_thread(TaskSpec::new(["sleep", "300"]));
        let keepers = [keeper_of(&first), keeper_of(&second)];
        assert_eq!(parent(keepers[0]), parent(keepers[1]), "the supervisor was replaced");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for task in [first, second] {
                assert!(is_alive(task.record().leader.as_ref().unwrap().pid));
                assert!(spawner.destroy_task(&task, &Teardown::at_once()).await.is_clean());
            }
            spawner.shutdown().await.unwrap();
        });
    }
}
