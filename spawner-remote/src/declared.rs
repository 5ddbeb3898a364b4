//! What the remote backend promises, by what the host gives.

use spawner_core::{Capabilities, Capability, Error, ErrorKind, Mechanism, Result, Support};

use crate::command::Mechanisms;
use crate::config::Require;
use crate::said::Facts;

/// What a host gives to know and end a task's members by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// A control group of its own, and a subreaper where there is one besides.
    Cgroup,
    /// A process to which every orphan of the task falls.
    Subreaper,
    /// Marks in the environment, and the session.
    Marks,
    /// The session alone.
    Session,
}

impl Means {
    /// All of them, the strongest first.
    pub const ALL: [Self; 4] = [Self::Cgroup, Self::Subreaper, Self::Marks, Self::Session];

    /// The name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "remote-cgroup",
            Self::Subreaper => "remote-subreaper",
            Self::Marks => "remote-marks",
            Self::Session => "remote-session",
        }
    }

    /// What is chosen on a host. Moving a process into a group takes longer than all else of a start, so it is done
    /// where it is required, or where there is no other proof.
    pub(crate) fn choose(facts: &Facts, require: Option<Require>) -> Result<Self> {
        let lacks = |what: &'static str, help: &'static str| {
            Err(Error::new(ErrorKind::Unsupported(Capability::ProveClean), "start a task on a host", "")
                .because(what)
                .hint(help))
        };
        match (require, &facts.group, &facts.reaper) {
            (Some(Require::Cgroup), None, _) => lacks(
                "it has no control group (v2) that this account may write to, which `require` asks for",
                "delegate one to the account, or leave `require` out",
            ),
            (Some(Require::Proof), None, None) => lacks(
                "it has neither a control group nor perl, python3 or spawner for a subreaper, one of which `require` asks for",
                "install perl, python3 or spawner there",
            ),
            (Some(Require::Cgroup), Some(_), _) | (_, Some(_), None) => Ok(Self::Cgroup),
            (_, _, Some(_)) => Ok(Self::Subreaper),
            (_, None, None) => Ok(if facts.proc { Self::Marks } else { Self::Session }),
        }
    }

    pub(crate) fn used(self) -> Mechanisms {
        match self {
            Self::Cgroup => Mechanisms { group: true, reaper: true },
            Self::Subreaper => Mechanisms { group: false, reaper: true },
            Self::Marks | Self::Session => Mechanisms { group: false, reaper: false },
        }
    }

    /// What core calls it.
    pub(crate) fn mechanisms(self, facts: &Facts) -> Vec<Mechanism> {
        match self {
            Self::Cgroup if facts.reaper.is_some() => {
                vec![Mechanism::RemoteCgroup, Mechanism::RemoteSubreaper]
            }
            Self::Cgroup => vec![Mechanism::RemoteCgroup],
            Self::Subreaper => vec![Mechanism::RemoteSubreaper],
            Self::Marks => vec![Mechanism::RemoteMarks],
            Self::Session => vec![Mechanism::RemoteSession],
        }
    }
}

/// The promises of one mechanism on a host that gives it all it needs, and its story in plain words.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Which.
    pub mechanism: Means,
    /// Its promises.
    pub capabilities: Capabilities,
    /// What one can and cannot rely on.
    pub story: &'static str,
}

/// The promises of every mechanism, the strongest first.
pub fn declared() -> Vec<Declared> {
    Means::ALL.into_iter().map(Declared::of).collect()
}

impl Declared {
    /// The promises of one mechanism.
    pub fn of(mechanism: Means) -> Self {
        let (capabilities, story) = match mechanism {
            Means::Cgroup => (cgroup(), CGROUP),
            Means::Subreaper => (subreaper(), SUBREAPER),
            Means::Marks => (marks(), MARKS),
            Means::Session => (session(), SESSION),
        };
        Self { mechanism, capabilities, story }
    }
}

impl Declared {
    /// The promises of several hosts, each of which may give something else: what `require` has them give.
    pub(crate) fn of_several(require: Option<Require>) -> Capabilities {
        match require {
            Some(Require::Cgroup) => cgroup(),
            Some(Require::Proof) => subreaper(),
            None => Capabilities {
                prove_clean: Support::best_effort(
                    "what the host gives that takes the task",
                    "one without a proof gives `unverified`: `require = \"proof\"` leaves such hosts out",
                ),
                ..session()
            },
        }
    }
}

