//! A far end on which no process can be made any more, and one on which a wait takes longer than it says.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::bound::Bound;
use common::lock::Witness;
use common::{Far, Order, Running, SHELLS, kill, until};
use spawner_core::Exit;
use spawner_remote::said::{Line, Looked, Proof, Reaper, Refusal, Said};

/// Room for an agent, a guardian and a task that fills the rest.
const ROOM: u32 = 60;

/// Makes processes, deaf ones in sessions of their own, until there is no room for another, and whenever there is.
const FILL: &str = r#"exec perl -e 'use POSIX; $SIG{TERM} = "IGNORE"; $SIG{ALRM} = sub { exit }; alarm 60;
    while (1) { my $one = fork; if (!defined $one) { select undef, undef, undef, .005; next }
        if ($one == 0) { POSIX::setsid(); alarm 60; sleep 60; exit } }'"#;

/// The same by processes that end at once, each followed by another.
const CHAINS: &str = r#"exec perl -e 'use POSIX; $SIG{TERM} = "IGNORE";
    for (1 .. 4) { if (!fork) { POSIX::setsid(); my $end = time + 60; while (time < $end) {
        my $one = fork; if (!defined $one) { select undef, undef, undef, .0002; next } exit 0 if $one } exit 0 } }
    sleep 60'"#;

fn is_bash(shell: &[&str]) -> bool {
    shell[0].ends_with("bash")
}

fn filled(far: &mut Far, bound: &Bound, witness: &Witness, script: &str) -> Running {
    let task = far.start(&Order::sh(&witness.hold(script)).with(false, true)).unwrap();
    let mut polls = 0;
    until("it is full", common::PATIENCE, || {
        if polls % 40 == 0 {
            far.tell("renew 0");
        }
        polls += 1;
        bound.count() >= ROOM
    });
    assert!(!witness.all_gone());
    task
}

/// Waits until the task and who held it are gone.
fn over(task: &Running, witness: &Witness) {
    until("all are gone", common::PATIENCE, || witness.all_gone());
    until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
}

#[test]
fn who_fills_the_limit_of_processes_is_ended() {
    for shell in SHELLS {
        let Some(bound) = Bound::of(ROOM) else { return };
        // Where storms of other tests are beside it, the agent is not heard for seconds.
        let lease = Duration::from_secs(10);
        let mut far = Far::with_lease(bound.way(), shell, lease);
        let witness = Witness::new();
        let task = filled(&mut far, &bound, &witness, FILL);
        println!("{shell:?}");
        far.to(&task, "ask");
        // It is renewed, and holds; so does the guardian, which waits. bash would try to make a process for fifteen seconds.
        let held = if is_bash(shell) { Duration::from_secs(17) } else { lease + Duration::from_secs(1) };
        let began = Instant::now();
        for number in 0.. {
            far.tell(&format!("renew {number}"));
            std::thread::sleep(Duration::from_millis(200));
            if began.elapsed() > held {
                break;
            }
        }
        assert!(!witness.all_gone(), "{shell:?}");
        far.tell("renew 0");
        assert!(!far.members(&task, "look").is_empty());
        far.tell("renew 0");
        far.to(&task, "force");
        assert_eq!(far.gone(task.id), [Proof::Children]);
        assert!(witness.all_gone());
        assert_eq!(far.exit(task.id), Exit::Signalled { signal: 9, core: false });
        // And the agent has borne it, too.
        far.tell("renew 0");
        let (exit, ..) = far.run(&Order::sh("exit 3"), b"");
        assert_eq!(exit, Exit::Exited { code: 3 });
    }
}

#[test]
fn who_fills_it_without_pause_is_ended() {
    for shell in SHELLS {
        let Some(bound) = Bound::of(ROOM) else { return };
        let mut far = Far::open(bound.way(), shell);
        let witness = Witness::new();
        // bash reaps what ends at once, and then it is never full.
        let order = Order::sh(&witness.hold(CHAINS)).with(false, true);
        let task = far.start(&order).unwrap();
        until("it holds the lock", common::PATIENCE, || !witness.all_gone());
        if !is_bash(shell) {
            until("it is full", common::PATIENCE, || bound.count() >= ROOM);
        }
        far.to(&task, "force");
        assert_eq!(far.gone(task.id), [Proof::Children]);
        assert!(witness.all_gone());
    }
}

#[test]
fn who_fills_it_ends_with_the_agent() {
    for (shell, silent) in SHELLS.into_iter().flat_map(|shell| [(shell, false), (shell, true)]) {
        let Some(bound) = Bound::of(ROOM) else { return };
        let lease = Duration::from_secs(if silent { 4 } else { 60 });
        let mut far = Far::with_lease(bound.way(), shell, lease);
        let witness = Witness::new();
        let task = filled(&mut far, &bound, &witness, FILL);
        let began = Instant::now();
        // By its lease, or by its death.
        if !silent {
            kill(far.address.process.0);
        }
        over(&task, &witness);
        println!("{shell:?} {silent}: {:?}", began.elapsed());
    }
}

