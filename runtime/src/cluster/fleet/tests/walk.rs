//! Walks at random: a world that launches, kills and delays as it likes, and a list of what must hold after every step.
//!
//! `FLEET_WALKS=100000 cargo test -p runtime --release fleet::tests::walk` walks farther; a failure names its seed, and
//! `FLEET_SEED=… FLEET_WALKS=1` goes that way again.

use super::super::{
    Action, End, Ended, Event, Fleet, Generation, LifeId, Line, SlotId, State, What, life::Phase,
    replace::Reload, slot::Standing,
};
use super::{in_short, ms, secs};
use crate::{
    cluster::{
        exit_reason::ExitReason,
        settings::{Listeners, MaxRequests, Restart, Settings},
    },
    testing::random::Random,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    env, fmt,
    mem::{self, Discriminant},
    time::Duration,
};

const STEPS: usize = 250;

#[test]
fn whatever_happens_the_rules_hold() {
    walk_all(Weather::Wild);
}

#[test]
fn crashes_alone_never_restart_faster_than_the_policy() {
    walk_all(Weather::Calm);
}

fn walk_all(weather: Weather) {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, walks) = (number("FLEET_SEED").unwrap_or(0), number("FLEET_WALKS").unwrap_or(100));
    let (mut ends, mut actions, mut lines) = (BTreeSet::new(), HashSet::new(), HashSet::new());
    for seed in first..first + walks {
        let mut world = World::new(seed, weather);
        for _ in 0..STEPS {
            world.step();
        }
        world.wind_up();
        ends.insert(format!("{:?}", world.finished));
        actions.extend(world.seen_actions);
        lines.extend(world.seen_lines);
    }
    // A walk that never comes to where things may go wrong proves nothing.
    if walks >= 100 {
        assert!(ends.len() > 1, "every walk ends alike: {ends:?}");
        assert!(
            weather == Weather::Calm || (actions.len(), lines.len()) == (13, 16),
            "{actions:?} {lines:?}"
        );
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weather {
    /// Anything.
    Wild,
    /// Workers start and crash; nobody reloads, resizes or recycles.
    Calm,
}

#[derive(Debug)]
enum Entry {
    Event(Event),
    Action(Action),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => write!(f, "{event:?}"),
            Self::Action(action) => write!(f, "    {}", in_short(action)),
        }
    }
}

/// What the kernel knows of a worker.
struct Real {
    slot: SlotId,
    generation: Generation,
    ready_at: Option<Duration>,
    is_stopping: bool,
    is_hurried: bool,
    is_aborted: bool,
    killed_at: Option<Duration>,
    beats: u64,
    is_silent: bool,
    /// Not even SIGKILL.
    is_immortal: bool,
}

struct World {
    seed: u64,
    weather: Weather,
    random: Random,
    settings: Settings,
    fleet: Fleet,
    now: Duration,
    lives: BTreeMap<LifeId, Real>,
    /// Left behind by the fleet; they may die yet.
    abandoned: BTreeSet<LifeId>,
    launched: u64,
    ended: u64,
    forced: u64,
    programs: BTreeSet<Generation>,
    adopters: BTreeMap<SlotId, LifeId>,
    routine_lines: BTreeMap<SlotId, u64>,
    last_aborts: Option<Duration>,
    /// In calm weather: per slot its launches, and since when it is empty and how long its streak is.
    launches: BTreeMap<SlotId, Vec<Duration>>,
    empty: BTreeMap<SlotId, (Duration, u32)>,
    /// Of the one whose end is just being told, since when it was ready.
    dying_since_ready: Option<Duration>,
    opening: bool,
    stopped_at: Option<Duration>,
    has_said_stop: bool,
    finished: Option<End>,
    seen_actions: HashSet<Discriminant<Action>>,
    seen_lines: HashSet<Discriminant<What>>,
    /// The last of what happened; put into words only if something is wrong.
    transcript: VecDeque<(Duration, Entry)>,
}

