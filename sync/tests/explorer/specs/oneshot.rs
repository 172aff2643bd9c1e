//! `oneshot`: the value is received, or comes back, or is dropped with the receiver; and each end learns of the other's.
//!
//! As tokio's, whose receiver must not be polled again once it was ready.

use super::exchange::{Item, Maker};
use crate::spec::{DONE, Fut, Id, Model, Outcome, Spec, Then};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    mem,
    pin::Pin,
};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Recv,
    WaitClosed,
    Send,
    DropSender,
    DropReceiver,
    TryRecv,
    Close,
}

/// An end on loan from its home, to which it returns unless it is to go down with its future.
struct Borrowed<T: 'static> {
    home: &'static RefCell<Option<T>>,
    end: Option<T>,
    returns: bool,
}

impl<T> Borrowed<T> {
    fn new(home: &'static RefCell<Option<T>>, returns: bool) -> Option<Self> {
        let end = home.take()?;
        Some(Self { home, end: Some(end), returns })
    }
}

impl<T> Drop for Borrowed<T> {
    fn drop(&mut self) {
        if self.returns {
            self.home.replace(self.end.take());
        }
    }
}

pub(crate) struct World<S, R> {
    sender: RefCell<Option<S>>,
    receiver: RefCell<Option<R>>,
    /// The receiver while a future has it: within reach of what happens between two polls.
    awaited: RefCell<Option<R>>,
    /// The receiver was ready.
    is_done: Cell<bool>,
    maker: Maker,
}

/// A receiver that a future has: back home if it was ready, and gone with the future if not.
struct Awaited<S: 'static, R: 'static> {
    world: &'static World<S, R>,
    returns: bool,
}

impl<S, R> Drop for Awaited<S, R> {
    fn drop(&mut self) {
        let receiver = self.world.awaited.take();
        if self.returns {
            self.world.receiver.replace(receiver);
        }
    }
}

macro_rules! spec {
    ($spec:ident, $name:literal, $is_ours:literal, $($path:ident)::+) => {
        pub(crate) struct $spec;

        impl Spec for $spec {
            const NAME: &'static str = $name;
            type World = World<$($path)::+::Sender<Item>, $($path)::+::Receiver<Item>>;
            type Held = ();
            type Act = Act;
            type Model = Reference<$is_ours>;
            const STARTS: &'static [Act] = &[Act::Recv, Act::WaitClosed];
            const OPS: &'static [Act] =
                &[Act::Send, Act::DropSender, Act::DropReceiver, Act::TryRecv, Act::Close];
            const AMID: &'static [Act] = &[Act::Send, Act::Close];
            const WAKES_EXACTLY: bool = $is_ours;
            const IS_OURS: bool = $is_ours;
            const DEPTH: usize = if $is_ours { 6 } else { 5 };

            fn world() -> Self::World {
                let (sender, receiver) = $($path)::+::channel();
                let (sender, receiver) = (RefCell::new(Some(sender)), RefCell::new(Some(receiver)));
                World { sender, receiver, awaited: RefCell::new(None), is_done: Cell::new(false), maker: Maker::default() }
            }

            fn start(world: &'static Self::World, _: Id, act: Act) -> Fut<Self> {
                if act == Act::WaitClosed {
                    return Box::pin(async {
                        let Some(mut sender) = Borrowed::new(&world.sender, true) else { return (GONE, None) };
                        sender.end.as_mut().expect("borrowed").closed().await;
                        (DONE, None)
                    });
                }
                Box::pin(async {
                    if world.is_done.get() && !$is_ours {
                        return (GONE, None);
                    }
                    let receiver = world.receiver.take();
                    if receiver.is_none() {
                        return (GONE, None);
                    }
                    world.awaited.replace(receiver);
                    let mut awaited = Awaited { world, returns: false };
                    let item = poll_fn(|cx| {
                        let mut receiver = world.awaited.borrow_mut();
                        Pin::new(receiver.as_mut().expect("awaited")).poll(cx)
                    });
                    let item = item.await;
                    awaited.returns = true;
                    world.is_done.set(true);
                    (received(item.ok().map(|item| item.number)), None)
                })
            }

            fn op(world: &'static Self::World, act: Act) -> Outcome {
                if matches!(act, Act::Send | Act::DropSender) {
                    let Some(sender) = world.sender.take() else { return GONE };
                    if act == Act::DropSender {
                        return DONE;
                    }
                    return Outcome("sent", i64::from(sender.send(world.maker.make()).is_ok()));
                }
                if act == Act::DropReceiver {
                    let receiver = world.receiver.take();
                    drop(receiver);
                    return DONE;
                }
                let Some(mut receiver) = Borrowed::new(&world.receiver, true) else { return GONE };
                let receiver = receiver.end.as_mut().expect("borrowed");
                if act == Act::Close {
                    receiver.close();
                    return DONE;
                }
                match receiver.try_recv() {
                    Ok(item) => {
                        world.is_done.set(true);
                        received(Some(item.number))
                    }
                    Err($($path)::+::error::TryRecvError::Empty) => Outcome("empty", 0),
                    Err($($path)::+::error::TryRecvError::Closed) => {
                        world.is_done.set(true);
                        received(None)
                    }
                }
            }

            fn seen(world: &'static Self::World) -> Vec<i64> {
                let sender = world.sender.borrow();
                vec![sender.as_ref().map_or(-1, |sender| i64::from(sender.is_closed())), world.maker.alive()]
            }

            fn probe(world: &'static Self::World) {
                let _ = Self::seen(world);
                // Not while it is polled.
                if let Ok(receiver) = world.awaited.try_borrow() {
                    let _ = format!("{receiver:?}");
                }
            }
        }
    };
}

