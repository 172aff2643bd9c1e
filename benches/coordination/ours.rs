//! Our own primitives, in both flavours.

use std::future::Future;
use std::ops::DerefMut;

use super::{Bounded, Event, Library, Lock, Oneshot, Outcome, Semaphore, Unbounded};

/// Plain cells, for one thread.
pub(crate) struct Local;

/// Atomics and mutexes, for many.
pub(crate) struct Shared;

macro_rules! flavour {
    ($library:ident, $name:literal, $sync:path) => {
        const _: () = {
            use $sync as sync;

            impl Library for $library {
                const NAME: &'static str = $name;
                type Lock = sync::Lock<u64>;
                type Semaphore = sync::Semaphore;
                type Event = sync::Event;
                type Oneshot = $library;
                type Bounded = $library;
                type Unbounded = $library;
            }

            impl Lock for sync::Lock<u64> {
                fn new() -> Self {
                    sync::Lock::new(0)
                }
                fn acquire(&self) -> impl Future<Output = impl DerefMut<Target = u64>> {
                    self.acquire()
                }
            }

            impl Semaphore for sync::Semaphore {
                fn new(permits: usize) -> Self {
                    sync::Semaphore::new(permits)
                }
                fn acquire(&self) -> impl Future<Output = impl Sized> {
                    self.acquire()
                }
            }

            impl Event for sync::Event {
                fn new() -> Self {
                    sync::Event::new()
                }
                fn wait(&self) -> impl Future<Output = ()> {
                    self.wait()
                }
                fn wake_all(&self) {
                    self.set();
                    self.clear();
                }
            }

            impl Oneshot for $library {
                type Sender<T: 'static> = sync::oneshot::Sender<T>;
                type Receiver<T: 'static> = sync::oneshot::Receiver<T>;
                fn channel<T: 'static>() -> (Self::Sender<T>, Self::Receiver<T>) {
                    sync::oneshot::channel()
                }
                fn send<T: 'static>(sender: Self::Sender<T>, value: T) {
                    assert!(sender.send(value).is_ok(), "receiver lives");
                }
                fn receive<T: 'static>(receiver: Self::Receiver<T>) -> impl Future<Output = impl Outcome<T>> {
                    receiver
                }
            }

            impl<const CAPACITY: usize> Bounded<CAPACITY> for $library {
                type Sender = sync::Sender<u64>;
                type Receiver = sync::Receiver<u64>;
                fn channel() -> (Self::Sender, Self::Receiver) {
                    sync::channel(CAPACITY)
                }
                fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = impl Outcome<()>> {
                    sender.send(value)
                }
                fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
                    receiver.recv()
                }
            }

            impl Unbounded for $library {
                type Sender = sync::Sender<u64>;
                type Receiver = sync::Receiver<u64>;
                fn channel() -> (Self::Sender, Self::Receiver) {
                    sync::unbounded()
                }
                fn send(sender: &Self::Sender, value: u64) {
                    sender.try_send(value).expect("receiver lives");
                }
                fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>> {
                    receiver.recv()
                }
            }
        };
    };
}

flavour!(Local, "ours", runtime::sync);
flavour!(Shared, "ours-shared", runtime::sync::shared);
