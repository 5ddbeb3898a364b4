//! A seat on a host, and the wait for one.

use std::sync::Arc;

use spawner_core::Result;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{HEDGE, Hosts, Seat, Ticket};
use crate::session::{Connection, Host};

/// The right to have one task on a host, until it is dropped.
pub(crate) struct Slot {
    hosts: Arc<Hosts>,
    seat: Seat,
}

/// A slot, and the host with its connection.
pub(crate) struct Turn {
    pub(crate) host: Arc<Host>,
    pub(crate) link: Arc<Connection>,
    pub(crate) slot: Slot,
}

impl Slot {
    pub(super) fn new(hosts: Arc<Hosts>, seat: Seat) -> Self {
        Self { hosts, seat }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.hosts.lock().schedule.give_back(&self.seat);
        self.hosts.go_on(false);
    }
}

/// Who waits; who is dropped does not wait any more.
struct Waiting<'a> {
    hosts: &'a Arc<Hosts>,
    ticket: Ticket,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.hosts.lock();
        state.schedule.cancel(self.ticket);
        let waiter = state.waiting.remove(&self.ticket);
        drop(state);
        drop(waiter);
    }
}

impl Hosts {
    /// A place for a task, which outlives a connection where `lasting`; after who waited before. Fails where no host
    /// can be had. Cancel-safe.
    pub(crate) async fn turn(self: &Arc<Self>, lasting: bool) -> Result<Turn> {
        loop {
            let slot = self.slot(lasting).await?;
            let (host, epoch) = (slot.seat.host, slot.seat.epoch);
            if let Some(link) = self.all[host].present() {
                return Ok(Turn { host: Arc::clone(&self.all[host]), link, slot });
            }
            // Its connection was lost a moment ago.
            self.is_lost(host, epoch);
        }
    }

    async fn slot(self: &Arc<Self>, lasting: bool) -> Result<Slot> {
        let (sender, mut receiver) = oneshot::channel();
        let waiting = {
            let mut state = self.lock();
            let ticket = state.schedule.ask(lasting);
            state.waiting.insert(ticket, sender);
            Waiting { hosts: self, ticket }
        };
        self.go_on(true);
        let answer = loop {
            if self.lock().schedule.is_hopeless() {
                // What was given in that moment is given back.
                break Err(self.nobody());
            }
            match timeout(HEDGE, &mut receiver).await {
                Ok(Ok(answer)) => break answer,
                Ok(Err(_)) => break Err(self.nobody()),
                Err(_) => self.go_on(true),
            }
        };
        drop(waiting);
        answer
    }
}
