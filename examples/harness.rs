//! A small test harness that embeds a spawner: a test fails by its exit status, and also where it leaves something
//! behind.
//!
//! ```sh
//! cargo run --example harness -- 'echo fine' 'sleep 60 & echo "fine, or so it says"'
//! ```

use std::process::ExitCode;

use spawner::process::{ProcessConfig, ProcessSpawner};
use spawner::run::{Finished, run};
use spawner::{Result, Spawner, TaskSpec};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let tests: Vec<String> = std::env::args().skip(1).collect();
    match run_all(&tests).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            println!("{failed} of {} failed", tests.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("harness: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every test, and says how many failed.
async fn run_all(tests: &[String]) -> Result<usize> {
    let spawner = ProcessSpawner::new(ProcessConfig::default())?;
    let mut failed = 0;
    for test in tests {
        match run_one(&spawner, test).await? {
            None => println!("ok      {test}"),
            Some(why) => {
                println!("FAILED  {test}\n        {why}");
                failed += 1;
            }
        }
    }
    spawner.shutdown().await?;
    Ok(failed)
}

/// Runs one test to its end and to the end of all that it made; `Some` says why it failed.
async fn run_one(spawner: &dyn Spawner, test: &str) -> Result<Option<String>> {
    let finished = run(spawner, &TaskSpec::new(["sh", "-c", test])).await?;
    Ok(why_failed(&finished))
}

fn why_failed(Finished { exit, cleanup, .. }: &Finished) -> Option<String> {
    if !cleanup.is_clean() {
        return Some(cleanup.to_string());
    }
    if let Some(first) = cleanup.left_behind().first() {
        let name = first.name.as_deref().unwrap_or("a process");
        let others = cleanup.left_behind_total() - 1;
        return Some(format!("left behind {name} ({}) and {others} others, which were ended", first.id));
    }
    (!exit.success()).then(|| exit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn verdict(test: &str) -> Option<String> {
        let spawner = ProcessSpawner::new(ProcessConfig::default()).expect("this host can start tasks");
        let why = run_one(&spawner, test).await.expect("sh can be started");
        spawner.shutdown().await.expect("the helper ends");
        why
    }

    #[tokio::test]
    async fn a_test_that_is_fine_passes() {
        assert_eq!(verdict("true").await, None);
    }

    #[tokio::test]
    async fn a_test_that_fails_fails() {
        assert_eq!(verdict("exit 3").await.as_deref(), Some("exited with status 3"));
    }

    #[tokio::test]
    async fn a_test_that_leaves_something_behind_fails() {
        let why = verdict("setsid sleep 300 & true").await.expect("it left a sleep");
        assert!(why.contains("left behind"), "{why}");
    }
}
