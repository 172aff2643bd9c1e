//! flume: channels only.

use std::future::Future;

use flume::{Receiver, Sender};

use super::{Absent, Bounded, Library, Outcome, Unbounded};

pub(crate) struct Flume;

impl Library for Flume {
    const NAME: &'static str = "flume";
    type Lock = Absent;
    type Semaphore = Absent;
    type Event = Absent;
    type Oneshot = Absent;
    type Bounded = Flume;
    type Unbounded = Flume;
}

impl<const CAPACITY: usize> Bounded<CAPACITY> for Flume {
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;
    fn channel() -> (Self::Sender, Self::Receiver) {
        flume::bounded(CAPACITY)
    }
    fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = impl Outcome<()>> {
        sender.send_async(value)
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.recv_async()
    }
}

impl Unbounded for Flume {
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;
    fn channel() -> (Self::Sender, Self::Receiver) {
        flume::unbounded()
    }
    fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).expect("receiver lives");
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.recv_async()
    }
}