impl World {
    fn new(seed: u64, weather: Weather) -> Self {
        let random = Random::stream(seed, 1);
        let mut settings = Settings { max_workers: 6, max_draining: random.up_to(3), ..Settings::default() };
        settings.grace = secs(random.below(40));
        if random.chance(0.5) {
            settings.listeners = Listeners::ReusePort;
        }
        if random.chance(0.5) {
            settings.max_requests = Some(MaxRequests { limit: 10, jitter: 5 });
        }
        if weather == Weather::Wild && random.chance(0.7) {
            // Otherwise most walks end early.
            settings.intensity.restarts = 50;
        }
        if weather == Weather::Wild {
            settings.restart = match random.below(10) {
                0 => Restart::Never,
                1 => Restart::OnFailure,
                _ => Restart::Always,
            };
        }
        let workers = random.up_to(4);
        let fleet = Fleet::new(Duration::ZERO, settings.clone(), workers, seed);
        let mut world = Self {
            seed,
            weather,
            random,
            settings,
            fleet,
            now: Duration::ZERO,
            lives: BTreeMap::new(),
            abandoned: BTreeSet::new(),
            launched: 0,
            ended: 0,
            forced: 0,
            programs: BTreeSet::from([Generation(0)]),
            adopters: BTreeMap::new(),
            routine_lines: BTreeMap::new(),
            last_aborts: None,
            launches: BTreeMap::new(),
            empty: BTreeMap::new(),
            dying_since_ready: None,
            opening: false,
            stopped_at: None,
            has_said_stop: false,
            finished: None,
            seen_actions: HashSet::new(),
            seen_lines: HashSet::new(),
            transcript: VecDeque::new(),
        };
        world.obey(Blame::Nobody, 0);
        world.look_round();
        world
    }

    #[track_caller]
    fn check(&self, holds: bool, rule: &str) {
        if !holds {
            let line = |(at, entry): &(Duration, Entry)| format!("\n  {at:?} {entry}");
            let lines: String = self.transcript.iter().map(line).collect();
            panic!("{rule}; seed {}, at {:?}{lines}", self.seed, self.now);
        }
    }

    fn note(&mut self, entry: Entry) {
        if self.transcript.len() == 60 {
            self.transcript.pop_front();
        }
        self.transcript.push_back((self.now, entry));
    }

    fn step(&mut self) {
        if self.finished.is_some() {
            return;
        }
        self.answer_orders();
        let calm = self.weather == Weather::Calm;
        match self.random.below(100) {
            0..25 => self.pass_time(),
            25..50 => self.somebody_becomes_ready(),
            50..62 => self.somebody_dies(),
            62..66 if !calm => self.with_any(|world, life| {
                if world.lives[&life].ready_at.is_none() && !world.abandoned.contains(&life) {
                    world.lives.remove(&life);
                    world.say(Event::LaunchFailed(life, "EAGAIN".to_owned()), Blame::Life(life));
                }
            }),
            66..70 => self.with_any(|world, life| {
                let real = world.lives.get_mut(&life).unwrap();
                real.is_silent ^= true;
            }),
            _ if calm => self.pass_time(),
            70..76 => self.with_any(|world, life| world.say(Event::Recycle(life), Blame::Nobody)),
            76..78 => self.with_any(|world, life| {
                world.say(Event::Protocol(life, "nonsense".to_owned()), Blame::Life(life));
            }),
            78..85 => self.say(Event::Reload, Blame::Nobody),
            85..88 => self.say(Event::Grow, Blame::Nobody),
            88..91 => self.say(Event::Shrink, Blame::Nobody),
            91..95 => self.speak_of_the_dead(),
            95..97 => self.with_any(|world, life| {
                world.say(Event::Ending { life, forced: 0 }, Blame::Life(life));
            }),
            97..99 => self.with_any(|world, life| world.lives.get_mut(&life).unwrap().is_immortal = true),
            _ if self.random.chance(0.1) => {
                let fast = self.random.chance(0.5);
                self.say(Event::Stop { fast }, Blame::Nobody);
            }
            _ => {}
        }
    }

