//! Channels: items from any number of senders to any number of receivers, each item to one of them.

mod receiver;
mod sender;

use crate::{
    exchange::{Exchange, UNBOUNDED},
    flavour::{Flavour, Pointer},
    wait_list::Turn,
};
use std::panic::Location;

pub use crate::errors::{SendError, SendTimeoutError, TryRecvError, TrySendError};
pub use receiver::{Receiver, Recv};
pub use sender::{Reservation, Reserve, Send, Sender, WeakSender};

/// A channel in which up to `capacity` items may wait for a receiver.
pub(crate) fn bounded<T, F: Flavour>(
    capacity: usize,
    created: &'static Location<'static>,
) -> (Sender<T, F>, Receiver<T, F>) {
    open(crate::exchange::bounded_capacity(capacity), created)
}

/// A channel without limit.
pub(crate) fn unbounded<T, F: Flavour>(
    created: &'static Location<'static>,
) -> (Sender<T, F>, Receiver<T, F>) {
    open(UNBOUNDED, created)
}

fn open<T, F: Flavour>(capacity: u32, created: &'static Location<'static>) -> (Sender<T, F>, Receiver<T, F>) {
    let shared = F::Pointer::new(Exchange::new(capacity, created));
    (Sender { shared: F::Pointer::clone(&shared) }, Receiver { shared, turn: Turn::new() })
}

/// Methods that both ends have.
macro_rules! measures {
    ($end:ident) => {
        impl<T, F: Flavour> $end<T, F> {
            /// Items that were sent and not yet received.
            pub fn len(&self) -> usize {
                self.shared.len()
            }

            /// Whether nothing is there to be received.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// How many items may wait; `None`: any number.
            pub fn capacity(&self) -> Option<usize> {
                self.shared.capacity()
            }

            /// Senders that keep the channel open.
            pub fn sender_count(&self) -> usize {
                self.shared.update(|state, _| state.putters as usize)
            }

            /// Receivers that keep it alive.
            pub fn receiver_count(&self) -> usize {
                self.shared.update(|state, _| state.getters as usize)
            }
        }
    };
}
measures!(Sender);
measures!(Receiver);
