//! Stories of the oneshot channel: who owns the value, who is woken, and when foreign code runs.
#![cfg(not(loom))]

use runtime_sync::shared::oneshot::{Receiver, RecvError, Sender, TryRecvError, channel};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

/// Counts its wakes; the number of its owners tells who still keeps a clone.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (Arc::clone(&bell), bell.into())
    }

    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts how often it, and its siblings, were dropped.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

#[test]
fn both_ends_go_to_other_threads_whenever_the_value_may() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Sender<std::cell::Cell<u8>>>(); // `Send` alone is asked of the value
    is_send_and_sync::<Receiver<std::cell::Cell<u8>>>();
    is_send_and_sync::<RecvError>();
}

#[test]
fn a_value_sent_first_is_there_at_the_first_poll() {
    let (sender, mut receiver) = channel();
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(poll(&mut receiver, Waker::noop()), Poll::Ready(Ok(1)));
}

#[test]
fn a_waiting_receiver_is_woken_once_and_then_gets_only_errors() {
    let (sender, mut receiver) = channel();
    let (bell, waker) = Bell::new();
    assert_eq!(poll(&mut receiver, &waker), Poll::Pending);
    assert_eq!(bell.rings(), 0);
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(bell.rings(), 1);
    assert_eq!(poll(&mut receiver, &waker), Poll::Ready(Ok(1)));
    assert_eq!(poll(&mut receiver, &waker), Poll::Ready(Err(RecvError)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(bell.rings(), 1);
}

#[test]
fn a_dropped_sender_wakes_and_ends_the_receiver() {
    let (sender, mut receiver) = channel::<u8>();
    let (bell, waker) = Bell::new();
    assert_eq!(poll(&mut receiver, &waker), Poll::Pending);
    drop(sender);
    assert_eq!(bell.rings(), 1);
    assert_eq!(poll(&mut receiver, &waker), Poll::Ready(Err(RecvError)));
}

#[test]
fn a_dropped_receiver_tells_the_sender_and_the_value_comes_back() {
    let (mut sender, receiver) = channel();
    let (bell, waker) = Bell::new();
    let mut cx = Context::from_waker(&waker);
    assert!(!sender.is_closed());
    assert_eq!(sender.poll_closed(&mut cx), Poll::Pending);
    drop(receiver);
    assert_eq!(bell.rings(), 1);
    assert!(sender.is_closed());
    assert_eq!(sender.poll_closed(&mut cx), Poll::Ready(()));
    assert_eq!(sender.send(5), Err(5));
}

#[test]
fn close_keeps_what_was_sent_and_refuses_what_comes_later() {
    let (sender, mut receiver) = channel();
    sender.send(5).unwrap();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(5));

    let (mut sender, mut receiver) = channel();
    let (bell, waker) = Bell::new();
    assert!(sender.poll_closed(&mut Context::from_waker(&waker)).is_pending());
    receiver.close();
    receiver.close();
    assert_eq!(bell.rings(), 1);
    assert_eq!(poll(&mut receiver, Waker::noop()), Poll::Ready(Err(RecvError)));
    assert_eq!(sender.send(5), Err(5));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn an_untaken_value_is_dropped_once_with_its_receiver() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = channel();
    sender.send(Counted(Arc::clone(&drops))).unwrap();
    assert_eq!(drops.load(Ordering::Relaxed), 0, "after Ok the receiver owns it");
    drop(receiver);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn an_awaited_but_not_finished_receive_loses_nothing() {
    let (sender, mut receiver) = channel();
    {
        let waiting = pin!(&mut receiver);
        assert!(waiting.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    sender.send(3).unwrap();
    assert_eq!(poll(&mut receiver, Waker::noop()), Poll::Ready(Ok(3)));
}

#[test]
fn only_the_latest_waker_is_kept_and_called() {
    let (sender, mut receiver) = channel();
    let (old, old_waker) = Bell::new();
    let (new, new_waker) = Bell::new();
    assert!(poll(&mut receiver, &old_waker).is_pending());
    assert!(poll(&mut receiver, &old_waker).is_pending());
    assert_eq!(Arc::strong_count(&old), 3, "the same waker is not cloned twice");
    assert!(poll(&mut receiver, &new_waker).is_pending());
    assert_eq!(Arc::strong_count(&old), 2, "a replaced waker is let go at once");
    sender.send(()).unwrap();
    assert_eq!((old.rings(), new.rings()), (0, 1));
    assert_eq!(Arc::strong_count(&new), 2, "the channel keeps no waker that it has called");
}

#[test]
fn no_waker_outlives_the_wait_it_was_given_for() {
    let (bell, waker) = Bell::new();
    let (mut sender, mut receiver) = channel::<u8>();
    {
        let closed = pin!(sender.closed());
        assert!(closed.poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(Arc::strong_count(&bell), 3);
    }
    assert_eq!(Arc::strong_count(&bell), 2, "an abandoned `closed` takes its waker along");

    assert!(sender.poll_closed(&mut Context::from_waker(&waker)).is_pending());
    sender.send(1).unwrap();
    assert_eq!(Arc::strong_count(&bell), 2, "a finished sender too");
    receiver.try_recv().unwrap();

    let (sender, mut receiver) = channel::<u8>();
    assert!(poll(&mut receiver, &waker).is_pending());
    drop(receiver);
    assert_eq!(Arc::strong_count(&bell), 2, "and a dropped receiver, though the sender lives on");
    assert_eq!(bell.rings(), 0);
    drop(sender);
}

/// A waker that uses the channel from inside `wake` and from its own drop. With a lock held these would hang.
struct Reentrant {
    receiver: Mutex<Option<Receiver<u8>>>,
    sender: Arc<Mutex<Option<Sender<u8>>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Wake for Reentrant {
    fn wake(self: Arc<Self>) {
        let got = self.receiver.lock().unwrap().as_mut().map(Receiver::try_recv);
        self.seen.lock().unwrap().push(format!("wake {got:?}"));
    }
}

impl Drop for Reentrant {
    fn drop(&mut self) {
        let closed = self.sender.lock().unwrap().as_ref().map(Sender::is_closed);
        self.seen.lock().unwrap().push(format!("drop {closed:?}"));
    }
}

#[test]
fn a_waker_may_use_the_channel_that_calls_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (sender, receiver) = channel();
    let bell = Arc::new(Reentrant {
        receiver: Mutex::new(Some(receiver)),
        sender: Arc::default(),
        seen: Arc::clone(&seen),
    });
    let waker = Waker::from(Arc::clone(&bell));
    assert!(poll(bell.receiver.lock().unwrap().as_mut().unwrap(), &waker).is_pending());
    sender.send(9).unwrap();
    assert_eq!(*seen.lock().unwrap(), ["wake Some(Ok(9))"]);
}

#[test]
fn a_waker_may_use_the_channel_that_drops_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (sender, mut receiver) = channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let waker = || {
        Waker::from(Arc::new(Reentrant {
            receiver: Mutex::new(None),
            sender: Arc::clone(&sender),
            seen: Arc::clone(&seen),
        }))
    };
    assert!(poll(&mut receiver, &waker()).is_pending());
    assert!(poll(&mut receiver, Waker::noop()).is_pending()); // replaces, and so drops, the first
    assert_eq!(*seen.lock().unwrap(), ["drop Some(false)"]);
    assert!(poll(&mut receiver, &waker()).is_pending());
    drop(receiver); // drops the second
    assert_eq!(*seen.lock().unwrap(), ["drop Some(false)", "drop Some(true)"]);
}

#[test]
fn a_panicking_waker_does_not_take_the_value_back() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in wake");
        }
    }
    let (sender, mut receiver) = channel();
    assert!(poll(&mut receiver, &Arc::new(Panics).into()).is_pending());
    let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sender.send(4)));
    assert!(sent.is_err());
    assert_eq!(receiver.try_recv(), Ok(4));
}

