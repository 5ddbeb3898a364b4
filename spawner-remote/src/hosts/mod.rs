//! The hosts of a backend, and whose turn it is on which.
//!
//! Who wants a host waits for a seat on one that is *up*; hosts are tried aside, so nobody's start hangs on a host that is
//! down while another one answers. A start has one more host tried where none is idle besides; one that waits for
//! long, too.

mod check;
mod left_out;
mod schedule;
mod slot;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use spawner_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::schedule::{Schedule, Seat, Ticket};
pub(crate) use self::slot::{Slot, Turn};
use crate::config::RemoteConfig;
use crate::declared::Means;
use crate::lock::lock;
use crate::session::{Address, Connection, Host, Worker};

/// After how long who waits has another host tried besides.
const HEDGE: Duration = Duration::from_secs(1);

/// The hosts of one backend.
pub(crate) struct Hosts {
    all: Vec<Arc<Host>>,
    slots: Vec<Option<NonZeroU32>>,
    known: HashMap<Arc<Address>, usize>,
    /// Hosts of recovered tasks, which other settings led to.
    others: Mutex<HashMap<Address, Arc<Host>>>,
    config: RemoteConfig,
    /// What is in the command line of every ssh program of this harness.
    token: String,
    pub(crate) worker: Arc<Worker>,
    state: Mutex<State>,
}

struct State {
    schedule: Schedule,
    waiting: HashMap<Ticket, oneshot::Sender<Result<Slot>>>,
    /// Why hosts are left out.
    why: HashMap<usize, Arc<Error>>,
}

impl Hosts {
    pub(crate) fn new(config: &RemoteConfig, token: &str) -> Result<Arc<Self>> {
        let worker = Arc::<Worker>::default();
        let timing = (config.connect_timeout(), config.lease());
        let (mut all, mut slots, mut known) = (Vec::new(), Vec::new(), HashMap::new());
        for (at, room) in config.each()? {
            let host = Host::new(Address::of(&at)?, timing, token, &worker);
            known.insert(Arc::clone(&host.address), all.len());
            all.push(Arc::new(host));
            slots.push(room);
        }
        // In another order for each harness, so that many short ones do not all begin with the same host.
        let (random, mut order) = (RandomState::new(), (0..all.len()).collect::<Vec<_>>());
        order.sort_by_cached_key(|host| random.hash_one(host));
        let state = State { schedule: Schedule::new(order), waiting: HashMap::new(), why: HashMap::new() };
        let others = Mutex::default();
        let config = RemoteConfig { destinations: Vec::new(), ..config.clone() };
        let token = token.to_owned();
        Ok(Arc::new(Self { all, slots, known, others, config, token, worker, state: Mutex::new(state) }))
    }

