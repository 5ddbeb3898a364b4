//! The accountability message: what a person is told about what could not be destroyed.

use std::fmt;

use crate::cleanup::{CleanupOutcome, Fate, Resource, Verdict};

/// A leftover together with the backend that reports it; what an accountability message is made of.
#[derive(Debug, Clone, Copy)]
pub struct Leftover<'a> {
    backend: &'a str,
    resource: &'a Resource,
}

impl<'a> Leftover<'a> {
    /// The message that `backend` has about `resource`.
    pub fn new(backend: &'a str, resource: &'a Resource) -> Self {
        Self { backend, resource }
    }

    /// The resource that is not proved gone.
    pub fn resource(&self) -> &Resource {
        self.resource
    }
}

/// The accountability message: who failed to destroy what, why, and what to type.
impl fmt::Display for Leftover<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Resource { kind, id, name, fate, reason, remedy, .. } = self.resource;
        let failed = if *fate == Fate::Survived { "failed to destroy" } else { "cannot prove the end of" };
        write!(f, "{}: {failed} {} {}", self.backend, kind.name(), OneLine(id))?;
        if let Some(name) = name {
            write!(f, " ({})", OneLine(name))?;
        }
        let reason = reason.as_deref().unwrap_or("no reason is known");
        write!(f, ": {}.", OneLine(reason.trim_end().trim_end_matches('.')))?;
        if let Some(remedy) = remedy {
            write!(f, " To remove it by hand: {}", OneLine(remedy))?;
        }
        Ok(())
    }
}

/// Shows a text that others chose (a process its name, an engine its message) without line breaks or
/// control sequences.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\u{2028}' | '\u{2029}' => write!(f, "{}", c.escape_unicode()),
            c if c.is_control() => write!(f, "{}", c.escape_debug()),
            c => write!(f, "{c}"),
        })
    }
}

/// The accountability message: one line for each leftover; where there is none, one line with the
/// verdict.
impl fmt::Display for CleanupOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for leftover in self.leftovers() {
            if !first {
                f.write_str("\n")?;
            }
            first = false;
            write!(f, "{leftover}")?;
        }
        if !first {
            return Ok(());
        }
        let by = self.mechanisms().iter().map(|m| m.name()).collect::<Vec<_>>().join(", ");
        match self.verdict() {
            Verdict::Clean => write!(f, "{}: clean, proved by {by}", self.backend()),
            Verdict::Leaked => write!(f, "{}: leaked", self.backend()),
            Verdict::Unverified => write!(
                f,
                "{}: nothing was seen to remain, but {} can miss members, so this is no proof",
                self.backend(),
                if by.is_empty() { "what looked" } else { &by },
            ),
        }
    }
}
