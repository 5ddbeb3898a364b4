//! The tasks of the matrix: workloads of the conformance suite, and one that asks somebody else.

/// Who can run it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Who {
    Both,
    Root,
    Ordinary,
}

/// A task, by the name of its workload, with what it is in words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) workload: &'static str,
    pub(crate) args: &'static [&'static str],
    /// How many of its processes say that they are where they should be.
    pub(crate) ready: u64,
    pub(crate) who: Who,
    /// Whether its main process ends by itself once they are.
    pub(crate) ends: bool,
    /// Whether a quick run has it.
    pub(crate) quick: bool,
}

const fn kind(name: &'static str, workload: &'static str, args: &'static [&'static str], ready: u64) -> Kind {
    Kind { name, workload, args, ready, who: Who::Both, ends: false, quick: false }
}

const fn quick(kind: Kind) -> Kind {
    Kind { quick: true, ..kind }
}

const fn ends(kind: Kind) -> Kind {
    Kind { ends: true, ..kind }
}

const fn only(who: Who, kind: Kind) -> Kind {
    Kind { who, ..kind }
}

/// What is put in place of this word: a path of the cell's own.
pub(crate) const FIFO: &str = "{fifo}";
pub(crate) const SET_UID: &str = "{set-uid}";
pub(crate) const OTHER_GROUP: &str = "{other-group}";

pub(crate) const TOKEN: &str = "{token}";

/// The witness knows what stays by the last word.
const ASKING: &str = r#"echo go >"$0" && exec perl -e 'sleep 60' "$1""#;

/// It asks a daemon to start something, which is then nobody's but the daemon's. No peer promises this.
pub(crate) const ASKS: &str = "asks a daemon";

/// What an ordinary user may not signal, and so cannot end.
pub(crate) const SET_UID_CHILD: &str = "a set-uid child";

pub(crate) const KINDS: &[Kind] = &[
    quick(kind("does nothing special", "well-behaved", &[], 1)),
    quick(kind("ignores SIGTERM, with a child", "ignores-term", &[], 2)),
    quick(ends(kind("leaves two children behind", "background", &[], 2))),
    quick(ends(kind("leaves a session of its own behind", "setsid", &[], 1))),
    ends(kind("leaves a daemon behind", "daemon", &[], 1)),
    quick(kind("a daemon that ignores SIGTERM", "stubborn-daemon", &[], 1)),
    ends(kind("a daemon without the environment", "environment-cleared", &[], 1)),
    ends(kind("a daemon that hides from its user", "undumpable", &[], 1)),
    kind("a daemon made at SIGTERM", "daemon-on-term", &[], 1),
    ends(kind("a subreaper of its own", "subreaper", &[], 2)),
    ends(kind("a pid namespace of its own", "pid-namespace", &[], 3)),
    kind("a stopped child", "stopped", &[], 2),
    kind("a traced child with a stopped tracer", "traced", &[], 3),
    ends(kind("a dead first thread", "dead-leader", &[], 1)),
    ends(kind("a misleading name", "hostile-name", &[], 2)),
    kind("four chains of forks", "chain", &["4"], 1),
    kind("a ring that restarts its members", "ring", &[], 1),
    kind("a fork storm", "fork-storm", &[], 1),
    kind("two hundred children", "wide", &["200"], 201),
    kind("a hundred generations", "deep", &["100"], 101),
    only(Who::Root, ends(kind("a child of another user", "other-user", &["65534"], 1))),
    only(Who::Root, kind("a child in another control group", "joins-group", &[OTHER_GROUP], 2)),
    only(Who::Ordinary, kind(SET_UID_CHILD, "set-uid-child", &[SET_UID], 1)),
    kind(ASKS, "becomes", &["sh", "-c", ASKING, FIFO, TOKEN], 1),
];