#[test]
fn the_death_of_the_agent_is_noticed_where_nobody_can_be_made_to_wait_for_it() {
    for shell in SHELLS {
        // The guardian, the task's parent and the task; before it bash makes who waits and who watches in its place.
        let room = if is_bash(shell) { 5 } else { 3 };
        let Some(bound) = Bound::of(room) else { return };
        bound.applies.store(false, Ordering::Relaxed);
        let mut far = Far::open(bound.way(), shell);
        bound.applies.store(true, Ordering::Relaxed);
        let task = far.start(&Order::of(["sleep", "7782"]).with(false, true)).unwrap();
        assert_eq!(bound.count(), room);
        kill(far.address.process.0);
        until("the task is gone", common::PATIENCE, || !common::runs(task.leader.pid));
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
    }
}

#[test]
fn another_agent_is_watched_without_a_process() {
    for shell in SHELLS {
        let Some(bound) = Bound::of(ROOM) else { return };
        let mut far = Far::open(bound.way(), shell);
        let witness = Witness::new();
        let task = filled(&mut far, &bound, &witness, FILL);
        bound.applies.store(false, Ordering::Relaxed);
        let mut other = Far::open(bound.way(), shell);
        other.to(&task, &format!("adopt {} {}", other.address.reply.clone(), other.address.life.clone()));
        other.hear(task.id, |said| (*said == Said::Adopted).then_some(()));
        kill(far.address.process.0);
        until("the first agent is gone", common::PATIENCE, || !common::runs(far.address.process.0));
        // Its death is no matter, even if it is heard of now.
        other.to(&task, &format!("orphaned {}", far.address.life));
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(1) {
            assert!(!other.members(&task, "look").is_empty());
        }
        assert!(!witness.all_gone());
        kill(other.address.process.0);
        over(&task, &witness);
    }
}

#[test]
fn a_control_group_ends_who_fills_it_without_help() {
    for shell in SHELLS {
        let Some(bound) = Bound::of(ROOM) else { return };
        let mut far = Far::open(bound.way(), shell);
        if far.facts.group.is_none() {
            println!("skipped: no control group (v2) can be made here");
            return;
        }
        let witness = Witness::new();
        let task = far.start(&Order::sh(&witness.hold(FILL)).with(true, false)).unwrap();
        until("it is full", common::PATIENCE, || bound.count() >= ROOM);
        let began = Instant::now();
        kill(far.address.process.0);
        over(&task, &witness);
        println!("{shell:?}: {:?}", began.elapsed());
        let group = format!("{}/spawner-{}", far.facts.group.as_ref().unwrap(), task.id);
        until("its group is gone", common::PATIENCE, || !std::path::Path::new(&group).exists());
    }
}

#[test]
fn a_fifo_is_no_obstacle() {
    let Some(bound) = Bound::of(ROOM) else { return };
    // So bash has no anonymous pipe, as before 5.1.
    let mut far = Far::open(bound.way_with("BASH_COMPAT", "5.0"), SHELLS[1]);
    assert!(!far.address.life.starts_with("/proc"));
    let witness = Witness::new();
    let task = filled(&mut far, &bound, &witness, FILL);
    // So what ends with the agent leaves no room.
    bound.set(ROOM - 10);
    kill(far.address.process.0);
    over(&task, &witness);
    for fifo in [&far.address.life, &far.address.reply, &task.pipe] {
        assert!(!std::path::Path::new(fifo).exists(), "{fifo}");
    }
}

#[test]
fn whatever_made_the_subreaper_waits_in_place_of_bash() {
    for shell in SHELLS.into_iter().filter(|shell| is_bash(shell)) {
        let Some(bound) = Bound::of(ROOM) else { return };
        let mut far = Far::open(bound.way(), shell);
        far.facts.reaper = Some(Reaper::Python { path: "/usr/bin/python3".into() });
        let witness = Witness::new();
        let task = filled(&mut far, &bound, &witness, FILL);
        kill(far.address.process.0);
        over(&task, &witness);
    }
}

