//! `watch`: the last value is never missed, and `changed` returns if and only if there is one that was not seen.
//!
//! As tokio's, whose `closed` waits on if another receiver has come before it is polled.

use super::broadcast::Value;
use crate::spec::{DONE, Fut, Id, Model, Next, Outcome, SLOTS, Spec, Then};
use std::{cell::RefCell, rc::Rc};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Subscribe,
    /// Subscribes, and waits for news: in one future, for what comes amid its first poll.
    SubscribeAndChange,
    /// A clone instead of the receiver: it has seen as much.
    Clone,
    /// Takes over the receiver of a `Changed` that was dropped.
    Find,
    /// Waits until there is no receiver.
    WaitClosed,
    Leave,
    Changed,
    /// Waits for a value that is a multiple of 3.
    WaitFor,
    /// What the value is; it has been seen then.
    Look,
    Send,
    Replace,
    DropSender,
}

pub(crate) struct World<S, R> {
    sender: RefCell<Option<Rc<S>>>,
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
            const STARTS: &'static [Act] = &[Act::Subscribe, Act::Find, Act::WaitClosed, Act::SubscribeAndChange];
            const USES: &'static [Act] = if $is_ours {
                &[Act::Leave, Act::Changed, Act::Look, Act::WaitFor, Act::Clone]
            } else {
                &[Act::Leave, Act::Changed, Act::Look, Act::Clone]
            };
            const OPS: &'static [Act] = &[Act::Send, Act::Replace, Act::DropSender];
            const AMID: &'static [Act] = &[Act::Send];
            const RARE: &'static [Act] = &[Act::Replace, Act::SubscribeAndChange, Act::Clone];
            const WAKES_EXACTLY: bool = $is_ours;
            const IS_OURS: bool = $is_ours;
            const IDLE: u8 = 1;
            const PLACES: usize = 3;
            const DEPTH: usize = if $is_ours { 6 } else { 5 };

            fn world() -> Self::World {
                let alive = Rc::new(());
                let (sender, _) = $($path)::+::channel(Value(0, alive.clone()));
                let (sender, lost) = (RefCell::new(Some(Rc::new(sender))), RefCell::new(None));
                World { sender, lost, sent: RefCell::new(0), alive }
            }

            fn start(world: &'static Self::World, _: Id, act: Act) -> Fut<Self> {
                Box::pin(async move {
                    if act == Act::Find {
                        let receiver = world.lost.take();
                        return (if receiver.is_some() { DONE } else { GONE }, receiver);
                    }
                    let sender = world.sender.borrow().clone();
                    let Some(sender) = sender else { return (GONE, None) };
                    if act == Act::Subscribe {
                        return (DONE, Some(sender.subscribe()));
                    }
                    if act == Act::SubscribeAndChange {
                        let mut receiver = Losing(world, Some(sender.subscribe()));
                        drop(sender);
                        let changed = receiver.1.as_mut().expect("not lost").changed().await;
                        return (changed.map_or(CLOSED, |()| DONE), receiver.1.take());
                    }
                    sender.closed().await;
                    (DONE, None)
                })
            }

            fn apply(world: &'static Self::World, act: Act, mut receiver: Self::Held) -> (Outcome, Next<Self>) {
                match act {
                    Act::Changed | Act::WaitFor => {
                        let mut receiver = Losing(world, Some(receiver));
                        let changed = async move {
                            let end = receiver.1.as_mut().expect("not lost");
                            let outcome = if act == Act::WaitFor {
                                let found = end.wait_for(|value| value.0 % 3 == 0).await;
                                found.map_or(CLOSED, |value| Outcome("value", value.0))
                            } else {
                                end.changed().await.map_or(CLOSED, |()| DONE)
                            };
                            (outcome, receiver.1.take())
                        };
                        (DONE, Next::Future(Box::pin(changed)))
                    }
                    Act::Look => {
                        let number = receiver.borrow_and_update().0;
                        (Outcome("value", number), Next::Held(receiver))
                    }
                    Act::Clone => (DONE, Next::Held(receiver.clone())),
                    _ => (DONE, Next::Gone),
                }
            }

            fn op(world: &'static Self::World, act: Act) -> Outcome {
                if act == Act::DropSender {
                    let sender = world.sender.take();
                    drop(sender);
                    return DONE;
                }
                let sender = world.sender.borrow().clone();
                let Some(sender) = sender else { return GONE };
                let number = world.sent.replace_with(|number| *number + 1) + 1;
                let value = Value(number, world.alive.clone());
                if act == Act::Replace {
                    let before = sender.send_replace(value);
                    return Outcome("replaced", before.0);
                }
                Outcome("sent", i64::from(sender.send(value).is_ok()))
            }

            fn seen(world: &'static Self::World) -> Vec<i64> {
                let sender = world.sender.borrow();
                let number = |count: usize| i64::try_from(count).expect("few");
                let mut seen = vec![sender.as_ref().map_or(-1, |sender| number(sender.receiver_count()))];
                let is_in_use = sender.is_some() || world.lost.borrow().is_some();
                if $is_ours {
                    seen.push(if is_in_use { number(Rc::strong_count(&world.alive) - 1) } else { -1 });
                }
                seen
            }

            fn probe(world: &'static Self::World) {
                let sender = world.sender.borrow().clone();
                let _ = sender.map(|sender| (sender.receiver_count(), format!("{sender:?}")));
            }
        }
    };
}