const CGROUP: &str = "\
The spawner can properly destroy the session that it holds, and everything that the task started on the far end: the \
kernel there keeps it in the task's control group, kills the group in one step and says when it is empty. Where there \
is perl, python3 or `spawner`, a subreaper's proof is asked as well, which covers what moves itself into another group. Nothing is \
installed on the host. It cannot end what the task asked somebody else to start: a service manager, a container engine, \
`at`. \
When the harness dies or the connection drops, the far end ends the task by itself; when the link or the server falls \
silent, it does so when the lease is over. A harness that is stopped for longer than the lease counts as dead. What \
cannot be looked at now is `unverified`, with its identity and the `ssh … kill …` to type; destroying it again, or a \
sweep, asks again once the host answers. Where the task kills its guardian, the agent of the connection ends the group.";

const SUBREAPER: &str = "\
The spawner can properly destroy the session that it holds, and everything that the task started on the far end, for an \
ordinary account and with nothing installed: every orphan of the task falls to its guardian there, which perl, python3 or \
`spawner` made a subreaper, and the kernel itself says when the guardian has no child left. It cannot end a member that changed its \
user, nor what the task asked somebody else to start. It misses what a member leaves behind in a pid namespace that was \
there before the task (`nsenter --pid`): the kernel gives orphans in there to the namespace's init and not to the guardian, \
so the task is called clean without them; a control group (`require = \"cgroup\"`) holds them. \
The guardian is a process of the same account: a task that kills it takes the proof away. What is left is then looked \
for by its mark and session, and the verdict is `unverified`. \
When the harness dies or the connection drops, the far end ends the task by itself; when the link or the server falls \
silent, it does so when the lease is over. A harness that is stopped for longer than the lease counts as dead. What \
cannot be looked at now is `unverified`, with its identity and the `ssh … kill …` to type; destroying it again, or a \
sweep, asks again once the host answers.";

const MARKS: &str = "\
The spawner can properly destroy the session that it holds, and makes a best-effort attempt at the task: it ends what \
bears the task's mark in its environment, what is of its session, and all below. It does not find everything that the \
task started: a daemon that changed its session and cleared its environment is missed. So the best verdict is \
`unverified`. Perl, python3 or `spawner` on the host, or a control group that the account may write to, would give a proof. The \
far end ends the task by itself when the harness dies, the connection drops or the lease is over, with the same gaps.";

const SESSION: &str = "\
The spawner can properly destroy the session that it holds, and makes a best-effort attempt at the task: it signals the \
task's process group. It does not find everything that the task started: whatever left the group is missed, and without \
/proc nothing can be named but the main process, by its pid alone. So the best verdict is `unverified`. The far end ends \
the task by itself when the harness dies, the connection drops or the lease is over, with the same gaps.";

const NO_LIMITS: &str = "limits on another machine are not built: set them there, for the account";

fn cgroup() -> Capabilities {
    Capabilities {
        end_everything: Support::guaranteed("the remote kernel kills the control group in one step"),
        prove_clean: Support::guaranteed("the remote kernel says that the control group is not populated"),
        name_leftovers: Support::guaranteed("host, boot id, pid and start time, and the command to type"),
        name_left_behind: Support::guaranteed("the members of the control group"),
        ask_first: Support::guaranteed("SIGTERM and SIGCONT to every member, by pid and start time"),
        end_fork_storm: Support::guaranteed("the remote kernel kills the control group in one step"),
        end_other_users: Support::guaranteed(
            "the remote kernel kills members of any user in the control group",
        ),
        end_with_harness: Support::guaranteed(
            "the agent reads end of file or its lease is over, and every guardian ends its task; a helper here asks, \
             and closes the record",
        ),
        outlive_helpers: Support::best_effort(
            "the agent of the connection ends the group of a guardian that died; the harness starts another helper here",
            "where the helper here is killed with its harness, the record here stays until a sweep",
        ),
        sweep: Support::best_effort(
            "the journal names host, boot id, pid and control group",
            "a host that does not answer is asked again by the next sweep",
        ),
        detach: Support::guaranteed("a guardian without a lease; output and end are kept on the host"),
        exact_exit: Support::guaranteed(
            "the guardian's shell tells statuses and signals apart; ssh's 255 is not used",
        ),
        stream_output: Support::guaranteed("the task's own session, bounded by ssh's windows"),
        terminal: Support::unsupported("a terminal on another machine is not built"),
        signal: Support::guaranteed("the guardian signals the main process by pid and start time"),
        limit_memory: Support::unsupported(NO_LIMITS),
        limit_pids: Support::unsupported(NO_LIMITS),
        limit_cpu: Support::unsupported(NO_LIMITS),
        usage: Support::unsupported("what a task uses on another machine is not counted"),
        container: Support::unsupported("tasks run on the host itself"),
        unchanged_view: Support::best_effort(
            "the account's own environment and home",
            "the task's streams are sockets, as under ssh, and sessions and SPAWNER_TASK_ID are its own",
        ),
    }
}

