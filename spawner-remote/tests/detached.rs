//! Tasks that outlive their connection.

mod common;

use std::time::{Duration, Instant};

use common::lock::Witness;
use common::sshd::Sshd;
use common::{Far, Order, Running, SHELLS, kill, local, until};
use spawner_core::Exit;
use spawner_remote::said::{Line, Proof, Said};

fn folder(far: &mut Far) -> String {
    far.tell("folder");
    match far.line("a folder") {
        Line::Folder(Some(folder)) => folder,
        other => panic!("{other:?}"),
    }
}

fn kept(far: &mut Far, task: &Running) -> Vec<String> {
    far.tell(&format!("kept {} -", task.id));
    let mut lines = Vec::new();
    while let Some(line) =
        far.hear(task.id, |said| if let Said::Kept(line) = said { Some(line.clone()) } else { None })
    {
        lines.push(line);
    }
    lines
}

fn detach(far: &mut Far, script: &str) -> (Running, String) {
    let folder = folder(far);
    let mut order = Order::sh(script).with(false, true);
    order.keep = Some(folder.clone());
    let mut task = far.start(&order).unwrap();
    // Its session does not stay open.
    until("the channel ends", common::PATIENCE, || matches!(task.channel.try_wait(), Ok(Some(_))));
    (task, folder)
}

#[test]
fn a_detached_task_outlives_its_connection_and_is_taken_over() {
    for shell in SHELLS {
        println!("{shell:?}");
        let mut sshd = Sshd::start("MaxSessions 3");
        let witness = Witness::new();
        let mut far = Far::open(sshd.way("tester"), shell);
        let (task, _) =
            detach(&mut far, &witness.hold("echo out; echo err >&2; setsid -f sleep 7783; sleep 7784"));
        until("it holds the lock", common::PATIENCE, || !witness.all_gone());
        sshd.cut();
        until("the agent is gone", common::PATIENCE, || !common::runs(far.address.process.0));
        assert!(!witness.all_gone());

        let mut far = Far::open(sshd.way("tester"), shell);
        let folder = folder(&mut far);
        far.to(&task, &format!("adopt {} {}", far.address.reply.clone(), far.address.life.clone()));
        far.hear(task.id, |said| (*said == Said::Adopted).then_some(()));
        assert!(far.members(&task, "look").len() >= 2);
        far.to(&task, "force");
        assert_eq!(far.exit(task.id), Exit::Signalled { signal: 9, core: false });
        assert_eq!(far.gone(task.id), [Proof::Children]);
        assert!(witness.all_gone());
        let file = |end: &str| format!("{folder}/{}.{end}", task.id);
        assert_eq!(std::fs::read(file("out")).unwrap(), b"out\n");
        assert_eq!(std::fs::read(file("err")).unwrap(), b"err\n");
        assert_eq!(kept(&mut far, &task), ["exit signalled 9", "gone by children"]);
        far.tell(&format!("forget {}", task.id));
        until("the files are gone", common::PATIENCE, || !std::path::Path::new(&file("end")).exists());
        assert!(!std::path::Path::new(&file("out")).exists());
    }
}

#[test]
fn how_a_detached_task_ended_is_kept_until_it_is_collected() {
    for shell in SHELLS {
        let mut sshd = Sshd::start("");
        let mut far = Far::open(sshd.way("tester"), shell);
        let (task, _) = detach(&mut far, "sleep 0.5; exit 143");
        kill(far.address.process.0);
        drop(far);
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
        let mut far = Far::open(sshd.way("tester"), shell);
        folder(&mut far);
        assert_eq!(kept(&mut far, &task), ["exit exited 143", "gone by children"]);
        far.tell(&format!("forget {}", task.id));
    }
}

/// How many have ended below it, and nobody has taken them.
fn zombies(guardian: u32) -> usize {
    common::children(guardian).iter().filter(|child| child.state == 'Z').count()
}

#[test]
fn what_ends_below_a_detached_task_is_taken() {
    for shell in SHELLS {
        let mut far = Far::open(local("sh"), shell);
        let witness = Witness::new();
        // Orphans, which end in their own time.
        let script = "for i in 1 2 3 4 5 6 7 8; do (sleep 0.5 &); done; echo >>\"$OUT\"; exec sleep 7785";
        let ready = witness.path().with_file_name("ready");
        let script = script.replace("$OUT", &ready.display().to_string());
        let (task, _) = detach(&mut far, &witness.hold(&script));
        until("its orphans are made", common::PATIENCE, || ready.exists());
        let nap = Duration::from_secs(5);
        let seen = Instant::now();
        until("they have ended", common::PATIENCE, || witness.holders().len() == 1);
        until("they are taken", nap + Duration::from_secs(3), || zombies(task.guardian.0) == 0);
        println!("{shell:?}: {:?}", seen.elapsed());
        far.to(&task, "force");
        assert_eq!(far.gone(task.id), [Proof::Children]);
        assert!(witness.all_gone());
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
        far.tell(&format!("forget {}", task.id));
    }
}
