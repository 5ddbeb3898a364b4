//! Who is a member of a task: decided from a list of processes, and from what was known before.

use std::collections::{BTreeMap, BTreeSet};

use spawner_core::processes::Entry;
use spawner_core::{Fate, ProcessIdentity};

/// A process for as long as it lives: pid and start time.
pub(super) type Key = (u32, u64);

/// The members of one task, as far as they were ever seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Herd {
    known: BTreeMap<Key, Member>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Its command name.
    pub(super) name: String,
    /// Whether it was asked to end.
    pub(super) asked: bool,
    /// Whether it was sent SIGKILL.
    pub(super) struck: bool,
    /// Whether it may not be signalled by this account.
    pub(super) denied: bool,
    /// What became of it, once it was seen to be gone.
    pub(super) fate: Option<Fate>,
}

impl Member {
    fn new(name: String) -> Self {
        Self { name, asked: false, struck: false, denied: false, fate: None }
    }
}

/// What the search goes by.
pub(super) struct Marks<'a> {
    /// The main process.
    pub(super) leader: Option<&'a ProcessIdentity>,
    /// Whether the pid of the main process cannot have become another's: the harness has not reaped it, or has died just
    /// now. Else a session of that number may be another's by now, unless the main process itself is seen to be there.
    pub(super) unreaped: bool,
    /// Whether a process bears the mark of the task.
    pub(super) bears: &'a dyn Fn(u32) -> bool,
    /// Who is no member, whatever it looks like: this process.
    pub(super) own: u32,
    /// Whose session is no task's: that of this process.
    pub(super) own_session: u32,
}

impl Herd {
    /// Takes note of a member that was not seen in a list yet.
    pub(super) fn add(&mut self, key: Key, name: String) {
        self.known.entry(key).or_insert_with(|| Member::new(name));
    }

    /// Takes note of who is there; says who of it is a living member.
    pub(super) fn see(&mut self, all: &[Entry], marks: &Marks<'_>) -> Vec<Entry> {
        let found = self.find(all, marks);
        for entry in &found {
            let member = self.known.entry(key(entry)).or_insert_with(|| Member::new(entry.name.clone()));
            // One that was executed since goes by another name.
            member.name.clone_from(&entry.name);
        }
        let living: BTreeSet<Key> = found.iter().map(key).collect();
        for (key, member) in &mut self.known {
            if !living.contains(key) && member.fate.is_none() {
                member.fate = Some(match (member.struck, member.asked) {
                    (true, _) => Fate::Killed,
                    (false, true) => Fate::Terminated,
                    (false, false) => Fate::Exited,
                });
            }
        }
        found
    }

    fn find(&self, all: &[Entry], marks: &Marks<'_>) -> Vec<Entry> {
        let alive: BTreeMap<u32, &Entry> = all
            .iter()
            .filter(|entry| !entry.dead && entry.pid != marks.own)
            .map(|entry| (entry.pid, entry))
            .collect();
        let leader = marks.leader.map(|leader| (leader.pid, leader.start_time));
        // A zombie holds its pid as well as a living process does.
        let there = leader.is_some_and(|leader| all.iter().any(|entry| key(entry) == leader));
        let session = leader.filter(|_| marks.unreaped || there).map(|(pid, _)| pid);
        let in_session = |entry: &Entry| entry.session != 0 && Some(entry.session) == session;

        let mut members: BTreeSet<u32> = BTreeSet::new();
        let mut sessions: BTreeSet<u32> = BTreeSet::new();
        for (&pid, &entry) in &alive {
            let known = self.known.contains_key(&key(entry)) || leader == Some(key(entry));
            // A member is not older than the main process; so nobody else is asked for its environment.
            let may_bear = leader.is_none_or(|(_, start)| entry.start_time >= start);
            if known || in_session(entry) {
                members.insert(pid);
            } else if may_bear && (marks.bears)(pid) {
                members.insert(pid);
                // The main process made its session itself, and who left it made one of its own.
                sessions.insert(entry.session);
            }
        }
        sessions.remove(&0);
        sessions.remove(&marks.own_session);
        let kin = alive.iter().filter(|(_, entry)| sessions.contains(&entry.session)).map(|(&pid, _)| pid);
        members.extend(kin.collect::<Vec<_>>());
        // What is below a member is one; the list is in no order, so it is gone through until nothing is new.
        loop {
            let below = |(pid, entry): (&u32, &&Entry)| {
                let parent = alive.get(&entry.parent).filter(|_| members.contains(&entry.parent))?;
                (parent.start_time <= entry.start_time && !members.contains(pid)).then_some(*pid)
            };
            let new: Vec<u32> = alive.iter().filter_map(below).collect();
            if new.is_empty() {
                break;
            }
            members.extend(new);
        }
        members.into_iter().filter_map(|pid| alive.get(&pid).map(|&entry| entry.clone())).collect()
    }

