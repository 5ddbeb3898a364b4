//! What goes into a task and comes out of it: every byte, in bounded memory, to the end.

#[path = "common/life.rs"]
mod life;
#[path = "common/scratch.rs"]
mod scratch;

use std::pin::pin;
use std::time::Duration;

use life::{end, null, sh, spawner, talk};
use rustix::process::Signal;
use scratch::Scratch;
use spawner_core::stream::Reader;
use spawner_core::{
    ErrorKind, Exit, Input, Output, Spawner as _, Task, TaskSpec, TaskStreams, Teardown, WindowSize,
};
use spawner_podman::PodmanSpawner;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(30);

/// A gibibyte.
const ALL: usize = 1 << 30;

/// Bytes of every value, that no part of repeats soon.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn not_a_byte_is_lost_however_short_the_task() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    for number in 0..20 {
        let (out, err, _) =
            talk(&spawner, &sh(&format!("echo out{number}; echo err{number} >&2")), b"").await;
        assert_eq!(
            (out, err),
            (format!("out{number}\n").into_bytes(), format!("err{number}\n").into_bytes())
        );
    }
    // Frames look like this.
    let (out, err, _) =
        talk(&spawner, &sh("printf '\\1\\0\\0\\0\\0\\0\\0\\3abc'; printf '\\2\\0\\0' >&2"), b"").await;
    assert_eq!((&out[..], &err[..]), (&b"\x01\0\0\0\0\0\0\x03abc"[..], &b"\x02\0\0"[..]));
}

#[tokio::test]
async fn what_goes_in_comes_out_and_the_end_of_input_is_heard() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    let cat = null(TaskSpec::new(["cat"]));
    for length in [0, 1, 4096, 5_000_003] {
        let input = noise(length);
        let (out, _, exit) = timeout(PATIENCE, talk(&spawner, &cat, &input)).await.expect("input ends");
        assert!(out == input && exit.success(), "{length} bytes: {} came back, {exit}", out.len());
    }
    let file = scratch.folder().join("input");
    std::fs::write(&file, noise(300_000)).unwrap();
    let spec = null(TaskSpec::new(["cat"])).stdin(Input::File(file.clone()));
    let target = scratch.folder().join("output");
    let written = |append| Output::File { path: target.clone(), append };
    for (append, times) in [(false, 1), (true, 2), (false, 1)] {
        life::exit(&spawner, &spec.clone().stdout(written(append))).await;
        assert!(std::fs::read(&target).unwrap() == noise(300_000).repeat(times), "append {append}");
    }
    let missing = spec.stdin(Input::File("/no/such/file".into()));
    life::refused(&spawner, &missing, ErrorKind::Io).await;
    // Without input there is its end at once; nobody waits for what a task never reads.
    let (out, _, exit) = talk(&spawner, &sh("cat; exec sleep 0"), b"").await;
    assert!(out.is_empty() && exit.success());
    let (_, _, exit) = talk(&spawner, &sh("exit 6"), &noise(10_000_000)).await;
    assert_eq!(exit, Exit::Exited { code: 6 });
}

#[tokio::test]
async fn a_reader_that_is_slow_stops_the_writer_and_costs_no_memory() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    let line = "dd if=/dev/zero bs=65536 count=16384 2>/dev/null; printf end";
    let task = spawner.spawn_task(&sh(line).stdout(Output::Stream)).await.unwrap();
    let TaskStreams { stdout, .. } = spawner.task_output(&task).await.unwrap();
    let mut stdout = stdout.unwrap();
    sleep(Duration::from_secs(1)).await;
    let before = resident();
    let (mut read, mut most, mut buffer, mut tail) = (0, 0, vec![0; 1 << 16], Vec::new());
    loop {
        let count = timeout(PATIENCE, stdout.read(&mut buffer)).await.expect("it goes on").unwrap();
        if count == 0 {
            break;
        }
        read += count;
        tail.extend_from_slice(&buffer[..count]);
        tail.drain(..tail.len().saturating_sub(3));
        if read % (64 << 20) < count {
            most = most.max(resident());
        }
    }
    assert_eq!((read, &tail[..]), (ALL + 3, &b"end"[..]));
    assert!(most < before + (16 << 20), "memory grew from {before} to {most}");
    assert!(spawner.wait_task(&task).await.unwrap().success());
    end(&spawner, &task).await;
    // One that nobody reads is ended all the same.
    let task = spawner.spawn_task(&sh("yes").stdout(Output::Stream)).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    let outcome = spawner.destroy_task(&task, &Teardown::default().grace(Duration::from_millis(100))).await;
    life::clean(&outcome);
}

