//! Kills a harness, a supervisor, a keeper and a newborn at every system call that they make, and harnesses at random
//! moments; nothing must be left.
//!
//! What dies is this program, started again. `SPAWNER_CRASH_STRIDE` says at every how many-th system call (1 for all
//! of them) and `SPAWNER_CRASH_FROM` from which, `SPAWNER_CRASH_KILLS` how many random moments, `SPAWNER_CRASH_MECHANISM` which mechanism; arguments
//! choose roles by their names.

#[cfg(target_os = "linux")]
mod part;
#[cfg(target_os = "linux")]
mod scene;
#[cfg(target_os = "linux")]
mod tracer;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("test result: ok. 0 passed; 0 failed; 1 ignored (crash: skipped all: it needs Linux)");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::process::ExitCode;
    use std::time::{Duration, Instant};

    use crate::part;
    use crate::scene::Scene;
    use crate::tracer::{self, Role, Walked};

    /// How many system calls of one role are walked through at most; more are a loop.
    const MOST: usize = 20_000;

    fn number(name: &str, default: usize) -> usize {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).filter(|&n| n > 0).unwrap_or(default)
    }

    pub(crate) fn main() -> ExitCode {
        if let Some(status) = part::play_if_asked() {
            return status;
        }
        let wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
        let is_wanted =
            |name: &str| wanted.is_empty() || wanted.iter().any(|one| name.contains(one.as_str()));
        if std::env::args().any(|arg| arg == "--list") {
            for role in Role::ALL {
                println!("{}: test", role.name());
            }
            println!("random: test");
            return ExitCode::SUCCESS;
        }
        let (mut passed, mut failed) = (0, 0);
        let mut tell = |name: &str, result: Result<String, String>| match result {
            Ok(figures) => {
                passed += 1;
                println!("{name}: {figures}");
            }
            Err(why) => {
                failed += 1;
                println!("{name} ... FAILED {why}");
            }
        };
        let stride = number("SPAWNER_CRASH_STRIDE", 7);
        for role in Role::ALL {
            if is_wanted(role.name()) {
                tell(role.name(), walk(role, stride));
            }
        }
        if is_wanted("random") {
            tell("random", at_random(number("SPAWNER_CRASH_KILLS", 40)));
        }
        let word = if failed == 0 { "ok" } else { "FAILED" };
        println!("test result: {word}. {passed} passed; {failed} failed; 0 ignored");
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Kills `role` at every `stride`-th system call, until a run has no more.
    fn walk(role: Role, stride: usize) -> Result<String, String> {
        let (mut kills, mut slowest) = (0, Duration::ZERO);
        for at in (number("SPAWNER_CRASH_FROM", 1)..MOST).step_by(stride) {
            let scene = Scene::set()?;
            let whence = |why: String| format!("{} killed at its system call {at}: {why}", role.name());
            let walked = tracer::run(&scene, role, at).map_err(whence)?;
            let Walked::Killed { what, when, harness } = walked else {
                return if kills > 0 {
                    Ok(format!("{kills} kills, nothing left; at most {} ms", slowest.as_millis()))
                } else {
                    Err("it was never killed, so nothing was tried".into())
                };
            };
            let whence =
                |why: String| format!("{} killed at its system call {at} ({what}): {why}", role.name());
            scene.no_process(role != Role::Harness).map_err(&whence)?;
            slowest = slowest.max(when.elapsed());
            if role == Role::Harness {
                scene.nothing_left(harness, true).map_err(&whence)?;
            }
            scene.sweep().map_err(&whence)?;
            scene.nothing_left(harness, false).map_err(&whence)?;
            kills += 1;
        }
        Err(format!("more than {MOST} system calls"))
    }

    /// Kills harnesses that start and destroy several tasks at a time.
    fn at_random(count: usize) -> Result<String, String> {
        let mut slowest = Duration::ZERO;
        for kill in 0..count {
            let scene = Scene::set()?;
            let mut harness = scene.start("churn")?;
            scene.await_ready()?;
            let moment = getrandom::u32().map_err(|error| error.to_string())? % 60_000;
            std::thread::sleep(Duration::from_micros(moment.into()));
            harness.kill().and_then(|()| harness.wait()).map_err(|error| error.to_string())?;
            let killed = Instant::now();
            let whence = |why: String| format!("kill {kill}, {moment} µs after the first task: {why}");
            scene.no_process(false).map_err(&whence)?;
            slowest = slowest.max(killed.elapsed());
            scene.nothing_left(harness.id(), true).map_err(&whence)?;
            scene.sweep().map_err(&whence)?;
            scene.nothing_left(harness.id(), false).map_err(&whence)?;
        }
        Ok(format!("{count} kills, zero survivors; all gone after at most {} ms", slowest.as_millis()))
    }
}
