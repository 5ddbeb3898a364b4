//! The commands that are given to the account's own shell on the far end, whichever that is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use spawner_core::{TaskId, shell};

use crate::quote::any_shell;
use crate::said::{AgentAddress, Facts, Reaper};
use crate::script;

/// Puts itself under the text that comes as its first argument. `LC_ALL` is set so that no shell reads characters
/// into bytes; the task gets back what the account had.
const BOOT: &str = r#"_native=${LC_ALL+x$LC_ALL}; LC_ALL=C; eval "$(printf %b "$1")""#;

/// Becomes a subreaper, then the program in its arguments. What a shell cannot change back once it is ignored, python and
/// who started it are not to leave ignored.
const PYTHON: &str = "import ctypes,os,signal,sys;\
    signal.signal(signal.SIGPIPE,signal.SIG_DFL);signal.signal(signal.SIGCHLD,signal.SIG_DFL);\
    ctypes.CDLL(None).prctl(36,1,0,0,0)==0 or sys.exit(124);os.execv(sys.argv[1],sys.argv[1:])";

/// The same, by the number of prctl(2) in its first argument. Perl itself has SIGCHLD do what it does by default.
const PERL: &str = "syscall(0+shift,36,1,0,0,0)==0 or exit 124;exec @ARGV";

/// The agent of a connection.
#[derive(Debug, Clone)]
pub struct AgentCommand<'a> {
    /// The words of the POSIX shell to use, by absolute path: `/bin/sh`.
    pub shell: &'a [&'a str],
    /// What the connection is known by; no blanks.
    pub nonce: &'a str,
    /// How long the agent waits without a word before the lease is over.
    pub lease: Duration,
}

impl AgentCommand<'_> {
    /// How many beats without a word make a lease. The word came at most one beat before the first of them, so a beat
    /// is shorter by that.
    const BEATS: f64 = 8.0;

    /// The command for the far end.
    pub fn text(&self) -> String {
        let seconds = self.lease.as_secs_f64().max(1.0);
        let text = format!(
            "_nonce={} _beat={} _span={:.0} _beats={} _lease={} _folder= _shell={} _perl='{PERL}' _python='{PYTHON}'\n{}",
            self.nonce,
            seconds / (Self::BEATS + 1.0),
            seconds / (Self::BEATS + 1.0) * 100.0,
            Self::BEATS,
            (seconds.ceil() - 1.0).max(1.0),
            String::from_utf8_lossy(&shell::word(self.shell.join(" ").as_bytes())),
            *script::AGENT,
        );
        format!("exec {} -c '{BOOT}' sh {}", self.shell.join(" "), any_shell(text.as_bytes()))
    }
}

/// The guardian of one task.
#[derive(Debug, Clone)]
pub struct GuardianCommand<'a> {
    /// The words of the POSIX shell to use.
    pub shell: &'a [&'a str],
    /// The task.
    pub id: TaskId,
    /// Where its agent is.
    pub agent: &'a AgentAddress,
    /// What was found out about the host.
    pub facts: &'a Facts,
    /// The program and its arguments.
    pub argv: &'a [OsString],
    /// What is set in the environment, or with `None` removed.
    pub env: &'a BTreeMap<OsString, Option<OsString>>,
    /// The working directory; `None` is the account's home.
    pub cwd: Option<&'a Path>,
    /// What ends it where the harness died: how long it may take after it was asked.
    pub grace: Duration,
    /// And how long after force was used.
    pub deadline: Duration,
    /// Where output and end are kept, for a detached task.
    pub keep: Option<&'a str>,
    /// Which of the host's mechanisms are to be used.
    pub mechanisms: Mechanisms,
}

/// Which mechanisms a guardian is to use, where the host has them.
#[derive(Debug, Clone, Copy)]
pub struct Mechanisms {
    /// A control group.
    pub group: bool,
    /// Being a subreaper.
    pub reaper: bool,
}

/// A command, and what is to be written to its standard input once it has shown its mark.
#[derive(Debug, Clone)]
pub struct Started {
    /// The command for the far end.
    pub text: String,
    /// What is to be executed. It is not in the command, which everybody may read on both hosts as long as it runs, and
    /// which has to be short.
    pub words: Vec<u8>,
}

