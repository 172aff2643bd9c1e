//! The bug museum: wake-ups that were lost, permits that leaked, items that vanished in asyncio, tokio, anyio,
//! event-listener, futures and async-lock, each told in time order against our own primitives.
//!
//! A story is named after what must not happen, says in which project it did, and polls by hand: a waiter is polled
//! again when it was woken and not otherwise, so that a lost wake-up is a failure and not a matter of luck. Most are
//! told in both flavours. `sync/tests/mutants/` has our own source with each of these bugs put in, and `.ci/mutants.sh`
//! checks that the story finds it.

/// Tells each story, a function generic over the flavour, in both.
macro_rules! both {
    ($($story:ident),* $(,)?) => {
        mod local {
            $(#[test]
            fn $story() {
                super::$story::<runtime_sync::flavour::Local>();
            })*
        }
        mod shared {
            $(#[test]
            fn $story() {
                super::$story::<runtime_sync::flavour::Shared>();
            })*
        }
    };
}

mod barrier;
mod broadcast;
mod channel;
mod condition;
mod event;
mod lock;
mod once;
mod oneshot;
mod queue;
mod rlock;
mod rwlock;
mod semaphore;
mod stage;
mod timed;
mod watch;