spec!(Ours, "watch", true, runtime_sync::watch);
spec!(Tokios, "tokio's watch", false, tokio::sync::watch);

/// There is no such thing any more.
const GONE: Outcome = Outcome("gone", 0);
const CLOSED: Outcome = Outcome("closed", 0);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    version: i64,
    /// What a `wait_for` that waits has looked at.
    looked: i64,
}

#[derive(Debug)]
pub(crate) struct Reference<const IS_OURS: bool> {
    has_sender: bool,
    /// Those who wait for the receivers to go; they keep the sender.
    closers: Vec<(Id, bool)>,
    /// The number of the value sent last, and of the one that is there.
    sent: i64,
    value: i64,
    version: i64,
    receivers: [Option<Seen>; SLOTS],
    lost: Option<Seen>,
}

impl<const IS_OURS: bool> Reference<IS_OURS> {
    fn count(&self) -> usize {
        self.receivers.iter().chain([&self.lost]).flatten().count()
    }

    fn is_open(&self) -> bool {
        self.has_sender || !self.closers.is_empty()
    }

    /// A receiver went: was it the last?
    fn desert(&mut self) {
        if self.count() == 0 {
            self.closers.iter_mut().for_each(|(_, is_told)| *is_told = true);
        }
    }

    fn subscribe(&mut self, id: Id) {
        self.receivers[id].get_or_insert(Seen { version: self.version, looked: -1 });
    }

    fn poll_receiver(&mut self, id: Id, act: Act) -> Option<Outcome> {
        let (version, value, is_open) = (self.version, self.value, self.is_open());
        let seen = self.receivers[id].as_mut().expect("a receiver is there");
        if act == Act::WaitFor {
            if seen.looked != version {
                seen.looked = version;
                if value % 3 == 0 {
                    seen.version = version;
                    return Some(Outcome("value", value));
                }
            }
            if !is_open {
                seen.version = version;
                return Some(CLOSED);
            }
            return None;
        }
        if seen.version != version {
            seen.version = version;
            return Some(DONE);
        }
        (!is_open).then_some(CLOSED)
    }
}

impl<const IS_OURS: bool> Model for Reference<IS_OURS> {
    type Act = Act;

    fn new() -> Self {
        Self {
            has_sender: true,
            closers: Vec::new(),
            sent: 0,
            value: 0,
            version: 0,
            receivers: [None; SLOTS],
            lost: None,
        }
    }

    fn allows(&self, act: Act, _: Option<Id>) -> bool {
        match act {
            Act::Find => self.lost.is_some(),
            Act::DropSender => self.has_sender && self.closers.is_empty(),
            Act::Subscribe | Act::SubscribeAndChange | Act::WaitClosed | Act::Send | Act::Replace => {
                self.has_sender
            }
            _ => true,
        }
    }