    /// Stops whatever is left, and sees that it ends within the times that were promised.
    fn wind_up(&mut self) {
        if self.finished.is_none() && self.stopped_at.is_none() {
            self.say(Event::Stop { fast: false }, Blame::Nobody);
        }
        let settings = &self.settings;
        let promised =
            settings.grace + settings.kill_margin + settings.heartbeat.abort_grace + settings.reap_timeout;
        let by = self.stopped_at.unwrap_or(self.now) + promised;
        while self.finished.is_none() {
            self.answer_orders();
            if self.finished.is_some() {
                break;
            }
            if self.random.chance(0.1) {
                let fast = self.random.chance(0.5);
                self.say(Event::Stop { fast }, Blame::Nobody);
                continue;
            }
            let due = self.fleet.next_deadline();
            self.check(due.is_some_and(|due| due <= by), "it does not end in time");
            self.now = self.now.max(due.unwrap());
            self.tick();
        }
        let still_there = self.lives.keys().all(|life| self.abandoned.contains(life));
        self.check(still_there, "it ended, but not everybody has");
        self.check(self.launched == self.ended, "each life ends once");
        self.say(Event::Reload, Blame::Nobody);
        self.now += secs(100);
        self.tick();
    }

    fn pass_time(&mut self) {
        let until = self.now
            + self.random.duration(&match self.random.below(10) {
                0 => secs(0)..=secs(60),
                1..4 => secs(0)..=secs(3),
                _ => ms(0)..=ms(200),
            });
        if self.random.chance(0.05) {
            // The supervisor sleeps through it all.
            self.now = until;
            return self.tick();
        }
        while let Some(due) =
            self.fleet.next_deadline().filter(|&due| due <= until && self.finished.is_none())
        {
            self.now = self.now.max(due);
            self.tick();
            self.answer_orders();
        }
        self.now = until;
    }

    fn tick(&mut self) {
        let serving = self.serving();
        self.fleet.tick(self.now);
        self.obey(Blame::Nobody, serving);
        self.look_round();
        let due = self.fleet.next_deadline();
        self.check(due.is_none_or(|due| due > self.now), "a deadline that has passed is kept");
    }

    fn say(&mut self, event: Event, blame: Blame) {
        let serving = self.serving();
        let dies = match blame {
            Blame::Life(life) => self.fleet.lives.get(&life).is_some_and(|life| life.phase.is_serving()),
            Blame::Nobody => false,
        };
        if matches!(event, Event::Stop { .. }) {
            self.stopped_at.get_or_insert(self.now);
        }
        self.note(Entry::Event(event.clone()));
        self.fleet.handle(self.now, event);
        self.obey(blame, serving - usize::from(dies));
        self.look_round();
    }

    fn serving(&self) -> usize {
        self.fleet.lives().filter(|(.., state)| *state == State::Serving).count()
    }

    fn with_any(&mut self, act: impl FnOnce(&mut Self, LifeId)) {
        if self.lives.is_empty() {
            return;
        }
        let nth = self.random.below(self.lives.len() as u64) as usize;
        let life = *self.lives.keys().nth(nth).unwrap();
        act(self, life);
    }

    fn somebody_becomes_ready(&mut self) {
        self.with_any(|world, life| {
            let now = world.now;
            let real = world.lives.get_mut(&life).unwrap();
            if real.killed_at.is_none() {
                real.ready_at.get_or_insert(now);
                world.say(Event::Ready(life), Blame::Nobody);
            }
        });
    }

    fn somebody_dies(&mut self) {
        self.with_any(|world, life| {
            let how = match world.random.below(6) {
                0 => Ended::Code(0),
                1 => Ended::Code(1),
                2 if world.random.chance(0.1) => Ended::Code(78),
                3 => Ended::OutOfMemory,
                _ => Ended::Signal { signal: 11, core_dumped: true },
            };
            world.dies(life, how);
        });
    }

    fn dies(&mut self, life: LifeId, how: Ended) {
        self.dying_since_ready = self.lives.remove(&life).and_then(|real| real.ready_at);
        self.abandoned.remove(&life);
        let open = self.random.below(4);
        self.say(Event::Exited { life, how, open }, Blame::Life(life));
    }

    /// Whoever was told something may do it now, or later.
    fn answer_orders(&mut self) {
        if self.opening && self.random.chance(0.5) {
            self.opening = false;
            let result = if self.random.chance(0.9) { Ok(()) } else { Err("gone".to_owned()) };
            self.say(Event::ProgramOpened(result), Blame::Nobody);
        }
        let told: Vec<LifeId> = self
            .lives
            .iter()
            .filter(|(_, real)| real.killed_at.is_some() || real.is_aborted || real.is_stopping)
            .map(|(&life, _)| life)
            .collect();
        for life in told {
            let real = &self.lives[&life];
            if !self.random.chance(0.3) || real.is_immortal {
                continue;
            }
            if real.killed_at.is_some() || real.is_aborted {
                self.dies(life, Ended::Signal { signal: 9, core_dumped: false });
            } else {
                if self.random.chance(0.5) {
                    let forced = self.random.below(3);
                    self.say(Event::Ending { life, forced }, Blame::Nobody);
                }
                self.dies(life, Ended::Code(0));
            }
        }
    }

