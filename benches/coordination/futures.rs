//! The futures crates: `futures-util`'s lock, which lets a running task overtake those that wait, and `futures-channel`.

use std::future::{Future, poll_fn};
use std::ops::DerefMut;
use std::task::{Poll, ready};

use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;
use futures_util::lock::Mutex;

use super::{Absent, Bounded, Library, Lock, Oneshot, Outcome, Unbounded};

pub(crate) struct Futures;

impl Library for Futures {
    const NAME: &'static str = "futures";
    type Lock = Mutex<u64>;
    type Semaphore = Absent;
    type Event = Absent;
    type Oneshot = Futures;
    type Bounded = Futures;
    type Unbounded = Futures;
}

impl Lock for Mutex<u64> {
    fn new() -> Self {
        Mutex::new(0)
    }
    fn acquire(&self) -> impl Future<Output = impl DerefMut<Target = u64>> {
        self.lock()
    }
}

impl Oneshot for Futures {
    type Sender<T: 'static> = oneshot::Sender<T>;
    type Receiver<T: 'static> = oneshot::Receiver<T>;
    fn channel<T: 'static>() -> (Self::Sender<T>, Self::Receiver<T>) {
        oneshot::channel()
    }
    fn send<T: 'static>(sender: Self::Sender<T>, value: T) {
        assert!(sender.send(value).is_ok(), "receiver lives");
    }
    fn receive<T: 'static>(receiver: Self::Receiver<T>) -> impl Future<Output = impl Outcome<T>> {
        receiver
    }
}

impl<const CAPACITY: usize> Bounded<CAPACITY> for Futures {
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;
    /// Every sender has a slot of its own besides.
    fn channel() -> (Self::Sender, Self::Receiver) {
        mpsc::channel(CAPACITY - 1)
    }
    /// What `SinkExt::feed` does; `SinkExt::send` waits until there is room for the next item as well.
    fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = impl Outcome<()>> {
        poll_fn(move |cx| {
            ready!(sender.poll_ready(cx))?;
            Poll::Ready(sender.start_send(value))
        })
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.next()
    }
}

impl Unbounded for Futures {
    type Sender = mpsc::UnboundedSender<u64>;
    type Receiver = mpsc::UnboundedReceiver<u64>;
    fn channel() -> (Self::Sender, Self::Receiver) {
        mpsc::unbounded()
    }
    fn send(sender: &Self::Sender, value: u64) {
        sender.unbounded_send(value).expect("receiver lives");
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.next()
    }
}
