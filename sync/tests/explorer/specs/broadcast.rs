//! `broadcast`: every receiver gets every value since it came, or is told exactly how many it missed.
//!
//! As tokio's.

use crate::{
    spec::{DONE, Fut, Id, Model, Next, Outcome, SLOTS, Spec, Then},
    wakers,
};
use std::{cell::RefCell, rc::Rc};

const CAPACITY: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Subscribe,
    /// Takes over the receiver of a `Recv` that was dropped.
    Find,
    Leave,
    Recv,
    TryRecv,
    Send,
    DropSender,
}

/// A value whose clone and drop look at the channel.
#[derive(Debug)]
pub(crate) struct Value(pub(crate) i64, pub(crate) Rc<()>);

impl Clone for Value {
    fn clone(&self) -> Self {
        wakers::probe();
        Self(self.0, self.1.clone())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        wakers::probe();
    }
}

pub(crate) struct World<S, R> {
    sender: RefCell<Option<S>>,
    lost: RefCell<Option<R>>,
    sent: RefCell<i64>,
    alive: Rc<()>,
}

/// A receiver in a future: if that is dropped, it is lost, and may be found.
struct Losing<S: 'static, R: 'static>(&'static World<S, R>, Option<R>);

impl<S, R> Drop for Losing<S, R> {
    fn drop(&mut self) {
        if let Some(receiver) = self.1.take() {
            let before = self.0.lost.replace(Some(receiver));
            drop(before);
        }
    }
}

macro_rules! spec {
    ($spec:ident, $name:literal, $is_ours:literal, $($path:ident)::+) => {
        pub(crate) struct $spec;

        impl Spec for $spec {
            const NAME: &'static str = $name;
            type World = World<$($path)::+::Sender<Value>, $($path)::+::Receiver<Value>>;
            type Held = $($path)::+::Receiver<Value>;
            type Act = Act;
            type Model = Reference<$is_ours>;
            const STARTS: &'static [Act] = &[Act::Subscribe, Act::Find];
            const USES: &'static [Act] = &[Act::Leave, Act::Recv, Act::TryRecv];
            const OPS: &'static [Act] = &[Act::Send, Act::DropSender];
            const WAKES_EXACTLY: bool = $is_ours;
            const IS_OURS: bool = $is_ours;
            const IDLE: u8 = 1;
            const PLACES: usize = 3;
            // Each receiver is a step, and so is each wait.
            const DEPTH: usize = if $is_ours { 7 } else { 6 };

            fn world() -> Self::World {
                let (sender, _) = $($path)::+::channel(CAPACITY);
                let (sender, lost) = (RefCell::new(Some(sender)), RefCell::new(None));
                World { sender, lost, sent: RefCell::new(0), alive: Rc::new(()) }
            }

            fn start(world: &'static Self::World, _: Id, act: Act) -> Fut<Self> {
                Box::pin(async move {
                    let receiver = match act {
                        Act::Find => world.lost.take(),
                        _ => world.sender.borrow().as_ref().map(|sender| sender.subscribe()),
                    };
                    (if receiver.is_some() { DONE } else { GONE }, receiver)
                })
            }

            fn apply(world: &'static Self::World, act: Act, mut receiver: Self::Held) -> (Outcome, Next<Self>) {
                use $($path)::+::error::{RecvError, TryRecvError};
                match act {
                    Act::Recv => {
                        let mut receiver = Losing(world, Some(receiver));
                        let recv = async move {
                            let received = receiver.1.as_mut().expect("not lost").recv().await;
                            let outcome = match received {
                                Ok(value) => Outcome("received", value.0),
                                Err(RecvError::Closed) => Outcome("closed", 0),
                                Err(RecvError::Lagged(missed)) => lagged(missed),
                            };
                            (outcome, receiver.1.take())
                        };
                        (DONE, Next::Future(Box::pin(recv)))
                    }
                    Act::TryRecv => {
                        let outcome = match receiver.try_recv() {
                            Ok(value) => Outcome("received", value.0),
                            Err(TryRecvError::Empty) => Outcome("empty", 0),
                            Err(TryRecvError::Closed) => Outcome("closed", 0),
                            Err(TryRecvError::Lagged(missed)) => lagged(missed),
                        };
                        (outcome, Next::Held(receiver))
                    }
                    _ => (DONE, Next::Gone),
                }
            }

            fn op(world: &'static Self::World, act: Act) -> Outcome {
                if act == Act::DropSender {
                    let sender = world.sender.take();
                    drop(sender);
                    return DONE;
                }
                let number = world.sent.replace_with(|number| *number + 1) + 1;
                let sender = world.sender.borrow();
                let Some(sender) = sender.as_ref() else { return GONE };
                let receivers = sender.send(Value(number, world.alive.clone())).unwrap_or_default();
                Outcome("sent to", i64::try_from(receivers).expect("few"))
            }

            fn seen(world: &'static Self::World) -> Vec<i64> {
                let sender = world.sender.borrow();
                let number = |count: usize| i64::try_from(count).expect("few");
                let mut seen = vec![sender.as_ref().map_or(-1, |sender| number(sender.receiver_count()))];
                if $is_ours {
                    seen.push(sender.as_ref().map_or(-1, |sender| number(sender.len())));
                    seen.push(number(Rc::strong_count(&world.alive) - 1));
                }
                seen
            }

            fn probe(world: &'static Self::World) {
                // Not the number of values: it is asked for in the middle of a clone.
                let _ = world.sender.borrow().as_ref().map(|sender| (sender.len(), format!("{sender:?}")));
            }
        }
    };
}

mod ours {
    pub(super) use runtime_sync::broadcast::{Receiver, Sender, channel};
    pub(super) mod error {
        pub(in super::super) use runtime_sync::broadcast::{RecvError, TryRecvError};
    }
}
spec!(Ours, "broadcast", true, ours);
spec!(Tokios, "tokio's broadcast", false, tokio::sync::broadcast);

/// There is no such thing any more.
const GONE: Outcome = Outcome("gone", 0);

fn lagged(missed: u64) -> Outcome {
    Outcome("lagged", i64::try_from(missed).expect("few"))
}

#[derive(Debug)]
pub(crate) struct Reference<const IS_OURS: bool> {
    has_sender: bool,
    /// The number of the value sent last.
    sent: i64,
    /// Values that were really sent, oldest first, as many as are kept at most.
    ring: Vec<i64>,
    /// For each receiver: how many values it has yet to take, of all that were sent.
    behind: [Option<usize>; SLOTS],
    lost: Option<usize>,
}

impl<const IS_OURS: bool> Reference<IS_OURS> {
    fn receivers(&self) -> impl Iterator<Item = usize> {
        self.behind.iter().chain([&self.lost]).filter_map(|behind| *behind)
    }

    /// `None`: it has to wait.
    fn take(&mut self, id: Id) -> Option<Outcome> {
        let behind = self.behind[id].as_mut().expect("a receiver is there");
        let kept = self.ring.len();
        if *behind > kept {
            let missed = *behind - kept;
            *behind = kept;
            return Some(lagged(u64::try_from(missed).expect("few")));
        }
        if *behind == 0 {
            return (!self.has_sender).then_some(Outcome("closed", 0));
        }
        let value = self.ring[kept - *behind];
        *behind -= 1;
        Some(Outcome("received", value))
    }
}

impl<const IS_OURS: bool> Model for Reference<IS_OURS> {
    type Act = Act;

    fn new() -> Self {
        Self { has_sender: true, sent: 0, ring: Vec::new(), behind: [None; SLOTS], lost: None }
    }

    fn allows(&self, act: Act, _: Option<Id>) -> bool {
        match act {
            Act::Subscribe | Act::DropSender | Act::Send => self.has_sender,
            Act::Find => self.lost.is_some(),
            _ => true,
        }
    }

    fn poll(&mut self, id: Id, act: Act, _: bool) -> (Option<Outcome>, Then) {
        match act {
            Act::Subscribe if self.has_sender => self.behind[id] = Some(0),
            Act::Find if self.lost.is_some() => self.behind[id] = self.lost.take(),
            Act::Recv => {
                let taken = self.take(id);
                return (taken, if taken.is_some() { Then::Held } else { Then::Gone });
            }
            _ => return (Some(GONE), Then::Gone),
        }
        (Some(DONE), Then::Held)
    }

    fn is_ready(&self, id: Id) -> bool {
        self.behind[id].is_some_and(|behind| behind > 0 || !self.has_sender)
    }

    fn cancel(&mut self, id: Id, act: Act, _: bool) {
        if act == Act::Recv {
            self.lost = self.behind[id].take();
        }
    }

    fn apply(&mut self, id: Id, act: Act) -> (Outcome, Then) {
        match act {
            Act::Recv => (DONE, Then::Future),
            Act::TryRecv => (self.take(id).unwrap_or(Outcome("empty", 0)), Then::Held),
            _ => {
                self.behind[id] = None;
                (DONE, Then::Gone)
            }
        }
    }

    fn op(&mut self, act: Act) -> Outcome {
        if act == Act::DropSender {
            self.has_sender = false;
            return DONE;
        }
        self.sent += 1;
        let receivers = self.receivers().count();
        if receivers > 0 {
            self.ring.push(self.sent);
            if self.ring.len() > CAPACITY {
                self.ring.remove(0);
            }
            self.behind.iter_mut().chain([&mut self.lost]).flatten().for_each(|behind| *behind += 1);
        }
        Outcome("sent to", i64::try_from(receivers).expect("few"))
    }

    fn seen(&self) -> Vec<i64> {
        let number = |count: usize| i64::try_from(count).expect("few");
        let or_gone = |count| if self.has_sender { number(count) } else { -1 };
        let mut seen = vec![or_gone(self.receivers().count())];
        if IS_OURS {
            let kept = self.receivers().max().unwrap_or_default().min(self.ring.len());
            seen.extend([or_gone(kept), number(kept)]);
        }
        seen
    }

    fn ends(&self) -> Vec<Act> {
        vec![Act::DropSender]
    }
}
