//! What the supervisor decides, without doing any of it: events and the time go in, actions come out.
//!
//! Nothing here touches a process, a socket or a clock, and the only chance is drawn from a seed. So every rule of the
//! supervisor can be told as a story, event by event, and a walk of a million random steps takes seconds.
//!
//! A [`Fleet`] has [slots](Slot), and in each slot, one after the other and for a while two at once, [lives](Life) of
//! workers. Whoever drives it hands over what happened by [`handle`](Fleet::handle), calls [`tick`](Fleet::tick) at
//! [`next_deadline`](Fleet::next_deadline), does what [`take_actions`](Fleet::take_actions) gives, in that order, and
//! stops at [`Action::Finish`].
//!
//! | file | decides |
//! |---|---|
//! | `life.rs` | how a life goes, and what its end is called |
//! | `slot.rs` | when a slot's next life begins: intensity, back-off, quarantine |
//! | `ended.rs` | what follows the end of a life |
//! | `heartbeat.rs` | who hangs |
//! | `replace.rs` | reload, recycling, more and fewer slots: replacements are ready before anybody goes |
//! | `stop.rs` | how all of it ends |
//! | `adoption.rs` | who serves the sockets of a slot that nobody serves |

mod action;
mod adoption;
mod ended;
mod event;
mod heartbeat;
mod life;
mod line;
mod name;
mod replace;
mod slot;
mod stop;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use self::life::State;

pub(crate) use self::{
    action::{Action, End, Outcome},
    event::{Ended, Event},
    line::{Level, Line, Next, What},
    name::{Generation, LifeId, SlotId},
};

use self::{
    heartbeat::Watch,
    life::{Life, Phase, Verdict},
    replace::Reload,
    slot::{Slot, Standing},
    stop::Course,
};
use crate::{cluster::settings::Settings, testing::random::Random};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

/// The stream of the seed that is ours.
const STREAM: u64 = 0xF1EE7;

/// All workers of a cluster, as the supervisor knows them.
///
/// ```text
///            Stop, or no slot can serve any more          the last life is reaped
/// Running ---------- begin_stop ------------> Stopping ---------- settle --------> Finished
///                                             |      ^
///                                             +------+ Stop again: hurry, then kill_all
/// ```
#[derive(Debug)]
pub(crate) struct Fleet {
    settings: Settings,
    random: Random,
    /// The latest time that was told; a clock that seems to go back stands still.
    now: Duration,
    course: Course,
    /// By [`SlotId`]. Slots retire and come back; none is ever removed.
    slots: Vec<Slot>,
    /// Whoever has been launched and has not ended, in order of age.
    lives: BTreeMap<LifeId, Life>,
    /// Killed long ago, and not reaped yet.
    abandoned: BTreeSet<LifeId>,
    next_life: u64,
    /// What restarts run.
    generation: Generation,
    next_generation: Generation,
    reload: Reload,
    is_reload_queued: bool,
    /// Slots to add, or, below zero, to retire, once no reload is under way.
    resize: i64,
    watch: Watch,
    actions: Vec<Action>,
}

impl Fleet {
    /// A fleet that starts now, with that many slots: the first actions are their launches. `now` counts from wherever
    /// the driver likes, and always from there.
    pub(crate) fn new(now: Duration, settings: Settings, workers: usize, seed: u64) -> Self {
        debug_assert_eq!(settings.problem(), None);
        let mut fleet = Self {
            settings,
            random: Random::stream(seed, STREAM),
            now,
            course: Course::Running,
            slots: Vec::new(),
            lives: BTreeMap::new(),
            abandoned: BTreeSet::new(),
            next_life: 0,
            generation: Generation(0),
            next_generation: Generation(1),
            reload: Reload::Idle,
            is_reload_queued: false,
            resize: 0,
            watch: Watch::default(),
            actions: Vec::new(),
        };
        for _ in 0..workers.max(1) {
            fleet.slots.push(Slot::starting_at(now));
        }
        fleet.fire_due();
        fleet.settle();
        fleet
    }

