//! The control group of a task on the far end: removed with what the task made in it, or named for as long as it is there.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::lab::{block, here_is_clean, patient, sh};
use common::lock::Witness;
use common::sshd::Sshd;
use common::{Far, Order, PATIENCE, SHELLS, kill, local, parent, until};
use spawner_core::{ResourceKind, Spawner as _, Teardown};
use spawner_remote::said::{Looked, Proof};
use spawner_remote::{RemoteConfig, Require};

/// Makes groups seven deep in the task's own, `$0`, and goes into the last of them.
const DEEP: &str =
    "cd $0; for d in 1 2 3 4 5 6 7; do mkdir $d; cd $d; done; echo 0 >cgroup.procs; sleep 7787; :";

#[test]
fn groups_below_it_are_removed_however_deep() {
    for (shell, alone) in SHELLS.into_iter().flat_map(|shell| [(shell, false), (shell, true)]) {
        let mut far = Far::open(local("/bin/sh"), shell);
        let Some(base) = far.facts.group.clone() else {
            println!("skipped: no control group (v2) can be made here");
            return;
        };
        let witness = Witness::new();
        let script = witness.hold(&DEEP.replace("$0", &format!("{base}/spawner-$SPAWNER_TASK_ID")));
        let task = far.start(&Order::sh(&script).with(true, false)).unwrap();
        let group = PathBuf::from(format!("{base}/spawner-{}", task.id));
        let last = group.join("1/2/3/4/5/6/7/cgroup.procs");
        until("it is in the last", PATIENCE, || {
            std::fs::read_to_string(&last).is_ok_and(|members| !members.is_empty())
        });
        if alone {
            kill(task.guardian.0);
            until("the guardian is gone", PATIENCE, || !common::runs(task.guardian.0));
            assert!(matches!(far.ask_agent("end", &task).0, Looked::NotFound(_)), "{shell:?}");
        } else {
            far.to(&task, "force");
            assert_eq!(far.gone(task.id), [Proof::Group], "{shell:?}");
        }
        assert!(witness.all_gone());
        assert!(!group.exists(), "{shell:?}");
    }
}

/// Something mounted there, as the server sees it, which keeps it from being removed.
struct Mount(PathBuf, String);

impl Mount {
    fn on(path: &Path, sshd: &Sshd) -> Self {
        let mount = Self(path.to_owned(), sshd.pid().as_raw_nonzero().to_string());
        mount.run(&["mount", "-t", "tmpfs", "none"]);
        mount
    }

    fn run(&self, words: &[&str]) {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.1, "--mount", "--"]).args(words).arg(&self.0);
        assert!(command.status().unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.run(&["umount"]);
    }
}

/// The control groups of that name, of which the server's own is the parent.
fn groups(name: &str) -> Vec<PathBuf> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].into_iter().map(Path::new);
    mounts.map(|mount| mount.join(own).join(name)).filter(|group| group.exists()).collect()
}

#[test]
fn one_that_cannot_be_removed_is_named_until_it_is_gone() {
    let sshd = Sshd::start("");
    // Its guardian says so, or who looks in its place.
    for unguarded in [false, true] {
        block(async {
            let config = RemoteConfig { require: Some(Require::Cgroup), ..sshd.config("root") };
            let spawner = patient(config);
            let task = spawner.spawn_task(&sh("sleep 7788; :")).await.unwrap();
            let leader = task.record().leader.clone().unwrap().pid;
            let group = groups(&format!("spawner-{}", task.id()));
            let [group] = &group[..] else { panic!("{group:?}") };
            let inner = group.join("inner");
            std::fs::create_dir(&inner).unwrap();
            let mount = Mount::on(&inner, &sshd);
            if unguarded {
                // The task's parent has the guardian for its own.
                kill(parent(parent(leader)));
            }
            for _ in 0..2 {
                let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
                let left: Vec<_> = outcome.leftovers().map(|left| left.resource().clone()).collect();
                let [left] = &left[..] else { panic!("{outcome:?}") };
                assert_eq!((left.kind, &*left.id), (ResourceKind::Cgroup, group.to_str().unwrap()));
                assert!(!common::runs(leader));
            }
            drop(mount);
            let outcome = spawner.destroy_task(&task, &Teardown::at_once()).await;
            assert!(outcome.is_clean(), "{outcome:?}");
            assert!(!group.exists());
            let (sockets, _) = sshd.clients(&[]);
            spawner.shutdown().await.unwrap();
            here_is_clean(&sshd, &sockets);
        });
    }
}