#[test]
fn a_lease_that_bash_cannot_hold_is_over() {
    // A host with neither perl nor python3.
    const TOOLS: [&str; 16] = [
        "cat", "env", "find", "flock", "grep", "head", "id", "mkdir", "mkfifo", "nproc", "rm", "rmdir",
        "setsid", "sh", "sleep", "uname",
    ];
    let tools = tempfile::tempdir().unwrap();
    for tool in TOOLS {
        std::os::unix::fs::symlink(format!("/usr/bin/{tool}"), tools.path().join(tool)).unwrap();
    }
    let Some(bound) = Bound::of(ROOM) else { return };
    let way = bound.way_with("PATH", &tools.path().display().to_string());
    let mut far = Far::with_lease(way, SHELLS[1], Duration::from_secs(2));
    assert_eq!(far.facts.reaper, None);
    if far.facts.group.is_none() {
        println!("skipped: no control group (v2) can be made here");
        return;
    }
    let witness = Witness::new();
    // Faster than bash, when its sleep(1) ends.
    let fill = FILL.replace("perl", "/usr/bin/perl").replace(".005", ".0005");
    let task = far.start(&Order::sh(&witness.hold(&fill)).with(true, false)).unwrap();
    until("it is full", common::PATIENCE, || bound.count() >= ROOM);
    assert!(!witness.all_gone());
    let began = Instant::now();
    // bash tries to make a process for fifteen seconds.
    until("all are gone", 2 * common::PATIENCE, || witness.all_gone());
    println!("{:?}", began.elapsed());
    until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
}

#[test]
fn it_does_without_who_waits_in_its_place() {
    for shell in SHELLS.into_iter().filter(|shell| is_bash(shell)) {
        let mut far = Far::open(common::local("sh"), shell);
        let witness = Witness::new();
        let script = "(trap 'sleep 0.3; exit' TERM; while :; do sleep 0.02; done) & exit 4";
        let task = far.start(&Order::sh(&witness.hold(script)).with(false, true)).unwrap();
        assert_eq!(far.exit(task.id), Exit::Exited { code: 4 });
        far.hear(task.id, |said| (*said == Said::Left).then_some(()));
        let timers = common::children(task.guardian.0);
        let timers: Vec<_> = timers.into_iter().filter(|child| child.name == "perl").collect();
        assert_eq!(timers.len(), 1);
        kill(timers[0].pid);
        until("it is dead", common::PATIENCE, || !common::runs(timers[0].pid));
        // Nothing but time tells that it is gone.
        far.to(&task, "ask");
        assert_eq!(far.gone(task.id), [Proof::Children]);
        assert!(witness.all_gone());
    }
}

#[test]
fn without_room_a_task_is_refused_and_a_look_is_none() {
    for shell in SHELLS {
        if is_bash(shell) {
            println!("skipped with {shell:?}: it ends by itself before there is a task, and says nothing");
            continue;
        }
        let Some(bound) = Bound::of(ROOM) else { return };
        let mut far = Far::open(bound.way(), shell);
        let mut task = far.start(&Order::of(["sleep", "7783"]).with(false, true)).unwrap();
        kill(task.guardian.0);
        task.channel.wait().unwrap();
        until("no zombie takes room", common::PATIENCE, || bound.count() == bound.alive());
        let before = bound.count();
        // The session itself and what reads its text; then its guard, what reads the words and the task's parent; the task.
        for room in 2..=4 {
            bound.set(bound.count() + room);
            match far.start(&Order::of(["sleep", "7784"]).with(false, true)) {
                Err(refused) => assert_eq!(refused, Said::Refused(Refusal::Process), "{room}"),
                Ok(mut task) => {
                    assert!(room > 2);
                    far.to(&task, "force");
                    assert_eq!(far.gone(task.id), [Proof::Children]);
                    task.channel.wait().unwrap();
                }
            }
            until("its session is over", common::PATIENCE, || bound.count() <= before);
        }
        bound.set(1);
        assert_eq!(far.ask_agent("look", &task).0, Looked::Unable);
        far.tell("renew 7");
        assert_eq!(far.line("it is still there"), Line::Renewed(7));
        bound.set(ROOM);
        assert_eq!(far.ask_agent("end", &task).0, Looked::NotFound(vec![Proof::Marks]));
    }
}

#[test]
fn grace_is_measured_by_the_clock() {
    let slow = tempfile::tempdir().unwrap();
    let sleep = slow.path().join("sleep");
    std::fs::write(&sleep, "#!/bin/sh\nexec /bin/sleep 0.5\n").unwrap();
    std::fs::set_permissions(&sleep, std::fs::Permissions::from_mode(0o755)).unwrap();
    for shell in SHELLS {
        let mut far = Far::open(common::local_behind(slow.path()), shell);
        let witness = Witness::new();
        let mut order =
            Order::sh(&format!("trap '' TERM; {}", witness.hold("/bin/sleep 7785; :"))).with(false, true);
        order.grace = Duration::from_secs(1);
        let task = far.start(&order).unwrap();
        until("it holds the lock", common::PATIENCE, || !witness.all_gone());
        let began = Instant::now();
        kill(far.address.process.0);
        until("all are gone", common::PATIENCE, || witness.all_gone());
        let took = began.elapsed();
        println!("{shell:?}: {took:?}");
        // Fifty waits of half a second would be 25.
        assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&took), "{shell:?}: {took:?}");
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
    }
}