    fn speak_of_the_dead(&mut self) {
        let life = LifeId(self.random.below(self.launched + 3));
        if self.lives.contains_key(&life) && !self.abandoned.contains(&life) {
            return;
        }
        let before = self.fleet.lives().count();
        for event in [
            Event::Ready(life),
            Event::Recycle(life),
            Event::Protocol(life, String::new()),
            Event::Ending { life, forced: 5 },
            Event::LaunchFailed(life, String::new()),
        ] {
            self.say(event, Blame::Nobody);
        }
        self.check(self.fleet.lives().count() == before, "the dead change nothing");
    }
}

/// Who is the reason that somebody does not serve any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blame {
    Life(LifeId),
    Nobody,
}

/// What the fleet wants done, and whether it may.
impl World {
    fn obey(&mut self, blame: Blame, serving_before: usize) {
        let mut aborted = 0;
        let mut looks = false;
        for action in self.fleet.take_actions() {
            self.seen_actions.insert(mem::discriminant(&action));
            self.note(Entry::Action(action.clone()));
            self.check(self.finished.is_none(), "after the end nothing happens");
            aborted += usize::from(matches!(action, Action::Abort { .. }));
            looks |= action == Action::ReadBeats;
            self.obey_one(&action);
        }
        let is_over = self.finished.is_some() || self.fleet.is_stopping();
        let serving = self.serving();
        if aborted > 0 {
            self.check(aborted == 1 || serving == 0, "one abort per look, unless nobody's heart beats");
            let since = self.last_aborts.replace(self.now).map(|last| self.now - last);
            let interval = self.settings.heartbeat.interval;
            self.check(since.is_none_or(|since| since >= interval), "no two aborts within an interval");
        } else if serving_before > 0 && !is_over {
            self.check(serving > 0, "nobody goes for the sake of somebody who does not serve");
        }
        if let Blame::Life(life) = blame {
            let is_left = self.fleet.lives().any(|(id, .., state)| id == life && state == State::Serving);
            self.check(!is_left, "who dies does not serve");
        }
        if looks {
            self.beat();
        }
    }

    fn beat(&mut self) {
        let mut counts = Vec::new();
        for (&life, real) in &mut self.lives {
            real.beats += u64::from(!real.is_silent);
            counts.push((life, real.beats));
        }
        self.fleet.handle(self.now, Event::Beats(counts));
        self.obey(Blame::Nobody, 0);
        self.look_round();
    }

    fn obey_one(&mut self, action: &Action) {
        let phase = |life: LifeId| self.lives.get(&life).map(|real| (real.is_stopping, real.killed_at));
        match *action {
            Action::Launch { life, slot, generation, max_requests } => {
                self.check(!self.has_said_stop, "a fleet that stops launches nobody");
                self.check(self.programs.contains(&generation), "only an open program is launched");
                let allowed = self.settings.max_requests.map(|max| max.limit..=max.limit + max.jitter);
                self.check(
                    max_requests.zip(allowed).is_none_or(|(max, range)| range.contains(&max)),
                    "max requests",
                );
                self.check(LifeId(self.launched) == life, "names are given once, in order");
                self.launched += 1;
                self.launch(life, slot, generation);
            }
            Action::StopWorker { life, last, .. } => {
                self.check(phase(life) == Some((false, None)), "who is stopped was not stopped before");
                self.check(self.lives[&life].ready_at.is_some(), "only who is ready is asked to stop");
                self.check(last == self.has_said_stop, "it is the last stop if the fleet stops");
                self.lives.get_mut(&life).unwrap().is_stopping = true;
            }
            Action::Hurry { life } => {
                self.check(phase(life) == Some((true, None)), "only who is stopping can be hurried");
                self.check(!self.lives[&life].is_hurried, "nobody is hurried twice");
                self.lives.get_mut(&life).unwrap().is_hurried = true;
            }
            Action::Abort { life } => {
                self.check(phase(life) == Some((false, None)), "only who serves is aborted");
                let real = self.lives.get_mut(&life).unwrap();
                let was_aborted = mem::replace(&mut real.is_aborted, true);
                self.check(!was_aborted && self.lives[&life].ready_at.is_some(), "nobody is aborted twice");
            }
            Action::Kill { life } => {
                self.check(phase(life).is_some_and(|(_, killed)| killed.is_none()), "nobody is killed twice");
                self.lives.get_mut(&life).unwrap().killed_at = Some(self.now);
            }
            Action::Ended { life, slot, ref reason, .. } => self.has_ended(life, slot, reason),
            Action::Adopt { slot, by } => {
                self.check(self.settings.listeners == Listeners::ReusePort, "a shared socket is not adopted");
                self.adopters.insert(slot, by);
            }
            Action::Release { slot, by } => {
                let adopter = self.adopters.remove(&slot);
                self.check(adopter == Some(by), "who releases has adopted");
            }
            Action::OpenProgram { .. } | Action::CloseProgram { .. } => self.open_or_close(action),
            Action::ReadBeats => {}
            Action::Log(ref line) => self.log(line),
            Action::Finish(outcome) => {
                self.check(outcome.forced == self.forced, "every connection that was cut is counted");
                self.check(
                    outcome.abandoned == self.abandoned.len() as u64,
                    "whoever is left behind is counted",
                );
                self.finished = Some(outcome.end);
            }
        }
    }

