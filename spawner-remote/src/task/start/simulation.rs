//! How cost grows with hosts and tasks: all that the backend does for a task but its ssh session, with a far end that is
//! a few lines of this program. Each size in a process of its own, which then holds nothing else.

use std::process::Command;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use spawner_core::{Exit, ProcessIdentity};
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::config::{Destination, RemoteConfig};
use crate::lock::lock;
use crate::said::{Member, Proof, Said};

const SIZE: &str = "SPAWNER_SIMULATE";
const SLOTS: usize = 10;
/// How many tasks are destroyed at one time.
const AT_ONE_TIME: usize = 64;

/// What one size took.
#[derive(Debug, Serialize, Deserialize)]
struct Cost {
    hosts: usize,
    tasks: usize,
    /// In bytes of memory: for each host with its connection, and for each task besides.
    host_bytes: usize,
    task_bytes: usize,
    descriptors: usize,
    threads: usize,
    /// In microseconds for each task.
    start_us: f64,
    end_us: f64,
    /// A pick among the hosts, and giving it back.
    pick_us: f64,
    /// The share of one processor while all tasks run and nobody asks for anything.
    idle: f64,
    /// What was kept after everything had ended: tasks, and records on disk.
    kept: (usize, usize),
}

/// A number after this word in a file of /proc.
fn proc_number(file: &str, word: &str) -> usize {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(word)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn memory() -> usize {
    proc_number("status", "VmRSS:") << 10
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The time on processors so far, in ticks.
fn ticks() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    [11, 12].iter().map(|&at| fields[at].parse::<f64>().unwrap()).sum()
}

/// A far end whose tasks run until they are asked or forced to end.
async fn far_end(link: Arc<Connection>, mut words: UnboundedReceiver<String>) {
    let member = |pid| Member { pid, start: 7, state: 'S', name: "sleep".into() };
    while let Some(said) = words.recv().await {
        // to PID START PIPE WORD…, where the pipe is named after the task.
        let words: Vec<&str> = said.split(' ').collect();
        let [_, pid, _, pipe, word, rest @ ..] = words.as_slice() else { continue };
        let (pid, id) = (pid.parse().unwrap(), pipe.parse().unwrap());
        match *word {
            "look" => {
                link.hear(id, Said::Member(member(pid)));
                link.hear(id, Said::Members(1, rest[0].to_owned()));
            }
            "ask" | "force" => {
                link.hear(id, Said::Exit(Exit::Signalled { signal: 15, core: false }));
                link.hear(id, Said::Gone { by: vec![Proof::Children], group_kept: false });
            }
            _ => {}
        }
    }
}

fn spec() -> TaskSpec {
    TaskSpec::new(["/bin/sleep", "1000"])
        .stdin(spawner_core::Input::Null)
        .stdout(Output::Null)
        .stderr(Output::Null)
}

/// A start without a session.
async fn start(spawner: &RemoteSpawner, number: u32) -> Task {
    let shared = &spawner.shared;
    let birth =
        Birth::prepare(shared, shared.hosts.turn(false).await.unwrap(), Means::Subreaper, &spec()).unwrap();
    let leader = ProcessIdentity { boot_id: "b".into(), pid: number + 2, start_time: 7 };
    let pipe = birth.record.id.to_string();
    birth.link.hear(birth.record.id, Said::Started { leader, guardian: (number + 2, 7), pipe });
    let started = birth.ear.borrow().started.clone().unwrap().unwrap();
    let (record, traces) = birth.born(&started);
    let (host, link) = ((Arc::clone(&birth.host), Arc::clone(&birth.ear)), Some(Arc::clone(&birth.link)));
    let live = Live::new(record.clone(), birth.linger, birth.page.clone(), traces, host, link);
    let live = Arc::new(live.with_slot(lock(&birth.slot).take()));
    live.watch(Arc::clone(&birth.link));
    shared.tasks.enter(record, live)
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
async fn simulate(hosts: usize, tasks: usize) -> Cost {
    let state = tempfile::tempdir().unwrap();
    let before = memory();
    let config = RemoteConfig {
        slots: std::num::NonZeroU32::new(u32::try_from(SLOTS).unwrap()),
        state_dir: Some(state.path().to_owned()),
        sweep: false,
        ..RemoteConfig::at_any((0..hosts).map(|host| Destination::at(format!("me@host-{host}"))))
    };
    let spawner = RemoteSpawner::new(config).unwrap();
    let runtime = spawner.shared.hosts.worker.runtime().unwrap();
    let mut alive = Vec::new();
    for host in spawner.shared.hosts.all() {
        let (link, words, sender) = Connection::fake(&host.address, runtime.clone());
        let link = Arc::new(link);
        host.install(&link);
        runtime.spawn(far_end(link, words));
        alive.push(sender);
    }
    let with_hosts = memory();
    let began = Instant::now();
    let mut running = Vec::with_capacity(tasks);
    for number in 0..tasks {
        running.push(start(&spawner, u32::try_from(number).unwrap()).await);
    }
    let started = began.elapsed();
    let (with_tasks, descriptors, threads) = (memory(), descriptors(), proc_number("status", "Threads:"));
    let (before_idle, began) = (ticks(), Instant::now());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = (ticks() - before_idle) / 100.0 / began.elapsed().as_secs_f64();
    // One slot is given back and taken again.
    let mut pick = Duration::ZERO;
    for task in running.iter().take(1000) {
        let live = task.state::<Live>().unwrap();
        let began = Instant::now();
        live.give_back();
        drop(spawner.shared.hosts.turn(false).await.unwrap());
        pick += began.elapsed();
    }
    let (began, mut ending) = (Instant::now(), tokio::task::JoinSet::new());
    for task in running {
        if ending.len() >= AT_ONE_TIME {
            ending.join_next().await.unwrap().unwrap();
        }
        let spawner = RemoteSpawner::borrowing(&spawner.shared);
        ending.spawn(async move {
            // On a busy machine too.
            let teardown = Teardown::default().grace(Duration::from_mins(1)).deadline(Duration::from_mins(1));
            let outcome = spawner.destroy_task(&task, &teardown).await;
            assert!(outcome.is_clean(), "{outcome}");
        });
    }
    ending.join_all().await;
    let ended = began.elapsed();
    let kept = (spawner.shared.tasks.len(), std::fs::read_dir(state.path()).unwrap().count());
    drop(alive);
    let each = |time: Duration, count: usize| (time.as_secs_f64() * 1e7 / count as f64).round() / 10.0;
    Cost {
        hosts,
        tasks,
        host_bytes: (with_hosts - before) / hosts,
        task_bytes: (with_tasks - with_hosts) / tasks,
        descriptors,
        threads,
        start_us: each(started, tasks),
        end_us: each(ended, tasks),
        pick_us: each(pick, tasks.min(1000)),
        idle: (idle * 1000.0).round() / 1000.0,
        kept,
    }
}

/// This size, in a process of its own.
fn cost(hosts: usize, tasks: usize) -> Cost {
    let name = format!("{}::one_size", module_path!().split_once("::").unwrap().1);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &name, "--ignored", "--nocapture"]).env(SIZE, format!("{hosts} {tasks}"));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find(|line| line.starts_with('{')).unwrap();
    serde_json::from_str(line).unwrap()
}

