//! The cases of containers are tested: an honest backend that drives `podman` by its program passes, and each
//! careless variant of it fails the case that is named for its fault.

mod careless;

use std::process::ExitCode;

use careless::{Careless, Flaw};
use spawner_conformance::{Enrolment, Options, Results, SKIP, run, run_if_asked, serve_if_asked, summarise};
use spawner_core::{Error, ErrorKind, Result, Spawner};

/// Each fault, the case that must fail for it, and a part of what that must say.
const FAULTS: &[(Flaw, &str, &str)] = &[
    (Flaw::RemovesNothing, "a-well-behaved-task-ends-when-asked", "false clean"),
    (Flaw::NamesTheGone, "a-task-that-ended-leaves-nothing", "false dirty"),
    (Flaw::KeepsFailedCreations, "a-program-that-is-not-there-is-not-found", "left containers"),
    (Flaw::LeavesPaused, "a-paused-container-hears-the-request", "did not hear"),
    (Flaw::TrustsItsClient, "an-open-exec-session-is-ended", "false clean"),
    (Flaw::WaitsForEver, "a-container-removed-behind-the-back-is-lost-at-once", "is waited for"),
    (Flaw::CountsExitCodes, "a-container-killed-behind-the-back-is-told", "137"),
    (Flaw::TrustsNames, "a-renamed-container-is-found-all-the-same", "false clean"),
    (Flaw::IgnoresWishes, "user-volumes-and-labels-are-as-the-task-wants", "the task saw"),
    (Flaw::IgnoresWishes, "a-container-without-network-has-none", "a task without network sees"),
    (Flaw::IgnoresWishes, "an-init-passes-requests-on-and-reaps", "the first process"),
    (Flaw::IgnoresWishes, "a-task-names-its-own-image", "was started without its image"),
    (Flaw::AlwaysWithInit, "without-an-init-the-task-is-the-first-process", "numbers are"),
    (Flaw::LosesBytes, "arguments-arrive-byte-for-byte", "although it should be refused"),
];

/// What the honest one must pass: what it can do at all.
const HONEST: &[&str] = &[
    "a-well-behaved-task-ends-when-asked",
    "a-task-that-ended-leaves-nothing",
    "who-ignores-the-request-is-ended-by-force",
    "a-task-gets-its-grace",
    "what-is-made-on-request-is-ended-too",
    "exit-statuses-are-exact",
    "signals-are-told-exactly",
    "a-program-that-is-not-there-is-not-found",
    "a-folder-cannot-be-executed",
    "arguments-arrive-byte-for-byte",
    "the-environment-is-exactly-what-was-asked-for",
    "the-working-directory-is-the-one-asked-for",
    "no-other-descriptors-are-inherited",
    "a-task-names-its-own-image",
    "background-children-are-ended-and-told",
    "a-double-forked-daemon-is-ended",
    "a-dead-first-thread-hides-nothing",
    "unreaped-zombies-are-not-survivors",
    "container",
    "an-open-exec-session-is-ended",
    "an-init-passes-requests-on-and-reaps",
    "a-restart-policy-of-somebody-else-revives-nothing",
    "user-volumes-and-labels-are-as-the-task-wants",
];

fn make(name: &str) -> Result<Box<dyn Spawner>> {
    let known = FAULTS.iter().map(|(flaw, ..)| *flaw).chain([Flaw::None]);
    let flaw = known.into_iter().find(|flaw| format!("{flaw:?}") == name);
    let flaw = flaw.ok_or_else(|| Error::new(ErrorKind::Config, "make the backend", name))?;
    Ok(Box::new(Careless::new(flaw)))
}

fn prove(flaw: Flaw, only: &[&str]) -> Result<Results> {
    let enrolment = Enrolment::new(format!("{flaw:?}"), make);
    let only = only.iter().map(|&name| name.to_owned()).collect();
    run(&enrolment, &Options { only, rounds: 1 }, &mut ())
}

fn main() -> ExitCode {
    run_if_asked();
    serve_if_asked(make);
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    if std::env::args().any(|arg| arg == "--list") {
        println!("honest: test");
        for (flaw, case, _) in FAULTS {
            println!("{flaw:?}::{case}: test");
        }
        return ExitCode::SUCCESS;
    }
    if std::env::var(SKIP).is_ok_and(|names| names.split(',').any(|name| name.trim() == "podman")) {
        println!("podman: skipped boxes: {SKIP} says so");
        return ExitCode::SUCCESS;
    }
    match all(&filter) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(wrong) => {
            println!("{wrong} are wrong");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!(
                "FAILED: {error}; bring an engine up: eval \"$(scripts/podman.sh up DIR)\", or {SKIP}=podman"
            );
            ExitCode::FAILURE
        }
    }
}

fn all(filter: &str) -> Result<usize> {
    let mut wrong = 0;
    if "honest".contains(filter) {
        let results = prove(Flaw::None, HONEST)?;
        summarise(&mut std::io::stdout(), &results).expect("standard output takes text");
        wrong += results.failed().count();
    }
    for (flaw, case, says) in FAULTS {
        if !format!("{flaw:?}::{case}").contains(filter) {
            continue;
        }
        let results = prove(*flaw, &[*case])?;
        let found = results.failed().find(|(_, why)| why.contains(says));
        if let Some((_, why)) = found {
            println!("{flaw:?} is found out by {case}: {why}");
        } else {
            println!("{flaw:?} is NOT found out by {case}: {:?}", results.cases);
            wrong += 1;
        }
    }
    Ok(wrong)
}
