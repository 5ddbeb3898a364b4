//! How its lines are understood.

use spawner_core::{Exit, ProcessIdentity};

use super::{AgentAddress, BadLine, Facts, Line, Looked, Member, Proof, Reaper, Refusal, Said};

impl Facts {
    /// Takes what [`Line::Fact`] says. What is not known is passed over.
    pub fn note(&mut self, fact: &str) {
        let (key, value) = fact.split_once(' ').unwrap_or((fact, ""));
        let text = || Some(value.to_owned());
        match key {
            "boot" => value.clone_into(&mut self.boot),
            "account" => value.clone_into(&mut self.account),
            "up" => self.came_up = value.parse().unwrap_or(0),
            "system" => value.clone_into(&mut self.system),
            "processors" => self.processors = value.parse().unwrap_or(0),
            "proc" => self.proc = true,
            "setsid" => self.setsid = text(),
            "env" => self.env = text(),
            "signals" => self.signals = true,
            "fractions" => self.fractions = true,
            "group" => self.group = text(),
            "folder" => self.folder = text(),
            "reaper" => self.reaper = Reaper::parse(value),
            _ => {}
        }
    }
}

impl Reaper {
    /// Its name in the words of the far end, and where it is there.
    pub(crate) fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Perl { path, .. } => ("perl", path),
            Self::Python { path } => ("python", path),
            Self::Spawner { path } => ("spawner", path),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("perl", rest) => {
                let (call, path) = rest.split_once(' ')?;
                Some(Self::Perl { path: path.to_owned(), call: call.parse().ok()? })
            }
            ("spawner", path) => Some(Self::Spawner { path: path.to_owned() }),
            ("python", path) => Some(Self::Python { path: path.to_owned() }),
            _ => None,
        }
    }
}

impl Line {
    /// Understands one line, without its newline.
    pub fn parse(line: &str) -> Result<Self, BadLine> {
        Self::understand(line).ok_or_else(|| BadLine(line.to_owned()))
    }

    fn understand(line: &str) -> Option<Self> {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split(' ').filter(|word| !word.is_empty()).collect();
        Some(match (first, words.as_slice()) {
            ("agent", &[pid, start, reply, lifeline]) => Self::Agent(AgentAddress {
                process: (pid.parse().ok()?, start.parse().ok()?),
                reply: reply.to_owned(),
                life: lifeline.to_owned(),
            }),
            ("fact", &[_, ..]) => Self::Fact(rest.to_owned()),
            ("ready", &[]) => Self::Ready,
            ("renewed", &[number]) => Self::Renewed(number.parse().ok()?),
            ("deaf", &[pid, start]) => Self::Deaf(pid.parse().ok()?, start.parse().ok()?),
            ("folder", _) => Self::Folder(Some(rest.to_owned()).filter(|folder| !folder.is_empty())),
            ("fault", _) => Self::Fault(rest.to_owned()),
            (id, [word, words @ ..]) => Self::Task(id.parse().ok()?, Said::understand(word, words)?),
            _ => return None,
        })
    }
}

