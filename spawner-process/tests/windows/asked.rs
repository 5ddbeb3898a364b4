//! Asking before forcing.

use std::time::{Duration, Instant};

use spawner_core::{ErrorKind, Exit, Fate, Output, Spawner as _, TaskSpec, Teardown};
use tokio::io::AsyncReadExt as _;

use super::eyes::{has_console, is_alive, is_wine};
use super::lives::{spawner, start_pids};
use super::parts::part;
use super::run::{Test, block};

pub(crate) const ALL: &[Test] = &[
    ("who hears CTRL_BREAK ends by it, within the grace", hears),
    ("a window is closed, and its program ends by that", window),
    ("who does not hear is ended by force after the grace", deaf),
    ("signals that there are not are refused", signals),
];

fn hears() {
    let (_folder, spawner) = spawner();
    if !has_console() {
        return println!("  not asserted: this program has no console; start it at a terminal");
    }
    block(async {
        let (task, pids) = start_pids(&spawner, part(["hear"]), 1).await;
        let teardown = Teardown { grace: Duration::from_secs(3), ..Teardown::at_once() };
        let outcome = spawner.destroy_task(&task, &teardown).await;
        assert!(outcome.is_clean(), "{outcome}");
        if is_wine() && outcome.escalated() {
            return println!("  not asserted that it is heard: Wine 8 has no console that takes the event");
        }
        assert!(!outcome.escalated(), "it was forced");
        assert_eq!(outcome.resources()[0].fate, Fate::Terminated);
        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 7 });
        assert!(!is_alive(pids[0]));
    });
}

fn window() {
    let (_folder, spawner) = spawner();
    block(async {
        let task = spawner.spawn_task(&TaskSpec::new(part(["window"])).stdout(Output::Stream)).await.unwrap();
        let mut stdout = spawner.task_output(&task).await.unwrap().stdout.unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"\n") {
            assert_ne!(stdout.read_buf(&mut said).await.unwrap(), 0);
        }
        if said.starts_with(b"0") {
            return println!("  not asserted: there are no windows here");
        }
        let teardown = Teardown { grace: Duration::from_secs(20), ..Teardown::at_once() };
        let outcome = spawner.destroy_task(&task, &teardown).await;
        assert!(outcome.is_clean() && !outcome.escalated(), "{outcome}");
        assert_eq!(outcome.resources()[0].fate, Fate::Terminated);
        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 6 });
    });
}

fn deaf() {
    let (_folder, spawner) = spawner();
    block(async {
        let (task, pids) = start_pids(&spawner, part(["deaf"]), 1).await;
        let grace = Duration::from_millis(300);
        let began = Instant::now();
        let outcome = spawner.destroy_task(&task, &Teardown { grace, ..Teardown::at_once() }).await;
        assert!(outcome.is_clean(), "{outcome}");
        assert!(outcome.escalated() && began.elapsed() >= grace);
        assert_eq!(outcome.resources()[0].fate, Fate::Killed);
        assert!(!is_alive(pids[0]));
    });
}

fn signals() {
    let (_folder, spawner) = spawner();
    block(async {
        let (task, _) = start_pids(&spawner, part(["tree", "1"]), 1).await;
        for signal in [0, 1, 15, 10] {
            let error = spawner.signal_task(&task, signal).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
        }
        spawner.signal_task(&task, 9).await.unwrap();
        assert_eq!(spawner.wait_task(&task).await.unwrap(), Exit::Exited { code: 137 });
        assert_eq!(spawner.signal_task(&task, 9).await.unwrap_err().kind(), ErrorKind::UnknownTask);
        assert!(spawner.destroy_task(&task, &Teardown::default()).await.is_clean());
    });
}