    fn open_or_close(&mut self, action: &Action) {
        match *action {
            Action::OpenProgram { generation } => {
                let is_new = self.programs.insert(generation);
                self.check(is_new && !self.opening, "programs are opened one by one");
                self.check(self.programs.len() <= 2, "there is an old program and a new one");
                self.opening = true;
            }
            Action::CloseProgram { generation } => {
                self.opening = false;
                let was_open = self.programs.remove(&generation);
                self.check(was_open, "only what is open is closed");
            }
            _ => {}
        }
    }

    fn log(&mut self, line: &Line) {
        self.seen_lines.insert(mem::discriminant(&line.what));
        self.has_said_stop |= matches!(line.what, What::Stopping { .. } | What::NobodyLeft);
        if let What::Ended { slot, .. } | What::Ready { slot, .. } | What::Recycling { slot, .. } = line.what
            && line.what.is_routine()
        {
            // Ten at once, and one a second after that.
            let lines = self.routine_lines.entry(slot).or_default();
            *lines += 1;
            let most = 10 + self.now.as_secs();
            let is_within = *lines <= most;
            self.check(is_within, "a line a second");
        }
    }

    fn launch(&mut self, life: LifeId, slot: SlotId, generation: Generation) {
        let real = Real {
            slot,
            generation,
            ready_at: None,
            is_stopping: false,
            is_hurried: false,
            is_aborted: false,
            killed_at: None,
            beats: 0,
            is_silent: false,
            is_immortal: false,
        };
        self.lives.insert(life, real);
        if self.weather == Weather::Calm {
            self.check_policy(slot);
        }
    }

    /// The restart policy once more, in its own words.
    fn check_policy(&mut self, slot: SlotId) {
        let (intensity, back_off) = (self.settings.intensity, self.settings.back_off);
        if let Some((since, streak)) = self.empty.get(&slot) {
            let doubled =
                (1..streak.saturating_sub(1)).fold(back_off.first, |wait, _| (wait * 2).min(back_off.cap));
            let least = if *streak <= 1 { Duration::ZERO } else { doubled * 4 / 5 };
            self.check(self.now - *since >= least, "no restart before its time");
        }
        let now = self.now;
        let launches = self.launches.entry(slot).or_default();
        launches.push(now);
        let recent = launches.iter().filter(|&&at| now - at < intensity.within).count();
        // Launches that fail do not count, so there are none in calm weather.
        self.check(recent <= intensity.restarts + 1, "not too many restarts in too short a time");
    }