impl Said {
    fn understand(word: &str, words: &[&str]) -> Option<Self> {
        Some(match (word, words) {
            ("started", &[pid, start, boot, guardian, began, pipe]) => Self::Started {
                leader: ProcessIdentity {
                    boot_id: if boot == "-" { String::new() } else { boot.to_owned() },
                    pid: pid.parse().ok()?,
                    start_time: start.parse().ok()?,
                },
                guardian: (guardian.parse().ok()?, began.parse().ok()?),
                pipe: pipe.to_owned(),
            },
            ("refused", &[why]) => Self::Refused(match why {
                "not-found" => Refusal::NotFound,
                "not-executable" => Refusal::NotExecutable,
                "cwd" => Refusal::Cwd,
                "group" => Refusal::Group,
                "pipe" => Refusal::Pipe,
                "folder" => Refusal::Folder,
                "words" => Refusal::Words,
                "process" => Refusal::Process,
                _ => return None,
            }),
            ("exit", words) => Self::Exit(exit(words)?),
            ("left", &[]) => Self::Left,
            ("member" | "seen", &[pid, start, state, name]) => Self::Member(Member {
                pid: pid.parse().ok()?,
                start: start.parse().ok()?,
                state: state.chars().next()?,
                name: name.to_owned(),
            }),
            ("members", &[count, word]) => Self::Members(count.parse().ok()?, word.to_owned()),
            ("signal", &["sent"]) => Self::Signal(true),
            ("signal", &["missed"]) => Self::Signal(false),
            ("gone", &["by", ref by @ ..]) => Self::Gone {
                group_kept: by.contains(&"group-kept"),
                by: proofs(by.iter().filter(|word| **word != "group-kept"))?,
            },
            ("adopted", _) => Self::Adopted,
            ("taken", &[by]) => Self::Taken(by.to_owned()),
            ("looked", words) => Self::Looked(match *words {
                ["gone", "boot"] => Looked::Rebooted,
                ["guarded"] => Looked::Guarded,
                ["alive"] => Looked::Alive,
                ["unknown"] => Looked::Unknown,
                ["unable"] => Looked::Unable,
                ["gone", ref by @ ..] => Looked::NotFound(proofs(by.iter())?),
                _ => return None,
            }),
            ("kept", words) => Self::Kept(Some(words.join(" ")).filter(|line| !line.is_empty())),
            _ => return None,
        })
    }
}

/// How a task ended, in the guardian's words.
fn exit(words: &[&str]) -> Option<Exit> {
    Some(match *words {
        ["exited", code] => Exit::Exited { code: code.parse().ok()? },
        ["signalled", signal] => Exit::Signalled { signal: signal.parse().ok()?, core: false },
        ["signalled", signal, "core"] => Exit::Signalled { signal: signal.parse().ok()?, core: true },
        ["lost"] => Exit::Lost { why: "the process that waited for it on the far end was killed".into() },
        ["orphaned"] => {
            Exit::Lost { why: "the far end ended it, since it heard no more from its harness".into() }
        }
        ["unclear", status] => {
            Exit::Lost { why: format!("the far end's shell says {status}, a status or a signal") }
        }
        _ => return None,
    })
}

fn proofs<'a>(words: impl Iterator<Item = &'a &'a str>) -> Option<Vec<Proof>> {
    words
        .map(|word| match *word {
            "group" => Some(Proof::Group),
            "children" => Some(Proof::Children),
            "never" => Some(Proof::Never),
            "marks" => Some(Proof::Marks),
            "session" => Some(Proof::Session),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_and_others_refused() {
        let id = "deadbeefdeadbeef";
        let task = |said: &str| match Line::parse(&format!("{id} {said}")) {
            Ok(Line::Task(_, said)) => said,
            other => panic!("{other:?}"),
        };
        assert_eq!(task("exit exited 137"), Said::Exit(Exit::Exited { code: 137 }));
        assert_eq!(task("exit signalled 11 core"), Said::Exit(Exit::Signalled { signal: 11, core: true }));
        assert_eq!(
            task("gone by group children"),
            Said::Gone { by: vec![Proof::Group, Proof::Children], group_kept: false }
        );
        assert_eq!(task("looked gone boot"), Said::Looked(Looked::Rebooted));
        assert_eq!(task("kept"), Said::Kept(None));
        for bad in
            ["", "x", "deadbeefdeadbeef", "deadbeefdeadbeef exit", "deadbeefdeadbeef gone", "renewed x"]
        {
            assert!(Line::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn facts_are_noted() {
        let mut facts = Facts::default();
        for fact in ["boot b", "proc", "reaper perl 157 /usr/bin/perl", "news of later versions"] {
            facts.note(fact);
        }
        let reaper = Some(Reaper::Perl { path: "/usr/bin/perl".into(), call: 157 });
        assert_eq!(facts, Facts { boot: "b".into(), proc: true, reaper, ..Facts::default() });
    }
}
