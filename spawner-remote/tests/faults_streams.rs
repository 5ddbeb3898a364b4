//! Streams that are long, or slow, or go over a link that loses packets: all of it arrives, and is held by nobody.

mod common;

use std::io::Write as _;
use std::time::{Duration, Instant};

use common::lab::{STUBBORN, at_once, block, here_is_clean, is_unverified, patient, read, sh};
use common::link::{Link, Loss, can_be_made};
use common::lock::Witness;
use common::sshd::Sshd;
use spawner_core::{Exit, Input, Output, Spawner as _, Teardown};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// So much that no pipe or window holds it.
const INPUT: usize = 64 << 20;

/// Bytes in which a lost, doubled or swapped piece shows.
fn pattern() -> Vec<u8> {
    let mut state = 1u64;
    let words = (0..INPUT / 8).flat_map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_le_bytes()
    });
    words.collect()
}

#[test]
fn sixty_four_mebibytes_of_input_arrive_as_they_are() {
    let sshd = Sshd::start("");
    let data = pattern();
    let file = sshd.at("input");
    std::fs::File::create(&file).unwrap().write_all(&data).unwrap();
    let expected =
        std::process::Command::new("sha256sum").stdin(std::fs::File::open(&file).unwrap()).output();
    let expected = expected.unwrap().stdout;
    at_once([Input::Stream, Input::File(file)], |input| {
        block(async {
            let spawner = patient(sshd.config("tester"));
            let spec = sh("sha256sum").stdin(input.clone()).stdout(Output::Stream);
            let task = spawner.spawn_task(&spec).await.unwrap();
            let streams = spawner.task_output(&task).await.unwrap();
            if let Some(mut stdin) = streams.stdin {
                stdin.write_all(&data).await.unwrap();
                stdin.shutdown().await.unwrap();
            }
            assert_eq!(read(streams.stdout).await, expected, "{input:?}");
            assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 0 });
            assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
            spawner.shutdown().await.unwrap();
        });
    });
}

const CONFIG: &str = "SPAWNER_TEST_CONFIG";

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Not a test of its own: the harness whose memory is measured.
#[test]
#[ignore = "it is started by another test"]
fn reader() {
    let config = serde_json::from_str(&std::env::var(CONFIG).unwrap()).unwrap();
    block(async {
        let spawner = patient(config);
        let script = "yes 0123456789abcde | head -c 1073741824 | tee \"$FILE\" | cat; exit 3";
        let spec = sh(script).env("FILE", "/dev/null").stdout(Output::Stream);
        let task = spawner.spawn_task(&spec).await.unwrap();
        let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
        let before = peak();
        // Nobody reads at first: what is written meanwhile is held by nobody but the kernels, and bounded.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (mut all, mut piece) = (0, vec![0; 1 << 16]);
        let began = Instant::now();
        loop {
            let read = stdout.read(&mut piece).await.unwrap();
            if read == 0 {
                break;
            }
            for (at, byte) in piece[..read].iter().enumerate().step_by(997) {
                assert_eq!(*byte, b"0123456789abcde\n"[(all + at) % 16], "at {}", all + at);
            }
            all += read;
        }
        assert_eq!(all, 1 << 30);
        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 3 });
        assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
        println!("1 GiB in {:?}; at most {before} KiB before, {} KiB after", began.elapsed(), peak());
        assert!(peak() < before + (8 << 10), "{} KiB, after {before}", peak());
        spawner.shutdown().await.unwrap();
    });
}

#[test]
fn a_gibibyte_of_output_takes_little_memory_though_its_reader_is_slow() {
    let sshd = Sshd::start("");
    let reader = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "reader", "--ignored", "--nocapture"])
        .env(CONFIG, serde_json::to_string(&sshd.config("tester")).unwrap())
        .status();
    assert!(reader.unwrap().success());
}

