//! Runs the tests one after the other, each within a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A test: its name and what it does.
pub(crate) type Test = (&'static str, fn());

/// How long one may take. A hang ends the whole program, and with it, by their jobs, all tasks.
const LONGEST: Duration = Duration::from_secs(90);

/// Runs those whose names contain an argument, or are it after `--exact`; all where there is none. After `--list` it only
/// names them. Words and results are those of the usual test programs, so that whoever reads these reads ours.
pub(crate) fn all(tests: Vec<Test>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if given("--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let fits = |name: &str, part: &str| if given("--exact") { name == part } else { name.contains(part) };
    let count = tests.len();
    let chosen: Vec<Test> = tests
        .into_iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|part| fits(name, part)))
        .collect();
    let (ran, mut failed) = (chosen.len(), 0);
    for (name, test) in chosen {
        let began = Instant::now();
        let (done, watched) = mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if watched.recv_timeout(LONGEST) == Err(mpsc::RecvTimeoutError::Timeout) {
                println!("test {name} ... FAILED (it hung)");
                std::process::abort();
            }
        });
        let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
        drop(done);
        watchdog.join().unwrap();
        failed += usize::from(!passed);
        println!("test {name} ... {} ({:?})", if passed { "ok" } else { "FAILED" }, began.elapsed());
    }
    let (word, passed, out) = (if failed == 0 { "ok" } else { "FAILED" }, ran - failed, count - ran);
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {out} filtered out"
    );
    ExitCode::from(u8::from(failed > 0))
}

/// Runs the future to its end.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
