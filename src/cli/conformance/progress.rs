//! How far the suite has come, on standard error.

use indicatif::{ProgressBar, ProgressStyle};
use spawner_conformance::{Case, CaseResult, Observer, Status};

use crate::cli::say;

/// A bar on a terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Observer for Bar {
    fn begins(&mut self, case: &Case, _: usize, total: usize) {
        self.0.set_length(total as u64);
        self.0.set_message(case.name);
    }

    fn ended(&mut self, _: &Case, result: &CaseResult) {
        if let Status::Failed { .. } = result.status {
            self.0.println(format!("FAILED  {}", result.name));
        }
        self.0.inc(1);
    }
}

/// A line for each case where nobody looks.
pub(super) struct Lines {
    pub(super) silent: bool,
}

impl Observer for Lines {
    fn begins(&mut self, _: &Case, _: usize, _: usize) {}

    fn ended(&mut self, _: &Case, result: &CaseResult) {
        if self.silent {
            return;
        }
        let word = match result.status {
            Status::Passed => "ok     ",
            Status::Failed { .. } => "FAILED ",
            Status::Skipped { .. } => "skipped",
        };
        say::raw(&format!("{word} {} ({} ms)\n", result.name, result.elapsed_ms));
    }
}
