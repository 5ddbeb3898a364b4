//! How far this machine is behind: what the same steps that the far end takes lose on the way.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a step is: like the beats and ticks of the far end, a program that sleeps.
const STEP: Duration = Duration::from_millis(50);

/// What starting it takes anyway.
const START: Duration = Duration::from_millis(5);

#[derive(Debug)]
struct State {
    /// What the steps before this one took too long.
    lost: Duration,
    /// When this one began; `None` where there is to be no more.
    began: Option<Instant>,
}

/// Takes such steps from the instant of a fault on, until it is dropped.
#[derive(Debug)]
pub struct Canary {
    since: Instant,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

impl Canary {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State { lost: Duration::ZERO, began: Some(Instant::now()) }));
        let shared = Arc::clone(&state);
        let step = move || {
            Command::new("sleep").arg(STEP.as_secs_f64().to_string()).status().unwrap();
            let mut state = shared.lock().unwrap();
            let Some(began) = state.began else { return false };
            state.lost += began.elapsed().saturating_sub(STEP + START);
            state.began = Some(Instant::now());
            true
        };
        Self { since: Instant::now(), state, thread: Some(std::thread::spawn(move || while step() {})) }
    }

    /// How long ago it was started.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// How long something may take that takes `time` on a machine that is not behind.
    pub fn allows(&self, time: Duration) -> Duration {
        let state = self.state.lock().unwrap();
        let this = state.began.map(|began| began.elapsed().saturating_sub(STEP + START)).unwrap_or_default();
        // The far end's steps are longer than these; and whoever waits must not wait for ever.
        time + Duration::from_millis(250) + ((state.lost + this) * 4).min(Duration::from_secs(15))
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.lock() {
            state.began = None;
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the canary is dead");
        }
    }
}
