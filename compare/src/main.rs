//! Measures `spawner` beside what a user would pick instead, all in one run and in turns, and writes what was found.
//! `scripts/compare.sh` builds it, installs the peers, and runs it.
#![cfg(target_os = "linux")]

mod context;
mod cost;
mod document;
mod keep;
mod machine;
mod matrix;
mod out;
mod peers;
mod server;
mod stats;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use context::{Options, Run};
use document::Absent;

const USAGE: &str = "usage: compare [--quick] [--only NAME] --spawner PROGRAM --out FOLDER [--python PROGRAM]
               [--account NAME] [--absent WHAT WHY]...";

fn main() -> ExitCode {
    // Taken over before this where it was started to be a workload; said again where hooks do not run.
    spawner_conformance::run_if_asked();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let rest = words.get(1..).unwrap_or_default();
    match words.first().map(String::as_str) {
        Some(server::ARGUMENT) => exit(server::main(rest)),
        Some(peers::helper::ARGUMENT) => exit(peers::helper::main()),
        Some(keep::ARGUMENT) => exit(keep::main(rest)),
        _ => match options(&words).and_then(|(options, folder)| compare(options, &folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("compare: {why}");
                ExitCode::FAILURE
            }
        },
    }
}

fn exit(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}

fn options(words: &[String]) -> Result<(Options, PathBuf), String> {
    let mut options = Options { here: Path::new(env!("CARGO_MANIFEST_DIR")).into(), ..Options::default() };
    let (mut words, mut folder) = (words.iter(), None);
    while let Some(word) = words.next() {
        let mut next = || words.next().cloned().ok_or_else(|| USAGE.to_owned());
        match word.as_str() {
            "--quick" => options.quick = true,
            "--only" => options.only = Some(next()?),
            "--spawner" => options.spawner = next()?.into(),
            "--python" => options.python = Some(next()?.into()),
            "--account" => options.account = Some(next()?),
            "--out" => folder = Some(PathBuf::from(next()?)),
            "--absent" => options.absent.push(Absent { what: next()?, why: next()? }),
            _ => return Err(USAGE.into()),
        }
    }
    let folder = folder.ok_or(USAGE)?;
    Ok((options, folder))
}

fn compare(mut options: Options, folder: &Path) -> Result<(), String> {
    let began = Instant::now();
    let absent = std::mem::take(&mut options.absent);
    let mut run = Run::begin(options).map_err(|error| error.to_string())?;
    run.document.absent.extend(absent);
    cost::measure(&mut run);
    matrix::measure(&mut run);
    run.document.seconds = began.elapsed().as_secs_f64();
    out::write(&run.document, folder)
        .map_err(|error| format!("cannot write to {}: {error}", folder.display()))
}
