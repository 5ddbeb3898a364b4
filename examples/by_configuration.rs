//! The harness of `harness.rs`, with the backend chosen by a configuration file: nothing here knows which it is.
//!
//! ```sh
//! cargo run --example by_configuration -- spawner.toml 'echo fine' 'sleep 60 &'
//! ```

use std::path::Path;
use std::process::ExitCode;

use spawner::run::run;
use spawner::{Backends, Result, TaskSpec};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(file) = args.next() else {
        eprintln!("usage: by_configuration FILE TEST...");
        return ExitCode::from(2);
    };
    let failed = match Backends::load(Path::new(&file)) {
        Ok(backends) => run_all(&backends, &args.collect::<Vec<_>>()).await,
        Err(error) => Err(error),
    };
    match failed {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("by_configuration: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every test with the default backend of the configuration, and says how many failed.
async fn run_all(backends: &Backends, tests: &[String]) -> Result<usize> {
    let backend = backends.open(None)?;
    let mut failed = 0;
    for test in tests {
        let finished = run(&*backend, &TaskSpec::new(["sh", "-c", test])).await?;
        let tidy = finished.cleanup.is_clean() && finished.cleanup.left_behind_total() == 0;
        if tidy && finished.exit.success() {
            println!("{}: ok      {test}", backend.name());
        } else {
            println!("{}: FAILED  {test}\n        {}; {}", backend.name(), finished.exit, finished.cleanup);
            failed += 1;
        }
    }
    backend.shutdown().await?;
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_chooses_the_backend_and_the_harness_stays_the_same() {
        let text = "default = \"plain\"\n[backend.plain]\nkind = \"process\"\nmechanism = \"subreaper\"\n";
        let backends = Backends::parse(text, Path::new("spawner.toml")).expect("the configuration is right");
        assert_eq!(backends.default_name(), "plain");
        let tests = ["true", "exit 1", "setsid sleep 300 & true"].map(String::from);
        assert_eq!(run_all(&backends, &tests).await.expect("sh can be started"), 2);
    }
}
