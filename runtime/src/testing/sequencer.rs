//! Steps in a given order, across tasks.

use crate::sync::Event;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    panic::Location,
    rc::Rc,
};

/// Has steps of several tasks happen in the order of their numbers, from 0 (Trio's `Sequencer`): to force, in a test,
/// the one order in which something goes wrong. Clones are the same sequence.
///
/// ```
/// use runtime::{spawn, testing::Sequencer};
/// use std::{cell::RefCell, rc::Rc};
///
/// runtime::run(async {
///     let sequencer = Sequencer::new();
///     let log = Rc::new(RefCell::new(String::new()));
///     let (steps, write) = (sequencer.clone(), log.clone());
///     let task = spawn(async move {
///         for (number, word) in [(0, "one "), (2, "three")] {
///             let _step = steps.step(number).await; // the step lasts until this is dropped
///             write.borrow_mut().push_str(word);
///         }
///     });
///     let step = sequencer.step(1).await;
///     log.borrow_mut().push_str("two ");
///     drop(step);
///     task.await.unwrap();
///     assert_eq!(*log.borrow(), "one two three");
/// });
/// ```
#[derive(Clone, Default)]
pub struct Sequencer {
    state: Rc<State>,
}

/// ```text
/// step(n) ──> waits ──n-1 has ended──> goes on ──Step dropped──> ended
///               └──future dropped──> given up: all later steps panic
/// ```
#[derive(Default)]
struct State {
    /// The step that goes on, or may.
    next: Cell<usize>,
    /// All steps that were asked for.
    asked: RefCell<BTreeMap<usize, &'static Location<'static>>>,
    /// Those that have not begun.
    waiting: RefCell<BTreeMap<usize, Rc<Event>>>,
    /// The first that was given up.
    given_up: Cell<Option<usize>>,
}

impl Sequencer {
    /// A sequence that begins with step 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until all steps with smaller numbers are over. The step lasts until what this gives is dropped.
    ///
    /// # Panics
    /// If the step was asked for before. When awaited, if a step with a smaller number was given up, so that this one
    /// would never come.
    ///
    /// # Cancel safety
    /// None, on purpose: dropped before it is ready, the step is given up, and all later ones panic instead of waiting
    /// for ever.
    #[track_caller]
    pub fn step(&self, number: usize) -> impl Future<Output = Step> + use<> {
        let event = Rc::new(Event::new());
        if let Some(before) = self.state.asked.borrow_mut().insert(number, Location::caller()) {
            panic!("step {number} is taken, at {before}: give every step a number of its own");
        }
        self.state.waiting.borrow_mut().insert(number, Rc::clone(&event));
        let place = Place { state: Rc::clone(&self.state), number, has_begun: false };
        self.state.let_go_on();
        async move {
            event.wait().await;
            place.begin()
        }
    }
}

impl State {
    /// Wakes whoever may begin, or has to learn that he never will.
    fn let_go_on(&self) {
        let next = self.next.get();
        let first_lost = self.given_up.get().map_or(usize::MAX, |step| step.saturating_add(1));
        let waiting = self.waiting.borrow();
        let ready = waiting.get(&next).into_iter().chain(waiting.range(first_lost..).map(|(_, event)| event));
        let ready: Vec<_> = ready.cloned().collect();
        drop(waiting);
        ready.iter().for_each(|event| event.set());
    }
}

/// A step that has been asked for.
struct Place {
    state: Rc<State>,
    number: usize,
    has_begun: bool,
}

impl Place {
    fn begin(mut self) -> Step {
        let number = self.number;
        if let Some(lost) = self.state.given_up.get()
            && lost < number
        {
            panic!(
                "step {lost} was given up, as the future that waited for it was dropped: so step {number} will never \
                 come. Do not cancel a task that still has steps to take"
            );
        }
        self.has_begun = true;
        self.state.waiting.borrow_mut().remove(&number);
        Step { state: Rc::clone(&self.state), number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.has_begun {
            let state = &self.state;
            state.waiting.borrow_mut().remove(&self.number);
            state
                .given_up
                .set(Some(state.given_up.get().map_or(self.number, |other| other.min(self.number))));
            state.let_go_on();
        }
    }
}

/// A step of a [`Sequencer`], under way until this is dropped.
#[must_use = "the step ends when this is dropped"]
pub struct Step {
    state: Rc<State>,
    number: usize,
}

impl Step {
    /// Its number.
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.state.next.set(self.number + 1);
        self.state.let_go_on();
    }
}

impl fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting: Vec<_> = self.state.waiting.borrow().keys().copied().collect();
        f.debug_struct("Sequencer").field("next", &self.state.next.get()).field("waiting", &waiting).finish()
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Step").field(&self.number).finish()
    }
}
