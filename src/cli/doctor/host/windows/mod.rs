//! What a Windows host offers.

mod ask;

use std::io::IsTerminal as _;

use self::ask::OwnJob;
use crate::cli::doctor::finding::Finding;

/// What concerns every task.
pub(super) fn basics() -> Vec<Finding> {
    vec![system(), console(), long_paths(ask::long_paths())]
}

/// What the Job Objects of tasks need.
pub(super) fn means() -> Vec<Finding> {
    vec![nested_jobs(&ask::job_in_job()), own_job(ask::own_job())]
}

fn system() -> Finding {
    const NAME: &str = "system";
    let Some(version) = ask::version() else {
        return Finding::limited(NAME, "Windows, which does not tell its version", "see `winver`");
    };
    match ask::wine_version() {
        None => Finding::ok(NAME, format!("Windows {version}")),
        Some(wine) => Finding::limited(
            NAME,
            format!("wine {wine}, which says that it is Windows {version}"),
            "what is promised for Windows is not promised for wine: `spawner conformance` says what holds",
        ),
    }
}

fn console() -> Finding {
    const NAME: &str = "console";
    match (ask::has_console(), std::io::stdin().is_terminal()) {
        (true, true) => Finding::ok(NAME, "this one; tasks share it, and are asked to end by Ctrl-Break"),
        (true, false) => Finding::ok(
            NAME,
            "there is one, and standard input is another; tasks are asked to end by Ctrl-Break",
        ),
        (false, _) => Finding::limited(
            NAME,
            "there is none, so a task without windows cannot be asked to end: after the grace it is killed",
            "start spawner from a console",
        ),
    }
}

/// The switch of the system. A program needs its manifest's besides ("Maximum Path Length Limitation").
fn long_paths(enabled: Option<bool>) -> Finding {
    const NAME: &str = "long paths";
    match enabled {
        Some(true) => Finding::ok(
            NAME,
            "enabled: tasks whose manifest says so can use paths of more than 260 characters",
        ),
        Some(false) | None => Finding::limited(
            NAME,
            "not enabled: most tasks cannot use paths of more than 260 characters; spawner itself can",
            r"as an administrator: reg add HKLM\SYSTEM\CurrentControlSet\Control\FileSystem /v LongPathsEnabled /t REG_DWORD /d 1 /f",
        ),
    }
}

/// Jobs nest since Windows 8 ("Nested Jobs"); whoever put us into one may forbid it.
fn nested_jobs(tried: &std::io::Result<()>) -> Finding {
    const NAME: &str = "nested jobs";
    match tried {
        Ok(()) => Finding::ok(NAME, "tried: a task's Job Object lies in those that spawner itself is in"),
        Err(error) => Finding::missing(
            NAME,
            format!("tried, and a process cannot be put into a second Job Object: {error}"),
            "Windows 8 or later; and start spawner outside of the job of another program",
        ),
    }
}

/// The job that this process is in, and what that means for tasks.
fn own_job(job: std::io::Result<OwnJob>) -> Finding {
    const NAME: &str = "own job";
    let limits = match job {
        Ok(OwnJob::None) => return Finding::ok(NAME, "spawner itself is in none"),
        Ok(OwnJob::Limits(limits)) => limits,
        Ok(OwnJob::Unknown(error)) => {
            let detail = format!("spawner itself is in one, whose limits cannot be read: {error}");
            return Finding::limited(NAME, detail, "the limits of that job hold for tasks, too");
        }
        Err(error) => {
            let detail = format!("whether spawner itself is in one cannot be asked: {error}");
            return Finding::limited(NAME, detail, "tasks may be under the limits of another's job");
        }
    };
    let mut traits = Vec::new();
    if limits.kill_on_close {
        traits.push("whose end is that of spawner and of all its tasks".to_owned());
    }
    traits.push(
        match (limits.silent_breakaway, limits.breakaway) {
            (true, _) => "which what spawner starts is not in: only the jobs of tasks hold them",
            (false, true) => "which lets processes break away; the jobs of tasks do not",
            (false, false) => "which lets nothing break away, and need not: the jobs of tasks lie in it",
        }
        .to_owned(),
    );
    let bounds: Vec<_> = limits.bounds().collect();
    let detail = format!("spawner itself is in one, {}", traits.join(", "));
    if bounds.is_empty() {
        return Finding::ok(NAME, detail);
    }
    let remedy =
        format!("it bounds all tasks together: {}; whoever started spawner set that", bounds.join(", "));
    Finding::limited(NAME, detail, remedy)
}

#[cfg(test)]
mod tests {
    use super::ask::Limits;
    use super::*;
    use crate::cli::doctor::finding::Status;

    #[test]
    fn a_job_of_somebody_else_says_what_it_means_for_tasks() {
        let free = Limits::default();
        assert_eq!(own_job(Ok(OwnJob::Limits(free.clone()))).status(), Status::Ok);
        let few = Limits { processes: Some(3), kill_on_close: true, ..free };
        let told = own_job(Ok(OwnJob::Limits(few)));
        assert_eq!(told.status(), Status::Limited);
        assert!(told.detail().contains("whose end is that of spawner"), "{}", told.detail());
        assert!(told.remedy().is_some_and(|remedy| remedy.contains("at most 3 processes")), "{told:?}");
    }

    #[test]
    fn this_host_answers_every_question() {
        assert!(ask::version().is_some());
        assert!(ask::own_job().is_ok());
        assert_eq!(basics().len() + means().len(), 5);
        assert!(ask::job_in_job().is_ok());
    }
}
