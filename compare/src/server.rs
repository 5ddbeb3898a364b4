//! A harness that does as it is told: this program, started again to embed the peers, so that each is measured in a
//! process of its own. Orders and answers are JSON, one in each line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cost::{crowd, herd};
use crate::peers::library::Library;
use crate::peers::raw::RawGroup;
use crate::peers::{RAW_CGROUP, RAW_REAPED};

/// The first argument of a program that is to be a harness: with one thread, or with as many as there are cores.
pub(crate) const ARGUMENT: &str = "harness";
pub(crate) const THREADS: &str = "threads";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Take so many MiB and hold them.
    Hold(usize),
    /// Spawn, wait and destroy `/bin/true`. Gives the seconds until it had been started, and those of all.
    Life { peer: String },
    /// Destroy a task of so many processes. Gives the seconds until the peer said that it is done, and those until
    /// nothing was left.
    Destroy { peer: String, count: usize, fifo: String },
    /// Start such a task and leave it.
    Leave { peer: String, count: usize, fifo: String },
    /// Start and end tasks for so many milliseconds, so many at a time. Gives how many it were in a second.
    Rate { peer: String, millis: u64, at_once: usize },
    /// Run a task that writes so many MiB. Gives the bytes in a second.
    Pour { peer: String, mib: u64 },
    /// Have so many tasks at once. Gives what [`crowd::Found`] lists.
    Crowd { peer: String, count: usize },
}

pub(crate) type Answer = Result<Vec<f64>, String>;

/// A harness as the one who tells it sees it. Dropped, it is killed.
pub(crate) struct Harness {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Harness {
    /// This program.
    pub(crate) fn start(words: &[&str]) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        Self::start_command(Command::new(own).arg(ARGUMENT).args(words))
    }

    pub(crate) fn start_command(command: &mut Command) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a harness without pipes".into());
        };
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    pub(crate) fn ask(&mut self, order: &Order) -> Answer {
        let failed = |error: std::io::Error| format!("a harness does not answer: {error}");
        let mut line = serde_json::to_string(order).map_err(|error| error.to_string())?;
        line.push('\n');
        self.input.write_all(line.as_bytes()).and_then(|()| self.input.flush()).map_err(failed)?;
        line.clear();
        self.output.read_line(&mut line).map_err(failed)?;
        if line.is_empty() {
            return Err(format!("a harness died of {order:?}"));
        }
        serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?
    }

    /// Kills it, and reaps it.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        self.child.kill().and_then(|()| self.child.wait()).map(drop).map_err(|error| error.to_string())
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if let Err(why) = self.kill() {
            eprintln!("cannot end a harness: {why}");
        }
    }
}

/// Serves, and never returns, where this program was started to be a harness.
pub(crate) fn main(words: &[String]) -> i32 {
    let mut builder = if words.first().is_some_and(|word| word == THREADS) {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = builder.enable_all().build().expect("a runtime");
    let mut server = Server::default();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return 1 };
        let answer: Answer = match serde_json::from_str(&line) {
            Ok(order) => runtime.block_on(server.obey(order)),
            Err(error) => Err(error.to_string()),
        };
        let answer = serde_json::to_string(&answer).expect("numbers or a text");
        // Whoever asked may be gone.
        if writeln!(std::io::stdout(), "{answer}").is_err() {
            return 1;
        }
    }
    0
}

#[derive(Default)]
struct Server {
    libraries: Vec<(String, &'static Library)>,
    held: Vec<Vec<u8>>,
}

impl Server {
    /// Opened once, and there until this process ends.
    fn library(&mut self, name: &str) -> Result<&'static Library, String> {
        if let Some((_, library)) = self.libraries.iter().find(|(own, _)| own == name) {
            return Ok(library);
        }
        let library: &'static Library = Box::leak(Box::new(Library::open(name)?));
        self.libraries.push((name.to_owned(), library));
        Ok(library)
    }

    async fn obey(&mut self, order: Order) -> Answer {
        let truth = ["/bin/true".to_owned()];
        match order {
            Order::Hold(mib) => {
                self.held.extend((0..mib).map(|_| std::hint::black_box(vec![1_u8; 1 << 20])));
                Ok(Vec::new())
            }
            Order::Life { peer } => {
                let library = self.library(&peer)?;
                let began = Instant::now();
                let started = library.life(&truth).await?;
                let all = began.elapsed();
                Ok(vec![(started - began).as_secs_f64(), all.as_secs_f64()])
            }
            Order::Destroy { peer, count, fifo } if peer.starts_with(RAW_CGROUP) => {
                let reaping = peer == RAW_REAPED;
                let witness = herd::Witness::make(Path::new(&fifo))?;
                let mut group = RawGroup::start(&herd::argv(count, &fifo), reaping)?;
                witness.await_up()?;
                let began = Instant::now();
                group.end(reaping)?;
                let said = began.elapsed();
                witness.await_end()?;
                let all = began.elapsed();
                group.remove()?;
                Ok(vec![said.as_secs_f64(), all.as_secs_f64()])
            }
            Order::Destroy { peer, count, fifo } => {
                let library = self.library(&peer)?;
                let witness = herd::Witness::make(Path::new(&fifo))?;
                let task = library.start(&herd::argv(count, &fifo), crate::peers::library::Out::Null).await?;
                witness.await_up()?;
                let began = Instant::now();
                library.end(task, Duration::ZERO).await?;
                let said = began.elapsed();
                witness.await_end()?;
                Ok(vec![said.as_secs_f64(), began.elapsed().as_secs_f64()])
            }
            Order::Leave { peer, count, fifo } => {
                let library = self.library(&peer)?;
                let task = library.start(&herd::argv(count, &fifo), crate::peers::library::Out::Null).await?;
                // It ends with this process.
                std::mem::forget(task);
                Ok(Vec::new())
            }
            Order::Rate { peer, millis, at_once } => {
                let library = self.library(&peer)?;
                let began = Instant::now();
                let end = began + Duration::from_millis(millis);
                let worker = || {
                    tokio::spawn(async move {
                        let (mut count, argv) = (0_u32, ["/bin/true".to_owned()]);
                        while Instant::now() < end {
                            library.life(&argv).await?;
                            count += 1;
                        }
                        Ok::<_, String>(count)
                    })
                };
                let workers: Vec<_> = (0..at_once).map(|_| worker()).collect();
                let mut total = 0.0;
                for worker in workers {
                    total += f64::from(worker.await.map_err(|error| error.to_string())??);
                }
                Ok(vec![total / began.elapsed().as_secs_f64()])
            }
            Order::Pour { peer, mib } => {
                let library = self.library(&peer)?;
                let bytes = (mib << 20).to_string();
                let began = Instant::now();
                let argv = ["head", "-c", bytes.as_str(), "/dev/zero"].map(str::to_owned);
                let read = library.read_all(&argv).await?;
                if read != mib << 20 {
                    return Err(format!("{read} bytes arrived of {bytes}"));
                }
                Ok(vec![read as f64 / began.elapsed().as_secs_f64()])
            }
            Order::Crowd { peer, count } => crowd::measure(self.library(&peer)?, count).await,
        }
    }
}
