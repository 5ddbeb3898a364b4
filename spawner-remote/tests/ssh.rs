//! The guardian through a real sshd, for root and for an ordinary account, whatever its shell.

mod common;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::time::{Duration, Instant};

use common::lock::Witness;
use common::sshd::Sshd;
use common::{Far, Order, until};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::process::{Pid, Signal, kill_process};
use spawner_core::Exit;
use spawner_remote::said::Proof;

const SH: &[&str] = &["/bin/sh"];
const ACCOUNTS: [&str; 2] = ["root", "tester"];

/// What the account's own shell is, made of a command that is forced on every session: the same as a login shell
/// of that kind, without an account for each.
const LOGINS: [(&str, &str); 5] = [
    ("csh", "ForceCommand exec tcsh -c \"$SSH_ORIGINAL_COMMAND\""),
    ("fish", "ForceCommand exec fish -c \"$SSH_ORIGINAL_COMMAND\""),
    ("bash", "ForceCommand exec bash -c \"$SSH_ORIGINAL_COMMAND\""),
    ("busybox", "ForceCommand exec busybox ash -c \"$SSH_ORIGINAL_COMMAND\""),
    (
        "noisy",
        "ForceCommand echo noise; printf 'no newline' >&2; printf 'none here'; exec sh -c \"$SSH_ORIGINAL_COMMAND\"",
    ),
];

#[test]
fn a_task_runs_and_is_proved_gone() {
    let mut sshd = Sshd::start("");
    for account in ACCOUNTS {
        let mut far = Far::open(sshd.way(account), SH);
        println!("{:?}", far.facts);
        let (exit, out, err, by) = far.run(&Order::sh("cat; echo err >&2; id -un; exit 255"), b"in\0put");
        let expected = [b"in\0put", account.as_bytes(), b"\n"].concat();
        assert_eq!((exit, out, err), (Exit::Exited { code: 255 }, expected, b"err\n".to_vec()));
        let root: &[Proof] = &[Proof::Group, Proof::Children];
        assert_eq!(by, if account == "root" { root } else { &root[1..] });
    }
}

