//! Hosts that lack something, and much data.

mod common;

use std::collections::BTreeSet;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::lock::Witness;
use common::sshd::Sshd;
use common::{Far, Order, SHELLS, Way, local, until};
use spawner_core::Exit;
use spawner_remote::said::{Proof, Reaper};

/// In a mount namespace of its own, as `account`, after `mounts`.
fn apart(mounts: &'static str, account: &'static str) -> Way {
    Box::new(move |text| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c"]).arg(format!(
            "{mounts}\nexport HOME=~{account}; cd /; exec setpriv --reuid {account} --regid {account} --init-groups sh -c \"$1\""
        ));
        command.arg("sh").arg(text);
        command
    })
}

#[test]
fn without_proc_the_process_group_is_ended_and_nothing_is_proved() {
    for shell in SHELLS {
        println!("{shell:?}");
        let before = pipes();
        let mut far = Far::open(apart("mount -t tmpfs none /proc", "tester"), shell);
        assert!(!far.facts.proc && far.facts.reaper.is_none() && far.facts.folder.is_some());
        let (exit, out, _, by) = far.run(&Order::sh("cat; exit 137"), b"input");
        assert_eq!(
            (exit, out.as_slice(), by),
            (Exit::Exited { code: 137 }, &b"input"[..], vec![Proof::Session])
        );

        let witness = Witness::new();
        // The lock is taken when all of them are deaf.
        let script = witness.hold("sh -c 'sleep 7785; :' & while :; do sleep 7786; done");
        let script = format!("trap '' TERM; {script}");
        let task = far.start(&Order::sh(&script)).unwrap();
        until("it holds the lock", common::PATIENCE, || !witness.all_gone());
        assert_eq!(far.members(&task, "look").len(), 1);
        far.to(&task, "force");
        assert_eq!(far.exit(task.id), Exit::Signalled { signal: 9, core: false });
        assert_eq!(far.gone(task.id), [Proof::Session]);
        until("all are gone", common::PATIENCE, || witness.all_gone());

        let task = far.start(&Order::sh(&script)).unwrap();
        until("it holds the lock", common::PATIENCE, || !witness.all_gone());
        let began = Instant::now();
        far.leave();
        until("all are gone", common::PATIENCE, || witness.all_gone());
        assert!(began.elapsed() >= Duration::from_millis(250));
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
        // What it saw is written down, for who asks later; nothing else is left.
        let folder = far.facts.folder.clone().unwrap();
        let end = format!("{folder}/{}.end", task.id);
        assert_eq!(std::fs::read_to_string(&end).unwrap(), "exit orphaned\ngone by session\n");
        std::fs::remove_file(end).unwrap();
        until("no pipe is left", common::PATIENCE, || pipes().is_subset(&before));
    }
}

#[test]
fn without_proc_what_is_started_for_a_dead_agent_ends() {
    for shell in SHELLS {
        println!("{shell:?}");
        let far = Far::open(apart("mount -t tmpfs none /proc", "tester"), shell);
        assert!(!far.facts.proc);
        common::kill(far.address.process.0);
        until("the agent is gone", common::PATIENCE, || !common::runs(far.address.process.0));
        let witness = Witness::new();
        let mut channel = far.start_unheard(&Order::sh(&witness.hold("sleep 7787")));
        until("its session ends", common::PATIENCE, || channel.try_wait().unwrap().is_some());
        until("all are gone", common::PATIENCE, || witness.all_gone());
    }
}

/// Those of the account `tester`, where guardians have no others.
fn pipes() -> BTreeSet<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/home/tester/.local/state/spawner-1001") else {
        return BTreeSet::new();
    };
    let entries = entries.map(Result::unwrap);
    let fifos = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_fifo()));
    fifos.map(|entry| entry.path()).collect()
}

#[test]
fn nowhere_to_write_is_no_obstacle() {
    const MOUNTS: &str = "for f in /tmp /home /var/tmp /dev/shm /root; do mount -t tmpfs -o ro none $f; done";
    for shell in SHELLS {
        let mut far = Far::open(apart(MOUNTS, "tester"), shell);
        assert_eq!(far.facts.folder, None);
        let (exit, out, _, by) = far.run(&Order::sh("cat; exit 200"), b"input");
        assert_eq!(
            (exit, out.as_slice(), by),
            (Exit::Exited { code: 200 }, &b"input"[..], vec![Proof::Children])
        );
    }
}

