//! `Event`: who waits when it is set passes, even if it is cleared at once.

use crate::spec::{DONE, Fut, Id, Line, Model, Outcome, Spec, Then};
use runtime_sync::Event;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Wait,
    Set,
    Clear,
}

pub(crate) struct Ours;

impl Spec for Ours {
    const NAME: &'static str = "Event";
    type World = Event;
    type Held = ();
    type Act = Act;
    type Model = Reference;
    const STARTS: &'static [Act] = &[Act::Wait];
    const OPS: &'static [Act] = &[Act::Set, Act::Clear];
    const AMID: &'static [Act] = &[Act::Set];
    const DEPTH: usize = 7;

    fn world() -> Event {
        Event::new()
    }

    fn start(world: &'static Event, _: Id, _: Act) -> Fut<Self> {
        let wait = world.wait();
        Box::pin(async {
            wait.await;
            (DONE, None)
        })
    }

    fn op(world: &'static Event, act: Act) -> Outcome {
        match act {
            Act::Set => world.set(),
            _ => world.clear(),
        }
        DONE
    }

    fn seen(world: &'static Event) -> Vec<i64> {
        vec![i64::from(world.is_set())]
    }

    fn probe(world: &'static Event) {
        // All that can be done, and undone.
        if !world.is_set() {
            world.clear();
        }
        let _ = format!("{world:?}");
    }
}

#[derive(Debug)]
pub(crate) struct Reference {
    is_set: bool,
    line: Line<(), ()>,
}

impl Model for Reference {
    type Act = Act;

    fn new() -> Self {
        Self { is_set: false, line: Line::new() }
    }

    fn is_idle(&self, act: Act) -> bool {
        self.is_set == (act == Act::Set)
    }

    fn poll(&mut self, id: Id, _: Act, is_first: bool) -> (Option<Outcome>, Then) {
        let passes = self.line.take(id).is_some() || is_first && self.is_set;
        if is_first && !passes {
            self.line.join(id, ());
        }
        (passes.then_some(DONE), Then::Gone)
    }

    fn is_ready(&self, id: Id) -> bool {
        self.line.is_granted(id)
    }

    fn cancel(&mut self, id: Id, _: Act, _: bool) {
        self.line.leave(id);
    }

    fn op(&mut self, act: Act) -> Outcome {
        self.is_set = act == Act::Set;
        if self.is_set {
            self.line.grant_all(());
        }
        DONE
    }

    fn seen(&self) -> Vec<i64> {
        vec![i64::from(self.is_set)]
    }

    fn ends(&self) -> Vec<Act> {
        vec![Act::Clear, Act::Set]
    }
}
