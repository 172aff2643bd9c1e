//! Channels: every item that was sent is received once, in order, or comes back, or is dropped with the last receiver.
//!
//! Differences from tokio's, apart from its single receiver and what observers say: a sender whose room had reached it
//! before `close` still sends with ours, and gets its item back with tokio's.

use super::exchange::{Ended, Exchange, Item, Maker, Order, Polled};
use crate::spec::{DONE, Fut, Id, Model, Next, Outcome, Spec, Then};
use runtime_sync::{Receiver, Sender, channel as ours};
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    marker::PhantomData,
};
use tokio::sync::mpsc;

/// What ours and the peer have in common.
pub(crate) trait Ends: 'static {
    type Sender: 'static;
    type Receiver: 'static;
    type Room: 'static;
    type Weak: 'static;
    const IS_OURS: bool;
    fn open(capacity: usize) -> (Self::Sender, Self::Receiver);
    fn clone_sender(sender: &Self::Sender) -> Self::Sender;
    fn weak(sender: &Self::Sender) -> Self::Weak;
    fn has_sender(weak: &Self::Weak) -> bool;
    /// Another receiver, or, of the peer, the only one.
    fn borrow_receiver(receiver: &RefCell<Option<Self::Receiver>>) -> Self::Receiver;
    fn return_receiver(home: &RefCell<Option<Self::Receiver>>, receiver: Self::Receiver);
    fn send(sender: &Self::Sender, item: Item) -> impl Future<Output = Result<(), Item>>;
    /// The error: whether it is closed.
    fn try_send(sender: &Self::Sender, item: Item) -> Result<(), bool>;
    fn reserve(sender: &'static Self::Sender) -> impl Future<Output = Option<Self::Room>> + 'static;
    fn use_room(room: Self::Room, item: Item) -> bool;
    fn recv(receiver: &mut Self::Receiver, by_hand: bool) -> impl Future<Output = Option<Item>>;
    fn recv_two(receiver: &mut Self::Receiver) -> impl Future<Output = Vec<Item>>;
    /// The error: whether it has ended.
    fn try_recv(receiver: &mut Self::Receiver) -> Result<Item, bool>;
    fn close(receiver: &mut Self::Receiver);
    /// Length, senders, receivers, whether it is closed.
    fn seen(sender: Option<&Self::Sender>, receiver: Option<&Self::Receiver>) -> Vec<i64>;
}

pub(crate) struct Ours;