#[test]
#[ignore = "a part of the others, which run it in a process of its own"]
fn one_size() {
    let size = std::env::var(SIZE).expect("the size is told by who runs this");
    let (hosts, tasks) = size.split_once(' ').unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cost = runtime.block_on(simulate(hosts.parse().unwrap(), tasks.parse().unwrap()));
    println!("\n{}", serde_json::to_string(&cost).unwrap());
}

#[test]
fn more_hosts_and_tasks_take_no_descriptors_threads_or_more_memory_for_each() {
    let (small, large) = (cost(20, 200), cost(200, 2000));
    for cost in [&small, &large] {
        println!("{cost:?}");
        assert_eq!(cost.kept, (0, 0), "nothing is kept of what has ended");
        assert_eq!((cost.descriptors, cost.threads), (small.descriptors, small.threads));
        assert!(cost.threads <= 4 && cost.descriptors < 32, "{cost:?}");
    }
    assert!(large.task_bytes < 16 << 10 && large.host_bytes < 16 << 10, "{large:?}");
}

#[test]
#[ignore = "a measurement that takes minutes: run it with --ignored --nocapture on a quiet machine"]
fn ten_thousand_hosts_and_a_hundred_thousand_tasks() {
    for (hosts, tasks) in [(10, 100), (100, 1000), (1000, 10_000), (10_000, 100_000)] {
        println!("{:?}", cost(hosts, tasks));
    }
}
