//! One run: actions on a primitive and on its reference side by side, everything compared after each, and at the end
//! a drain that polls what was woken and only that.

use crate::{
    loan::Loan,
    spec::{Fut, Id, Model, Next, Outcome, SLOTS, Spec, Then},
    wakers::{self, WakerPanic},
};
use std::{
    cell::Cell,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    task::{Context, Poll},
    thread,
};

/// A step of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Action<A> {
    /// A future is made, and not polled.
    Create(Id, A),
    /// A future is made and polled.
    Start(Id, A),
    /// A future is made and polled, and while its waker is cloned another lets go of what it holds.
    StartAmidRelease(Id, A, Id),
    /// The same with an operation.
    StartAmidOp(Id, A, A),
    Poll(Id),
    /// Polled with another waker than last time: the last one is what counts.
    PollOtherWaker(Id),
    Drop(Id),
    Use(Id, A),
    Op(A),
    /// The next wake of this future panics.
    MakeWakerPanic(Id),
}

/// What a future of `S` comes to.
type Output<S> = (Outcome, Option<<S as Spec>::Held>);

/// What lives in one place.
enum Slot<S: Spec> {
    Empty,
    Future { future: Fut<S>, act: S::Act, is_polled: bool },
    Held(S::Held),
}

/// Which actions to offer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    /// Those that change nothing.
    pub(crate) idle: bool,
    pub(crate) panics: bool,
    /// Those that the ordinary exhaustive search does without.
    pub(crate) rare: bool,
    pub(crate) places: usize,
}

pub(crate) struct Run<S: Spec> {
    /// Not the reference: there must be none when it is reclaimed.
    loan: Option<Loan<S::World>>,
    model: S::Model,
    slots: [Slot<S>; SLOTS],
    /// How many wakers each task has had; the last one counts.
    wakers: [usize; SLOTS],
    /// How often each future was woken since it was polled.
    woken: [u32; SLOTS],
    is_checking: bool,
}

impl<S: Spec> Run<S> {
    pub(crate) fn new() -> Self {
        let loan = Loan::new(S::world());
        let world = loan.get();
        wakers::open(S::IS_OURS.then(|| Rc::new(|| S::probe(world)) as wakers::Probe));
        let model = S::Model::new();
        let slots = [const { Slot::Empty }; SLOTS];
        let (wakers, woken) = ([0; SLOTS], [0; SLOTS]);
        Self { loan: Some(loan), model, slots, wakers, woken, is_checking: true }
    }

