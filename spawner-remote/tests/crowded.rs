//! A far end on which no process can be made any more, and one on which a wait takes longer than it says.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::bound::Bound;
use common::lock::Witness;
use common::{Far, Order, Running, SHELLS, kill, until};
use spawner_core::Exit;
use spawner_remote::said::{Line, Looked, Proof, Refusal, Said};

/// Room for an agent, a guardian and a task that fills the rest.
const ROOM: u32 = 60;

/// Makes processes, deaf ones in sessions of their own, until there is no room for another.
const FILL: &str = r#"exec perl -e 'use POSIX; $SIG{TERM} = "IGNORE"; $SIG{ALRM} = sub { exit }; alarm 60;
    while (1) { my $one = fork; last if !defined $one; if ($one == 0) { POSIX::setsid(); alarm 60; sleep 60; exit } }
    sleep 60'"#;

/// The same by processes that end at once, each followed by another.
const CHAINS: &str = r#"exec perl -e 'use POSIX; $SIG{TERM} = "IGNORE";
    for (1 .. 4) { if (!fork) { POSIX::setsid(); my $end = time + 60; while (time < $end) {
        my $one = fork; if (!defined $one) { select undef, undef, undef, .0002; next } exit 0 if $one } exit 0 } }
    sleep 60'"#;

/// bash ends itself when it could make no process for some seconds, whatever it is told.
fn bears_it(shell: &[&str]) -> bool {
    let bears = !shell[0].ends_with("bash");
    if !bears {
        println!("skipped with {shell:?}: it ends itself where it can make no process");
    }
    bears
}

fn filled(far: &mut Far, bound: &Bound, witness: &Witness, script: &str) -> Running {
    let task = far.start(&Order::sh(&witness.hold(script)).with(false, true)).unwrap();
    until("it is full", common::PATIENCE, || bound.count() >= ROOM);
    assert!(!witness.all_gone());
    task
}

#[test]
fn who_fills_the_limit_of_processes_is_ended() {
    for shell in SHELLS.into_iter().filter(|shell| bears_it(shell)) {
        let Some(bound) = Bound::of(ROOM) else { return };
        let lease = Duration::from_secs(4);
        let mut far = Far::with_lease(bound.way(), shell, lease);
        let witness = Witness::new();
        let task = filled(&mut far, &bound, &witness, FILL);
        // It is renewed, and holds.
        let began = Instant::now();
        for number in 0.. {
            far.tell(&format!("renew {number}"));
            std::thread::sleep(Duration::from_millis(200));
            if began.elapsed() > lease + Duration::from_secs(1) {
                break;
            }
        }
        assert!(!witness.all_gone(), "{shell:?}");
        assert!(!far.members(&task, "look").is_empty());
        far.to(&task, "force");
        assert_eq!(far.gone(task.id), [Proof::Children]);
        assert!(witness.all_gone());
        assert_eq!(far.exit(task.id), Exit::Signalled { signal: 9, core: false });
        // And the agent has borne it, too.
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
        if bears_it(shell) {
            until("it is full", common::PATIENCE, || bound.count() >= ROOM);
        }
        far.to(&task, "force");
        assert_eq!(far.gone(task.id), [Proof::Children]);
        assert!(witness.all_gone());
    }
}

#[test]
fn who_fills_it_ends_with_the_agent() {
    let shells = SHELLS.into_iter().filter(|shell| bears_it(shell));
    for (shell, silent) in shells.flat_map(|shell| [(shell, false), (shell, true)]) {
        let Some(bound) = Bound::of(ROOM) else { return };
        let mut far = Far::with_lease(bound.way(), shell, Duration::from_secs(2));
        let witness = Witness::new();
        let task = filled(&mut far, &bound, &witness, FILL);
        let began = Instant::now();
        // By its lease, or by its death.
        if !silent {
            kill(far.address.process.0);
        }
        until("all are gone", common::PATIENCE, || witness.all_gone());
        println!("{shell:?} {silent}: {:?}", began.elapsed());
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
    }
}

#[test]
fn the_death_of_the_agent_is_noticed_where_nobody_can_be_made_to_wait_for_it() {
    for shell in SHELLS.into_iter().filter(|shell| bears_it(shell)) {
        // The guardian, the task's parent and the task.
        let Some(bound) = Bound::of(3) else { return };
        bound.applies.store(false, Ordering::Relaxed);
        let mut far = Far::open(bound.way(), shell);
        bound.applies.store(true, Ordering::Relaxed);
        let task = far.start(&Order::of(["sleep", "7782"]).with(false, true)).unwrap();
        assert_eq!(bound.count(), 3);
        kill(far.address.process.0);
        until("the task is gone", common::PATIENCE, || !common::runs(task.leader.pid));
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
    }
}

#[test]
fn without_room_a_task_is_refused_and_a_look_is_none() {
    for shell in SHELLS.into_iter().filter(|shell| bears_it(shell)) {
        let Some(bound) = Bound::of(ROOM) else { return };
        let mut far = Far::open(bound.way(), shell);
        let task = far.start(&Order::of(["sleep", "7783"]).with(false, true)).unwrap();
        kill(task.guardian.0);
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
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
        let path = format!("{}:/usr/bin:/bin", slow.path().display());
        let way = move |text: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", text]).env("PATH", &path);
            command
        };
        let mut far = Far::open(Box::new(way), shell);
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