#[test]
fn python_makes_a_subreaper_too() {
    for shell in SHELLS {
        let mut far = Far::open(local("sh"), shell);
        far.facts.reaper = Some(Reaper::Python { path: "/usr/bin/python3".into() });
        let witness = Witness::new();
        let script = "setsid -f env -i setsid sh -c 'trap \"\" TERM; sleep 7787; :'; sleep 7788";
        let task = far.start(&Order::sh(&witness.hold(script)).with(false, true)).unwrap();
        until("all of them", common::PATIENCE, || far.members(&task, "look").len() >= 4);
        far.to(&task, "force");
        assert_eq!(far.gone(task.id), [Proof::Children]);
        assert!(witness.all_gone());
        // Python ignores SIGPIPE; the task must not.
        let (exit, ..) = far.run(&Order::sh("kill -PIPE $$; exit 1").with(false, true), b"");
        assert_eq!(exit, Exit::Signalled { signal: 13, core: false });
    }
}

/// A host with this as its `spawner`, before all else.
fn with_spawner(script: &str) -> (tempfile::TempDir, Way) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("spawner");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let way = move |text: &str| {
        let mut command = Command::new("sh");
        command.arg("-c").arg(text).env("PATH", &path);
        command
    };
    (folder, Box::new(way))
}

#[test]
fn a_spawner_that_is_installed_there_is_used_if_it_does_what_it_should() {
    // What the real one does, which its own tests are about.
    const ADOPTS: &str = "case $1 in --version) echo spawner 0.1.0 ;;\nas-subreaper) shift; exec python3 -ISc \
        'import ctypes,os,signal,sys;signal.signal(13,0);ctypes.CDLL(None).prctl(36,1,0,0,0);os.execvp(sys.argv[1],sys.argv[1:])' \"$@\" ;; esac";
    let times = ADOPTS.replace("esac", "as-timer) while read -r t; do sleep $t; echo tick; done ;; esac");
    for (script, shell, used) in [
        (ADOPTS, SHELLS[0], true),
        (&*ADOPTS.replace("36,1", "36,0"), SHELLS[0], false),
        (&*ADOPTS.replace("echo spawner", "echo another"), SHELLS[0], false),
        ("exit 125", SHELLS[0], false),
        // In whose place it has to wait as well.
        (&*times, SHELLS[1], true),
        (ADOPTS, SHELLS[1], false),
    ] {
        let (folder, way) = with_spawner(&format!("#!/bin/sh\n{script}\n"));
        let mut far = Far::open(way, shell);
        let found = far.facts.reaper.clone();
        let path = folder.path().join("spawner").display().to_string();
        assert_eq!(found == Some(Reaper::Spawner { path }), used, "{found:?}");
        let witness = Witness::new();
        let script = "setsid -f env -i setsid sh -c 'trap \"\" TERM; sleep 7789; :'; exit 5";
        let task = far.start(&Order::sh(&witness.hold(script)).with(false, true)).unwrap();
        assert_eq!(far.exit(task.id), Exit::Exited { code: 5 });
        far.to(&task, "force");
        assert_eq!(far.gone(task.id), [Proof::Children]);
        assert!(witness.all_gone());
    }
}

#[test]
fn much_data_passes_unchanged() {
    let mut sshd = Sshd::start("");
    let mut far = Far::open(sshd.way("tester"), SHELLS[0]);
    let began = Instant::now();
    let (exit, out, ..) = far.run(&Order::sh("head -c 1073741824 /dev/zero | tr '\\0' x; exit 9"), b"");
    println!("1 GiB in {:?}", began.elapsed());
    assert_eq!((exit, out.len()), (Exit::Exited { code: 9 }, 1 << 30));
    assert!(out.iter().all(|byte| *byte == b'x'));
    let input: Vec<u8> =
        (0..16 << 20).flat_map(|at: u32| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let (_, out, err, _) = far.run(&Order::sh("tee /dev/fd/2 2>&1 >/dev/null | cat"), &input);
    assert!(out == input && err.is_empty());
}

#[test]
fn what_a_task_wrote_before_it_ended_is_not_lost() {
    let mut sshd = Sshd::start("");
    let mut far = Far::open(sshd.way("tester"), SHELLS[0]);
    for _ in 0..20 {
        let (_, out, err, _) =
            far.run(&Order::sh("head -c 300000 /dev/zero; head -c 100000 /dev/zero >&2; kill -9 $$"), b"");
        assert_eq!((out.len(), err.len()), (300_000, 100_000));
    }
}