    fn poll(&mut self, id: Id, act: Act, is_first: bool) -> (Option<Outcome>, Then) {
        match act {
            Act::Find => match self.lost.take() {
                None => return (Some(GONE), Then::Gone),
                found => self.receivers[id] = found,
            },
            Act::SubscribeAndChange if is_first && !self.has_sender => return (Some(GONE), Then::Gone),
            Act::Changed | Act::WaitFor | Act::SubscribeAndChange => {
                if is_first && act == Act::SubscribeAndChange {
                    self.subscribe(id);
                }
                let outcome = self.poll_receiver(id, act);
                return (outcome, if outcome.is_some() { Then::Held } else { Then::Gone });
            }
            _ if is_first && !self.has_sender => return (Some(GONE), Then::Gone),
            Act::Subscribe => {
                self.subscribe(id);
            }
            _ => {
                if is_first {
                    self.closers.push((id, self.count() == 0));
                }
                let is_told = self.is_ready(id);
                if is_told || !IS_OURS {
                    self.closers.retain(|(closer, _)| *closer != id);
                }
                if !is_told && !IS_OURS {
                    self.closers.push((id, false));
                }
                return (is_told.then_some(DONE), Then::Gone);
            }
        }
        (Some(DONE), Then::Held)
    }

    fn is_ready(&self, id: Id) -> bool {
        let is_open = self.is_open();
        let has_news = |seen: Seen| (seen.version != self.version) || !is_open;
        let waits_for = |seen: Seen| (seen.looked != self.version) || !is_open;
        self.closers.contains(&(id, true)) && (IS_OURS || self.count() == 0)
            || self.receivers[id]
                .is_some_and(|seen| if seen.looked < 0 { has_news(seen) } else { waits_for(seen) })
    }

    fn cancel(&mut self, id: Id, act: Act, was_polled: bool) {
        self.closers.retain(|(closer, _)| *closer != id);
        let has_receiver = act == Act::SubscribeAndChange && was_polled;
        if has_receiver || matches!(act, Act::Changed | Act::WaitFor) {
            self.lost = self.receivers[id].take().map(|seen| Seen { looked: -1, ..seen });
            self.desert();
        }
    }

    fn apply(&mut self, id: Id, act: Act) -> (Outcome, Then) {
        let version = self.version;
        let seen = self.receivers[id].as_mut().expect("a receiver is there");
        seen.looked = -1;
        match act {
            Act::Changed | Act::WaitFor => (DONE, Then::Future),
            Act::Clone => (DONE, Then::Held),
            Act::Look => {
                seen.version = version;
                (Outcome("value", self.value), Then::Held)
            }
            _ => {
                self.receivers[id] = None;
                self.desert();
                (DONE, Then::Gone)
            }
        }
    }

    fn begin(&mut self, id: Id, act: Act) {
        if act == Act::SubscribeAndChange {
            self.subscribe(id);
        }
    }

    fn op(&mut self, act: Act) -> Outcome {
        if act == Act::DropSender {
            self.has_sender = false;
            return DONE;
        }
        self.sent += 1;
        let is_taken = act == Act::Replace || self.count() > 0;
        let before = self.value;
        if is_taken {
            self.value = self.sent;
            self.version += 1;
        }
        if act == Act::Replace { Outcome("replaced", before) } else { Outcome("sent", i64::from(is_taken)) }
    }

    fn seen(&self) -> Vec<i64> {
        let count = i64::try_from(self.count()).expect("few");
        let mut seen = vec![if self.has_sender { count } else { -1 }];
        if IS_OURS {
            seen.push(if self.has_sender || self.lost.is_some() { 1 } else { -1 });
        }
        seen
    }

    fn ends(&self) -> Vec<Act> {
        vec![Act::DropSender]
    }

    fn gives_up(&self) -> Option<Id> {
        self.closers.iter().find(|_| self.count() > 0).map(|(id, _)| *id)
    }
}
