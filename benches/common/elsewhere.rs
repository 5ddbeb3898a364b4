//! The life of a task elsewhere, timed beside a peer's in turns, so that whatever else the machine does hits both alike.

use std::fmt;
use std::time::{Duration, Instant};

use spawner::{Spawner, TaskSpec, Teardown};
use tokio::runtime::Runtime;

/// What so many turns took.
pub(crate) struct Turns {
    ours: Duration,
    peer: Duration,
    /// Start, wait and destroy, in the mean.
    parts: [Duration; 3],
    number: usize,
    /// By which the last task was ended.
    mechanisms: String,
}

impl Turns {
    /// `TURNS` of the environment, else `number`, of `spec` by `spawner` and of `peer`.
    pub(crate) fn of(
        number: usize,
        runtime: &Runtime,
        (spawner, spec): (&impl Spawner, &TaskSpec),
        peer: impl Fn(),
    ) -> Self {
        let asked = std::env::var("TURNS").ok().and_then(|turns| turns.parse().ok());
        let number = asked.unwrap_or(number);
        let (mut ours, mut peers, mut parts) = (Vec::new(), Vec::new(), [Duration::ZERO; 3]);
        let mut mechanisms = String::new();
        // The first of each finds cold caches, and makes the connection.
        for turn in 0..=number {
            let (took, by) = runtime.block_on(once(spawner, spec));
            let began = Instant::now();
            peer();
            let peer = began.elapsed();
            mechanisms = by;
            if turn > 0 {
                ours.push(took.iter().sum::<Duration>());
                peers.push(peer);
                for (part, took) in parts.iter_mut().zip(took) {
                    *part += took;
                }
            }
        }
        ours.sort();
        peers.sort();
        let parts = parts.map(|part| part / u32::try_from(number).expect("a small number"));
        Self { ours: ours[number / 2], peer: peers[number / 2], parts, number, mechanisms }
    }
}

async fn once(spawner: &impl Spawner, spec: &TaskSpec) -> ([Duration; 3], String) {
    let began = Instant::now();
    let task = spawner.spawn_task(spec).await.expect("a started task");
    let started = Instant::now();
    assert!(spawner.wait_task(&task).await.expect("an exit").success());
    let ended = Instant::now();
    let outcome = spawner.destroy_task(&task, &Teardown::default()).await;
    assert!(outcome.is_clean(), "{outcome}");
    ([started - began, ended - started, ended.elapsed()], format!("{:?}", outcome.mechanisms()))
}

impl fmt::Display for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ours, peer, parts: [start, wait, destroy], number, mechanisms } = self;
        let ratio = ours.as_secs_f64() / peer.as_secs_f64();
        write!(
            f,
            "{ratio:.2} ({ours:.1?} ÷ {peer:.1?}, medians of {number} turns; ours in the mean: start {start:.1?}, wait \
             {wait:.1?}, destroy {destroy:.1?}, by {mechanisms})"
        )
    }
}
