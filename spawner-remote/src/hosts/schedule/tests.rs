use proptest::prelude::*;

use super::*;

/// A schedule beside what a slow and simple mind makes of it.
struct Model {
    schedule: Schedule,
    now: Instant,
    trying: Vec<usize>,
    waiting: Vec<Ticket>,
    held: Vec<Seat>,
}

impl Model {
    fn of(hosts: usize) -> Self {
        let schedule = Schedule::new((0..hosts).collect());
        Self { schedule, now: Instant::now(), trying: Vec::new(), waiting: Vec::new(), held: Vec::new() }
    }

    fn slots(&self, host: usize) -> u32 {
        self.schedule.load(host).1
    }

    fn is_valid(&self, seat: &Seat) -> bool {
        seat.lasting || seat.epoch == self.schedule.entries[seat.host].epoch
    }

    fn taken(&self, host: usize) -> u32 {
        let of = self.held.iter().filter(|seat| seat.host == host && self.is_valid(seat));
        u32::try_from(of.count()).unwrap()
    }

    fn free(&self) -> impl Iterator<Item = usize> {
        let hosts = 0..self.schedule.entries.len();
        hosts.filter(|&host| self.schedule.state(host) == State::Up && self.taken(host) < self.slots(host))
    }

    fn try_one(&mut self) {
        self.trying.extend(self.schedule.try_one(self.now));
    }