    /// It was asked to end.
    pub(super) fn note_asked(&mut self, key: Key) {
        if let Some(member) = self.known.get_mut(&key) {
            member.asked = true;
        }
    }

    /// All that were ever seen.
    pub(super) fn members(&self) -> impl Iterator<Item = (Key, &Member)> {
        self.known.iter().map(|(&key, member)| (key, member))
    }

    /// One of them, to take note of what was done to it.
    pub(super) fn member(&mut self, entry: &Entry) -> Option<&mut Member> {
        self.known.get_mut(&key(entry))
    }
}

pub(super) fn key(entry: &Entry) -> Key {
    (entry.pid, entry.start_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: u32, parent: u32, session: u32, start_time: u64) -> Entry {
        let name = format!("p{pid}");
        Entry { pid, parent, group: session, session, start_time, name, dead: false, stopped: false }
    }

    fn leader() -> ProcessIdentity {
        ProcessIdentity { boot_id: "b".into(), pid: 100, start_time: 50 }
    }

    fn seen(herd: &mut Herd, all: &[Entry], unreaped: bool, marked: &[u32]) -> Vec<u32> {
        let (leader, bears) = (leader(), |pid| marked.contains(&pid));
        let marks = Marks { leader: Some(&leader), unreaped, bears: &bears, own: 1, own_session: 7 };
        herd.see(all, &marks).iter().map(|entry| entry.pid).collect()
    }

    #[test]
    fn members_are_the_session_the_marked_their_sessions_and_all_below() {
        let all = [
            entry(1, 0, 7, 1),
            entry(100, 1, 100, 50),
            entry(101, 100, 100, 51),
            entry(102, 101, 102, 52), // left the session, not its parent
            entry(103, 102, 102, 53),
            entry(104, 2, 104, 54), // left all but the mark
            entry(105, 104, 104, 55),
            entry(106, 2, 104, 55),
            entry(200, 2, 7, 54),
            entry(201, 1, 7, 54),
            entry(202, 2, 202, 54),
        ];
        let members = seen(&mut Herd::default(), &all, true, &[104]);
        assert_eq!(members, [100, 101, 102, 103, 104, 105, 106]);
    }

    #[test]
    fn a_session_of_the_number_of_a_main_process_that_is_gone_is_another_s_unless_it_was_held() {
        let stranger = [entry(300, 1, 100, 90)];
        assert_eq!(seen(&mut Herd::default(), &stranger, false, &[]), [0; 0]);
        assert_eq!(seen(&mut Herd::default(), &stranger, true, &[]), [300]);
        let mut zombie = entry(100, 1, 0, 50);
        zombie.dead = true;
        let there = [zombie, entry(300, 1, 100, 90)];
        assert_eq!(seen(&mut Herd::default(), &there, false, &[]), [300], "its zombie holds the number");
        let reused = [entry(100, 1, 100, 80), entry(300, 100, 100, 90)];
        assert_eq!(seen(&mut Herd::default(), &reused, false, &[]), [0; 0]);
    }

    #[test]
    fn who_is_older_than_the_main_process_and_the_harness_s_own_session_are_no_members() {
        let all = [entry(90, 2, 90, 49), entry(110, 2, 7, 60), entry(111, 2, 7, 61)];
        // The one that bears the mark in the harness's session is a member; its neighbours there are not.
        assert_eq!(seen(&mut Herd::default(), &all, true, &[90, 110]), [110]);
    }

    #[test]
    fn once_seen_a_member_stays_one_when_it_sheds_all_marks_and_its_successor_in_the_pid_is_none() {
        let mut herd = Herd::default();
        assert_eq!(
            seen(&mut herd, &[entry(100, 1, 100, 50), entry(104, 100, 100, 54)], true, &[]),
            [100, 104]
        );
        assert_eq!(seen(&mut herd, &[entry(104, 2, 104, 54)], true, &[]), [104]);
        assert_eq!(seen(&mut herd, &[entry(104, 2, 104, 99)], true, &[]), [0; 0]);
        let fates: Vec<_> = herd.members().map(|(key, member)| (key, member.fate)).collect();
        assert_eq!(fates, [((100, 50), Some(Fate::Exited)), ((104, 54), Some(Fate::Exited))]);
    }

    #[test]
    fn what_became_of_a_member_follows_from_what_was_done_to_it() {
        let mut herd = Herd::default();
        let all = [entry(100, 1, 100, 50), entry(101, 100, 100, 51), entry(102, 100, 100, 52)];
        seen(&mut herd, &all, true, &[]);
        for known in &all[1..] {
            herd.member(known).unwrap().asked = true;
        }
        herd.member(&all[2]).unwrap().struck = true;
        seen(&mut herd, &[], true, &[]);
        let fates: Vec<_> = herd.members().filter_map(|(_, member)| member.fate).collect();
        assert_eq!(fates, [Fate::Exited, Fate::Terminated, Fate::Killed]);
    }
}
