//! The guardian under every shell, through plain pipes.

mod common;

use std::time::{Duration, Instant};

use common::lock::Witness;
use common::{Far, Order, SHELLS, local, until};
use spawner_core::Exit;
use spawner_remote::said::{Proof, Refusal, Said};

fn each(test: impl Fn(&mut Far)) {
    for shell in SHELLS {
        println!("shell {shell:?}");
        test(&mut Far::open(local("sh"), shell));
    }
}

#[test]
fn a_task_runs_and_is_proved_gone() {
    each(|far| {
        let (exit, out, err, by) = far.run(&Order::sh("cat; echo err >&2; exit 3"), b"in\0put");
        assert_eq!(
            (exit, out.as_slice(), err.as_slice()),
            (Exit::Exited { code: 3 }, &b"in\0put"[..], &b"err\n"[..])
        );
        assert_eq!(by, [Proof::Group, Proof::Children]);
    });
}

#[test]
fn statuses_and_signals_are_told_apart() {
    each(|far| {
        for code in [0, 1, 125, 126, 127, 128, 129, 130, 137, 141, 143, 145, 255] {
            let (exit, ..) = far.run(&Order::sh(&format!("exit {code}")), b"");
            assert_eq!(exit, Exit::Exited { code });
        }
        for signal in [1, 2, 3, 6, 9, 11, 13, 15, 17, 10] {
            let (exit, ..) =
                far.run(&Order::sh(&format!("ulimit -c 0; kill -{signal} $$; sleep 0.2; exit 77")), b"");
            // CHLD is ignored by default.
            let expected = if signal == 17 {
                Exit::Exited { code: 77 }
            } else {
                Exit::Signalled { signal, core: false }
            };
            assert_eq!(exit, expected);
        }
    });
}

#[test]
fn what_cannot_be_executed_is_refused() {
    each(|far| {
        let refused = |far: &mut Far, order: &Order| far.start(order).map(|_| ()).unwrap_err();
        assert_eq!(refused(far, &Order::of(["no-such-program"])), Said::Refused(Refusal::NotFound));
        assert_eq!(refused(far, &Order::of(["/no/such"])), Said::Refused(Refusal::NotFound));
        assert_eq!(refused(far, &Order::of(["/etc/passwd"])), Said::Refused(Refusal::NotExecutable));
        assert_eq!(refused(far, &Order::of(["/etc"])), Said::Refused(Refusal::NotExecutable));
        let mut order = Order::of(["true"]);
        order.cwd = Some("/no/such".into());
        assert_eq!(refused(far, &order), Said::Refused(Refusal::Cwd));
        let mut order = Order::of(["true"]);
        order.env.insert("PATH".into(), Some("/nowhere".into()));
        assert_eq!(refused(far, &order), Said::Refused(Refusal::NotFound));
    });
}

/// Members of every kind: deaf ones, in sessions of their own, orphaned, without the mark.
const HERD: &str = r#"
trap '' TERM HUP
(trap '' TERM; sleep 7770) &
setsid -f sh -c 'trap "" TERM; sleep 7771; :'
env -i setsid -f sh -c '(trap "" TERM; sleep 7772; :) & sleep 7773; :'
echo ready
while :; do sleep 7770; done
"#;

fn herd(far: &mut Far, witness: &Witness, (group, reaper): (bool, bool)) -> common::Running {
    let task = far.start(&Order::sh(&witness.hold(HERD)).with(group, reaper)).unwrap();
    until("the herd is there", common::PATIENCE, || !witness.all_gone());
    until("all of the herd", common::PATIENCE, || far.members(&task, "count").len() >= 8);
    task
}

#[test]
fn a_herd_is_ended_by_force_and_proved_gone() {
    each(|far| {
        for (group, reaper) in [(true, true), (true, false), (false, true)] {
            let witness = Witness::new();
            let task = herd(far, &witness, (group, reaper));
            let began = Instant::now();
            far.to(&task, "force");
            println!("{group} {reaper}");
            let by = far.gone(task.id);
            println!("{:?}", began.elapsed());
            assert!(witness.all_gone());
            assert_eq!(by.contains(&Proof::Group), group);
            assert_eq!(by.contains(&Proof::Children), reaper);
            assert_eq!(far.exit(task.id), Exit::Signalled { signal: 9, core: false });
        }
    });
}

