//! Tasks that work against their guardian, and guardians that are killed.

mod common;

use std::time::{Duration, Instant};

use common::lock::Witness;
use common::{Far, Order, Running, SHELLS, kill, local, local_as, until};
use spawner_core::Exit;
use spawner_remote::said::{Looked, Member, Proof, Said};

fn each(test: impl Fn(&mut Far)) {
    for shell in SHELLS {
        println!("shell {shell:?}");
        test(&mut Far::open(local_as("tester", "sh"), shell));
    }
}

fn held(far: &mut Far, witness: &Witness, script: &str, with: (bool, bool)) -> Running {
    let task = far.start(&Order::sh(&witness.hold(script)).with(with.0, with.1)).unwrap();
    until("it holds the lock", common::PATIENCE, || !witness.all_gone());
    task
}

/// Four chains that fork and exit without pause, at most 100 000 links each.
const CHAINS: &str = r#"
for i in 1 2 3 4; do
    perl -e 'use POSIX; POSIX::setsid(); $SIG{TERM} = "IGNORE"; for (1 .. 100000) { my $p = fork; exit 0 if $p; }' &
done
wait; sleep 1
"#;

#[test]
fn chains_that_fork_without_pause_are_ended() {
    for (shell, with) in SHELLS.into_iter().flat_map(|shell| [(shell, (false, true)), (shell, (true, true))])
    {
        let mut far = Far::open(local("sh"), shell);
        let witness = Witness::new();
        let task = held(&mut far, &witness, CHAINS, with);
        std::thread::sleep(Duration::from_millis(200));
        let began = Instant::now();
        far.to(&task, "force");
        let by = far.gone(task.id);
        println!("{shell:?} {with:?}: {:?}", began.elapsed());
        assert!(by.contains(&Proof::Children) && witness.all_gone());
    }
}

#[test]
fn a_task_that_kills_its_parent_loses_its_exit_and_not_its_end() {
    each(|far| {
        let witness = Witness::new();
        let task = held(far, &witness, "kill -9 $PPID; setsid -f sleep 7777; sleep 7778", (false, true));
        until("the members", common::PATIENCE, || far.members(&task, "look").len() == 3);
        // Nobody tells the guardian of a death that takes its time: it notices when it is asked.
        let mut exit = None;
        until("its exit", common::PATIENCE, || {
            far.members(&task, "again");
            exit = far.hear_within(task.id, Duration::from_millis(50), common::exit_said);
            exit.is_some()
        });
        assert!(matches!(exit, Some(Exit::Lost { .. })), "{exit:?}");
        far.to(&task, "force");
        assert_eq!(far.gone(task.id), [Proof::Children]);
        assert!(witness.all_gone());
    });
}

#[test]
fn a_task_of_a_killed_guardian_is_found_and_ended_by_its_marks() {
    each(|far| {
        let witness = Witness::new();
        let script =
            "setsid -f sh -c 'trap \"\" TERM; sleep 7771; :'; env -i sh -c 'sleep 7772' & sleep 7773";
        let task = held(far, &witness, script, (false, true));
        // One that is only just being executed has no mark.
        let sleeps = |members: Vec<Member>| members.iter().filter(|one| one.name == "sleep").count();
        until("all of them", common::PATIENCE, || sleeps(far.members(&task, "count")) == 3);
        assert_eq!(far.ask_agent("look", &task).0, Looked::Guarded);
        kill(task.guardian.0);
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
        let (looked, seen) = far.ask_agent("look", &task);
        assert!(looked == Looked::Alive && seen.len() >= 4, "{seen:?}");
        assert_eq!(far.ask_agent("end", &task), (Looked::NotFound(vec![Proof::Marks]), vec![]));
        assert!(witness.all_gone());
    });
}

#[test]
fn a_task_of_a_killed_guardian_ends_with_the_agent() {
    each(|far| {
        let witness = Witness::new();
        let script = "setsid -f sh -c 'trap \"\" TERM; sleep 7771; :'; sleep 7773";
        let task = held(far, &witness, script, (false, true));
        until("all of them", common::PATIENCE, || far.members(&task, "count").len() >= 3);
        kill(task.guardian.0);
        kill(far.address.process.0);
        until("all are gone", Duration::from_secs(5), || witness.all_gone());
    });
}

