//! Walks at random: lines ask what they like and end when they like, and after every step it is counted what must be there.
//!
//! `MANAGER_WALKS=100000 cargo test -p runtime --release keeper::tests::walk` walks farther; a failure names its seed, and
//! `MANAGER_SEED=… MANAGER_WALKS=1` goes that way again.

use super::{Action, Answer, Ask, Keeper, Kind, LOCK, LineId, RLOCK, parcel};
use crate::{process::manager::wire::Owner, testing::random::Random};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
};

const STEPS: usize = 300;

#[test]
fn whatever_happens_the_books_balance() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, walks) = (
        number("MANAGER_SEED").unwrap_or(0),
        number("MANAGER_WALKS").unwrap_or(if cfg!(miri) { 2 } else { 200 }),
    );
    let mut answers = BTreeMap::new();
    for seed in first..first + walks {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
            world.check();
        }
        world.wind_up();
        for (what, count) in world.answers {
            *answers.entry(what).or_insert(0) += count;
        }
    }
    // A walk that never comes to where things may go wrong proves nothing.
    let all = [
        "abandoned",
        "broken",
        "closed",
        "declined",
        "done",
        "granted",
        "no",
        "notified",
        "number",
        "refused",
    ];
    if walks >= 100 {
        assert_eq!(answers.keys().copied().collect::<Vec<_>>(), all, "{answers:?}");
    }
}

/// What a line is about to a client who keeps to the rules, most of the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line {
    Idle,
    Waits(Ask),
    /// So many permits, of that owner.
    Holds(u64, u64),
}

struct World {
    seed: u64,
    random: Random,
    keeper: Keeper,
    kind: Kind,
    root: LineId,
    lines: BTreeMap<LineId, Line>,
    permits: u64,
    /// Items that were put and are nobody's yet, in order; those that a line was given and has not said that it took.
    items: BTreeSet<u64>,
    offered: BTreeMap<LineId, u64>,
    waiting_items: BTreeMap<LineId, u64>,
    next_item: u64,
    answers: BTreeMap<&'static str, usize>,
}

