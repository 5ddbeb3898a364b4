//! Which keepers there are.

use crate::linux::words::Index;

/// The keepers by pid, each with its index. They lie side by side and in order, since the pages of the supervisor's
/// heap are every keeper's until one of them is written to: what is strewn over many would cost each keeper a copy.
#[derive(Debug, Default)]
pub(super) struct Roll(Vec<(i32, Index)>);

impl Roll {
    pub(super) fn insert(&mut self, pid: i32, index: Index) {
        match self.place(pid) {
            Ok(at) => self.0[at].1 = index,
            Err(at) => self.0.insert(at, (pid, index)),
        }
    }

    pub(super) fn remove(&mut self, pid: i32) -> Option<Index> {
        self.place(pid).ok().map(|at| self.0.remove(at).1)
    }

    pub(super) fn contains(&self, pid: i32) -> bool {
        self.place(pid).is_ok()
    }

    pub(super) fn pid_of(&self, index: Index) -> Option<i32> {
        self.iter().find(|&(_, own)| own == index).map(|(pid, _)| pid)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i32, Index)> {
        self.0.iter().copied()
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = i32> {
        self.iter().map(|(pid, _)| pid)
    }

    fn place(&self, pid: i32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&pid, |&(own, _)| own)
    }
}

#[cfg(test)]
mod tests {
    use super::Roll;

    #[test]
    fn who_was_entered_is_found_in_order_until_removed() {
        let mut roll = Roll::default();
        for (pid, index) in [(30, 0), (10, 1), (20, 2), (10, 3)] {
            roll.insert(pid, index);
        }
        assert_eq!(roll.iter().collect::<Vec<_>>(), [(10, 3), (20, 2), (30, 0)]);
        assert_eq!((roll.pid_of(3), roll.pid_of(1)), (Some(10), None));
        assert_eq!(roll.remove(20), Some(2));
        assert_eq!(roll.remove(20), None);
        assert!(roll.contains(10) && !roll.contains(20));
        assert_eq!(roll.pids().collect::<Vec<_>>(), [10, 30]);
    }
}
