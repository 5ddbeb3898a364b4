//! Which host takes the next task. Pure: it knows neither hosts nor clocks, and everything that it is asked takes
//! O(log n) of the hosts and of those who wait.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// How many hosts are tried at one time.
const TRIALS: usize = 32;

/// After how long a host that is down is tried again; twice that after each failure, up to so long.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Its place in the order of those who wait.
pub(super) type Ticket = u64;

/// The right to have one task on a host.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Seat {
    pub(super) host: usize,
    /// Which of the host's connections it belongs to; with that one it is void, if the task does not outlive it.
    pub(super) epoch: u64,
    lasting: bool,
}

/// The least load first; of those the one that was chosen longest ago.
type Rank = (u64, u64, usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody has asked it yet, or its connection was lost.
    Untried,
    /// Somebody asks it now.
    Trying,
    /// It takes tasks.
    Up,
    /// It is left out until then.
    Down(Instant),
}

#[derive(Debug)]
struct Entry {
    state: State,
    slots: NonZeroU32,
    taken: u32,
    /// How many of those outlive a connection.
    lasting: u32,
    epoch: u64,
    chosen: u64,
    failures: u32,
}

#[derive(Debug)]
pub(super) struct Schedule {
    entries: Vec<Entry>,
    /// Hosts that take another task.
    free: BTreeSet<Rank>,
    untried: VecDeque<usize>,
    down: BTreeSet<(Instant, usize)>,
    trying: usize,
    up: usize,
    waiting: BTreeSet<(Ticket, bool)>,
    clock: u64,
}

impl Entry {
    fn is_free(&self) -> bool {
        self.state == State::Up && self.taken < self.slots.get()
    }

    fn rank(&self, host: usize) -> Rank {
        ((u64::from(self.taken) << 32) / u64::from(self.slots.get()), self.chosen, host)
    }
}

impl Schedule {
    /// So many hosts, to be tried in this order.
    pub(super) fn new(order: Vec<usize>) -> Self {
        let entry = |_| Entry {
            state: State::Untried,
            slots: NonZeroU32::MIN,
            taken: 0,
            lasting: 0,
            epoch: 0,
            chosen: 0,
            failures: 0,
        };
        Self {
            entries: (0..order.len()).map(entry).collect(),
            free: BTreeSet::new(),
            untried: order.into(),
            down: BTreeSet::new(),
            trying: 0,
            up: 0,
            waiting: BTreeSet::new(),
            clock: 0,
        }
    }

    /// Somebody wants a seat, for a task that outlives a connection where `lasting`.
    pub(super) fn ask(&mut self, lasting: bool) -> Ticket {
        self.clock += 1;
        self.waiting.insert((self.clock, lasting));
        self.clock
    }

    /// Who asked does not want it any more.
    pub(super) fn cancel(&mut self, ticket: Ticket) {
        self.waiting.remove(&(ticket, false));
        self.waiting.remove(&(ticket, true));
    }

    /// Who waits longest, and the seat that is theirs now.
    pub(super) fn grant(&mut self) -> Option<(Ticket, Seat)> {
        let (&(_, _, host), &(ticket, lasting)) = (self.free.first()?, self.waiting.first()?);
        self.waiting.pop_first();
        self.clock += 1;
        let clock = self.clock;
        let epoch = self.change(host, |entry| {
            entry.taken += 1;
            entry.lasting += u32::from(lasting);
            entry.chosen = clock;
            entry.epoch
        });
        Some((ticket, Seat { host, epoch, lasting }))
    }

    /// The task is gone, or never came to be.
    pub(super) fn give_back(&mut self, seat: &Seat) {
        self.change(seat.host, |entry| {
            if seat.lasting || seat.epoch == entry.epoch {
                entry.taken -= 1;
                entry.lasting -= u32::from(seat.lasting);
            }
        });
    }

    /// The host to try now, if there is one: it is being tried then.
    pub(super) fn try_one(&mut self, now: Instant) -> Option<usize> {
        if self.trying >= TRIALS {
            return None;
        }
        let host = match self.untried.pop_front() {
            Some(host) => host,
            None if self.down.first()?.0 <= now => self.down.pop_first()?.1,
            None => return None,
        };
        self.trying += 1;
        self.entries[host].state = State::Trying;
        Some(host)
    }

    /// A host that was tried takes so many tasks. What names its connection.
    pub(super) fn up(&mut self, host: usize, slots: NonZeroU32) -> u64 {
        self.trying -= 1;
        self.up += 1;
        self.change(host, |entry| {
            (entry.state, entry.slots, entry.failures) = (State::Up, slots, 0);
            entry.epoch
        })
    }

    /// A host that was tried takes none. Those who waited, where nobody else can be hoped for.
    pub(super) fn down(&mut self, host: usize, now: Instant) -> Vec<Ticket> {
        self.trying -= 1;
        // Nobody is better off without the only host there is.
        let alone = self.entries.len() == 1;
        let entry = &mut self.entries[host];
        let pause = BACK_OFF.0.saturating_mul(1 << entry.failures.min(10)).min(BACK_OFF.1);
        let until = if alone { now } else { now + pause };
        entry.failures += 1;
        entry.state = State::Down(until);
        self.down.insert((until, host));
        if self.is_hopeless() { self.take_waiting() } else { Vec::new() }
    }

    /// The connection of that name is over, and with it what did not outlive it.
    pub(super) fn lost(&mut self, host: usize, epoch: u64) {
        if self.entries[host].state != State::Up || self.entries[host].epoch != epoch {
            return;
        }
        self.up -= 1;
        self.untried.push_front(host);
        self.change(host, |entry| {
            entry.state = State::Untried;
            entry.epoch += 1;
            entry.taken = entry.lasting;
        });
    }

    /// Whether no host is up, nor may turn out to be.
    pub(super) fn is_hopeless(&self) -> bool {
        self.up == 0 && self.trying == 0 && self.untried.is_empty()
    }

    /// Those who wait, who wait no more.
    pub(super) fn take_waiting(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.waiting).into_iter().map(|(ticket, _)| ticket).collect()
    }

    /// Whether a host that is up has nothing to do.
    pub(super) fn has_idle(&self) -> bool {
        self.free.first().is_some_and(|&(load, ..)| load == 0)
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn state(&self, host: usize) -> State {
        self.entries[host].state
    }

    /// How many tasks a host has, and how many it takes.
    #[cfg(test)]
    pub(super) fn load(&self, host: usize) -> (u32, u32) {
        (self.entries[host].taken, self.entries[host].slots.get())
    }

    /// Changes an entry, and with it its place among the free ones.
    fn change<T>(&mut self, host: usize, how: impl FnOnce(&mut Entry) -> T) -> T {
        let entry = &mut self.entries[host];
        let before = entry.is_free().then(|| entry.rank(host));
        let done = how(entry);
        let after = entry.is_free().then(|| entry.rank(host));
        if before != after {
            if let Some(rank) = before {
                self.free.remove(&rank);
            }
            self.free.extend(after);
        }
        done
    }
}

#[cfg(test)]
mod tests;
