//! `Barrier`: a round is full when so many wait, and newcomers wait for it to drain.

use crate::spec::{DONE, Fut, Id, Line, Model, Outcome, Spec, Then};
use runtime_sync::Barrier;

const PARTIES: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Wait,
    Abort,
    Reset,
}

pub(crate) struct Ours;

impl Spec for Ours {
    const NAME: &'static str = "Barrier";
    type World = Barrier;
    type Held = ();
    type Act = Act;
    type Model = Reference;
    const STARTS: &'static [Act] = &[Act::Wait];
    const OPS: &'static [Act] = &[Act::Abort, Act::Reset];
    const AMID: &'static [Act] = &[Act::Abort];
    const DEPTH: usize = 7;

    fn world() -> Barrier {
        Barrier::new(PARTIES)
    }

    fn start(world: &'static Barrier, _: Id, _: Act) -> Fut<Self> {
        let wait = world.wait();
        Box::pin(async { (outcome(wait.await.ok()), None) })
    }

    fn op(world: &'static Barrier, act: Act) -> Outcome {
        match act {
            Act::Abort => world.abort(),
            _ => world.reset(),
        }
        DONE
    }

    fn seen(world: &'static Barrier) -> Vec<i64> {
        vec![i64::try_from(world.waiting()).expect("few"), i64::from(world.is_broken())]
    }
}

fn outcome(index: Option<usize>) -> Outcome {
    index.map_or(Outcome("broken", 0), |index| Outcome("index", i64::try_from(index).expect("few")))
}

#[derive(Debug)]
pub(crate) struct Reference {
    /// A grant: the index, or `None`: it is broken.
    line: Line<(), Option<usize>>,
    is_broken: bool,
}

impl Reference {
    fn is_draining(&self) -> bool {
        self.line.granted.iter().any(|(_, index)| index.is_some())
    }

    /// One more is there, or one fewer leaves: perhaps that fills a round.
    fn fill(&mut self) {
        if !self.is_draining() && self.line.waiting.len() >= PARTIES {
            (0..PARTIES).for_each(|index| self.line.grant(Some(index)));
        }
    }
}

impl Model for Reference {
    type Act = Act;

    fn new() -> Self {
        Self { line: Line::new(), is_broken: false }
    }

    fn is_idle(&self, act: Act) -> bool {
        self.line.front().is_none() && self.is_broken == (act == Act::Abort)
    }

    fn poll(&mut self, id: Id, _: Act, is_first: bool) -> (Option<Outcome>, Then) {
        if is_first {
            if self.is_broken {
                return (Some(outcome(None)), Then::Gone);
            }
            self.line.join(id, ());
            self.fill();
        }
        let index = self.line.take(id);
        if !is_first {
            self.fill();
        }
        (index.map(outcome), Then::Gone)
    }

    fn is_ready(&self, id: Id) -> bool {
        self.line.is_granted(id)
    }

    fn cancel(&mut self, id: Id, _: Act, _: bool) {
        self.line.leave(id);
        self.fill();
    }

    fn op(&mut self, act: Act) -> Outcome {
        self.is_broken = act == Act::Abort;
        if self.is_broken || !self.is_draining() {
            self.line.grant_all(None);
        }
        DONE
    }

    fn seen(&self) -> Vec<i64> {
        let waiting = if self.is_draining() { 0 } else { self.line.waiting.len() };
        vec![i64::try_from(waiting).expect("few"), i64::from(self.is_broken)]
    }

    fn ends(&self) -> Vec<Act> {
        vec![Act::Abort]
    }
}