#[test]
fn a_group_of_a_killed_guardian_is_ended_as_a_whole() {
    for shell in SHELLS {
        let mut far = Far::open(local("sh"), shell);
        let witness = Witness::new();
        let script = "env -i setsid -f sh -c 'trap \"\" TERM; sleep 7771; :'; sleep 7773";
        let task = held(&mut far, &witness, script, (true, false));
        until("all of them", common::PATIENCE, || far.members(&task, "count").len() >= 3);
        kill(task.guardian.0);
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
        assert_eq!(far.ask_agent("look", &task).0, Looked::Alive);
        let (looked, _) = far.ask_agent("end", &task);
        assert_eq!(looked, Looked::NotFound(vec![Proof::Group, Proof::Marks]));
        assert!(witness.all_gone());
        let group = format!("{}/spawner-{}", far.facts.group.as_ref().unwrap(), task.id);
        assert!(!std::path::Path::new(&group).exists());
    }
}

#[test]
fn another_boot_means_gone() {
    let mut far = Far::open(local("sh"), SHELLS[0]);
    let mut task = far.start(&Order::of(["sleep", "7779"])).unwrap();
    task.leader.boot_id = "another".into();
    assert_eq!(far.ask_agent("look", &task).0, Looked::Rebooted);
    assert_eq!(far.ask_agent("end", &task).0, Looked::Rebooted);
    assert!(common::runs(task.leader.pid), "who has that pid now is another");
    far.to(&task, "force");
    far.gone(task.id);
}

#[test]
fn whoever_has_the_pid_now_is_left_alone() {
    let mut far = Far::open(local("sh"), SHELLS[0]);
    let mut innocent = std::process::Command::new("sleep").arg("7780").spawn().unwrap();
    // Start times are told apart by clock ticks of 10 ms.
    std::thread::sleep(Duration::from_millis(50));
    let mut task = far.start(&Order::of(["true"])).unwrap();
    far.gone(task.id);
    // As if its pid, and that of its guardian, had been given to another.
    (task.leader.pid, task.guardian.0) = (innocent.id(), innocent.id());
    let (looked, _) = far.ask_agent("end", &task);
    assert!(matches!(looked, Looked::NotFound(_)), "{looked:?}");
    far.tell(&format!("to {} {} /proc/{}/fd/7 force", innocent.id(), task.guardian.1, innocent.id()));
    assert!(innocent.try_wait().unwrap().is_none());
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

#[test]
fn a_stopped_task_is_ended() {
    each(|far| {
        let witness = Witness::new();
        let task = held(far, &witness, "trap 'exit 9' TERM; kill -STOP $$; sleep 7781 & wait", (false, true));
        until("it is stopped", common::PATIENCE, || {
            far.members(&task, "look").iter().any(|member| member.state == 'T')
        });
        far.to(&task, "ask all");
        assert_eq!(far.exit(task.id), Exit::Exited { code: 9 });
        far.gone(task.id);
        assert!(witness.all_gone());
    });
}

#[test]
fn a_signal_goes_to_the_main_process_and_to_nobody_after_it() {
    each(|far| {
        let task = far.start(&Order::sh("sleep 7782 & trap 'exit 4' USR1; echo x; wait")).unwrap();
        until("it is ready", common::PATIENCE, || far.members(&task, "look").len() == 2);
        far.to(&task, "signal USR1");
        assert!(far.hear(task.id, |said| if let Said::Signal(sent) = said { Some(*sent) } else { None }));
        assert_eq!(far.exit(task.id), Exit::Exited { code: 4 });
        far.to(&task, "signal USR1");
        assert!(!far.hear(task.id, |said| if let Said::Signal(sent) = said { Some(*sent) } else { None }));
        far.to(&task, "force");
        far.gone(task.id);
    });
}
