//! What a task costs on a warm connection, beside plain ssh.

mod common;

use std::time::{Duration, Instant};

use common::sshd::Sshd;
use common::{Far, Order};

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

#[test]
#[ignore = "a measurement: run it with --ignored --nocapture on a quiet machine"]
fn true_through_the_guardian_beside_two_plain_ones() {
    const ROUNDS: usize = 100;
    // bash reads no `.bashrc` then, which may take longer than all that is measured.
    let mut sshd = Sshd::start("SetEnv SHLVL=5");
    for account in ["tester", "root"] {
        let plain = sshd.way(account);
        let mut far = Far::open(sshd.way(account), &["/bin/sh"]);
        let mechanisms: &[(bool, bool)] = if account == "root" {
            &[(true, true), (true, false), (false, true), (false, false)]
        } else {
            &[(false, true), (false, false)]
        };
        for &(group, reaper) in mechanisms {
            let order = Order::of(["/bin/true"]).with(group, reaper);
            let (mut ours, mut proved, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let began = Instant::now();
                for _ in 0..2 {
                    assert!(plain("/bin/true").output().unwrap().status.success());
                }
                theirs.push(began.elapsed());
                let began = Instant::now();
                let mut task = far.start(&order).unwrap();
                far.exit(task.id);
                far.gone(task.id);
                proved.push(began.elapsed());
                task.channel.wait().unwrap();
                ours.push(began.elapsed());
                if std::env::var_os("ROUNDS_SHOWN").is_some() {
                    println!("{:?} {:?} {:?}", theirs.last(), proved.last(), ours.last());
                }
            }
            let (ours, proved, theirs) = (median(ours), median(proved), median(theirs));
            println!(
                "{account}, group {group}, reaper {reaper}: proved {proved:.1} ms, channel closed {ours:.1} ms, twice ssh {theirs:.1} ms: {:.2} and {:.2}",
                proved / theirs,
                ours / theirs
            );
        }
    }
}

#[test]
#[ignore = "a measurement: run it with --ignored --nocapture on a quiet machine"]
fn true_through_the_backend_beside_two_plain_ones() {
    use spawner_core::{Input, Output, Spawner as _, TaskSpec, Teardown};
    const ROUNDS: usize = 100;
    let mut sshd = Sshd::start("SetEnv SHLVL=5");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for (account, require) in
        [("tester", None), ("root", None), ("root", Some(spawner_remote::Require::Cgroup))]
    {
        let plain = sshd.way(account);
        let config = spawner_remote::RemoteConfig { require, ..sshd.config(account) };
        let spawner = spawner_remote::RemoteSpawner::new(config).unwrap();
        let spec = TaskSpec::new(["/bin/true"]);
        let spec = spec.stdin(Input::Null).stdout(Output::Null).stderr(Output::Null);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        runtime.block_on(async { spawner.check().await.unwrap() });
        for _ in 0..ROUNDS {
            let began = Instant::now();
            for _ in 0..2 {
                assert!(plain("/bin/true").output().unwrap().status.success());
            }
            theirs.push(began.elapsed());
            let began = Instant::now();
            runtime.block_on(async {
                let task = spawner.spawn_task(&spec).await.unwrap();
                assert!(spawner.wait_task(&task).await.unwrap().success());
                assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
            });
            ours.push(began.elapsed());
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!("{account}, {require:?}: {ours:.1} ms, twice ssh {theirs:.1} ms: {:.2}", ours / theirs);
        runtime.block_on(spawner.shutdown()).unwrap();
    }
}

/// The memory of their own of processes with these names, in KiB, and how many there are.
fn memory_of(names: &[&str], below: u32) -> (usize, usize) {
    let (mut sum, mut count, mut tree) = (0, 0, vec![below]);
    let number =
        |text: Option<&str>| text.and_then(|text| text.split_whitespace().next()?.parse::<u32>().ok());
    let all: Vec<_> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("status")).ok())
        .collect();
    let of = |status: &str, key: &str| number(status.lines().find_map(|line| line.strip_prefix(key)));
    let mut at = 0;
    while let Some(&parent) = tree.get(at) {
        at += 1;
        for status in all.iter().filter(|status| of(status, "PPid:") == Some(parent)) {
            tree.extend(of(status, "Pid:"));
            let name = status.lines().next().and_then(|line| line.split_whitespace().nth(1));
            // A zombie has no memory.
            if let Some(own) = of(status, "RssAnon:").filter(|_| names.contains(&name.unwrap_or_default())) {
                (sum, count) = (sum + own as usize, count + 1);
            }
        }
    }
    (sum, count)
}

#[test]
#[ignore = "a measurement: run it with --ignored --nocapture on a quiet machine"]
fn what_a_running_task_holds() {
    use spawner_core::{Input, Output, Spawner as _, TaskSpec, Teardown};
    const TASKS: usize = 40;
    let sshd = Sshd::start_with_sessions(100);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let spawner = spawner_remote::RemoteSpawner::new(sshd.config("tester")).unwrap();
        let spec = TaskSpec::new(["/bin/sleep", "7720"]);
        let spec = spec.stdin(Input::Null).stdout(Output::Null).stderr(Output::Null);
        let own = std::process::id();
        let look = |what: &str| {
            let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned();
            println!(
                "{what}: {descriptors} descriptors, {resident}, ssh {:?} KiB, far end {:?} KiB",
                memory_of(&["ssh"], own),
                memory_of(
                    &["sshd", "sshd-session", "sh", "cat", "sleep"],
                    sshd.pid().as_raw_nonzero().get().cast_unsigned()
                )
            );
        };
        look("at first");
        spawner.check().await.unwrap();
        look("connected");
        let mut tasks = Vec::new();
        for _ in 0..TASKS {
            tasks.push(spawner.spawn_task(&spec).await.unwrap());
        }
        look(&format!("{TASKS} tasks"));
        for task in &tasks {
            assert!(spawner.destroy_task(task, &Teardown::at_once()).await.is_clean());
        }
        spawner.shutdown().await.unwrap();
    });
}