#[tokio::test]
async fn streams_end_with_their_task_and_are_had_once() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    let spec = sh("exec >/dev/null 2>&1; sleep 0.5; exit 3").stdout(Output::Stream).stderr(Output::Stream);
    let task = spawner.spawn_task(&spec).await.unwrap();
    let streams = spawner.task_output(&task).await.unwrap();
    assert!(streams.stdin.is_none() && streams.terminal.is_none());
    let again = spawner.task_output(&task).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Taken);
    let mut nothing = Vec::new();
    timeout(PATIENCE, streams.stdout.unwrap().read_to_end(&mut nothing)).await.unwrap().unwrap();
    assert!(nothing.is_empty());
    assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 3 });
    end(&spawner, &task).await;
    // An engine that dies leaves a reader with an error, not with half of the output as if it were all.
    let task = spawner.spawn_task(&sh("echo half; sleep 600").stdout(Output::Stream)).await.unwrap();
    let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
    let mut half = [0; 5];
    stdout.read_exact(&mut half).await.unwrap();
    scratch.kill();
    let cut = timeout(PATIENCE, stdout.read(&mut half)).await.expect("it does not wait for ever");
    assert!(cut.is_err(), "{cut:?}");
    scratch.restart();
    end(&spawner, &task).await;
}

/// A task that says so when it runs, and has last words when it is asked to end.
async fn with_last_words(spawner: &PodmanSpawner) -> (Task, Reader) {
    let line = "trap 'echo last words; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let task = spawner.spawn_task(&sh(line).stdout(Output::Stream)).await.unwrap();
    let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
    let mut up = [0; 3];
    timeout(PATIENCE, stdout.read_exact(&mut up)).await.expect("it runs").unwrap();
    (task, stdout)
}

#[tokio::test]
async fn last_words_that_a_stopped_engine_holds_are_an_error_to_who_reads() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    let (task, mut stdout) = with_last_words(&spawner).await;
    scratch.signal(Signal::STOP);
    spawner.signal_task(&task, Signal::TERM.as_raw()).await.unwrap();
    let mut said = String::new();
    let read =
        timeout(PATIENCE, stdout.read_to_string(&mut said)).await.expect("it is not waited for for ever");
    scratch.signal(Signal::CONT);
    assert!(read.is_err(), "an end after `{said}`");
    end(&spawner, &task).await;
}

#[tokio::test]
async fn last_words_after_the_death_of_the_engine_are_an_error_to_who_reads() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    let (task, mut stdout) = with_last_words(&spawner).await;
    scratch.kill();
    let mut said = String::new();
    let read = {
        let mut reading = pin!(stdout.read_to_string(&mut said));
        if let Ok(read) = timeout(Duration::from_millis(200), &mut reading).await {
            read
        } else {
            // Whoever does not see the end of the stream for what it is waits for the task's.
            spawner.signal_task(&task, Signal::TERM.as_raw()).await.unwrap();
            timeout(PATIENCE, reading).await.expect("it is not waited for for ever")
        }
    };
    assert!(read.is_err(), "an end after `{said}`");
    scratch.restart();
    end(&spawner, &task).await;
}

#[tokio::test]
async fn a_terminal_is_the_task_s_own_and_raw() {
    let Some(scratch) = Scratch::up() else { return };
    let spawner = spawner(&scratch);
    let terminal = |line: &str| {
        let mut spec = sh(line).stdin(Input::Terminal).stdout(Output::Terminal).stderr(Output::Terminal);
        spec.window = Some(WindowSize { rows: 33, columns: 99 });
        spec
    };
    let line = "stty size; tty; trap 'stty size' WINCH; stty raw -echo; echo ready; \
                dd bs=1 count=4 2>/dev/null | od -An -tx1; printf '\\1\\2\\0\\377'; exit 4";
    let task = spawner.spawn_task(&terminal(line)).await.unwrap();
    let near = spawner.task_output(&task).await.unwrap().terminal.unwrap();
    let (mut reader, mut writer) = (near.reader, near.writer);
    let mut said = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while !String::from_utf8_lossy(&said).contains("ready") {
        let mut piece = [0; 256];
        let count = tokio::time::timeout_at(deadline, reader.read(&mut piece)).await.unwrap().unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&piece[..count]);
    }
    let text = String::from_utf8_lossy(&said).into_owned();
    assert!(text.starts_with("33 99\r\n/dev/pts/0\r\n"), "{text}");
    writer.write_all(b"\x03\x04\x00\xff").await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, reader.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&rest).contains("03 04 00 ff"), "{rest:?}");
    assert!(rest.ends_with(b"\x01\x02\x00\xff"), "{rest:?}");
    assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 4 });
    end(&spawner, &task).await;

    let line = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done";
    let task = spawner.spawn_task(&terminal(line)).await.unwrap();
    let mut near = spawner.task_output(&task).await.unwrap().terminal.unwrap();
    let mut ready = [0; 7];
    near.reader.read_exact(&mut ready).await.unwrap();
    near.control.resize(WindowSize { rows: 11, columns: 22 }).unwrap();
    near.control.resize(WindowSize { rows: 12, columns: 34 }).unwrap();
    let mut said = String::new();
    timeout(PATIENCE, near.reader.read_to_string(&mut said)).await.unwrap().unwrap();
    assert!(said.contains("12 34") || said.contains("11 22"), "{said}");
    end(&spawner, &task).await;
}