    /// The only host, where there is but one.
    pub(crate) fn only(&self) -> Option<&Arc<Host>> {
        self.all.first().filter(|_| self.all.len() == 1)
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> &[Arc<Host>] {
        &self.all
    }

    /// What people call all of them.
    pub(crate) fn name(&self) -> String {
        match self.only() {
            Some(host) => host.address.name(),
            None => format!("any of {} hosts", self.all.len()),
        }
    }

    /// The host at this address.
    pub(crate) fn at(&self, address: &Address) -> Arc<Host> {
        if let Some(&host) = self.known.get(address) {
            return Arc::clone(&self.all[host]);
        }
        let timing = (self.config.connect_timeout(), self.config.lease());
        let host = || Arc::new(Host::new(address.clone(), timing, &self.token, &self.worker));
        let mut others = lock(&self.others);
        Arc::clone(others.entry(address.clone()).or_insert_with(host))
    }

    /// Closes every connection.
    pub(crate) fn close(&self) -> Vec<Arc<Connection>> {
        let others: Vec<_> = lock(&self.others).values().cloned().collect();
        let closed = self.all.iter().chain(&others).flat_map(|host| host.close()).collect();
        self.worker.close();
        closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Hands out what there is; has another host tried where `more`.
    fn go_on(self: &Arc<Self>, more: bool) {
        let (mut given, mut state) = (Vec::new(), self.lock());
        while let Some((ticket, seat)) = state.schedule.grant() {
            match state.waiting.remove(&ticket) {
                Some(waiter) => given.push((waiter, Slot::new(Arc::clone(self), seat))),
                None => state.schedule.give_back(&seat),
            }
        }
        let more = more && !state.schedule.has_idle();
        let trial = if more { state.schedule.try_one(Instant::now()) } else { None };
        drop(state);
        // Who does not wait any more gives it back, for which the lock has to be free.
        for (waiter, slot) in given {
            drop(waiter.send(Ok(slot)));
        }
        if let Some(host) = trial {
            self.start_trial(host);
        }
    }

    fn start_trial(self: &Arc<Self>, host: usize) {
        match self.worker.runtime() {
            Ok(runtime) => drop(runtime.spawn(Arc::clone(self).try_host(host))),
            Err(error) => self.is_down(host, error),
        }
    }

    /// Connects, and goes on as long as the connection lasts.
    async fn try_host(self: Arc<Self>, host: usize) {
        let at = &self.all[host];
        let tried = async {
            let link = at.connection().await?;
            self.means(at, &link)?;
            Ok::<_, Error>(link)
        };
        let tried = tokio::select! {
            tried = tried => tried,
            () = at.is_over() => Err(Error::new(ErrorKind::Lost, "connect to", &*at.address.destination)
                .because("the backend was shut down")),
        };
        let link = match tried {
            Ok(link) => link,
            Err(error) => return self.is_down(host, error),
        };
        let epoch = {
            let mut state = self.lock();
            state.why.remove(&host);
            state.schedule.up(host, self.room(host, link.facts.processors))
        };
        // Where more wait than it takes, the next one is asked for.
        let more = {
            self.go_on(false);
            self.lock().schedule.has_waiting()
        };
        self.go_on(more);
        // Whoever owns the hosts may go away while it lasts.
        let hosts = Arc::downgrade(&self);
        drop(self);
        link.ended().await;
        drop(link);
        if let Some(hosts) = hosts.upgrade() {
            hosts.is_lost(host, epoch);
        }
    }

    /// What tasks there are known by; an error where that is not what is required.
    fn means(&self, host: &Host, link: &Connection) -> Result<Means> {
        let chosen = Means::choose(&link.facts, self.config.require);
        chosen.map_err(|error| left_out::copy(&error, &host.address.name()))
    }

    /// How many tasks it takes.
    fn room(&self, host: usize, processors: u32) -> NonZeroU32 {
        let usual = if self.all.len() == 1 { NonZeroU32::MAX } else { processors_or_one(processors) };
        self.slots[host].unwrap_or(usual)
    }

    fn is_lost(self: &Arc<Self>, host: usize, epoch: u64) {
        let more = {
            let mut state = self.lock();
            state.schedule.lost(host, epoch);
            state.schedule.has_waiting()
        };
        self.go_on(more);
    }

    fn is_down(self: &Arc<Self>, host: usize, error: Error) {
        let name = self.all[host].address.name();
        if self.all.len() > 1 && !self.all[host].is_closed() {
            tracing::warn!(%error, host = %name, "a host is left out");
        }
        let mut given_up = Vec::new();
        let more = {
            let mut state = self.lock();
            state.why.insert(host, Arc::new(error));
            for ticket in state.schedule.down(host, Instant::now()) {
                given_up.extend(state.waiting.remove(&ticket));
            }
            state.schedule.has_waiting()
        };
        for waiter in given_up {
            // Who does not wait any more needs no reason.
            drop(waiter.send(Err(self.nobody())));
        }
        self.go_on(more);
    }
}

fn processors_or_one(processors: u32) -> NonZeroU32 {
    NonZeroU32::new(processors).unwrap_or(NonZeroU32::MIN)
}
