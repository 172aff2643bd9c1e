//! local-sync, monoio's companion: tokio's algorithms without atomics. It has no lock and no event.

use std::future::Future;

use local_sync::mpsc::{bounded, unbounded};
use local_sync::oneshot;

use super::{Absent, Bounded, Library, Oneshot, Outcome, Semaphore, Unbounded};

pub(crate) struct LocalSync;

impl Library for LocalSync {
    const NAME: &'static str = "local-sync";
    type Lock = Absent;
    type Semaphore = local_sync::semaphore::Semaphore;
    type Event = Absent;
    type Oneshot = LocalSync;
    type Bounded = LocalSync;
    type Unbounded = LocalSync;
}

impl Semaphore for local_sync::semaphore::Semaphore {
    fn new(permits: usize) -> Self {
        local_sync::semaphore::Semaphore::new(permits)
    }
    fn acquire(&self) -> impl Future<Output = impl Sized> {
        self.acquire()
    }
}

impl Oneshot for LocalSync {
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

impl<const CAPACITY: usize> Bounded<CAPACITY> for LocalSync {
    type Sender = bounded::Tx<u64>;
    type Receiver = bounded::Rx<u64>;
    fn channel() -> (Self::Sender, Self::Receiver) {
        bounded::channel(CAPACITY)
    }
    fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = impl Outcome<()>> {
        sender.send(value)
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.recv()
    }
}

impl Unbounded for LocalSync {
    type Sender = unbounded::Tx<u64>;
    type Receiver = unbounded::Rx<u64>;
    fn channel() -> (Self::Sender, Self::Receiver) {
        unbounded::channel()
    }
    fn send(sender: &Self::Sender, value: u64) {
        assert!(sender.send(value).is_ok(), "receiver lives");
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.recv()
    }
}