/// The peer's modules, as ours are.
mod ours {
    pub(super) use runtime_sync::oneshot::{Receiver, Sender, channel};
    pub(super) mod error {
        pub(in super::super) use runtime_sync::oneshot::TryRecvError;
    }
}
spec!(Ours, "oneshot", true, ours);
spec!(Tokios, "tokio's oneshot", false, tokio::sync::oneshot);

/// The end that it needs is elsewhere, or gone.
const GONE: Outcome = Outcome("gone", 0);

fn received(number: Option<i64>) -> Outcome {
    Outcome("received", number.unwrap_or_default())
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Home,
    With(Id),
    Gone,
}

#[derive(Debug)]
pub(crate) struct Reference<const IS_OURS: bool> {
    sender: End,
    receiver: End,
    /// Nothing more will be sent, or taken.
    is_over: bool,
    /// The receiver was ready.
    is_done: bool,
    value: Option<i64>,
    made: i64,
}

impl<const IS_OURS: bool> Model for Reference<IS_OURS> {
    type Act = Act;

    fn new() -> Self {
        Self { sender: End::Home, receiver: End::Home, is_over: false, is_done: false, value: None, made: 0 }
    }

    fn allows(&self, act: Act, _: Option<Id>) -> bool {
        match act {
            Act::Send | Act::DropSender | Act::WaitClosed => self.sender == End::Home,
            Act::Recv => self.receiver == End::Home && (IS_OURS || !self.is_done),
            _ => self.receiver == End::Home,
        }
    }

    fn is_idle(&self, act: Act) -> bool {
        match act {
            Act::TryRecv => self.value.is_none(),
            Act::Close => self.is_over,
            _ => false,
        }
    }

    fn poll(&mut self, id: Id, act: Act, is_first: bool) -> (Option<Outcome>, Then) {
        let end = if act == Act::Recv { &mut self.receiver } else { &mut self.sender };
        if is_first {
            // Made while it was at home, and polled when it is not.
            let is_there = [End::Home, End::With(id)].contains(end);
            if !is_there || act == Act::Recv && self.is_done && !IS_OURS {
                return (Some(GONE), Then::Gone);
            }
            *end = End::With(id);
        }
        if !self.is_over {
            return (None, Then::Gone);
        }
        *end = End::Home;
        if act == Act::Recv {
            self.is_done = true;
            return (Some(received(self.value.take())), Then::Gone);
        }
        (Some(DONE), Then::Gone)
    }

    fn is_ready(&self, id: Id) -> bool {
        self.is_over && [self.sender, self.receiver].contains(&End::With(id))
    }

    fn cancel(&mut self, id: Id, _: Act, _: bool) {
        if self.sender == End::With(id) {
            self.sender = End::Home;
        }
        if self.receiver == End::With(id) {
            (self.receiver, self.is_over, self.value) = (End::Gone, true, None);
        }
    }

    fn begin(&mut self, id: Id, act: Act) {
        *(if act == Act::Recv { &mut self.receiver } else { &mut self.sender }) = End::With(id);
    }

    fn op(&mut self, act: Act) -> Outcome {
        match act {
            // Amid the first poll of the future that has this end.
            Act::Send if self.sender != End::Home => GONE,
            Act::Close if self.receiver != End::Home => GONE,
            Act::Send => {
                self.sender = End::Gone;
                self.made += 1;
                let is_sent = !mem::replace(&mut self.is_over, true);
                self.value = is_sent.then_some(self.made).or(self.value);
                Outcome("sent", i64::from(is_sent))
            }
            Act::DropSender => {
                (self.sender, self.is_over) = (End::Gone, true);
                DONE
            }
            Act::DropReceiver => {
                (self.receiver, self.is_over, self.value) = (End::Gone, true, None);
                DONE
            }
            Act::Close => {
                self.is_over = true;
                DONE
            }
            _ if self.is_over => {
                self.is_done = true;
                received(self.value.take())
            }
            _ => Outcome("empty", 0),
        }
    }

    fn seen(&self) -> Vec<i64> {
        let is_closed = if self.sender == End::Home { i64::from(self.is_over) } else { -1 };
        vec![is_closed, i64::from(self.value.is_some())]
    }

    fn ends(&self) -> Vec<Act> {
        vec![Act::DropSender, Act::DropReceiver]
    }

    fn gives_up(&self) -> Option<Id> {
        match (self.sender, self.receiver) {
            (End::With(id), End::With(_)) => Some(id),
            _ => None,
        }
    }
}