#[test]
fn a_writer_whose_reader_waits_is_held_up() {
    let sshd = Sshd::start("");
    block(async {
        let spawner = patient(sshd.config("tester"));
        let file = sshd.at("written");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        // It says how far it is, besides.
        let script = "i=0; while [ $i -lt 4096 ]; do head -c 65536 /dev/zero; i=$((i + 1)); printf . >>\"$FILE\"; done";
        let task = spawner.spawn_task(&sh(script).env("FILE", &file).stdout(Output::Stream)).await.unwrap();
        let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
        let written = || std::fs::metadata(&file).unwrap().len() / 16;
        let (mut last, mut since) = (0, Instant::now());
        let deadline = Instant::now() + common::PATIENCE;
        while since.elapsed() < Duration::from_secs(1) || last == 0 {
            assert!(Instant::now() < deadline, "it goes on writing, {last} MiB by now");
            if written() != last {
                (last, since) = (written(), Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("held up after {last} MiB");
        assert!(last < 16, "{last} MiB lie between writer and reader");
        let mut all = Vec::new();
        stdout.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 4096 << 16);
        assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
        spawner.shutdown().await.unwrap();
    });
}

/// How long packets are lost.
const LOSSY: Duration = Duration::from_secs(30);

/// What a way that is longer may add to a verdict, at most: sixteen times what the first answer over it took, of which no
/// more than 2 s count (`Teardown`, `session/connection.rs`).
const LONG_WAY: Duration = Duration::from_secs(16 * 2);

#[test]
fn thirty_seconds_of_loss_delay_and_change_nothing() {
    if !can_be_made() {
        return;
    }
    let link = Link::up();
    let sshd = link.sshd();
    block(async {
        // A lease that such silences do not reach: at a fifth of loss both ways, a word is answered at once in 64 of
        // 100 tries, whose pauses double.
        let spawner = patient(sshd.config("tester"));
        let long = "i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo $i; sleep 0.1; done; cat; exit 9";
        let stdin = Input::Stream;
        let task = spawner.spawn_task(&sh(long).stdin(stdin).stdout(Output::Stream)).await.unwrap();
        let mut streams = spawner.task_output(&task).await.unwrap();
        let reading = tokio::spawn(read(streams.stdout.take()));
        let (before, _) = sshd.clients(&[]);
        link.lose(Loss::Fifth);
        let began = Instant::now();
        let (mut clean, mut unverified) = (0, 0);
        while began.elapsed() < LOSSY {
            let witness = Witness::new();
            let Ok(short) = spawner.spawn_task(&sh(&witness.hold(STUBBORN))).await else { continue };
            let teardown = Teardown::at_once().deadline(Duration::from_millis(1500));
            let asked = Instant::now();
            let outcome = spawner.destroy_task(&short, &teardown).await;
            let took = asked.elapsed();
            if outcome.is_clean() {
                assert!(witness.all_gone(), "false clean: {outcome:?}");
                clean += 1;
            } else {
                // A connection that was made anew meanwhile may have had a first answer that was lost, and repeated.
                let way = if sshd.clients(&[]).0 == before { Duration::ZERO } else { LONG_WAY };
                is_unverified(&outcome, &short, &teardown, took.saturating_sub(way));
                unverified += 1;
                let outcome = spawner.destroy_task(&short, &Teardown::default().deadline(LOSSY)).await;
                assert!(outcome.is_clean() && witness.all_gone(), "{outcome:?}");
            }
        }
        println!("of tasks under loss, {clean} were clean in time and {unverified} when asked again");
        assert!(clean > 5, "hardly anything came through");
        link.mend();
        streams.stdin.as_mut().unwrap().write_all(b"end\n").await.unwrap();
        drop(streams);
        let expected: String = (1..=300).map(|at| format!("{at}\n")).chain(["end\n".to_owned()]).collect();
        assert_eq!(String::from_utf8(reading.await.unwrap()).unwrap(), expected);
        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 9 });
        assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
        let (sockets, _) = sshd.clients(&[]);
        spawner.shutdown().await.unwrap();
        here_is_clean(sshd, &sockets);
    });
}