fn subreaper() -> Capabilities {
    const CHILDREN: &str = "every orphan falls to the guardian, a subreaper; but for those in a pid namespace that a member \
                            entered and did not make";
    Capabilities {
        end_everything: Support::guaranteed(CHILDREN),
        prove_clean: Support::guaranteed(
            "the remote kernel says that the guardian has no children left, which orphans in a pid namespace that a member \
             entered and did not make are not",
        ),
        name_left_behind: Support::guaranteed("the children of the guardian, and all below"),
        end_fork_storm: Support::best_effort(
            "the guardian kills again and again, whole process groups at a time",
            "a shell on a slow host may be slower than a storm that is wide: the verdict says so",
        ),
        end_other_users: Support::best_effort(
            "kill(1) there",
            "an ordinary account cannot signal a member that changed its user: it is reported",
        ),
        outlive_helpers: Support::best_effort(
            "the agent of the connection looks by mark and session; the harness starts another helper here",
            "what took both off is missed, so the verdict is `unverified`; where the helper here is killed with its \
             harness, the record here stays until a sweep",
        ),
        ..cgroup()
    }
}

fn marks() -> Capabilities {
    const BY: &str = "the mark in the environment, the session, and all below";
    const CAVEAT: &str = "a daemon that changed its session and cleared its environment is missed";
    Capabilities {
        end_everything: Support::best_effort(BY, CAVEAT),
        prove_clean: Support::unsupported("members can be missed, so the best verdict is `unverified`"),
        name_leftovers: Support::best_effort(BY, CAVEAT),
        name_left_behind: Support::best_effort(BY, CAVEAT),
        ask_first: Support::best_effort(BY, CAVEAT),
        end_fork_storm: Support::best_effort(BY, CAVEAT),
        end_with_harness: Support::best_effort(BY, CAVEAT),
        detach: Support::best_effort(BY, CAVEAT),
        ..subreaper()
    }
}

fn session() -> Capabilities {
    const BY: &str = "the task's process group";
    const CAVEAT: &str = "what left the group is missed";
    Capabilities {
        end_everything: Support::best_effort(BY, CAVEAT),
        name_leftovers: Support::best_effort(
            BY,
            "without /proc only the main process has a name, while it runs",
        ),
        name_left_behind: Support::unsupported(
            "without /proc nothing can be named once the main process has ended",
        ),
        ask_first: Support::best_effort(BY, CAVEAT),
        end_fork_storm: Support::best_effort(BY, CAVEAT),
        end_with_harness: Support::best_effort(BY, CAVEAT),
        outlive_helpers: Support::unsupported("without /proc nobody finds the task when its guardian died"),
        sweep: Support::unsupported("without /proc nothing can be looked for"),
        detach: Support::best_effort(BY, CAVEAT),
        ..marks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said::Reaper;

    #[test]
    fn the_strongest_that_is_not_slow_is_chosen_and_what_is_required_is_there() {
        let bare = Facts::default();
        let linux = Facts { proc: true, ..Facts::default() };
        let perl = Facts { reaper: Some(Reaper::Python { path: "/p".into() }), ..linux.clone() };
        let root = Facts { group: Some("/g".into()), ..perl.clone() };
        let group = Facts { reaper: None, ..root.clone() };
        for (facts, means) in [
            (&bare, Means::Session),
            (&linux, Means::Marks),
            (&perl, Means::Subreaper),
            (&root, Means::Subreaper),
            (&group, Means::Cgroup),
        ] {
            assert_eq!(Means::choose(facts, None).unwrap(), means);
        }
        assert_eq!(Means::choose(&root, Some(Require::Cgroup)).unwrap(), Means::Cgroup);
        assert_eq!(Means::choose(&perl, Some(Require::Proof)).unwrap(), Means::Subreaper);
        for (facts, require) in [(&perl, Require::Cgroup), (&linux, Require::Proof)] {
            let refused = Means::choose(facts, Some(require)).unwrap_err();
            assert!(matches!(refused.kind(), ErrorKind::Unsupported(Capability::ProveClean)));
        }
    }
}
