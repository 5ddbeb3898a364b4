//! What a backend promises.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far one promise goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "level", rename_all = "kebab-case")]
pub enum Support {
    /// It holds, always.
    Guaranteed {
        /// What makes it so.
        by: Cow<'static, str>,
    },
    /// It holds in the usual case. It is never claimed to have held when it did not.
    BestEffort {
        /// What it is attempted with.
        by: Cow<'static, str>,
        /// When it does not hold.
        caveat: Cow<'static, str>,
    },
    /// Asking for it is refused before anything is started.
    Unsupported {
        /// Why, and what would change that.
        why: Cow<'static, str>,
    },
}

impl Support {
    /// It holds, always, by this means.
    pub fn guaranteed(by: impl Into<Cow<'static, str>>) -> Self {
        Self::Guaranteed { by: by.into() }
    }

    /// It holds in the usual case, by this means, but for this.
    pub fn best_effort(by: impl Into<Cow<'static, str>>, caveat: impl Into<Cow<'static, str>>) -> Self {
        Self::BestEffort { by: by.into(), caveat: caveat.into() }
    }

    /// It is refused, for this reason.
    pub fn unsupported(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Unsupported { why: why.into() }
    }

    /// How far the promise goes, without its reasons.
    pub fn level(&self) -> Level {
        match self {
            Self::Guaranteed { .. } => Level::Guaranteed,
            Self::BestEffort { .. } => Level::BestEffort,
            Self::Unsupported { .. } => Level::Unsupported,
        }
    }
}

/// How far a promise goes, without its reasons; ordered from nothing to everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Refused.
    Unsupported,
    /// Usually.
    BestEffort,
    /// Always.
    Guaranteed,
}

impl Level {
    /// The name on the command line and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::BestEffort => "best-effort",
            Self::Guaranteed => "guaranteed",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Guaranteed, Self::BestEffort, Self::Unsupported]
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| format!("`{text}` is no level: guaranteed, best-effort or unsupported"))
    }
}

/// Declares the capabilities once: the struct, the names and the words for each.
macro_rules! capabilities {
    ($( $(#[doc = $doc:literal])+ $field:ident, $variant:ident, $name:literal; )+) => {
        /// What a backend promises, one answer for each capability.
        ///
        /// There is no `Default`, on purpose: whoever adds a capability makes every backend answer it.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[allow(clippy::exhaustive_structs)]
        pub struct Capabilities {
            $( $(#[doc = $doc])+ pub $field: Support, )+
        }

        /// The name of one promise.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Capability {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl Capability {
            /// Every capability, in the order of the documents.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The name on the command line and in documents.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// What it promises, in a sentence.
            pub const fn promise(self) -> &'static str {
                match self { $( Self::$variant => concat!($($doc),+).trim_ascii(), )+ }
            }
        }

        impl Capabilities {
            /// The answer for one capability.
            pub fn get(&self, capability: Capability) -> &Support {
                match capability { $( Capability::$variant => &self.$field, )+ }
            }
        }
    };
}

capabilities! {
    /// Everything that the task made is ended by destroy, however it detached itself.
    end_everything, EndEverything, "end-everything";
    /// A clean outcome is a proof: destroy looked, with something that cannot miss a member.
    prove_clean, ProveClean, "prove-clean";
    /// What cannot be ended is named with its identity, the reason and a remedy.
    name_leftovers, NameLeftovers, "name-leftovers";
    /// What was still running after the task's main process ended is named.
    name_left_behind, NameLeftBehind, "name-left-behind";
    /// The task is asked to end and given its grace before force is used.
    ask_first, AskFirst, "ask-first";
    /// A tree that forks as fast as it can is ended.
    end_fork_storm, EndForkStorm, "end-fork-storm";
    /// Processes of another user, made by the task, are ended.
    end_other_users, EndOtherUsers, "end-other-users";
    /// Everything is ended when the harness dies, however it dies.
    end_with_harness, EndWithHarness, "end-with-harness";
    /// Where a helper of the backend dies first, its tasks are ended all the same, and none is called clean
    /// without proof.
    outlive_helpers, OutliveHelpers, "outlive-helpers";
    /// What is left when the harness and all helpers were killed is found and ended by a sweep.
    sweep, Sweep, "sweep";
    /// A detached task outlives its harness, and another one recovers it and ends it with the same proof.
    detach, Detach, "detach";
    /// The exit status, or the signal, is the task's own and exact.
    exact_exit, ExactExit, "exact-exit";
    /// Standard output and error reach the embedder as streams, in bounded memory.
    stream_output, StreamOutput, "stream-output";
    /// The task can have a terminal of its own.
    terminal, Terminal, "terminal";
    /// A signal can be sent to the running task.
    signal, Signal, "signal";
    /// Memory can be limited, and running out of it is told apart from other ends.
    limit_memory, LimitMemory, "limit-memory";
    /// The number of processes can be limited.
    limit_pids, LimitPids, "limit-pids";
    /// CPU time can be limited.
    limit_cpu, LimitCpu, "limit-cpu";
    /// CPU time and peak memory of the task are reported.
    usage, Usage, "usage";
    /// The task can name its own container image, volumes, network and user.
    container, Container, "container";
    /// The task sees the host as if it had been started by hand.
    unchanged_view, UnchangedView, "unchanged-view";
}

impl Capabilities {
    /// Every capability with its answer, in the order of the documents.
    pub fn iter(&self) -> impl Iterator<Item = (Capability, &Support)> {
        Capability::ALL.iter().map(|&capability| (capability, self.get(capability)))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Capability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|capability| capability.name() == text).ok_or_else(|| {
            let names = Self::ALL.iter().map(|capability| capability.name()).collect::<Vec<_>>().join(", ");
            format!("`{text}` is no capability; there are: {names}")
        })
    }
}
