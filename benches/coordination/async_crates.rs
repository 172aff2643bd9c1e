//! smol's crates: async-lock, event-listener, async-channel. The lock lets a running task overtake those that wait, unless
//! one of them has waited for half a millisecond; the semaphore lets it always. There is no oneshot.

use std::future::Future;
use std::ops::DerefMut;

use async_channel::{Receiver, Sender};
use async_lock::Mutex;

use super::{Absent, Bounded, Event, Library, Lock, Outcome, Semaphore, Unbounded};

pub(crate) struct AsyncCrates;

impl Library for AsyncCrates {
    const NAME: &'static str = "async-lock/-channel";
    type Lock = Mutex<u64>;
    type Semaphore = async_lock::Semaphore;
    type Event = event_listener::Event;
    type Oneshot = Absent;
    type Bounded = AsyncCrates;
    type Unbounded = AsyncCrates;
}

impl Lock for Mutex<u64> {
    fn new() -> Self {
        Mutex::new(0)
    }
    fn acquire(&self) -> impl Future<Output = impl DerefMut<Target = u64>> {
        self.lock()
    }
}

impl Semaphore for async_lock::Semaphore {
    fn new(permits: usize) -> Self {
        async_lock::Semaphore::new(permits)
    }
    fn acquire(&self) -> impl Future<Output = impl Sized> {
        self.acquire()
    }
}

impl Event for event_listener::Event {
    fn new() -> Self {
        event_listener::Event::new()
    }
    /// On the stack, where its documentation says that it is cheaper.
    async fn wait(&self) {
        event_listener::listener!(self => listener);
        listener.await;
    }
    fn wake_all(&self) {
        self.notify(usize::MAX);
    }
}

impl<const CAPACITY: usize> Bounded<CAPACITY> for AsyncCrates {
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;
    fn channel() -> (Self::Sender, Self::Receiver) {
        async_channel::bounded(CAPACITY)
    }
    fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = impl Outcome<()>> {
        sender.send(value)
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.recv()
    }
}

impl Unbounded for AsyncCrates {
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;
    fn channel() -> (Self::Sender, Self::Receiver) {
        async_channel::unbounded()
    }
    fn send(sender: &Self::Sender, value: u64) {
        sender.try_send(value).expect("receiver lives");
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.recv()
    }
}