impl Ends for Ours {
    type Sender = Sender<Item>;
    type Receiver = Receiver<Item>;
    type Room = ours::Reservation<'static, Item>;
    type Weak = ours::WeakSender<Item>;
    const IS_OURS: bool = true;
    fn open(capacity: usize) -> (Self::Sender, Self::Receiver) {
        if capacity == UNBOUNDED { runtime_sync::unbounded() } else { runtime_sync::channel(capacity) }
    }
    fn clone_sender(sender: &Self::Sender) -> Self::Sender {
        sender.clone()
    }
    fn weak(sender: &Self::Sender) -> Self::Weak {
        sender.downgrade()
    }
    fn has_sender(weak: &Self::Weak) -> bool {
        weak.upgrade().is_some()
    }
    fn borrow_receiver(receiver: &RefCell<Option<Self::Receiver>>) -> Self::Receiver {
        receiver.borrow().clone().expect("there is a receiver")
    }
    fn return_receiver(_: &RefCell<Option<Self::Receiver>>, receiver: Self::Receiver) {
        drop(receiver);
    }
    async fn send(sender: &Self::Sender, item: Item) -> Result<(), Item> {
        sender.send(item).await.map_err(|error| error.0)
    }
    fn try_send(sender: &Self::Sender, item: Item) -> Result<(), bool> {
        sender.try_send(item).map_err(|error| matches!(error, ours::TrySendError::Closed(_)))
    }
    fn reserve(sender: &'static Self::Sender) -> impl Future<Output = Option<Self::Room>> + 'static {
        let reserve = sender.reserve();
        async { reserve.await.ok() }
    }
    fn use_room(room: Self::Room, item: Item) -> bool {
        room.send(item).is_ok()
    }
    async fn recv(receiver: &mut Self::Receiver, by_hand: bool) -> Option<Item> {
        if by_hand { poll_fn(|cx| receiver.poll_recv(cx)).await } else { receiver.recv().await }
    }
    async fn recv_two(receiver: &mut Self::Receiver) -> Vec<Item> {
        let mut items = Vec::new();
        let number = receiver.recv_many(&mut items, 2).await;
        assert_eq!(number, items.len());
        items
    }
    fn try_recv(receiver: &mut Self::Receiver) -> Result<Item, bool> {
        receiver.try_recv().map_err(|error| error == ours::TryRecvError::Closed)
    }
    fn close(receiver: &mut Self::Receiver) {
        receiver.close();
    }
    fn seen(sender: Option<&Self::Sender>, receiver: Option<&Self::Receiver>) -> Vec<i64> {
        let number = |count: usize| i64::try_from(count).expect("few");
        let mut seen = vec![-1; 4];
        if let Some(receiver) = receiver {
            seen[..3].copy_from_slice(&[
                number(receiver.len()),
                number(receiver.sender_count()),
                number(receiver.receiver_count()),
            ]);
        }
        if let Some(sender) = sender {
            seen[3] = i64::from(sender.is_closed());
        }
        seen
    }
}

pub(crate) struct Tokios;

impl Ends for Tokios {
    type Sender = mpsc::Sender<Item>;
    type Receiver = mpsc::Receiver<Item>;
    type Room = mpsc::Permit<'static, Item>;
    type Weak = mpsc::WeakSender<Item>;
    const IS_OURS: bool = false;
    fn open(capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::channel(capacity)
    }
    fn clone_sender(sender: &Self::Sender) -> Self::Sender {
        sender.clone()
    }
    fn weak(sender: &Self::Sender) -> Self::Weak {
        sender.downgrade()
    }
    fn has_sender(weak: &Self::Weak) -> bool {
        weak.upgrade().is_some()
    }
    fn borrow_receiver(receiver: &RefCell<Option<Self::Receiver>>) -> Self::Receiver {
        receiver.take().expect("there is a receiver")
    }
    fn return_receiver(home: &RefCell<Option<Self::Receiver>>, receiver: Self::Receiver) {
        home.replace(Some(receiver));
    }
    async fn send(sender: &Self::Sender, item: Item) -> Result<(), Item> {
        sender.send(item).await.map_err(|error| error.0)
    }
    fn try_send(sender: &Self::Sender, item: Item) -> Result<(), bool> {
        sender.try_send(item).map_err(|error| matches!(error, mpsc::error::TrySendError::Closed(_)))
    }
    async fn reserve(sender: &'static Self::Sender) -> Option<Self::Room> {
        sender.reserve().await.ok()
    }
    fn use_room(room: Self::Room, item: Item) -> bool {
        room.send(item);
        true
    }
    async fn recv(receiver: &mut Self::Receiver, by_hand: bool) -> Option<Item> {
        if by_hand { poll_fn(|cx| receiver.poll_recv(cx)).await } else { receiver.recv().await }
    }
    async fn recv_two(receiver: &mut Self::Receiver) -> Vec<Item> {
        let mut items = Vec::new();
        receiver.recv_many(&mut items, 2).await;
        items
    }
    fn try_recv(receiver: &mut Self::Receiver) -> Result<Item, bool> {
        receiver.try_recv().map_err(|error| error == mpsc::error::TryRecvError::Disconnected)
    }
    fn close(receiver: &mut Self::Receiver) {
        receiver.close();
    }
    fn seen(sender: Option<&Self::Sender>, _: Option<&Self::Receiver>) -> Vec<i64> {
        vec![sender.map_or(-1, |sender| i64::from(sender.is_closed()))]
    }
}

pub(crate) const UNBOUNDED: usize = usize::MAX;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Send,
    Recv,
    RecvTwo,
    Reserve,
    Unreserve,
    UseRoom,
    TrySend,
    TryRecv,
    Close,
    DropSender,
    DropReceiver,
}

/// The handles that are there without any future, and the one that rooms are borrowed from.
pub(crate) struct World<E: Ends> {
    sender: RefCell<Option<E::Sender>>,
    receiver: RefCell<Option<E::Receiver>>,
    keeper: Option<E::Sender>,
    weak: E::Weak,
    maker: Maker,
}