#[test]
fn without_group_and_reaper_the_marked_and_their_sessions_are_ended() {
    each(|far| {
        let witness = Witness::new();
        let script =
            "setsid -f sh -c 'trap \"\" TERM; sleep 7771; :'; env -i sh -c 'sleep 7772' & sleep 7773";
        let task = far.start(&Order::sh(&witness.hold(script)).with(false, false)).unwrap();
        until("all of them", common::PATIENCE, || far.members(&task, "count").len() >= 4);
        far.to(&task, "force");
        assert_eq!(far.gone(task.id), [Proof::Marks]);
        assert!(witness.all_gone());
    });
}

#[test]
fn who_is_asked_may_end_by_itself() {
    each(|far| {
        let witness = Witness::new();
        let script = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
        let mut task = far.start(&Order::sh(&witness.hold(script))).unwrap();
        until("it holds the lock", common::PATIENCE, || !witness.all_gone());
        std::thread::sleep(Duration::from_millis(100));
        far.to(&task, "ask leader");
        assert_eq!(far.exit(task.id), Exit::Exited { code: 7 });
        far.gone(task.id);
        assert_eq!(task.stdout.take().unwrap().join().unwrap(), b"ready\nbye\n");
        assert!(witness.all_gone());
    });
}

#[test]
fn what_is_left_is_said_and_its_end_is_noticed() {
    each(|far| {
        for (group, reaper) in [(true, true), (true, false), (false, true), (false, false)] {
            let order = Order::sh("setsid -f sleep 0.7; exit 5").with(group, reaper);
            let task = far.start(&order).unwrap();
            assert_eq!(far.exit(task.id), Exit::Exited { code: 5 });
            far.hear(task.id, |said| (*said == Said::Left).then_some(()));
            until("it sleeps", common::PATIENCE, || {
                let left = far.members(&task, "left");
                assert!(left.len() == 1, "{left:?}");
                left[0].name == "sleep"
            });
            far.gone(task.id);
        }
    });
}

#[test]
fn the_end_of_the_agent_ends_the_task() {
    for shell in SHELLS {
        for kill in [false, true] {
            let mut far = Far::open(local("sh"), shell);
            let witness = Witness::new();
            let task = herd(&mut far, &witness, (true, true));
            let began = Instant::now();
            if kill {
                let pid = rustix::process::Pid::from_raw(far.address.process.0.cast_signed()).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            } else {
                far.leave();
            }
            until("all are gone", common::PATIENCE, || witness.all_gone());
            println!("{shell:?} {kill}: {:?}", began.elapsed());
            assert!(began.elapsed() >= Duration::from_millis(250), "it had its grace");
            until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
        }
    }
}

#[test]
fn the_end_of_the_lease_ends_the_task() {
    for shell in SHELLS {
        let mut far = Far::with_lease(local("sh"), shell, Duration::from_secs(2));
        let witness = Witness::new();
        let task = herd(&mut far, &witness, (true, true));
        for number in 0..6 {
            far.tell(&format!("renew {number}"));
            std::thread::sleep(Duration::from_millis(500));
            assert!(!witness.all_gone(), "the lease was renewed");
        }
        let began = Instant::now();
        until("all are gone", common::PATIENCE, || witness.all_gone());
        println!("{shell:?}: {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(3));
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
    }
}

#[test]
fn the_scripts_are_clean() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/far");
    let files: Vec<_> =
        ["common.sh", "helpers.sh", "members.sh", "start.sh", "guardian.sh", "probe.sh", "agent.sh"]
            .map(|name| format!("{folder}/{name}"))
            .into();
    let checked = std::process::Command::new("shellcheck").args(&files).output();
    let checked = checked.expect("shellcheck: apt-get install shellcheck");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