    fn has_ended(&mut self, life: LifeId, slot: SlotId, reason: &ExitReason) {
        self.ended += 1;
        let mut ready_at = self.dying_since_ready;
        if let Some(real) = self.lives.get(&life) {
            // It is still there, so the fleet has given up on it.
            let killed_for = real.killed_at.map(|at| self.now - at);
            let is_late = killed_for.is_some_and(|time| time >= self.settings.reap_timeout);
            self.check(is_late, "only who does not die of SIGKILL is left behind");
            ready_at = real.ready_at;
            let is_first = self.abandoned.insert(life);
            self.check(is_first, "nobody is left behind twice");
        }
        let was_healthy = ready_at.is_some_and(|at| self.now - at >= self.settings.back_off.healthy_after);
        let streak = self.empty.get(&slot).map_or(0, |&(_, streak)| if was_healthy { 0 } else { streak });
        self.empty.insert(slot, (self.now, streak + 1));
        if let (ExitReason::Forced { connections }, true) = (reason, self.fleet.is_stopping()) {
            self.forced += connections;
        }
    }
}

/// What must hold whenever the fleet has done what it does.
impl World {
    fn look_round(&self) {
        let fleet = &self.fleet;
        for (id, life) in &fleet.lives {
            let real = self.lives.get(id);
            self.check(real.is_some_and(|real| real.slot == life.slot), "the fleet counts only who is there");
            self.check(real.is_some_and(|real| real.generation == life.generation), "and what they run");
        }
        if self.finished.is_some() {
            self.check(fleet.next_deadline().is_none(), "after the end there is no deadline");
            return;
        }
        self.check(fleet.lives.len() + self.abandoned.len() == self.lives.len(), "nobody is forgotten");
        if fleet.is_stopping() {
            self.check(
                fleet.lives.values().all(|life| !life.phase.is_serving()),
                "all have been told to stop",
            );
            return;
        }
        let active = fleet.slots.iter().filter(|slot| slot.standing != Standing::Retired).count();
        self.check((1..=self.settings.max_workers).contains(&active), "as many slots as there may be");
        for (index, slot) in fleet.slots.iter().enumerate() {
            self.look_at_slot(SlotId(index as u32), slot);
        }
        self.look_at_drains();
    }

    fn look_at_slot(&self, id: SlotId, slot: &super::super::slot::Slot) {
        let fleet = &self.fleet;
        let is_reloading = matches!(fleet.reload, Reload::Starting { .. });
        let of_slot = || fleet.lives.values().filter(|life| life.slot == id);
        let serving = of_slot().filter(|life| life.phase.is_serving()).count();
        let booting = of_slot().filter(|life| life.phase.is_booting()).count();
        let most =
            1 + usize::from(is_reloading || slot.next.is_some()) + usize::from(slot.stand_in.is_some());
        self.check(serving <= most, "one serves a slot, but for a hand-over");
        self.check(booting <= most, "one starts in a slot, but for a hand-over");
        let members = [slot.current, slot.next, slot.stand_in];
        let attached = |life: &LifeId| fleet.lives.get(life).is_some_and(|life| life.slot == id);
        self.check(members.iter().flatten().all(attached), "who is in a slot lives");
        for (life_id, life) in fleet.lives.iter().filter(|(_, life)| life.slot == id) {
            if life.phase.is_serving() || life.phase.is_booting() {
                self.check(members.contains(&Some(*life_id)), "who serves or starts is in a slot");
            }
        }
        match slot.standing {
            Standing::Active => {
                self.check(
                    slot.current.is_some() != slot.restart_at.is_some(),
                    "a slot has a worker or will have",
                );
            }
            _ => self.check(slot.current.is_none() && slot.restart_at.is_none(), "who was given up stays so"),
        }
        if self.settings.listeners == Listeners::ReusePort && self.serving() > 0 {
            let adopter = self.adopters.get(&id).filter(|&&by| fleet.is_serving(Some(by)));
            self.check((serving > 0) != adopter.is_some(), "each slot's sockets are served by one");
            self.check(fleet.adopter(id) == adopter.copied(), "and the fleet knows by whom");
        }
    }

    fn look_at_drains(&self) {
        let drains = |phase| matches!(phase, Phase::Draining { is_hurried: false, .. });
        let draining = || self.fleet.lives.values().filter(|life| drains(life.phase));
        let generations: BTreeSet<Generation> = draining().map(|life| life.generation).collect();
        self.check(generations.len() <= self.settings.max_draining, "only so many generations drain");
        for index in 0..self.fleet.slots.len() {
            let of_slot = draining().filter(|life| life.slot.index() == index).count();
            self.check(of_slot <= self.settings.max_draining, "only so many of a slot drain");
        }
    }
}