/// A receiver for the time of one future.
struct Borrowed<E: Ends>(&'static World<E>, Option<E::Receiver>);

impl<E: Ends> Drop for Borrowed<E> {
    fn drop(&mut self) {
        E::return_receiver(&self.0.receiver, self.1.take().expect("returned once"));
    }
}

/// A channel of a capacity. `KEEPS`: one sender stays, so that room can be borrowed from it.
pub(crate) struct Of<E, const CAPACITY: usize, const KEEPS: bool>(PhantomData<E>);

impl<E: Ends, const CAPACITY: usize, const KEEPS: bool> Spec for Of<E, CAPACITY, KEEPS> {
    const NAME: &'static str = match (E::IS_OURS, KEEPS, CAPACITY) {
        (true, false, 0) => "channel(0)",
        (true, false, 1) => "channel(1)",
        (true, false, 2) => "channel(2)",
        (true, true, 0) => "channel(0) with reservations",
        (true, true, 1) => "channel(1) with reservations",
        (true, true, 2) => "channel(2) with reservations",
        (true, ..) => "unbounded()",
        (false, false, _) => "tokio's mpsc",
        (false, true, _) => "tokio's mpsc with reservations",
    };
    type World = World<E>;
    type Held = E::Room;
    type Act = Act;
    type Model = Reference<E, CAPACITY, KEEPS>;
    const STARTS: &'static [Act] = match (KEEPS, CAPACITY) {
        (true, _) => &[Act::Send, Act::Recv, Act::Reserve],
        (false, 0..=2) => &[Act::Send, Act::Recv],
        (false, _) => &[Act::Send, Act::Recv, Act::RecvTwo],
    };
    const USES: &'static [Act] = &[Act::Unreserve, Act::UseRoom];
    const RARE: &'static [Act] = match (KEEPS, CAPACITY) {
        (true, _) => &[Act::TryRecv],
        (false, 0..=2) => &[],
        (false, _) => &[Act::Recv],
    };
    const OPS: &'static [Act] = if KEEPS {
        &[Act::Close, Act::TryRecv, Act::DropReceiver]
    } else {
        &[Act::TrySend, Act::TryRecv, Act::Close, Act::DropSender, Act::DropReceiver]
    };
    const IS_OURS: bool = E::IS_OURS;
    const DEPTH: usize = if E::IS_OURS { 6 } else { 5 };
    // Tokio wakes a receiver for each item.
    const WAKES_EXACTLY: bool = E::IS_OURS;
    const IDLE: u8 = 1;
    const PLACES: usize = 3;

    fn world() -> World<E> {
        let (sender, receiver) = E::open(CAPACITY);
        let keeper = KEEPS.then(|| E::clone_sender(&sender));
        let weak = E::weak(&sender);
        let sender = RefCell::new((!KEEPS).then_some(sender));
        World { sender, receiver: RefCell::new(Some(receiver)), keeper, weak, maker: Maker::default() }
    }

    fn start(world: &'static World<E>, id: Id, act: Act) -> Fut<Self> {
        let borrowed = || Borrowed(world, Some(E::borrow_receiver(&world.receiver)));
        match act {
            Act::Send => Box::pin(async {
                let Some(sender) = world.sender() else { return (GONE, None) };
                let sent = E::send(&sender, world.maker.make()).await;
                (Outcome("sent", i64::from(sent.is_ok())), None)
            }),
            Act::Reserve => {
                let reserve = E::reserve(world.keeper.as_ref().expect("one stays"));
                Box::pin(async {
                    let room = reserve.await;
                    (Outcome("reserved", i64::from(room.is_some())), room)
                })
            }
            _ => Box::pin(async move {
                if world.receiver.borrow().is_none() {
                    return (GONE, None);
                }
                let mut receiver = borrowed();
                let receiver = receiver.1.as_mut().expect("not returned");
                if act == Act::RecvTwo {
                    let items = E::recv_two(receiver).await;
                    return (received(items.iter().map(|item| item.number)), None);
                }
                let item = E::recv(receiver, id % 2 == 1).await;
                (received(item.iter().map(|item| item.number)), None)
            }),
        }
    }

    fn apply(world: &'static World<E>, act: Act, room: E::Room) -> (Outcome, Next<Self>) {
        if act == Act::UseRoom {
            let sent = E::use_room(room, world.maker.make());
            return (Outcome("sent", i64::from(sent)), Next::Gone);
        }
        (DONE, Next::Gone)
    }

    fn op(world: &'static World<E>, act: Act) -> Outcome {
        // Out of its home: what is dropped meanwhile looks at the world.
        let receiver = world.receiver.take();
        if act == Act::DropReceiver {
            drop(receiver);
            return DONE;
        }
        let mut receiver = Away(world, receiver);
        match (act, &mut receiver.1) {
            (Act::TrySend, _) => {
                match world.sender().map(|sender| E::try_send(&sender, world.maker.make())) {
                    None => GONE,
                    Some(Ok(())) => Outcome("sent", 1),
                    Some(Err(is_closed)) => Outcome(if is_closed { "closed" } else { "full" }, 0),
                }
            }
            (Act::DropSender, _) => {
                let sender = world.sender.take();
                drop(sender);
                DONE
            }
            (Act::Close, Some(receiver)) => {
                E::close(receiver);
                DONE
            }
            (_, Some(receiver)) => match E::try_recv(receiver) {
                Ok(item) => received([item.number].into_iter()),
                Err(has_ended) => Outcome(if has_ended { "ended" } else { "empty" }, 0),
            },
            _ => GONE,
        }
    }

    fn seen(world: &'static World<E>) -> Vec<i64> {
        let sender = world.sender.borrow();
        let sender = sender.as_ref().or(world.keeper.as_ref());
        let mut seen = E::seen(sender, world.receiver.borrow().as_ref());
        seen.push(i64::from(E::has_sender(&world.weak)));
        if E::IS_OURS {
            seen.push(world.maker.alive());
        }
        seen
    }
}