impl GuardianCommand<'_> {
    /// The command for the far end.
    pub fn start(&self) -> Started {
        let words = self.words();
        let mut text = self.settings();
        text.extend_from_slice(format!("_more={}\n", words.len()).as_bytes());
        text.extend_from_slice(script::GUARDIAN.as_bytes());
        Started { text: self.wrap(&any_shell(&text), words.len()), words }
    }

    /// What makes the shell a subreaper, the shell, and its text.
    fn wrap(&self, text: &str, more: usize) -> String {
        let shell = format!("{} -c '{BOOT}' sh", self.shell.join(" "));
        let inner = match self.reaper() {
            Some(Reaper::Perl { path, call }) => {
                format!("{path} -e '{PERL}' {call} {shell} {text}")
            }
            Some(Reaper::Spawner { path }) => format!("{path} as-subreaper {shell} {text}"),
            Some(Reaper::Python { path }) => format!("{path} -ISc '{PYTHON}' {shell} {text}"),
            None => format!("{shell} {text}"),
        };
        if self.keep.is_none() {
            return format!("exec {inner}");
        }
        // It lives on when the connection ends, and must not keep its session open; so its words are read before.
        let behind = r#"printf "\036spawner %s\n" "$1"; _words=$(head -c "$2"); shift 2; printf %s "$_words" 2>/dev/null | "$@" >/dev/null 2>&1 &"#;
        format!("exec {} -c '{behind}' sh {} {more} {inner}", self.shell.join(" "), self.id)
    }

    fn reaper(&self) -> Option<&Reaper> {
        self.facts.reaper.as_ref().filter(|_| self.mechanisms.reaper)
    }

    fn settings(&self) -> Vec<u8> {
        let facts = self.facts;
        let (tick, slow, ratio) = if facts.fractions { (0.02, "0.2", 10) } else { (1.0, "1", 1) };
        let ticks = |time: Duration| (time.as_secs_f64() / tick).ceil();
        let group = facts.group.as_ref().filter(|_| self.mechanisms.group);
        let group = group.map(|base| format!("{base}/spawner-{}", self.id)).unwrap_or_default();
        let (reaper, with) = self.reaper().map_or(("", ""), Reaper::words);
        format!(
            "_id={} _reply={} _life={} _folder={} _keep={} _group={group} _reaper={reaper} _with={with}\n\
             _tick={tick} _span={} _slow={slow} _ratio={ratio} _grace={} _deadline={} _alone={}\n",
            self.id,
            self.agent.reply,
            self.agent.life,
            self.keep.or(facts.folder.as_deref()).unwrap_or_default(),
            if self.keep.is_some() { "1" } else { "" },
            tick * 100.0,
            ticks(self.grace),
            ticks(self.deadline),
            if facts.setsid.is_some() { "1" } else { "" },
        )
        .into_bytes()
    }

    /// What executes the task. Its environment goes through env(1), since a shell gives names a meaning of their own
    /// (`UID`, `OPTIND`, `IFS`), and knows no others than identifiers.
    fn words(&self) -> Vec<u8> {
        let facts = self.facts;
        let program = self.argv.first().map_or(&b""[..], |program| program.as_bytes());
        let cwd = self.cwd.map(|cwd| cwd.as_os_str().as_bytes()).unwrap_or_default();
        let mut text = b"_cwd=".to_vec();
        text.extend_from_slice(&shell::word(cwd));
        text.extend_from_slice(b" _prog=");
        text.extend_from_slice(&shell::word(program));
        if let Some(path) = self.env.get(OsStr::new("PATH")) {
            text.extend_from_slice(b" _path=");
            text.extend_from_slice(&shell::word(
                path.as_ref().map_or(b"/bin:/usr/bin", |path| path.as_bytes()),
            ));
        }
        text.extend_from_slice(b"\nset --");
        let mut push = |word: &[u8]| {
            text.push(b' ');
            text.extend_from_slice(&shell::word(word));
        };
        push(facts.env.as_deref().unwrap_or("env").as_bytes());
        if facts.signals {
            push(b"--default-signal=INT");
            push(b"--default-signal=QUIT");
        }
        for name in self.env.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name) {
            push(b"-u");
            push(name.as_bytes());
        }
        // A name may begin with a hyphen.
        push(b"--");
        for (name, value) in self.env {
            if let Some(value) = value {
                push(&[name.as_bytes(), b"=", value.as_bytes()].concat());
            }
        }
        push(format!("SPAWNER_TASK_ID={}", self.id).as_bytes());
        if let Some(setsid) = &facts.setsid {
            push(setsid.as_bytes());
            push(b"--");
        }
        for word in self.argv {
            push(word.as_bytes());
        }
        text.extend_from_slice(b"\n_whole=1");
        text
    }
}