/// Any bytes but NUL.
fn bytes(longest: usize) -> impl Strategy<Value = OsString> {
    prop_oneof![
        prop::collection::vec(1u8.., 0..longest),
        "[ -~]{0,12}".prop_map(String::into_bytes),
        prop::sample::select(vec![
            "", "-n", "--", "a=b", "'", "!", "\\", "\\\\", "\n", "$(x)", "`x`", "*", "~", "%", "\u{81}"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ]
    .prop_map(OsString::from_vec)
}

/// `LC_ALL` is not among them, since perl, which says what it was given, ends itself where that makes no sense.
fn names() -> impl Strategy<Value = OsString> {
    let fixed = [
        "A", "IFS", "OPTIND", "UID", "PWD", "_", "_id", "a.b", "0", "-x", "PS4", "ENV", "BASH_ENV", "RANDOM",
    ];
    let any = prop::collection::vec((1u8..).prop_filter("no =", |byte| *byte != b'='), 1..8)
        .prop_map(OsString::from_vec);
    prop_oneof![prop::sample::select(fixed.to_vec()).prop_map(OsString::from), any]
}

/// The program that says what it was given: argv and environment, each ended by NUL.
const ECHO: &str = r#"$| = 1; open F, "<", "/proc/$$/cmdline"; local $/; print <F>; print "\0ENV\0"; open F, "<", "/proc/$$/environ"; print <F>"#;

fn echoed(far: &mut Far, args: &[OsString], env: &std::collections::BTreeMap<OsString, Option<OsString>>) {
    let mut words: Vec<OsString> = ["perl", "-e", ECHO, "--"].map(OsString::from).to_vec();
    words.extend_from_slice(args);
    let mut order = Order::of(words.clone());
    order.env = env.clone();
    let (exit, out, err, _) = far.run(&order, b"");
    assert_eq!(exit, Exit::Exited { code: 0 }, "{}", String::from_utf8_lossy(&err));
    let mut expected = Vec::new();
    for word in words {
        expected.extend(word.into_vec());
        expected.push(0);
    }
    assert!(
        out.starts_with(&expected),
        "argv: {:?}\nnot {:?}",
        out.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    let seen: Vec<_> = out[expected.len() + 5..].split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    for (name, value) in env {
        let prefix = [name.clone().into_vec(), b"=".to_vec()].concat();
        let found: Vec<_> = seen.iter().filter(|entry| entry.starts_with(&prefix)).collect();
        match value {
            Some(value) => assert_eq!(found, [&[prefix, value.clone().into_vec()].concat()]),
            None => assert!(found.is_empty()),
        }
    }
}

fn exact(far: &mut Far, cases: u32) {
    let far = std::cell::RefCell::new(far);
    let env = prop::collection::btree_map(names(), prop::option::weighted(0.8, bytes(12)), 0..6);
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        max_shrink_iters: 40,
        ..Config::with_cases(cases)
    });
    runner
        .run(&(prop::collection::vec(bytes(40), 0..6), env), |(args, env)| {
            echoed(&mut far.borrow_mut(), &args, &env);
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_bytes_survive_every_shell_of_an_account() {
    for (name, setting) in LOGINS {
        println!("login shell {name}");
        let mut sshd = Sshd::start(setting);
        exact(&mut Far::open(sshd.way("tester"), SH), 12);
    }
}

#[test]
fn any_bytes_survive_every_shell_that_guards() {
    for shell in common::SHELLS {
        println!("{shell:?}");
        let mut sshd = Sshd::start("");
        exact(&mut Far::open(sshd.way("tester"), shell), 60);
    }
}

#[test]
fn what_is_too_long_for_a_command_line_survives() {
    for shell in common::SHELLS {
        let mut sshd = Sshd::start("ForceCommand exec fish -c \"$SSH_ORIGINAL_COMMAND\"");
        let mut far = Far::open(sshd.way("tester"), shell);
        let all: Vec<u8> = (1..=255).cycle().take(100_000).collect();
        let args: Vec<_> = (0..10).map(|at| OsString::from_vec(all[at..].to_vec())).collect();
        let env = [("BIG".into(), Some(OsString::from_vec(all)))].into();
        echoed(&mut far, &args, &env);
        // Its own input is not mixed with that.
        let mut order = Order::of(["sh".into(), "-c".into(), "cat".into(), args[0].clone()]);
        order.env = env;
        let (_, out, ..) = far.run(&order, b"in\n");
        assert_eq!(out, b"in\n");
    }
}

#[test]
fn the_environment_of_the_account_is_kept() {
    for shell in common::SHELLS {
        for (setting, expected) in [("SetEnv LC_ALL=POSIX OTHER=x", "POSIX x 2"), ("SetEnv OTHER=x", " x 1")]
        {
            let mut sshd = Sshd::start(setting);
            let mut far = Far::open(sshd.way("tester"), shell);
            let script =
                "echo \"$LC_ALL $OTHER $(env | grep -c '^LC_ALL=\\|^OTHER=')\"; env | grep '^_[a-z]'";
            let (_, out, ..) = far.run(&Order::sh(script), b"");
            assert_eq!(String::from_utf8(out).unwrap().trim_end(), expected.to_owned());
        }
    }
}

#[test]
fn an_sshd_that_is_killed_or_stopped_ends_the_task_in_time() {
    const LEASE: Duration = Duration::from_secs(2);
    for signal in [Signal::KILL, Signal::STOP] {
        let mut sshd = Sshd::start("");
        let mut far = Far::with_lease(sshd.way("tester"), SH, LEASE);
        let witness = Witness::new();
        let task = far.start(&Order::sh(&witness.hold("setsid -f sleep 7791; sleep 7792"))).unwrap();
        until("all", common::PATIENCE, || far.members(&task, "count").len() == 3);
        let connection = Pid::from_raw(common::parent(far.address.process.0).cast_signed()).unwrap();
        let began = Instant::now();
        kill_process(connection, signal).unwrap();
        let patience = if signal == Signal::STOP { LEASE } else { Duration::ZERO } + Duration::from_secs(1);
        until("all are gone", patience, || witness.all_gone());
        println!("{signal:?}: {:?}", began.elapsed());
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
        if signal == Signal::STOP {
            kill_process(connection, Signal::CONT).unwrap();
        }
        sshd.cut();
    }
}

#[test]
fn a_cut_connection_ends_the_task() {
    let mut sshd = Sshd::start("");
    for account in ACCOUNTS {
        let mut far = Far::open(sshd.way(account), SH);
        let witness = Witness::new();
        let script =
            "trap '' TERM; setsid -f sh -c 'trap \"\" TERM; sleep 7775; :'; while :; do sleep 7776; done";
        let task = far.start(&Order::sh(&witness.hold(script))).unwrap();
        until("it holds the lock", common::PATIENCE, || !witness.all_gone());
        until("all", common::PATIENCE, || far.members(&task, "count").len() >= 4);
        sshd.cut();
        until("all are gone", Duration::from_secs(3), || witness.all_gone());
        until("the guardian is gone", common::PATIENCE, || !common::runs(task.guardian.0));
        until("the agent is gone", common::PATIENCE, || !common::runs(far.address.process.0));
    }
}
