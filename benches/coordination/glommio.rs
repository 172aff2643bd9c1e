//! glommio's own: its local channel and its semaphore. It has no plain lock, no event and no oneshot.

use std::future::Future;

use glommio::channels::local_channel::{LocalReceiver, LocalSender, new_bounded, new_unbounded};

use super::{Absent, Bounded, Library, Outcome, Semaphore, Unbounded};

pub(crate) struct GlommioSync;

impl Library for GlommioSync {
    const NAME: &'static str = "glommio";
    type Lock = Absent;
    type Semaphore = glommio::sync::Semaphore;
    type Event = Absent;
    type Oneshot = Absent;
    type Bounded = GlommioSync;
    type Unbounded = GlommioSync;
}

impl Semaphore for glommio::sync::Semaphore {
    fn new(permits: usize) -> Self {
        glommio::sync::Semaphore::new(permits as u64)
    }
    fn acquire(&self) -> impl Future<Output = impl Sized> {
        self.acquire_permit(1)
    }
}

impl<const CAPACITY: usize> Bounded<CAPACITY> for GlommioSync {
    type Sender = LocalSender<u64>;
    type Receiver = LocalReceiver<u64>;
    fn channel() -> (Self::Sender, Self::Receiver) {
        new_bounded(CAPACITY)
    }
    fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = impl Outcome<()>> {
        sender.send(value)
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.recv()
    }
}

impl Unbounded for GlommioSync {
    type Sender = LocalSender<u64>;
    type Receiver = LocalReceiver<u64>;
    fn channel() -> (Self::Sender, Self::Receiver) {
        new_unbounded()
    }
    fn send(sender: &Self::Sender, value: u64) {
        sender.try_send(value).expect("receiver lives");
    }
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
        receiver.recv()
    }
}
