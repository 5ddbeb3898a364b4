//! What is executed is what was meant, byte for byte; and how it ended is its own.

mod common;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use common::lab::{ACCOUNTS, at_once, block, patient, read, sh};
use common::sshd::Sshd;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use spawner_core::{Exit, Input, Output, Spawner as _, TaskSpec, Teardown};

/// Any bytes but NUL.
fn bytes(longest: usize) -> impl Strategy<Value = OsString> {
    let odd = [
        "", "-n", "--", "a=b", "'", "!", "\\", "\\\\", "\n", "$(x)", "`x`", "*", "~", "%", "\u{81}", "\u{1e}",
    ];
    prop_oneof![
        prop::collection::vec(1u8.., 0..longest),
        prop::sample::select(odd.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
    ]
    .prop_map(OsString::from_vec)
}

/// Names of variables, among them those to which shells give a meaning. perl, which says what it was given, ends itself
/// where its own make no sense.
fn names() -> impl Strategy<Value = OsString> {
    let fixed =
        ["A", "IFS", "OPTIND", "UID", "_id", "_more", "a.b", "0", "-x", "PS4", "ENV", "BASH_ENV", "RANDOM"];
    let byte = (1u8..).prop_filter("no =", |byte| *byte != b'=');
    let any = prop::collection::vec(byte, 1..8).prop_map(OsString::from_vec);
    prop_oneof![prop::sample::select(fixed.to_vec()).prop_map(OsString::from), any]
}

/// Prints its own argv, and its environment, from what the kernel has.
const ECHO: &str = r#"open F, "<", "/proc/$$/cmdline"; local $/; print <F>; print "\0ENV\0"; open F, "<", "/proc/$$/environ"; print <F>"#;

type Changes = BTreeMap<OsString, Option<OsString>>;

#[test]
fn any_bytes_survive_in_arguments_and_environment() {
    at_once(ACCOUNTS, |account| {
        let sshd = Sshd::start("");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let spawner = patient(sshd.config(account));
        let env = prop::collection::btree_map(names(), prop::option::weighted(0.8, bytes(12)), 0..6);
        let config = Config { failure_persistence: None, max_shrink_iters: 30, ..Config::with_cases(60) };
        let given = |args: &[OsString], env: &Changes| {
            let words: Vec<OsString> =
                ["perl", "-e", ECHO, "--"].map(OsString::from).into_iter().chain(args.to_vec()).collect();
            let mut spec =
                TaskSpec::new(words.clone()).stdin(Input::Null).stdout(Output::Stream).stderr(Output::Null);
            spec.env.changes.clone_from(env);
            let out = runtime.block_on(async {
                let task = spawner.spawn_task(&spec).await.unwrap();
                let out = read(spawner.task_output(&task).await.unwrap().stdout).await;
                assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 0 });
                assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
                out
            });
            let mut argv =
                words.into_iter().flat_map(|word| [word.into_vec(), vec![0]].concat()).collect::<Vec<u8>>();
            argv.extend(b"\0ENV\0");
            prop_assert!(out.starts_with(&argv), "{}\nnot {}", out.escape_ascii(), argv.escape_ascii());
            let seen: Vec<_> = out[argv.len()..].split(|byte| *byte == 0).collect();
            for (name, value) in env {
                let of = |value: &OsString| {
                    [name.clone().into_vec(), b"=".to_vec(), value.clone().into_vec()].concat()
                };
                let prefix = of(&OsString::new());
                let found: Vec<_> = seen
                    .iter()
                    .filter(|entry| entry.starts_with(&prefix))
                    .map(|entry| entry.to_vec())
                    .collect();
                prop_assert_eq!(found, value.iter().map(of).collect::<Vec<_>>());
            }
            Ok(())
        };
        let strategy = (prop::collection::vec(bytes(40), 0..6), env);
        TestRunner::new(config).run(&strategy, |(args, env)| given(&args, &env)).unwrap();
        runtime.block_on(spawner.shutdown()).unwrap();
    });
}

#[test]
fn every_status_and_every_signal_is_the_task_s_own() {
    at_once(ACCOUNTS, |account| {
        let sshd = Sshd::start("");
        block(async {
            let backend = patient(sshd.config(account));
            // Those that neither end a process by themselves nor can be waited for.
            let stays = [17, 18, 19, 20, 21, 22, 23, 28, 32, 33];
            let signals = (1..=64).filter(|signal| !stays.contains(signal));
            let by_signal = signals.flat_map(|signal| {
                let status = Exit::Exited { code: 128 + signal };
                let core = false;
                [
                    (format!("ulimit -c 0; kill -{signal} $$; sleep 5"), Exit::Signalled { signal, core }),
                    (format!("exit {}", 128 + signal), status),
                ]
            });
            let by_status = [0, 1, 2, 123, 124, 125, 126, 127, 128, 254, 255]
                .map(|code| (format!("exit {code}"), Exit::Exited { code }));
            let cases: Vec<_> = by_status.into_iter().chain(by_signal).collect();
            assert!(cases.len() > 100);
            let spawner = &backend;
            for few in cases.chunks(8) {
                let running = few.iter().map(|(script, expected)| async move {
                    let task = spawner.spawn_task(&sh(script)).await.unwrap();
                    assert_eq!(spawner.wait_task(&task).await.unwrap(), *expected, "{script}");
                    assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
                });
                all(running).await;
            }
            backend.shutdown().await.unwrap();
        });
    });
}

/// Runs these at one time, in this task.
async fn all(running: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut running: Vec<_> = running.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        running.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
