//! A harness in a process of its own, to be stopped and killed: this test program, executed again.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use spawner_core::{Spawner as _, Teardown, Verdict};
use spawner_remote::RemoteConfig;

use super::lab::{block, sh, spawner};

const CONFIG: &str = "SPAWNER_TEST_CONFIG";
const SCRIPT: &str = "SPAWNER_TEST_SCRIPT";
const WAYS: &str = "SPAWNER_TEST_WAYS";

/// What such a harness does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// Starts one task and waits.
    One,
    /// Starts and destroys one task after another.
    Many,
}

pub struct Harness {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What the ignored test `harness` of a program is.
pub fn main() {
    let config: RemoteConfig = serde_json::from_str(&std::env::var(CONFIG).unwrap()).unwrap();
    let script = std::env::var(SCRIPT).unwrap();
    let many = std::env::var(WAYS).unwrap() == format!("{:?}", Ways::Many);
    block(async {
        let spawner = spawner(config);
        spawner.check().await.unwrap();
        println!("\nready");
        loop {
            let task = match spawner.spawn_task(&sh(&script)).await {
                Ok(task) => task,
                Err(error) => {
                    println!("error {error}");
                    continue;
                }
            };
            println!("started {}", task.id());
            if !many {
                let exit = spawner.wait_task(&task).await.unwrap();
                println!("exit {exit}");
            }
            let teardown = Teardown::default().grace(Duration::from_millis(30));
            loop {
                let outcome = spawner.destroy_task(&task, &teardown).await;
                println!("destroyed {}", outcome.verdict());
                // Where nothing is left to be named, asking again would not tell more.
                if outcome.leftovers().next().is_none() || outcome.verdict() == Verdict::Leaked {
                    break;
                }
            }
            if !many {
                std::future::pending::<()>().await;
            }
        }
    });
}

impl Harness {
    pub fn start(config: &RemoteConfig, script: &str, ways: Ways) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "harness", "--ignored", "--nocapture"])
            .env(CONFIG, serde_json::to_string(config).unwrap())
            .env(SCRIPT, script)
            .env(WAYS, format!("{ways:?}"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The rest of the next line that begins so.
    pub fn says(&mut self, word: &str) -> String {
        let noise = std::env::var_os("SPAWNER_TEST_NOISE").is_some();
        let found = self.lines.find_map(|line| {
            let line = line.unwrap();
            if noise {
                println!("harness {}: {line}", self.child.id());
            }
            line.strip_prefix(word).map(str::to_owned)
        });
        found.unwrap_or_else(|| panic!("the harness ended before it said `{word}`"))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            super::end(&mut self.child);
        }
    }
}
