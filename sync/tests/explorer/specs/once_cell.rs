//! `OnceCell`: one initialiser at a time; whoever waits longest takes over from one that fails, panics or is dropped.

use crate::spec::{DONE, Fut, Id, Line, Model, Outcome, Spec, Then};
use runtime_sync::OnceCell;
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::Pin,
    task::{Context, Poll, Waker},
};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Initialise,
    /// The running initialiser ends like this.
    End(End),
    Set,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    Well,
    InFailure,
    InPanic,
}

/// The cell, and what the one initialiser that runs waits for.
pub(crate) struct World {
    cell: OnceCell<Id>,
    end: Cell<Option<End>>,
    waker: RefCell<Option<Waker>>,
    running: Cell<usize>,
}

/// An initialiser that is gone, however, waits no more.
struct Running(&'static World);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(0);
        self.0.end.set(None);
        drop(self.0.waker.take());
    }
}

impl World {
    async fn initialise(&'static self, id: Id) -> Result<Id, ()> {
        assert_eq!(self.running.replace(1), 0, "two initialisers at once");
        let _running = Running(self);
        let end = poll_fn(|cx| match self.end.take() {
            Some(end) => Poll::Ready(end),
            None => {
                let old = self.waker.replace(Some(cx.waker().clone()));
                drop(old);
                Poll::Pending
            }
        });
        match end.await {
            End::Well => Ok(id),
            End::InFailure => Err(()),
            End::InPanic => panic_any(Id::MAX),
        }
    }
}

/// A future whose panic is what it came to.
struct Caught<F>(Option<Pin<Box<F>>>);

impl<F: Future<Output = Outcome>> Future for Caught<F> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let future = self.0.as_mut().expect("polled once too often");
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled,
            Err(payload) if payload.is::<Id>() => {
                self.0 = None;
                Poll::Ready(Outcome("panicked", 0))
            }
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }
}

pub(crate) struct Ours;

impl Spec for Ours {
    const NAME: &'static str = "OnceCell";
    type World = World;
    type Held = ();
    type Act = Act;
    type Model = Reference;
    const STARTS: &'static [Act] = &[Act::Initialise];
    const OPS: &'static [Act] =
        &[Act::End(End::Well), Act::End(End::InFailure), Act::End(End::InPanic), Act::Set];
    const AMID: &'static [Act] = &[Act::Set];

    fn world() -> World {
        World {
            cell: OnceCell::new(),
            end: Cell::new(None),
            waker: RefCell::new(None),
            running: Cell::new(0),
        }
    }

    fn start(world: &'static World, id: Id, _: Act) -> Fut<Self> {
        let value = world.cell.get_or_try_init(async move || world.initialise(id).await);
        let outcome = async { value.await.map_or(Outcome("failed", 0), |id| got(*id)) };
        let outcome = Caught(Some(Box::pin(outcome)));
        Box::pin(async { (outcome.await, None) })
    }

    fn op(world: &'static World, act: Act) -> Outcome {
        match act {
            Act::End(end) => {
                world.end.set(Some(end));
                let waker = world.waker.take();
                waker.expect("it waits").wake();
                DONE
            }
            _ => Outcome("set", i64::from(world.cell.set(9).is_ok())),
        }
    }

    fn seen(world: &'static World) -> Vec<i64> {
        vec![world.cell.get().map_or(-1, |id| got(*id).1)]
    }

    fn probe(world: &'static World) {
        // Not with 9: in the middle of things it must not have been free.
        let _ = (Self::seen(world), format!("{:?}", world.cell));
    }
}

fn got(id: Id) -> Outcome {
    Outcome("got", i64::try_from(id).expect("few"))
}

#[derive(Debug)]
pub(crate) struct Reference {
    value: Option<Id>,
    /// Whose initialiser runs, and how it will end.
    running: Option<(Id, Option<End>)>,
    /// A grant: the value is there, or it is this one's turn.
    line: Line<(), bool>,
}

impl Reference {
    /// Somebody's turn, which it has not noticed, or an initialiser.
    fn is_being_made(&self) -> bool {
        self.running.is_some() || self.line.granted.iter().any(|(_, is_there)| !is_there)
    }

    fn fill(&mut self, id: Id) {
        self.value = Some(id);
        self.line.grant_all(true);
    }

    fn hand_over(&mut self) {
        if self.line.front().is_some() {
            self.line.grant(false);
        }
    }
}

impl Model for Reference {
    type Act = Act;

    fn new() -> Self {
        Self { value: None, running: None, line: Line::new() }
    }

    fn allows(&self, act: Act, _: Option<Id>) -> bool {
        !matches!(act, Act::End(_)) || matches!(self.running, Some((_, None)))
    }

    fn is_idle(&self, act: Act) -> bool {
        act == Act::Set && (self.value.is_some() || self.is_being_made())
    }

    fn poll(&mut self, id: Id, _: Act, is_first: bool) -> (Option<Outcome>, Then) {
        let ready = |outcome| (Some(outcome), Then::Gone);
        if let Some((running, end)) = self.running
            && running == id
        {
            let Some(end) = end else { return (None, Then::Gone) };
            self.running = None;
            if end == End::Well {
                self.fill(id);
                return ready(got(id));
            }
            self.hand_over();
            return ready(if end == End::InPanic { Outcome("panicked", 0) } else { Outcome("failed", 0) });
        }
        let granted = self.line.take(id);
        if let Some(value) = self.value.filter(|_| is_first || granted == Some(true)) {
            return ready(got(value));
        }
        if granted == Some(false) || is_first && !self.is_being_made() {
            self.running = Some((id, None));
        } else if is_first {
            self.line.join(id, ());
        }
        (None, Then::Gone)
    }

    fn is_ready(&self, id: Id) -> bool {
        self.line.is_granted(id) || matches!(self.running, Some((running, Some(_))) if running == id)
    }

    fn cancel(&mut self, id: Id, _: Act, _: bool) {
        let had_turn = self.line.leave(id) == Some(false);
        if had_turn || self.running.is_some_and(|(running, _)| running == id) {
            if !had_turn {
                self.running = None;
            }
            self.hand_over();
        }
    }

    fn op(&mut self, act: Act) -> Outcome {
        match (act, &mut self.running) {
            (Act::End(end), Some((_, ending))) => {
                *ending = Some(end);
                DONE
            }
            _ => {
                let may = self.value.is_none() && !self.is_being_made();
                if may {
                    self.fill(9);
                }
                Outcome("set", i64::from(may))
            }
        }
    }

    fn seen(&self) -> Vec<i64> {
        vec![self.value.map_or(-1, |id| got(id).1)]
    }

    fn ends(&self) -> Vec<Act> {
        [Act::End(End::Well)].into_iter().filter(|act| self.allows(*act, None)).collect()
    }
}
