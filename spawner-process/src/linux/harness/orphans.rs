//! What the supervisor's look at all orphans says about one task.

use spawner_core::{Fate, TaskId};

use crate::linux::words::{Index, Member, Orphans, Owner};

/// What may be left of one task whose keeper died.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) members: Vec<Member>,
    /// Whether the look cannot have missed anything, nor taken another task's for this one's.
    pub(crate) certain: bool,
}

impl Orphans {
    /// What may be left of the task `id`, which `keeper` kept.
    pub(crate) fn of(self, keeper: Index, id: TaskId) -> Left {
        let nothing = self.alive.is_empty();
        let mut own = false;
        let mut members = Vec::new();
        for orphan in self.alive {
            match orphan.owner {
                Owner::Keeper(of) if of == keeper => {}
                Owner::Task(of) if of == id => {}
                Owner::Unknown => {
                    let why = "the keepers of several tasks died, and it cannot be told whose it is";
                    let reason = Some(why.to_owned());
                    members.push(Member { fate: Fate::Unverified, reason, ..orphan.member });
                    continue;
                }
                Owner::Keeper(_) | Owner::Task(_) => continue,
            }
            own = true;
            members.push(orphan.member);
        }
        // As long as anything is left, also of others, something may be missed that has just been made; and
        // what says that it is of another task may lie.
        Left { members, certain: self.certain && (nothing || own) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::words::Orphan;

    fn orphan(pid: i32, owner: Owner) -> Orphan {
        let (fate, denied) = (Fate::Survived, false);
        let member = Member { pid, start_time: None, name: None, fate, reason: None, denied };
        Orphan { member, owner }
    }

    #[test]
    fn what_another_task_left_is_neither_named_nor_taken_for_a_proof() {
        let (own, other) = (TaskId::random(), TaskId::random());
        let seen = |alive: Vec<Orphan>| {
            let left = Orphans { keepers: vec![1, 2], alive, certain: true }.of(1, own);
            (left.members.iter().map(|member| (member.pid, member.fate)).collect::<Vec<_>>(), left.certain)
        };
        let [theirs, marked] = [orphan(20, Owner::Keeper(2)), orphan(21, Owner::Task(other))];
        let [ours, said] = [orphan(10, Owner::Keeper(1)), orphan(11, Owner::Task(own))];
        let named = |pids: &[i32]| pids.iter().map(|&pid| (pid, Fate::Survived)).collect::<Vec<_>>();
        assert_eq!(seen(vec![]), (vec![], true));
        assert_eq!(seen(vec![theirs.clone(), marked]), (vec![], false));
        assert_eq!(seen(vec![ours, theirs, said]), (named(&[10, 11]), true));
        assert_eq!(seen(vec![orphan(30, Owner::Unknown)]), (vec![(30, Fate::Unverified)], false));
    }
}