    /// Takes what is granted, and checks that it is the right one's and the right one.
    fn grant(&mut self) {
        let load = |model: &Self, host: usize| f64::from(model.taken(host)) / f64::from(model.slots(host));
        while let Some((ticket, seat)) = self.schedule.grant() {
            assert_eq!(ticket, self.waiting.remove(0), "who waited longest is first");
            assert_eq!(self.schedule.state(seat.host), State::Up);
            assert!(self.taken(seat.host) < self.slots(seat.host), "never more than its slots");
            let least = self.free().map(|host| load(self, host)).fold(f64::INFINITY, f64::min);
            assert!(load(self, seat.host) <= least + 1e-6, "the least load");
            self.held.push(seat);
        }
        assert!(
            self.waiting.is_empty() || self.free().next().is_none(),
            "nobody waits while there is a slot"
        );
        assert_eq!(self.schedule.has_waiting(), !self.waiting.is_empty());
        for host in 0..self.schedule.entries.len() {
            assert_eq!(self.schedule.load(host).0, self.taken(host), "no slot is lost");
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Ask(bool),
    Cancel(usize),
    GiveBack(usize),
    Up(usize, u32),
    Down(usize),
    Lost(usize),
    Later(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<bool>().prop_map(Step::Ask),
        1 => (0..50usize).prop_map(Step::Cancel),
        4 => (0..50usize).prop_map(Step::GiveBack),
        3 => (0..9usize, 1..4u32).prop_map(|(host, slots)| Step::Up(host, slots)),
        2 => (0..9usize).prop_map(Step::Down),
        1 => (0..9usize).prop_map(Step::Lost),
        1 => (0..90u64).prop_map(Step::Later),
    ];
    prop::collection::vec(step, 0..200)
}

fn picked<T>(from: &mut Vec<T>, at: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(at % from.len()))
}

proptest! {
    #[test]
    fn slots_are_kept_to_and_never_lost_and_turns_are_in_order(hosts in 1..6usize, steps in steps()) {
        let mut model = Model::of(hosts);
        for step in steps {
            match step {
                Step::Ask(lasting) => {
                    let ticket = model.schedule.ask(lasting);
                    model.waiting.push(ticket);
                    model.try_one();
                    if model.schedule.is_hopeless() {
                        prop_assert_eq!(model.schedule.take_waiting(), std::mem::take(&mut model.waiting));
                    }
                }
                Step::Cancel(at) if !model.waiting.is_empty() => {
                    let ticket = model.waiting.remove(at % model.waiting.len());
                    model.schedule.cancel(ticket);
                }
                Step::GiveBack(at) => {
                    if let Some(seat) = picked(&mut model.held, at) {
                        model.schedule.give_back(&seat);
                    }
                }
                Step::Up(at, slots) => {
                    if let Some(host) = picked(&mut model.trying, at) {
                        model.schedule.up(host, NonZeroU32::new(slots).unwrap());
                    }
                }
                Step::Down(at) => {
                    if let Some(host) = picked(&mut model.trying, at) {
                        let given_up = model.schedule.down(host, model.now);
                        if model.schedule.is_hopeless() {
                            prop_assert_eq!(given_up, std::mem::take(&mut model.waiting));
                        } else {
                            prop_assert!(given_up.is_empty());
                        }
                    }
                }
                Step::Lost(at) => {
                    let host = at % hosts;
                    let epoch = model.schedule.entries[host].epoch;
                    model.schedule.lost(host, epoch);
                    model.schedule.lost(host, epoch);
                }
                Step::Later(seconds) => {
                    model.now += Duration::from_secs(seconds);
                    model.try_one();
                }
                Step::Cancel(_) => {}
            }
            model.grant();
        }
        while let Some(seat) = model.held.pop() {
            model.schedule.give_back(&seat);
            model.grant();
        }
        prop_assert!((0..hosts).all(|host| model.schedule.load(host).0 == 0));
    }
}

fn up(schedule: &mut Schedule, slots: &[u32]) {
    let now = Instant::now();
    while schedule.try_one(now).is_some() {}
    for (host, &slots) in slots.iter().enumerate() {
        schedule.up(host, NonZeroU32::new(slots).unwrap());
    }
}

#[test]
fn tasks_are_spread_by_what_each_host_takes() {
    let mut schedule = Schedule::new(vec![0, 1, 2]);
    up(&mut schedule, &[2, 4, 1]);
    for _ in 0..9 {
        schedule.ask(false);
    }
    let hosts: Vec<_> = std::iter::from_fn(|| schedule.grant()).map(|(_, seat)| seat.host).collect();
    let count = |host| hosts.iter().filter(|&&one| one == host).count();
    assert_eq!([count(0), count(1), count(2)], [2, 4, 1]);
    // One each before anybody has two.
    let mut first = hosts[..3].to_vec();
    first.sort_unstable();
    assert_eq!(first, [0, 1, 2]);
    assert!(schedule.has_waiting());
}

#[test]
fn a_host_that_is_down_is_tried_again_later_and_later() {
    let mut schedule = Schedule::new(vec![0, 1]);
    let mut now = Instant::now();
    assert_eq!((schedule.try_one(now), schedule.try_one(now)), (Some(0), Some(1)));
    schedule.up(1, NonZeroU32::MIN);
    assert!(schedule.down(0, now).is_empty());
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(schedule.try_one(now + Duration::from_secs(pause) - Duration::from_millis(1)), None);
        now += Duration::from_secs(pause);
        assert_eq!(schedule.try_one(now), Some(0));
        schedule.down(0, now);
    }
    now += Duration::from_mins(1);
    assert_eq!(schedule.try_one(now), Some(0));
    schedule.up(0, NonZeroU32::MIN);
    schedule.lost(0, 0);
    // It answered meanwhile: it is asked at once, and then soon.
    assert_eq!(schedule.try_one(now), Some(0));
    schedule.down(0, now);
    assert_eq!(schedule.try_one(now + Duration::from_secs(1)), Some(0));
}

#[test]
fn what_outlives_a_connection_keeps_its_slot() {
    let mut schedule = Schedule::new(vec![0]);
    up(&mut schedule, &[3]);
    schedule.ask(true);
    schedule.ask(false);
    let (lasting, other) = (schedule.grant().unwrap().1, schedule.grant().unwrap().1);
    schedule.lost(0, 0);
    assert_eq!(schedule.load(0).0, 1);
    schedule.give_back(&other);
    assert_eq!(schedule.load(0).0, 1);
    schedule.give_back(&lasting);
    assert_eq!(schedule.load(0).0, 0);
}
