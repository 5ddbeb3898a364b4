//! A harness for the matrix: starts one task, ends it when it is told to, and says what became of it.
//!
//! The command comes on standard input, since the witness knows the processes of a task by their command lines.

use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use crate::peers::library::{Claim, Library, Out};

/// The first argument of a program that is to be one.
pub(crate) const ARGUMENT: &str = "keep";

/// How long a task may take to end after it was asked.
pub(crate) const GRACE: Duration = Duration::from_millis(300);

pub(crate) fn main(words: &[String]) -> i32 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    match runtime.block_on(keep(words.first().map_or("", String::as_str))) {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("{why}");
            1
        }
    }
}

async fn keep(peer: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    let argv: Vec<String> = serde_json::from_str(&line).map_err(|error| error.to_string())?;
    let library = Library::open(peer)?;
    let task = library.start(&argv, Out::Null).await?;
    println!("started");
    let waiting = tokio::task::spawn_blocking(move || std::io::stdin().lock().read_line(&mut line));
    waiting.await.map_err(|error| error.to_string())?.map_err(failed)?;
    let claim = library.end(task, GRACE).await.unwrap_or_else(Claim::Unsure);
    let claim = serde_json::to_string(&claim).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{claim}").map_err(failed)
}
