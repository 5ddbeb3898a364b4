//! What a fake backend's tasks do, and what goes wrong.

use std::collections::HashMap;
use std::time::Duration;

use crate::capability::{Capabilities, Support};
use crate::exit::Exit;
use crate::verdict::Strength;

/// The steps at which a script can intervene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Starting, before anything was made.
    Start,
    /// Starting, after something was made.
    Started,
    /// [`Rungs::await_empty`].
    AwaitEmpty,
    /// [`Rungs::members`].
    Members,
    /// [`Rungs::ask`].
    Ask,
    /// [`Rungs::force`].
    Force,
    /// [`Rungs::look`].
    Look,
    /// [`Rungs::release`].
    Release,
}

/// What happens at a step instead of success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails.
    Fail,
    /// It never returns.
    Hang,
    /// It panics.
    Panic,
}

/// What a member of a fake task heeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heeds {
    /// It ends when asked.
    Ask,
    /// It ends when forced.
    Force,
    /// It ends by itself this long after it was started, and sooner when forced.
    Time(Duration),
    /// It never ends.
    Nothing,
}

/// How fake tasks behave.
#[derive(Debug, Clone)]
pub struct Script {
    /// What the members, the main process first, heed.
    pub members: Vec<Heeds>,
    /// How the main process ends at once, if it does so by itself.
    pub exit: Option<Exit>,
    /// How far the backend's look can be trusted.
    pub strength: Strength,
    /// How long every step takes to answer, as the steps of a backend in another process do.
    pub latency: Duration,
    /// What goes wrong, and where.
    pub faults: HashMap<Step, Fault>,
    /// The one answer for each capability.
    pub capabilities: Capabilities,
}

impl Default for Script {
    /// One member that ends when asked, a perfect mechanism, no faults, no limits, streams or terminals.
    fn default() -> Self {
        let yes = || Support::guaranteed("the script");
        let no = || Support::unsupported("the fake backend runs nothing");
        Self {
            members: vec![Heeds::Ask],
            exit: None,
            strength: Strength::CannotMiss,
            latency: Duration::ZERO,
            faults: HashMap::new(),
            capabilities: Capabilities {
                end_everything: yes(),
                prove_clean: yes(),
                name_leftovers: yes(),
                name_left_behind: yes(),
                ask_first: yes(),
                end_fork_storm: yes(),
                end_other_users: yes(),
                end_with_harness: yes(),
                outlive_helpers: yes(),
                sweep: no(),
                detach: no(),
                exact_exit: yes(),
                stream_output: no(),
                terminal: no(),
                signal: no(),
                limit_memory: no(),
                limit_pids: no(),
                limit_cpu: no(),
                usage: no(),
                container: Support::unsupported("the fake has no containers"),
                unchanged_view: yes(),
            },
        }
    }
}