#[test]
fn a_thread_blocks_until_the_value_or_the_end() {
    for round in 0..200 {
        let (sender, receiver) = channel();
        let start = Arc::new(Barrier::new(2));
        let at_start = Arc::clone(&start);
        let thread = thread::Builder::new().spawn(move || {
            at_start.wait();
            receiver.blocking_recv()
        });
        start.wait();
        if round % 2 == 0 {
            sender.send(round).unwrap();
            assert_eq!(thread.unwrap().join().unwrap(), Ok(round));
        } else {
            drop(sender);
            assert_eq!(thread.unwrap().join().unwrap(), Err(RecvError));
        }
    }
}

#[test]
fn blocking_leaves_the_park_token_of_the_thread_alone() {
    let (sender, receiver) = channel();
    thread::current().unpark();
    let thread = thread::Builder::new().spawn(move || sender.send(1)).unwrap();
    assert_eq!(receiver.blocking_recv(), Ok(1));
    thread.join().unwrap().unwrap();
    thread::park(); // returns at once; would hang had the wait taken the token
}

#[test]
fn values_of_no_size_and_of_a_megabyte_pass() {
    let (sender, receiver) = channel();
    sender.send(()).unwrap();
    assert_eq!(receiver.blocking_recv(), Ok(()));
    let (sender, receiver) = channel();
    sender.send(vec![7_u8; 1 << 20]).unwrap();
    assert_eq!(receiver.blocking_recv().unwrap().len(), 1 << 20);
}

#[test]
fn ends_and_errors_describe_themselves() {
    let (sender, receiver) = channel::<u8>();
    assert_eq!(format!("{sender:?}"), "oneshot::Sender { is_closed: false }");
    assert_eq!(format!("{receiver:?}"), "oneshot::Receiver { state: open }");
    sender.send(1).unwrap();
    assert_eq!(format!("{receiver:?}"), "oneshot::Receiver { state: sent }");
    assert_eq!(RecvError.to_string(), "the channel closed without a value");
    assert_eq!(TryRecvError::Empty.to_string(), "no value was sent yet");
}
