//! Other harnesses that have something to say to a keeper about its present task.

use std::io;

use super::Keeper;
use crate::linux::door::Door;
use crate::linux::sys;
use crate::linux::words::{Order, Reply, Request, Word};

impl Keeper {
    /// Opens the door where somebody has knocked, lets guests in, hears them, and closes it after the last.
    pub(super) fn receive_guests(&mut self) {
        if sys::was_knocked() && self.door.is_none() && self.life.is_some() {
            let path = self.record.page().map(|page| page.beside("door"));
            // Who knocked waits for it, and says that nobody answered.
            self.door = path.and_then(|path| Door::open(path).ok());
        }
        let Some(door) = &mut self.door else { return };
        let before = door.guests.len();
        if door.admit().is_err() {
            self.door = None;
            return;
        }
        let newcomers = door.guests.len() - before;
        for index in before..before + newcomers {
            self.greet(index);
        }
        self.hear_guests();
        let Some(door) = &mut self.door else { return };
        let had = door.guests.len();
        door.guests.retain(|guest| !guest.is_closed() || guest.has_unsent());
        if had > 0 && door.guests.is_empty() {
            self.door = None;
        }
    }

    /// Tells a guest what has happened so far.
    fn greet(&mut self, index: usize) {
        let ended = self.ended.map(Word::Ended);
        let empty = (self.told_empty && self.life.is_some()).then_some(Word::Empty);
        for word in [ended, empty].into_iter().flatten() {
            self.tell_guest(index, &word);
        }
    }

    fn tell_guest(&mut self, index: usize, word: &Word) {
        let guest = self.door.as_mut().and_then(|door| door.guests.get_mut(index));
        if let Some(guest) = guest
            && guest.send(word, Vec::new()).is_err()
        {
            guest.give_up();
        }
    }

    /// Tells all of them.
    pub(super) fn tell_guests(&mut self, word: &Word) {
        for index in 0..self.door.as_ref().map_or(0, |door| door.guests.len()) {
            self.tell_guest(index, word);
        }
    }

    fn hear_guests(&mut self) {
        for index in 0..self.door.as_ref().map_or(0, |door| door.guests.len()) {
            while let Ok(Some(request)) = self.next_request(index) {
                let reply = match request.order {
                    Order::SetUp(_) | Order::Start(_) => Reply::Failed("a guest starts nothing".into()),
                    order => self.obey(order, &[]),
                };
                self.tell_guest(index, &Word::Reply(request.number, reply));
            }
        }
    }

    fn next_request(&mut self, index: usize) -> io::Result<Option<Request>> {
        let Some(guest) = self.door.as_mut().and_then(|door| door.guests.get_mut(index)) else {
            return Ok(None);
        };
        let heard = guest.flush().and_then(|()| guest.receive()).and_then(|()| guest.next::<Request>());
        if heard.is_err() {
            guest.give_up();
        }
        heard.map(|heard| heard.map(|(request, _)| request))
    }
}
