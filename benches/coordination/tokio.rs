//! `tokio::sync`, on tokio and, to tell the primitives from the runtime, on ours. All of it is fair.

use std::future::Future;
use std::ops::DerefMut;

use tokio::sync::{Mutex, Notify, mpsc, oneshot};

use super::{Bounded, Event, Library, Lock, Oneshot, Outcome, Semaphore, Unbounded};

pub(crate) struct Tokio;

/// The same in another column.
pub(crate) struct TokioOnOurs;

impl Library for Tokio {
    const NAME: &'static str = "tokio";
    type Lock = Mutex<u64>;
    type Semaphore = tokio::sync::Semaphore;
    type Event = Notify;
    type Oneshot = Tokio;
    type Bounded = Tokio;
    type Unbounded = Tokio;
}

impl Library for TokioOnOurs {
    const NAME: &'static str = "tokio-on-ours";
    type Lock = Mutex<u64>;
    type Semaphore = tokio::sync::Semaphore;
    type Event = Notify;
    type Oneshot = Tokio;
    type Bounded = Tokio;
    type Unbounded = Tokio;
}

impl Lock for Mutex<u64> {
    fn new() -> Self {
        Mutex::new(0)
    }
    fn acquire(&self) -> impl Future<Output = impl DerefMut<Target = u64>> {
        self.lock()
    }
}

impl Semaphore for tokio::sync::Semaphore {
    fn new(permits: usize) -> Self {
        tokio::sync::Semaphore::new(permits)
    }
    fn acquire(&self) -> impl Future<Output = impl Sized> {
        self.acquire()
    }
}

impl Event for Notify {
    fn new() -> Self {
        Notify::new()
    }
    fn wait(&self) -> impl Future<Output = ()> {
        self.notified()
    }
    fn wake_all(&self) {
        self.notify_waiters();
    }
}

impl Oneshot for Tokio {
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

impl<const CAPACITY: usize> Bounded<CAPACITY> for Tokio {
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;
    fn channel() -> (Self::Sender, Self::Receiver) {
        mpsc::channel(CAPACITY)
    }
    fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = impl Outcome<()>> {
        sender.send(value)
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.recv()
    }
}

impl Unbounded for Tokio {
    type Sender = mpsc::UnboundedSender<u64>;
    type Receiver = mpsc::UnboundedReceiver<u64>;
    fn channel() -> (Self::Sender, Self::Receiver) {
        mpsc::unbounded_channel()
    }
    fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).expect("receiver lives");
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.recv()
    }
}