    fn world(&self) -> &'static S::World {
        self.loan.as_ref().expect("reclaimed at the end").get()
    }

    /// The checks of a step cost more than the step: a prefix that was checked before needs none.
    pub(crate) fn check(&mut self, is_checking: bool) {
        self.is_checking = is_checking;
    }

    /// Everything that can be done now. Places are taken from the lowest, so that runs that differ only in names
    /// are one.
    pub(crate) fn enabled(&self, offer: Offer, actions: &mut Vec<Action<S::Act>>) {
        let is_offered = |act: &S::Act| offer.rare || !S::RARE.contains(act);
        let allowed = |acts: &'static [S::Act], id| {
            acts.iter().filter(move |act| is_offered(act) && self.model.allows(**act, id))
        };
        for (id, slot) in self.slots.iter().enumerate() {
            match slot {
                Slot::Empty => {}
                Slot::Future { is_polled: false, .. } => actions.extend([Action::Poll(id), Action::Drop(id)]),
                Slot::Future { .. } => {
                    let is_ready = self.model.is_ready(id);
                    if is_ready || offer.idle {
                        actions.push(Action::Poll(id));
                    }
                    if !is_ready && offer.idle && S::TASKS == SLOTS {
                        actions.push(Action::PollOtherWaker(id));
                    }
                    if !is_ready
                        && offer.idle
                        && offer.panics
                        && S::IS_OURS
                        && !wakers::look(self.number(id)).panics_next
                    {
                        actions.push(Action::MakeWakerPanic(id));
                    }
                    actions.push(Action::Drop(id));
                }
                Slot::Held(_) => actions.extend(allowed(S::USES, Some(id)).map(|act| Action::Use(id, *act))),
            }
        }
        if let Some(id) = self.slots.iter().take(offer.places).position(|slot| matches!(slot, Slot::Empty)) {
            actions.extend(allowed(S::STARTS, Some(id)).map(|act| Action::Start(id, *act)));
            if offer.idle {
                actions.extend(allowed(S::STARTS, Some(id)).map(|act| Action::Create(id, *act)));
            }
            if offer.panics && S::IS_OURS {
                let holders = (0..SLOTS).filter(|other| matches!(self.slots[*other], Slot::Held(_)));
                for other in holders {
                    actions.extend(
                        allowed(S::STARTS, Some(id)).map(|act| Action::StartAmidRelease(id, *act, other)),
                    );
                }
                for op in allowed(S::AMID, None) {
                    actions
                        .extend(allowed(S::STARTS, Some(id)).map(|act| Action::StartAmidOp(id, *act, *op)));
                }
            }
        }
        let ops = allowed(S::OPS, None).filter(|act| offer.idle || !self.model.is_idle(**act));
        actions.extend(ops.map(|act| Action::Op(*act)));
    }

    /// Whether an action of a shortened run still makes sense.
    pub(crate) fn is_enabled(&self, action: Action<S::Act>) -> bool {
        let mut actions = Vec::new();
        self.enabled(Offer { idle: true, panics: true, rare: true, places: SLOTS }, &mut actions);
        actions.contains(&action)
    }

    /// Whether it leaves the reference as it is.
    pub(crate) fn is_idle(&self, action: Action<S::Act>) -> bool {
        match action {
            Action::Poll(id) => {
                matches!(self.slots[id], Slot::Future { is_polled: true, .. }) && !self.model.is_ready(id)
            }
            Action::PollOtherWaker(_) | Action::Create(..) | Action::MakeWakerPanic(_) => true,
            Action::Op(act) => self.model.is_idle(act),
            Action::Start(..)
            | Action::StartAmidRelease(..)
            | Action::StartAmidOp(..)
            | Action::Drop(_)
            | Action::Use(..) => false,
        }
    }

    pub(crate) fn step(&mut self, action: Action<S::Act>) {
        match action {
            Action::Create(id, act) => self.create(id, act),
            Action::Start(id, act) => {
                self.create(id, act);
                self.poll(id, true);
            }
            Action::StartAmidRelease(id, act, other) => {
                self.create(id, act);
                self.poll_amid_release(id, act, other);
            }
            Action::StartAmidOp(id, act, op) => {
                self.create(id, act);
                self.poll_amid_op(id, act, op);
            }
            Action::Poll(id) => self.poll(id, false),
            Action::PollOtherWaker(id) => self.poll(id, true),
            Action::Drop(id) => self.cancel(id),
            Action::Use(id, act) => self.apply(id, act),
            Action::Op(act) => {
                let expected = self.model.op(act);
                let real = despite_wakers(|| S::op(self.world(), act));
                if let Some(real) = real {
                    assert_eq!(real, expected, "{act:?}: left what came of it, right what the contract says");
                }
            }
            Action::MakeWakerPanic(id) => wakers::change(self.number(id), |waker| waker.panics_next = true),
        }
        self.note_wakes();
        if self.is_checking {
            self.check_all();
        }
    }

    /// Whom the step has woken: all the futures of a task.
    fn note_wakes(&mut self) {
        for task in 0..S::TASKS {
            let wakes = wakers::change(self.number(task), |waker| mem::take(&mut waker.wakes));
            (task..SLOTS).step_by(S::TASKS).for_each(|id| self.woken[id] += wakes);
        }
    }

    fn create(&mut self, id: Id, act: S::Act) {
        let future = S::start(self.world(), id, act);
        self.slots[id] = Slot::Future { future, act, is_polled: false };
        self.change_waker(id);
    }

    /// The number of the waker that counts.
    fn number(&self, id: Id) -> usize {
        let task = id % S::TASKS;
        1 + task + SLOTS * self.wakers[task]
    }

    /// A future that does not share its task gets a waker of its own, and another one now and then.
    fn change_waker(&mut self, id: Id) {
        if S::TASKS == SLOTS {
            self.wakers[id] += 1;
        }
    }

    fn poll(&mut self, id: Id, with_other_waker: bool) {
        if with_other_waker {
            self.change_waker(id);
        }
        let polled = self.poll_really(id);
        self.compare(id, polled);
    }

    fn poll_really(&mut self, id: Id) -> Poll<Output<S>> {
        self.woken[id] = 0;
        self.calm_wakers();
        let waker = wakers::waker(self.number(id));
        let Slot::Future { future, .. } = &mut self.slots[id] else { panic!("nothing to poll") };
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        drop(waker);
        polled
    }

    /// What the poll came to, with what the contract says.
    fn compare(&mut self, id: Id, polled: Poll<Output<S>>) {
        let Slot::Future { act, is_polled, .. } = &mut self.slots[id] else { panic!("nothing was polled") };
        let (expected, then) = self.model.poll(id, *act, !*is_polled);
        *is_polled = true;
        match (polled, expected) {
            (Poll::Pending, None) => {}
            (Poll::Ready((real, held)), Some(expected)) => {
                assert_eq!(
                    real, expected,
                    "poll of {id}: left what came of it, right what the contract says"
                );
                assert_eq!(held.is_some(), then == Then::Held, "poll of {id}: whether something is held");
                // What is gone must not undo what was got.
                self.slots[id] = held.map_or(Slot::Empty, Slot::Held);
            }
            (Poll::Pending, Some(expected)) => panic!("poll of {id} is pending instead of {expected:?}"),
            (Poll::Ready((real, _)), None) => panic!("poll of {id} is {real:?} instead of pending"),
        }
    }

    /// Whoever clones a waker has looked already, and has not queued yet: what comes in between must count as before.
    fn poll_amid_release(&mut self, id: Id, act: S::Act, other: Id) {
        let world = self.world();
        let slot = mem::replace(&mut self.slots[other], Slot::Empty);
        let Slot::Held(held) = slot else { panic!("nothing is held") };
        let held = Rc::new(Cell::new(Some(held)));
        let let_go = held.clone();
        wakers::amid_next_clone(Box::new(move || {
            if let Some(held) = let_go.take() {
                drop(S::apply(world, S::USES[0], held));
            }
        }));
        let polled = self.poll_really(id);
        if wakers::nothing_came_amid() {
            self.slots[other] = held.take().map_or(Slot::Empty, Slot::Held);
        } else {
            self.model.begin(id, act);
            self.model.apply(other, S::USES[0]);
        }
        self.compare(id, polled);
    }

    fn poll_amid_op(&mut self, id: Id, act: S::Act, op: S::Act) {
        let world = self.world();
        let result = Rc::new(Cell::new(None));
        let into = result.clone();
        wakers::amid_next_clone(Box::new(move || into.set(Some(S::op(world, op)))));
        let polled = self.poll_really(id);
        if !wakers::nothing_came_amid() {
            self.model.begin(id, act);
            let expected = self.model.op(op);
            assert_eq!(result.get(), Some(expected), "{op:?} amid: right what the contract says");
        }
        self.compare(id, polled);
    }

    fn cancel(&mut self, id: Id) {
        let slot = mem::replace(&mut self.slots[id], Slot::Empty);
        let Slot::Future { act, is_polled, .. } = &slot else { panic!("nothing to drop") };
        self.model.cancel(id, *act, *is_polled);
        self.woken[id] = 0;
        despite_wakers(|| drop(slot));
    }

    fn apply(&mut self, id: Id, act: S::Act) {
        let is_release = S::USES.first() == Some(&act);
        if !is_release {
            self.calm_wakers();
        }
        let slot = mem::replace(&mut self.slots[id], Slot::Empty);
        let Slot::Held(held) = slot else { panic!("nothing is held") };
        let (expected, then) = self.model.apply(id, act);
        let Some((real, next)) = despite_wakers(|| S::apply(self.world(), act, held)) else { return };
        assert_eq!(real, expected, "{act:?} at {id}: left what came of it, right what the contract says");
        let really = match next {
            Next::Gone => Then::Gone,
            Next::Held(held) => {
                self.slots[id] = Slot::Held(held);
                Then::Held
            }
            Next::Future(future) => {
                self.slots[id] = Slot::Future { future, act, is_polled: false };
                self.change_waker(id);
                Then::Future
            }
        };
        assert_eq!(really, then, "{act:?} at {id}: left what it became, right what the contract says");
    }

    /// A panic would take with it what the action came to.
    fn calm_wakers(&self) {
        for id in 0..SLOTS {
            wakers::change(self.number(id), |waker| waker.panics_next = false);
        }
    }

    fn check_all(&self) {
        let seen = S::seen(self.world());
        assert_eq!(seen, self.model.seen(), "left what its observers say, right what the contract says");
        for (id, slot) in self.slots.iter().enumerate() {
            let (waker, wakes) = (wakers::look(self.number(id)), self.woken[id]);
            match slot {
                Slot::Future { is_polled: true, .. } => {
                    let is_ready = self.model.is_ready(id);
                    assert!(!is_ready || wakes > 0, "{id} could go on and was not woken");
                    if S::WAKES_EXACTLY {
                        let may_be_awake = is_ready || self.model.was_taken_back(id);
                        assert!(may_be_awake || wakes == 0, "{id} was woken and cannot go on");
                        assert!(wakes <= 1, "{id} was woken {wakes} times");
                    }
                }
                _ if S::IS_OURS && S::TASKS == SLOTS => {
                    assert_eq!(waker.alive, 0, "a waker of {id} is kept, and nobody waits");
                    assert_eq!(wakes, 0, "{id} was woken, and nobody waits");
                }
                _ => {}
            }
        }
        if S::IS_OURS && S::TASKS == SLOTS {
            let wanted: i32 = (0..SLOTS).map(|id| wakers::look(self.number(id)).alive).sum();
            assert_eq!(wakers::alive(), wanted, "a waker that was replaced is kept");
            let woken = wakers::woken();
            assert!(
                woken.is_none(),
                "a waker was woken that was replaced, or whose future is gone: {woken:?}"
            );
        }
    }

    /// Lets go of everything, then polls what was woken and only that: everybody must finish, and nothing be left. The
    /// run is over then.
    pub(crate) fn drain(&mut self) {
        // What a poll comes to is compared in any case.
        self.check(false);
        self.calm_wakers();
        for id in 0..SLOTS {
            if matches!(self.slots[id], Slot::Future { is_polled: false, .. }) {
                self.step(Action::Poll(id));
            }
            self.release(id);
        }
        self.poll_woken();
        for _ in 0..ROUNDS {
            if self.slots.iter().all(|slot| matches!(slot, Slot::Empty)) {
                break;
            }
            if let Some(id) = self.model.gives_up() {
                self.step(Action::Drop(id));
                self.poll_woken();
            }
            for act in self.model.ends() {
                if self.model.allows(act, None) {
                    self.step(Action::Op(act));
                    self.poll_woken();
                }
            }
        }
        let left: Vec<Id> = (0..SLOTS).filter(|id| !matches!(self.slots[*id], Slot::Empty)).collect();
        assert!(left.is_empty(), "drained: {left:?} wait for ever");
        self.check_all();
        assert!(!S::IS_OURS || wakers::alive() == 0, "drained, and a waker is kept");
        wakers::stop_probing();
        self.loan.take().expect("it drains once").reclaim();
        assert_eq!(wakers::alive(), 0, "all is gone, and a waker is kept");
    }

    fn release(&mut self, id: Id) {
        if matches!(self.slots[id], Slot::Held(_)) {
            self.step(Action::Use(id, S::USES[0]));
        }
    }

    fn poll_woken(&mut self) {
        let is_woken = |run: &Self, id: Id| matches!(run.slots[id], Slot::Future { .. }) && run.woken[id] > 0;
        while let Some(id) = (0..SLOTS).find(|id| is_woken(self, *id)) {
            self.step(Action::Poll(id));
            self.release(id);
        }
    }
}

/// What failed is in no state to be dropped, and a second panic would hide the first.
impl<S: Spec> Drop for Run<S> {
    fn drop(&mut self) {
        if thread::panicking() {
            mem::forget(mem::replace(&mut self.slots, [const { Slot::Empty }; SLOTS]));
        }
    }
}

/// A drain that takes longer goes round in circles.
const ROUNDS: usize = 100;

/// `None`: a waker panicked, as it was told to.
fn despite_wakers<R>(call: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Some(result),
        Err(payload) if payload.is::<WakerPanic>() => None,
        Err(payload) => resume_unwind(payload),
    }
}
