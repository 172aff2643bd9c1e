//! `Promise`: set once, and everybody gets it.

use crate::spec::{Fut, Id, Line, Model, Outcome, Spec, Then};
use runtime_sync::Promise;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Wait,
    Set,
}

pub(crate) struct Ours;

impl Spec for Ours {
    const NAME: &'static str = "Promise";
    type World = Promise<i64>;
    type Held = ();
    type Act = Act;
    type Model = Reference;
    const STARTS: &'static [Act] = &[Act::Wait];
    const OPS: &'static [Act] = &[Act::Set];
    const AMID: &'static [Act] = &[Act::Set];
    const DEPTH: usize = 7;

    fn world() -> Promise<i64> {
        Promise::new()
    }

    fn start(world: &'static Promise<i64>, _: Id, _: Act) -> Fut<Self> {
        let wait = world.wait();
        Box::pin(async { (Outcome("got", *wait.await), None) })
    }

    fn op(world: &'static Promise<i64>, _: Act) -> Outcome {
        Outcome("set", i64::from(world.set(7).is_ok()))
    }

    fn seen(world: &'static Promise<i64>) -> Vec<i64> {
        vec![world.get().copied().unwrap_or_default(), i64::from(world.is_set())]
    }

    fn probe(world: &'static Promise<i64>) {
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

    fn is_idle(&self, _: Act) -> bool {
        self.is_set
    }

    fn poll(&mut self, id: Id, _: Act, _: bool) -> (Option<Outcome>, Then) {
        self.line.leave(id);
        if !self.is_set {
            self.line.join(id, ());
        }
        (self.is_set.then_some(Outcome("got", 7)), Then::Gone)
    }

    fn is_ready(&self, id: Id) -> bool {
        self.line.is_granted(id)
    }

    fn cancel(&mut self, id: Id, _: Act, _: bool) {
        self.line.leave(id);
    }

    fn op(&mut self, _: Act) -> Outcome {
        let was_set = std::mem::replace(&mut self.is_set, true);
        self.line.grant_all(());
        Outcome("set", i64::from(!was_set))
    }

    fn seen(&self) -> Vec<i64> {
        vec![if self.is_set { 7 } else { 0 }, i64::from(self.is_set)]
    }

    fn ends(&self) -> Vec<Act> {
        vec![Act::Set]
    }
}
