//! Detached tasks on a host whose disk is full: of bytes, or of files.

mod common;

use std::time::Duration;

use common::lab::{all_is_well, at_once, block, here_is_clean, patient};
use common::place::Place;
use common::sshd::Setup;
use spawner_core::{ErrorKind, Exit, Mechanism, Spawner as _, TaskSpec, Teardown, Verdict};

/// The account's home is a disk of this size, and full.
fn full(of: &str) -> Place {
    let script = match of {
        "bytes" => {
            "mount -t tmpfs -o size=64k none /home/tester; mkdir -m 700 /home/tester/spawner-$U\n\
                    head -c 100k /dev/zero >/home/tester/full || :"
        }
        _ => {
            "mount -t tmpfs -o nr_inodes=3 none /home/tester; mkdir -m 700 /home/tester/spawner-$U; : >/home/tester/full"
        }
    };
    let script = format!("U=$(id -u tester); {script}; chown -R tester: /home/tester");
    Place::with(&script.replace("; head", "\nhead"), Setup::default())
}

fn detached(script: &str) -> TaskSpec {
    TaskSpec::new(["/bin/sh", "-c", script]).detached()
}

#[test]
fn tasks_that_are_not_detached_need_no_disk() {
    at_once(["bytes", "files"], |of| all_is_well(&full(of), "tester", Mechanism::RemoteSubreaper));
}

#[test]
fn a_detached_task_on_a_disk_that_is_full_of_bytes_fails_itself_and_its_end_is_heard() {
    let place = full("bytes");
    block(async {
        let spawner = patient(place.config("tester"));
        let spec = detached("head -c 1000 /dev/zero || exit 28; exit 0");
        let task = spawner.spawn_task(&spec).await.unwrap();
        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 28 });
        let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
        assert!(outcome.is_clean(), "{outcome:?}");
        let (sockets, _) = place.clients(&[]);
        spawner.shutdown().await.unwrap();
        here_is_clean(&place, &sockets);
    });
}

#[test]
fn a_detached_task_that_ended_where_nothing_could_be_written_down_is_lost_and_not_called_clean() {
    let place = full("bytes");
    block(async {
        let first = patient(place.config("tester"));
        let go = place.at("go");
        let spec = detached("while [ ! -e \"$GO\" ]; do sleep 0.05; done; exit 5").env("GO", &go);
        let task = first.spawn_task(&spec).await.unwrap();
        first.shutdown().await.unwrap();
        std::fs::write(&go, "").unwrap();
        common::until("it ends", common::PATIENCE, || place.far().is_empty());
        let second = patient(place.config("tester"));
        let again = second.recover_task(task.record()).await.unwrap();
        let exit = tokio::time::timeout(Duration::from_secs(10), second.wait_task(&again)).await;
        assert!(matches!(exit.expect("it is given up").unwrap(), Exit::Lost { .. }));
        let outcome = second.destroy_task(&again, &Teardown::at_once()).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome:?}");
        second.shutdown().await.unwrap();
    });
}

#[test]
fn a_detached_task_on_a_disk_that_takes_no_more_files_is_refused_and_nothing_is_left() {
    let place = full("files");
    block(async {
        let spawner = patient(place.config("tester"));
        let error = spawner.spawn_task(&detached("echo out; sleep 7728")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("files that keep its output"), "{error}");
        let (sockets, _) = place.clients(&[]);
        spawner.shutdown().await.unwrap();
        here_is_clean(&place, &sockets);
    });
    common::until("nothing is left there", common::PATIENCE, || place.far().is_empty());
}