impl World {
    fn new(seed: u64) -> Self {
        let random = Random::stream(seed, 1);
        let kinds = [
            LOCK,
            RLOCK,
            Kind::Permits { many: 3, most: None, reentrant: false },
            Kind::Barrier { parties: 3 },
            Kind::Queue { most: Some(2) },
            Kind::Event,
        ];
        let kind = kinds[random.below(kinds.len() as u64) as usize];
        let (mut keeper, manager) = Keeper::new(12);
        keeper.ask(manager, Ask::Open, Vec::new(), true);
        let [Action::Attach(desk)] = keeper.take_actions()[..] else { panic!() };
        keeper.ask(desk, Ask::New { kind }, Vec::new(), true);
        let Action::Attach(root) = keeper.take_actions()[0] else { panic!() };
        Self {
            seed,
            random,
            keeper,
            kind,
            root,
            lines: BTreeMap::new(),
            permits: if let Kind::Permits { many, .. } = kind { many } else { 0 },
            items: BTreeSet::new(),
            offered: BTreeMap::new(),
            waiting_items: BTreeMap::new(),
            next_item: 0,
            answers: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        if self.lines.len() < 3 || self.random.chance(0.1) {
            self.keeper.ask(self.root, Ask::Open, Vec::new(), true);
            return self.take_in();
        }
        let at = self.random.below(self.lines.len() as u64) as usize;
        let (&line, &state) = self.lines.iter().nth(at).expect("there is one");
        if self.random.chance(0.05) {
            // It dies, or gives up.
            self.forget(line);
            match self.random.chance(0.5) {
                true => self.keeper.ended(line),
                false => self.keeper.ask(line, Ask::Withdraw, Vec::new(), false),
            }
            return self.take_in();
        }
        let ask = match state {
            Line::Idle => self.question(),
            Line::Waits(Ask::Wait | Ask::Arrive) if self.random.chance(0.2) => Ask::TimeIsUp,
            Line::Waits(_) if self.random.chance(0.02) => Ask::Len,
            Line::Waits(_) => return,
            Line::Holds(1, _) if self.random.chance(0.3) && self.kind == LOCK => Ask::Wait,
            Line::Holds(..) if self.random.chance(0.1) => {
                return self.keeper.ask(line, Ask::Mend, Vec::new(), false);
            }
            Line::Holds(..) if self.random.chance(0.3) => Ask::LetGo,
            Line::Holds(..) => Ask::Release,
        };
        self.say(line, ask);
    }

    /// What somebody who waits for nothing may ask.
    fn question(&mut self) -> Ask {
        let wait = self.random.chance(0.8);
        let of = |list: &[Ask]| list[self.random.below(list.len() as u64) as usize];
        match self.kind {
            Kind::Permits { many, most, .. } => {
                let by = Owner { pid: 1, task: self.random.below(3) };
                let many = self.random.up_to(many as usize) as u64;
                let acquire = Ask::Acquire { many, by, wait };
                let others = [
                    acquire,
                    acquire,
                    Ask::Permits,
                    Ask::Notify { many: 1 },
                    Ask::AddPermits { many: u64::MAX },
                ];
                match most {
                    Some(_) => of(&[others[0], others[1], others[2], others[3], Ask::AddPermits { many: 1 }]),
                    None => of(&others),
                }
            }
            Kind::Barrier { .. } if self.random.chance(0.9) => Ask::Arrive,
            Kind::Barrier { .. } => of(&[Ask::Waiting, Ask::Abort, Ask::Reset, Ask::Reset]),
            Kind::Queue { .. } if self.random.chance(0.01) => Ask::Close,
            Kind::Queue { .. } => of(&[Ask::Put { wait }, Ask::Get { wait }, Ask::Len]),
            _ => of(&[Ask::WaitSet, Ask::Set, Ask::Unset, Ask::IsSet, Ask::Wait]),
        }
    }

    fn say(&mut self, line: LineId, ask: Ask) {
        let mut parcels = Vec::new();
        // Who asks for more has taken what it was given.
        self.offered.remove(&line);
        match ask {
            Ask::Put { .. } => {
                self.next_item += 1;
                parcels.push(parcel(&self.next_item.to_string()));
                self.waiting_items.insert(line, self.next_item);
            }
            Ask::LetGo | Ask::Release | Ask::Wait => {
                if let Some(Line::Holds(many, _)) = self.lines.insert(line, Line::Idle) {
                    self.give_back(many);
                }
            }
            _ => {}
        }
        if !matches!(ask, Ask::LetGo | Ask::TimeIsUp) {
            self.lines.insert(line, Line::Waits(ask));
        }
        self.keeper.ask(line, ask, parcels, false);
        self.take_in();
    }

    fn give_back(&mut self, many: u64) {
        let is_held_still = self.lines.values().any(|line| matches!(line, Line::Holds(..)));
        match self.kind {
            Kind::Permits { reentrant: true, .. } if is_held_still => {}
            _ => self.permits += many,
        }
    }

    /// A line ends: what it had is somebody else's.
    fn forget(&mut self, line: LineId) {
        if let Some(Line::Holds(many, _)) = self.lines.remove(&line) {
            self.give_back(many);
        }
        self.waiting_items.remove(&line);
        if let Some(item) = self.offered.remove(&line) {
            self.items.insert(item);
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.answers.entry(what).or_insert(0) += 1;
    }

    /// What the keeper has decided.
    fn take_in(&mut self) {
        for action in self.keeper.take_actions() {
            match action {
                Action::Attach(line) => drop(self.lines.insert(line, Line::Idle)),
                Action::Close(line) => self.forget(line),
                Action::Decline(_) => assert!(self.lines.len() >= 9, "seed {}: too early", self.seed),
                Action::Finish => panic!("seed {}: it has finished", self.seed),
                Action::Answer { line, answer, parcels } => {
                    let asked = self.lines.get(&line).copied();
                    let Some(Line::Waits(ask)) = asked else {
                        panic!("seed {}: {answer:?} to {line:?}, which is {asked:?}", self.seed)
                    };
                    self.answered(line, ask, &answer, parcels.first().map(|parcel| parcel.bytes.as_ref()));
                }
            }
        }
    }

    fn answered(&mut self, line: LineId, ask: Ask, answer: &Answer, item: Option<&[u8]>) {
        self.lines.insert(line, Line::Idle);
        match (ask, answer) {
            (Ask::Acquire { many, by, .. }, Answer::Granted { .. }) => self.granted(line, many, by.task),
            (Ask::Wait, Answer::Granted { .. }) => self.granted(line, 1, 99),
            (Ask::Put { .. }, Answer::Done) => {
                self.items.extend(self.waiting_items.remove(&line));
            }
            (Ask::Put { .. }, _) => drop(self.waiting_items.remove(&line)),
            (Ask::Get { .. }, Answer::Done) => {
                let item = std::str::from_utf8(item.expect("an item")).unwrap().parse().unwrap();
                // What is answered at the same time to who has put it comes later.
                let is_there =
                    self.items.remove(&item) || self.waiting_items.values().any(|&other| other == item);
                assert!(is_there, "seed {}: item {item} came out of nowhere", self.seed);
                self.offered.insert(line, item);
                self.next_to_take(line);
            }
            (Ask::AddPermits { many }, Answer::Done) => self.permits += many,
            _ => {}
        }
        self.count(match answer {
            Answer::Done => "done",
            Answer::No => "no",
            Answer::Is { .. } | Answer::Number { .. } => "number",
            Answer::Granted { abandoned: true, .. } => "abandoned",
            Answer::Granted { notified: true, .. } => "notified",
            Answer::Granted { .. } => "granted",
            Answer::Closed => "closed",
            Answer::Broken => "broken",
            Answer::Refused { .. } => "refused",
            Answer::Declined { .. } => "declined",
        });
    }

    /// Half of those who were given an item say so; the others are slow.
    fn next_to_take(&mut self, line: LineId) {
        if self.random.chance(0.5) {
            self.offered.remove(&line);
            self.keeper.ask(line, Ask::Took, Vec::new(), false);
        }
    }

    fn granted(&mut self, line: LineId, many: u64, task: u64) {
        let is_again = matches!(self.kind, Kind::Permits { reentrant: true, .. })
            && self.lines.values().any(|line| matches!(line, Line::Holds(_, by) if *by == task));
        if !is_again {
            let left = self.permits.checked_sub(many);
            self.permits =
                left.unwrap_or_else(|| panic!("seed {}: more is granted than there is", self.seed));
        }
        self.lines.insert(line, Line::Holds(many, task));
    }

    /// Nobody waits for what is there.
    fn check(&mut self) {
        let waits = |what: fn(&Ask) -> bool| {
            self.lines.values().filter(|line| matches!(line, Line::Waits(ask) if what(ask))).count()
        };
        let context = || format!("seed {}: {:?}", self.seed, self.keeper);
        match self.kind {
            Kind::Permits { .. } => {
                let is_waited_for = waits(|ask| matches!(ask, Ask::Acquire { many: 1, .. })) > 0
                    && waits(|ask| matches!(ask, Ask::Acquire { many: 2.., .. })) == 0;
                assert!(self.permits == 0 || !is_waited_for, "{}", context());
                let holds =
                    |task| self.lines.values().any(|line| matches!(line, Line::Holds(_, by) if *by == task));
                let is_kept_from_its_own = self.lines.values().any(
                    |line| matches!(line, Line::Waits(Ask::Acquire { by, .. }) if self.kind == RLOCK && holds(by.task)),
                );
                assert!(!is_kept_from_its_own, "{}", context());
            }
            Kind::Barrier { parties } => {
                assert!(waits(|ask| *ask == Ask::Arrive) < parties as usize, "{}", context());
            }
            Kind::Queue { most } => {
                let (put, get) = (
                    waits(|ask| matches!(ask, Ask::Put { .. })),
                    waits(|ask| matches!(ask, Ask::Get { .. })),
                );
                assert!(get == 0 || (self.items.is_empty() && put == 0), "{}", context());
                assert!(put == 0 || self.items.len() as u64 >= most.unwrap_or(u64::MAX), "{}", context());
            }
            _ => {}
        }
    }

    /// All who are left end, and nothing is left but the manager.
    fn wind_up(&mut self) {
        let lines: Vec<LineId> = self.lines.keys().copied().collect();
        for line in lines {
            self.forget(line);
            self.keeper.ended(line);
            self.take_in();
            self.check();
        }
        assert_eq!(self.keeper.objects(), 1);
        self.keeper.ended(self.root);
        assert_eq!(self.keeper.objects(), 0, "seed {}", self.seed);
    }
}
