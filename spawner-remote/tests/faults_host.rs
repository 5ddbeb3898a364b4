//! Hosts that are not as a host should be: few sessions, odd shells, nowhere to write, no interpreter, a wrong clock.

mod common;

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use common::lab::{
    ACCOUNTS, all_is_well, at_once, block, ends_clean, held, here_is_clean, patient, read, sh,
};
use common::lock::Witness;
use common::place::Place;
use common::sshd::{Setup, Sshd};
use spawner_core::{ErrorKind, Exit, Input, Mechanism, Output, Spawner as _, Teardown, Verdict};

#[test]
fn a_server_that_takes_one_or_two_sessions_runs_six_tasks_that_come_at_once() {
    at_once(
        [1, 2].into_iter().flat_map(|limit| ACCOUNTS.map(|account| (limit, account))),
        |(limit, account)| {
            let sshd = Sshd::start_with_sessions(limit);
            block(async {
                let spawner = Arc::new(patient(sshd.config(account)));
                let mut running = tokio::task::JoinSet::new();
                for at in 0..6 {
                    let spawner = Arc::clone(&spawner);
                    running.spawn(async move {
                        let spec = sh(&format!("cat; sleep 0.2; exit {at}"))
                            .stdin(Input::Stream)
                            .stdout(Output::Stream);
                        let task = spawner.spawn_task(&spec).await.unwrap();
                        let mut streams = spawner.task_output(&task).await.unwrap();
                        let words = format!("task {at}");
                        let mut stdin = streams.stdin.take().unwrap();
                        tokio::io::AsyncWriteExt::write_all(&mut stdin, words.as_bytes()).await.unwrap();
                        drop(stdin);
                        assert_eq!(read(streams.stdout).await, words.as_bytes());
                        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: at });
                        ends_clean(&spawner, &task, Mechanism::RemoteSubreaper).await;
                    });
                }
                assert_eq!(running.join_all().await.len(), 6);
                let (sockets, _) = sshd.clients(&[]);
                Arc::into_inner(spawner).unwrap().shutdown().await.unwrap();
                here_is_clean(&sshd, &sockets);
            });
        },
    );
}

#[test]
fn whatever_the_shell_of_the_account_and_its_start_up_file() {
    let noisy = "export RC=read; echo noise; printf 'no end of line' >&2; printf 'none here'; echo -e '\\036spawner x'";
    let cases = [
        ("/usr/bin/fish", ""),
        ("/usr/bin/tcsh", ""),
        ("/bin/bash", ""),
        ("/bin/bash", noisy),
        (
            "/bin/bash",
            "export RC=read; read -t 0.2 line; head -c 0; exec 0<&0; set -e; alias exec=echo; printf() { echo no; }",
        ),
    ];
    at_once(cases, |(shell, bashrc)| {
        let place = Place::with_shell(shell, bashrc);
        all_is_well(&place, "tester", Mechanism::RemoteSubreaper);
        // Else this shows nothing.
        let used = place
            .ssh()
            .args(["tester@127.0.0.1", "printenv SHELL; printenv RC"])
            .stdin(Stdio::null())
            .output();
        let used = String::from_utf8_lossy(&used.unwrap().stdout).into_owned();
        let read = if bashrc.is_empty() { "" } else { "read" };
        assert!(used.contains(format!("{shell}\n{read}").trim_end()), "{used}");
    });
}

/// Neither the homes nor any folder for what is temporary can be written to, but for the one of the server's log.
const READ_ONLY: &str = "L=${4%/*}\n\
    for folder in /root /home /tmp /var/tmp /dev/shm; do mount --bind $folder $folder; done; mount --bind $L $L\n\
    for folder in /root /home /tmp /var/tmp /dev/shm; do mount -o remount,ro,bind $folder; done";

#[test]
fn a_host_with_nowhere_to_write_runs_tasks_and_refuses_detached_ones() {
    at_once(ACCOUNTS, |account| {
        let place = Place::with(READ_ONLY, Setup::default());
        all_is_well(&place, account, Mechanism::RemoteSubreaper);
        block(async {
            let spawner = patient(place.config(account));
            let error = spawner.spawn_task(&sh("echo kept").detached()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
            assert!(error.to_string().contains("no folder"), "{error}");
            assert!(place.records().is_empty());
            spawner.shutdown().await.unwrap();
        });
    });
}

/// Neither perl nor python3 can be executed.
const NO_INTERPRETER: &str = "for name in /usr/bin/perl $(ls /usr/bin/python3* /usr/local/bin/python3* 2>/dev/null); do\n\
    [ -f $name ] || continue; true >$F/none; mount --bind $F/none $(readlink -f $name); done";

#[test]
fn without_perl_and_python_root_has_a_control_group_and_others_are_never_called_clean() {
    let place = Place::with(NO_INTERPRETER, Setup::default());
    all_is_well(&place, "root", Mechanism::RemoteCgroup);
    block(async {
        let spawner = patient(place.config("tester"));
        let check = spawner.check().await.unwrap();
        assert!(
            check.notes.iter().any(|note| note.contains("install perl, python3 or spawner")),
            "{:?}",
            check.notes
        );
        let witness = Witness::new();
        // One that can be found, and one that has neither mark nor session any more.
        let lost = "setsid -f env -i sh -c 'exec sleep 7724' sh; setsid -f sleep 7725; sleep 7726";
        let task = spawner.spawn_task(&sh(&witness.hold(lost))).await.unwrap();
        held(&witness);
        let outcome =
            spawner.destroy_task(&task, &Teardown::at_once().deadline(Duration::from_secs(1))).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome:?}");
        assert_eq!(outcome.mechanisms(), [Mechanism::RemoteMarks]);
        assert!(!witness.all_gone(), "the one that cannot be found was to be missed, or this shows nothing");
        let ended =
            std::process::Command::new("pkill").args(["-KILL", "-fx", "sleep 7724"]).status().unwrap();
        assert!(ended.success());
        common::until("nothing else was missed", common::PATIENCE, || witness.all_gone());
        let easy = spawner.spawn_task(&sh("exit 4")).await.unwrap();
        assert_eq!(spawner.wait_task(&easy).await.unwrap(), Exit::Exited { code: 4 });
        let outcome = spawner.destroy_task(&easy, &Teardown::default()).await;
        assert_eq!(outcome.verdict(), Verdict::Unverified, "{outcome:?}");
        spawner.shutdown().await.unwrap();
    });
}