    /// Something happened, just now.
    pub(crate) fn handle(&mut self, now: Duration, event: Event) {
        if self.course == Course::Finished {
            return;
        }
        self.now = self.now.max(now);
        match event {
            Event::Ready(life) => self.ready(life),
            Event::LaunchFailed(life, error) => self.launch_failed(life, &error),
            Event::Ending { life, forced } => self.ending(life, forced),
            Event::Exited { life, how, open } => self.exited(life, how, open),
            Event::Beats(counts) => self.beats(&counts),
            Event::Recycle(life) => self.wants_recycle(life),
            Event::Protocol(life, what) => self.broke_protocol(life, &what),
            Event::Stop { fast } => self.stop(fast),
            Event::Reload => self.ask_reload(),
            Event::ProgramOpened(result) => self.program_opened(result),
            Event::Grow => self.ask_resize(1),
            Event::Shrink => self.ask_resize(-1),
        }
        self.fire_due();
        self.settle();
    }

    /// Time has passed: does what is due.
    pub(crate) fn tick(&mut self, now: Duration) {
        if self.course == Course::Finished {
            return;
        }
        self.now = self.now.max(now);
        self.fire_due();
        self.settle();
    }

    /// When to [`tick`](Fleet::tick) next. None: never, unless something happens before.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        if self.course == Course::Finished {
            return None;
        }
        let lives = self.lives.values().filter_map(|life| life.phase.deadline());
        let slots = self.slots.iter().flat_map(|slot| [slot.restart_at, slot.recycle_at]).flatten();
        // Whoever is to be given all the time in the world is.
        lives.chain(slots).chain(self.watch.due).min().filter(|&at| at < Duration::MAX)
    }

    /// What is to be done since it was asked last, in order.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        mem::take(&mut self.actions)
    }

    /// Everybody who has been launched and has not ended.
    #[cfg(test)]
    pub(crate) fn lives(&self) -> impl Iterator<Item = (LifeId, SlotId, Generation, State)> {
        self.lives.iter().map(|(&id, life)| (id, life.slot, life.generation, life.phase.state()))
    }

    /// How many slots are to have a worker.
    pub(crate) fn workers(&self) -> usize {
        self.active().count()
    }

    /// Whether the cluster is stopping, or has stopped.
    pub(crate) fn is_stopping(&self) -> bool {
        self.course != Course::Running
    }

    /// Deadlines that have passed, the oldest life first, then the lowest slot.
    fn fire_due(&mut self) {
        let now = self.now;
        let is_due = |life: &Life| life.phase.deadline().is_some_and(|at| at <= now);
        let due: Vec<LifeId> =
            self.lives.iter().filter(|(_, life)| is_due(life)).map(|(&id, _)| id).collect();
        for id in due {
            // What was done about one may have changed the next.
            let Some(life) = self.lives.get(&id).filter(|life| is_due(life)) else { continue };
            match life.phase {
                Phase::Booting { .. } => self.condemn(id, Verdict::BootTimedOut),
                Phase::Draining { .. } | Phase::Aborting { .. } => self.kill(id),
                Phase::Killed { .. } => self.abandon(id),
                Phase::Serving => {}
            }
        }
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            slot.recycle_at.take_if(|at| *at <= now);
            if slot.restart_at.take_if(|at| *at <= now).is_some() {
                let life = self.launch(SlotId(index as u32), self.generation);
                self.slots[index].current = Some(life);
            }
        }
        self.look_if_due();
    }

    /// What follows from how things are now, whatever has brought them there.
    fn settle(&mut self) {
        if self.course == Course::Running {
            self.go_on_with_reload();
            self.dismiss_stand_ins();
            self.resize();
            self.start_recycling();
            self.stop_if_nobody_is_left();
        }
        if self.course == Course::Running {
            self.see_to_orphans();
        }
        self.finish_if_all_are_gone();
    }

    fn launch(&mut self, slot: SlotId, generation: Generation) -> LifeId {
        let life = LifeId(self.next_life);
        self.next_life += 1;
        let until = self.now.saturating_add(self.settings.boot_timeout);
        self.lives.insert(life, Life::new(slot, generation, until));
        let max_requests = self.draw_max_requests();
        self.actions.push(Action::Launch { life, slot, generation, max_requests });
        life
    }

    fn ready(&mut self, id: LifeId) {
        let now = self.now;
        let Some(life) = self.lives.get_mut(&id).filter(|life| life.phase.is_booting()) else { return };
        life.ready(now);
        let (slot, generation) = (life.slot, life.generation);
        self.watch.due.get_or_insert(now.saturating_add(self.settings.heartbeat.interval));
        self.tell(Some(slot), Level::Info, What::Ready { slot, life: id, generation });
        if self.slots[slot.index()].next == Some(id) && generation == self.generation {
            self.hand_over(slot);
        }
    }

    /// A worker says that it ends, perhaps unasked. Its end will be told by whoever reaps it.
    fn ending(&mut self, id: LifeId, forced: u64) {
        let until = self.now.saturating_add(self.settings.fast_grace);
        if let Some(life) = self.lives.get_mut(&id) {
            life.forced = Some(forced);
            match &mut life.phase {
                phase if phase.is_serving() => *phase = Phase::Draining { until, is_hurried: true },
                // It has nothing left to do but to exit.
                Phase::Draining { until: deadline, .. } => *deadline = until.max(*deadline),
                _ => {}
            }
        }
    }

    fn broke_protocol(&mut self, id: LifeId, what: &str) {
        self.condemn(id, Verdict::Protocol(line::shortened(what)));
    }

    /// Kills a life for a reason of its own, unless it is being killed already.
    fn condemn(&mut self, id: LifeId, verdict: Verdict) {
        if let Some(life) = self.lives.get_mut(&id).filter(|life| !life.phase.is_killed()) {
            life.verdict = Some(verdict);
            self.kill(id);
        }
    }

    fn kill(&mut self, id: LifeId) {
        let until = self.now.saturating_add(self.settings.reap_timeout);
        if let Some(life) = self.lives.get_mut(&id).filter(|life| !life.phase.is_killed()) {
            life.phase = Phase::Killed { until };
            // It said that it ends, unasked, and did not.
            life.verdict.get_or_insert(Verdict::Hung);
            self.actions.push(Action::Kill { life: id });
        }
    }

    /// Asks a serving life to stop, and gives it time.
    fn drain(&mut self, id: LifeId, last: bool) {
        let (grace, margin) = (self.settings.grace, self.settings.kill_margin);
        self.stop_worker(id, grace, grace.saturating_add(margin), last);
        self.limit_draining(id);
    }

    fn stop_worker(&mut self, id: LifeId, grace: Duration, until_kill: Duration, last: bool) {
        let until = self.now.saturating_add(until_kill);
        let Some(life) = self.lives.get_mut(&id) else { return };
        debug_assert!(life.phase.is_serving());
        life.phase = Phase::Draining { until, is_hurried: grace.is_zero() };
        life.verdict = Some(Verdict::Stop);
        self.actions.push(Action::StopWorker { life: id, grace, last });
    }

    /// Has a life that is stopping cut what it has left.
    fn hurry(&mut self, id: LifeId) {
        let soon = self.now.saturating_add(self.settings.fast_grace);
        let Some(life) = self.lives.get_mut(&id) else { return };
        if let Phase::Draining { until, is_hurried: is_hurried @ false } = &mut life.phase {
            *until = soon.min(*until);
            *is_hurried = true;
            self.actions.push(Action::Hurry { life: id });
        }
    }

    /// A life leaves its slot, which has another or needs none: in peace if it serves, at once if it was not ready.
    fn dismiss(&mut self, id: LifeId) {
        match self.lives.get(&id).map(|life| life.phase) {
            Some(Phase::Serving) => self.drain(id, false),
            Some(Phase::Booting { .. }) => self.condemn(id, Verdict::Superseded),
            // On its way out for reasons of its own.
            Some(Phase::Draining { .. } | Phase::Aborting { .. } | Phase::Killed { .. }) | None => {}
        }
    }

    fn is_serving(&self, id: Option<LifeId>) -> bool {
        id.and_then(|id| self.lives.get(&id)).is_some_and(|life| life.phase.is_serving())
    }

    /// Slots that are to have a worker.
    fn active(&self) -> impl Iterator<Item = SlotId> {
        let active = |(_, slot): &(usize, &Slot)| slot.standing != Standing::Retired;
        self.slots.iter().enumerate().filter(active).map(|(index, _)| SlotId(index as u32))
    }

    /// Puts a line into the log, unless it is one of many about a slot: of those there is at most one per
    /// [`line::INTERVAL`], so a crash loop cannot fill a disk.
    fn tell(&mut self, slot: Option<SlotId>, level: Level, what: What) {
        let left_out = match slot.map(|slot| &mut self.slots[slot.index()].told) {
            None => 0,
            Some(told) => match told.left_out_before(self.now, what.is_routine()) {
                Some(left_out) => left_out,
                None => return,
            },
        };
        self.actions.push(Action::Log(Line { level, what, left_out }));
    }
}