/// The receiver on its way; it comes home even if a waker panics.
struct Away<E: Ends>(&'static World<E>, Option<E::Receiver>);

impl<E: Ends> Drop for Away<E> {
    fn drop(&mut self) {
        self.0.receiver.replace(self.1.take());
    }
}

impl<E: Ends> World<E> {
    fn sender(&self) -> Option<E::Sender> {
        let sender = self.sender.borrow();
        sender.as_ref().or(self.keeper.as_ref()).map(E::clone_sender)
    }
}

/// The handle that it needs has been dropped before.
const GONE: Outcome = Outcome("gone", 0);

/// The numbers of the items: 12 is 1 and 2, 0 is none.
fn received(numbers: impl Iterator<Item = i64>) -> Outcome {
    Outcome("received", numbers.fold(0, |all, number| 1000 * all + number))
}

#[derive(Debug)]
pub(crate) struct Reference<E, const CAPACITY: usize, const KEEPS: bool> {
    exchange: Exchange,
    has_sender: bool,
    has_receiver: bool,
    senders: Vec<Id>,
    receivers: Vec<Id>,
    peer: PhantomData<E>,
}

impl<E: Ends, const CAPACITY: usize, const KEEPS: bool> Reference<E, CAPACITY, KEEPS> {
    /// A future is gone, and with it its handle.
    fn forget(&mut self, id: Id) {
        self.senders.retain(|sender| *sender != id);
        let was_receiver = self.receivers.contains(&id);
        self.receivers.retain(|receiver| *receiver != id);
        self.end(was_receiver);
    }

    /// After a sender or a receiver was dropped: perhaps it was the last.
    fn end(&mut self, was_receiver: bool) {
        if !KEEPS && !self.has_sender && self.senders.is_empty() && !self.exchange.is_closed {
            self.exchange.close();
        }
        if was_receiver && !self.has_receiver && self.receivers.is_empty() {
            self.exchange.abandon();
        }
    }
}

impl<E: Ends, const CAPACITY: usize, const KEEPS: bool> Model for Reference<E, CAPACITY, KEEPS> {
    type Act = Act;

    fn new() -> Self {
        let mut exchange = Exchange::new((CAPACITY != UNBOUNDED).then_some(CAPACITY), Order::Fifo);
        exchange.close_takes_room_back = !E::IS_OURS;
        Self {
            exchange,
            has_sender: !KEEPS,
            has_receiver: true,
            senders: Vec::new(),
            receivers: Vec::new(),
            peer: PhantomData,
        }
    }

    fn allows(&self, act: Act, _: Option<Id>) -> bool {
        let is_receiver_there = self.has_receiver && (E::IS_OURS || self.receivers.is_empty());
        match act {
            Act::Recv | Act::RecvTwo | Act::TryRecv | Act::Close | Act::DropReceiver => is_receiver_there,
            Act::DropSender => self.has_sender,
            Act::Send | Act::TrySend => KEEPS || self.has_sender,
            _ => true,
        }
    }

    fn is_idle(&self, act: Act) -> bool {
        match act {
            Act::TrySend => !self.exchange.may_put(),
            Act::TryRecv => !self.exchange.may_get(),
            Act::Close => self.exchange.is_closed,
            _ => false,
        }
    }

    fn poll(&mut self, id: Id, act: Act, is_first: bool) -> (Option<Outcome>, Then) {
        let is_receiver = matches!(act, Act::Recv | Act::RecvTwo);
        if is_first {
            let is_receiver_there = self.has_receiver && (E::IS_OURS || self.receivers.is_empty());
            match act {
                Act::Send if !self.has_sender && !KEEPS => return (Some(GONE), Then::Gone),
                Act::Send => self.senders.push(id),
                _ if is_receiver && !is_receiver_there => return (Some(GONE), Then::Gone),
                _ if is_receiver => self.receivers.push(id),
                _ => {}
            }
        }
        let polled = match act {
            Act::Send => sent("sent", self.exchange.poll_put(id, is_first)),
            Act::Reserve => sent("reserved", self.exchange.poll_reserve(id, is_first)),
            _ => match self.exchange.poll_get(id, is_first) {
                Polled::Waits => None,
                Polled::Ready(Err(Ended)) => Some(received(std::iter::empty())),
                Polled::Ready(Ok(item)) => {
                    let more = if act == Act::RecvTwo { self.exchange.try_get() } else { None };
                    Some(received([item].into_iter().chain(more.and_then(Result::ok))))
                }
            },
        };
        if polled.is_some() {
            self.forget(id);
        }
        let is_held = act == Act::Reserve && polled.is_some_and(|outcome| outcome.1 == 1);
        (polled, if is_held { Then::Held } else { Then::Gone })
    }

    fn is_ready(&self, id: Id) -> bool {
        self.exchange.is_putter_ready(id) || self.exchange.is_getter_ready(id)
    }

    fn was_taken_back(&self, id: Id) -> bool {
        self.exchange.was_taken_back(id)
    }

    fn cancel(&mut self, id: Id, _: Act, was_polled: bool) {
        if was_polled {
            self.exchange.cancel_put(id);
            self.exchange.cancel_get(id);
            self.forget(id);
        }
    }

    fn apply(&mut self, _: Id, act: Act) -> (Outcome, Then) {
        if act == Act::UseRoom {
            let is_sent = self.exchange.use_room().is_ok() || !E::IS_OURS;
            return (Outcome("sent", i64::from(is_sent)), Then::Gone);
        }
        self.exchange.give_room_back();
        (DONE, Then::Gone)
    }

    fn op(&mut self, act: Act) -> Outcome {
        match act {
            Act::TrySend => {
                let closed_or_full = if self.exchange.is_closed { "closed" } else { "full" };
                let may = self.exchange.may_put();
                if may {
                    let _ = self.exchange.poll_put(Id::MAX, true);
                } else {
                    self.exchange.make();
                }
                Outcome(if may { "sent" } else { closed_or_full }, i64::from(may))
            }
            Act::TryRecv => match self.exchange.try_get() {
                Some(Ok(item)) => received([item].into_iter()),
                Some(Err(Ended)) => Outcome("ended", 0),
                None => Outcome("empty", 0),
            },
            Act::Close => {
                self.exchange.close();
                DONE
            }
            Act::DropSender => {
                self.has_sender = false;
                self.end(false);
                DONE
            }
            _ => {
                self.has_receiver = false;
                self.end(true);
                DONE
            }
        }
    }

    fn seen(&self) -> Vec<i64> {
        let number = |count: usize| i64::try_from(count).expect("few");
        let has_sender = self.has_sender || KEEPS;
        let is_closed = if has_sender { i64::from(self.exchange.is_closed) } else { -1 };
        let senders = self.senders.len() + usize::from(has_sender);
        if !E::IS_OURS {
            return vec![is_closed, i64::from(senders > 0)];
        }
        let receivers = self.receivers.len() + 1;
        let items = self.exchange.store.len() + self.exchange.carried.len();
        let mut seen = vec![-1, -1, -1, is_closed, i64::from(senders > 0), number(items)];
        if self.has_receiver {
            seen[..3].copy_from_slice(&[
                number(self.exchange.store.len()),
                number(senders),
                number(receivers),
            ]);
        }
        seen
    }

    fn ends(&self) -> Vec<Act> {
        // The last: where one sender stays, whoever waits for an item gets one.
        vec![Act::Close, Act::DropReceiver, Act::DropSender, Act::TrySend]
    }
}

fn sent(what: &'static str, polled: Polled<Result<(), Ended>>) -> Option<Outcome> {
    match polled {
        Polled::Waits => None,
        Polled::Ready(sent) => Some(Outcome(what, i64::from(sent.is_ok()))),
    }
}
