//! Many tasks at once, seen from within their harness: what it and its helpers have for each.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::peers::library::{Library, Out};

/// What is measured, in this order: the private memory of the harness and its helpers in bytes, their
/// proportional memory, their threads, their descriptors, the cores that they keep busy when nothing happens, and the
/// seconds that starting and ending took; all for each task.
pub(crate) const FOUND: usize = 7;

/// How long they are watched doing nothing.
const IDLE: Duration = Duration::from_secs(1);

pub(crate) async fn measure(library: &'static Library, count: usize) -> Result<Vec<f64>, String> {
    let each = |value: f64| value / count as f64;
    let before = Sum::of(&helpers()?)?;
    let argv = ["sleep".to_owned(), "600".to_owned()];
    let began = Instant::now();
    let mut tasks = Vec::with_capacity(count);
    for _ in 0..count {
        tasks.push(library.start(&argv, Out::Null).await?);
    }
    let starting = began.elapsed().as_secs_f64();
    // Helpers that are made ahead of need come to rest.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let helpers = helpers()?;
    let busy = cpu(&helpers)?;
    let began = Instant::now();
    tokio::time::sleep(IDLE).await;
    let busy = (cpu(&helpers)? - busy) / began.elapsed().as_secs_f64();
    let after = Sum::of(&helpers)?;
    let began = Instant::now();
    let ends: Vec<_> =
        tasks.into_iter().map(|task| tokio::spawn(library.end(task, Duration::ZERO))).collect();
    for end in ends {
        end.await.map_err(|error| error.to_string())??;
    }
    let ending = began.elapsed().as_secs_f64();
    let found: [f64; FOUND] = [
        each(after.private - before.private),
        each(after.proportional - before.proportional),
        each(after.threads - before.threads),
        each(after.descriptors - before.descriptors),
        busy,
        each(starting),
        each(ending),
    ];
    Ok(found.into())
}

/// This process and those below it that run the same program.
fn helpers() -> Result<Vec<PathBuf>, String> {
    let own = std::process::id();
    let program = |process: &Path| std::fs::read_link(process.join("exe")).ok();
    let (mine, mut parents) = (program(Path::new("/proc/self")), HashMap::new());
    for entry in std::fs::read_dir("/proc").map_err(|error| error.to_string())?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        if let Some(parent) = parent {
            parents.insert(pid, parent);
        }
    }
    let below = |pid: &u32| {
        let mut at = Some(pid);
        while let Some(pid) = at {
            if *pid == own {
                return true;
            }
            at = parents.get(pid);
        }
        false
    };
    let processes =
        parents.keys().filter(|pid| below(pid)).map(|pid| Path::new("/proc").join(pid.to_string()));
    Ok(processes.filter(|process| program(process) == mine).collect())
}

struct Sum {
    private: f64,
    proportional: f64,
    threads: f64,
    descriptors: f64,
}

impl Sum {
    fn of(processes: &[PathBuf]) -> Result<Self, String> {
        let mut sum = Self { private: 0.0, proportional: 0.0, threads: 0.0, descriptors: 0.0 };
        for process in processes {
            let failed = |error: std::io::Error| format!("{}: {error}", process.display());
            let memory = std::fs::read_to_string(process.join("smaps_rollup")).map_err(failed)?;
            for line in memory.lines() {
                let mut words = line.split_whitespace();
                let (Some(name), Some(kib)) = (words.next(), words.next()) else { continue };
                let bytes = kib.parse::<f64>().unwrap_or(0.0) * 1024.0;
                match name {
                    "Private_Clean:" | "Private_Dirty:" => sum.private += bytes,
                    "Pss:" => sum.proportional += bytes,
                    _ => {}
                }
            }
            let entries = |folder: &str| std::fs::read_dir(process.join(folder)).map(Iterator::count);
            sum.threads += entries("task").map_err(failed)? as f64;
            sum.descriptors += entries("fd").map_err(failed)? as f64;
        }
        Ok(sum)
    }
}

/// The seconds of CPU that they have had.
fn cpu(processes: &[PathBuf]) -> Result<f64, String> {
    let mut total = 0.0;
    for process in processes {
        let text = std::fs::read_to_string(process.join("schedstat")).map_err(|error| error.to_string())?;
        total += text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0) / 1e9;
    }
    Ok(total)
}
