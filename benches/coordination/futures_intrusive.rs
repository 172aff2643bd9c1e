//! futures-intrusive in its local flavour (`NoopLock`): waiters are linked in the futures themselves. Its lock and its
//! semaphore come fair and unfair, in a column each. Its channel is an array that has no ends: these are ours.

use std::future::Future;
use std::ops::DerefMut;
use std::rc::Rc;

use futures_intrusive::buffer::RealArray;
use futures_intrusive::channel::{LocalChannel, LocalOneshotChannel};
use futures_intrusive::sync::{LocalManualResetEvent, LocalMutex, LocalSemaphore};

use super::{Absent, Bounded, CAPACITY, Event, Library, Lock, Oneshot, Outcome, Semaphore};

/// Running tasks overtake those that wait.
pub(crate) struct Unfair;

/// First come, first served; only what differs.
pub(crate) struct Fair;

impl Library for Unfair {
    const NAME: &'static str = "futures-intrusive";
    type Lock = MaybeFair<LocalMutex<u64>, false>;
    type Semaphore = MaybeFair<LocalSemaphore, false>;
    type Event = LocalManualResetEvent;
    type Oneshot = Unfair;
    type Bounded = Unfair;
    type Unbounded = Absent;
}

impl Library for Fair {
    const NAME: &'static str = "futures-intrusive-fair";
    type Lock = MaybeFair<LocalMutex<u64>, true>;
    type Semaphore = MaybeFair<LocalSemaphore, true>;
    type Event = Absent;
    type Oneshot = Absent;
    type Bounded = Absent;
    type Unbounded = Absent;
}

pub(crate) struct MaybeFair<P, const IS_FAIR: bool>(P);

impl<const IS_FAIR: bool> Lock for MaybeFair<LocalMutex<u64>, IS_FAIR> {
    fn new() -> Self {
        MaybeFair(LocalMutex::new(0, IS_FAIR))
    }
    fn acquire(&self) -> impl Future<Output = impl DerefMut<Target = u64>> {
        self.0.lock()
    }
}

impl<const IS_FAIR: bool> Semaphore for MaybeFair<LocalSemaphore, IS_FAIR> {
    fn new(permits: usize) -> Self {
        MaybeFair(LocalSemaphore::new(IS_FAIR, permits))
    }
    fn acquire(&self) -> impl Future<Output = impl Sized> {
        self.0.acquire(1)
    }
}

impl Event for LocalManualResetEvent {
    fn new() -> Self {
        LocalManualResetEvent::new(false)
    }
    fn wait(&self) -> impl Future<Output = ()> {
        self.wait()
    }
    fn wake_all(&self) {
        self.set();
        self.reset();
    }
}

/// The sending end, which the local flavour lacks: it closes the channel when it is dropped.
pub(crate) struct Closing<C: Close>(Rc<C>);

pub(crate) trait Close: 'static {
    fn close(&self);
}

impl<T: 'static> Close for LocalOneshotChannel<T> {
    fn close(&self) {
        self.close();
    }
}

impl<const CAPACITY: usize> Close for LocalChannel<u64, [u64; CAPACITY]>
where
    [u64; CAPACITY]: RealArray<u64>,
{
    fn close(&self) {
        self.close();
    }
}

impl<C: Close> Drop for Closing<C> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Oneshot for Unfair {
    type Sender<T: 'static> = Closing<LocalOneshotChannel<T>>;
    type Receiver<T: 'static> = Rc<LocalOneshotChannel<T>>;
    fn channel<T: 'static>() -> (Self::Sender<T>, Self::Receiver<T>) {
        let channel = Rc::new(LocalOneshotChannel::new());
        (Closing(Rc::clone(&channel)), channel)
    }
    fn send<T: 'static>(sender: Self::Sender<T>, value: T) {
        assert!(sender.0.send(value).is_ok(), "receiver lives");
    }
    async fn receive<T: 'static>(receiver: Self::Receiver<T>) -> impl Outcome<T> {
        receiver.receive().await
    }
}

macro_rules! bounded {
    ($capacity:expr) => {
        impl Bounded<$capacity> for Unfair {
            type Sender = Closing<LocalChannel<u64, [u64; $capacity]>>;
            type Receiver = Rc<LocalChannel<u64, [u64; $capacity]>>;
            fn channel() -> (Self::Sender, Self::Receiver) {
                let channel = Rc::new(LocalChannel::new());
                (Closing(Rc::clone(&channel)), channel)
            }
            fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = impl Outcome<()>> {
                sender.0.send(value)
            }
            fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
                receiver.receive()
            }
        }
    };
}

bounded!(1);
bounded!(CAPACITY);
