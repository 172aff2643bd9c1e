//! Model checks of the oneshot channel: every interleaving of its two ends, on every memory order allowed.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-sync --release --test loom_oneshot`
#![cfg(loom)]

use loom::{
    model,
    sync::{Condvar, Mutex},
    thread,
};
use runtime_sync::shared::oneshot::{RecvError, TryRecvError, channel};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// A sleeper that loom can see: a wake that is lost leaves its thread blocked, which loom reports.
struct Doze {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Doze {
    fn new() -> Arc<Self> {
        Arc::new(Self { woken: Mutex::new(false), bell: Condvar::new() })
    }

    fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.bell.wait(woken).unwrap();
        }
        *woken = false;
    }
}

impl Wake for Doze {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.bell.notify_one();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let doze = Doze::new();
    let waker = Waker::from(Arc::clone(&doze));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        doze.sleep();
    }
}

/// Counts its drops. The count is outside the model: it must be 1 after each run, whatever the order was.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn send_against_poll() {
    model(|| {
        let (sender, receiver) = channel();
        let thread = thread::spawn(move || assert_eq!(sender.send(7), Ok(())));
        assert_eq!(block_on(receiver), Ok(7));
        thread.join().unwrap();
    });
}

#[test]
fn send_against_the_blocking_receive() {
    model(|| {
        let (sender, receiver) = channel();
        let thread = thread::spawn(move || assert_eq!(sender.send(7), Ok(())));
        assert_eq!(receiver.blocking_recv(), Ok(7));
        thread.join().unwrap();
    });
}

#[test]
fn drop_of_the_sender_against_poll() {
    model(|| {
        let (sender, receiver) = channel::<u8>();
        let thread = thread::spawn(move || drop(sender));
        assert_eq!(block_on(receiver), Err(RecvError));
        thread.join().unwrap();
    });
}

#[test]
fn send_against_drop_of_a_polled_receiver() {
    model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let value = Counted(Arc::clone(&drops));
        let (sender, mut receiver) = channel();
        let thread = thread::spawn(move || sender.send(value).err());
        let polled = Pin::new(&mut receiver).poll(&mut Context::from_waker(&Doze::new().into()));
        let taken = polled.is_ready();
        drop(polled);
        drop(receiver);
        let back = thread.join().unwrap();
        // `Ok` means that the receiver, or its drop, had it; an error means that it is in our hands.
        assert_eq!(drops.load(Ordering::Relaxed), usize::from(back.is_none()));
        assert!(!(taken && back.is_some()));
    });
}

#[test]
fn send_against_close_and_a_last_look() {
    model(|| {
        let (sender, mut receiver) = channel();
        let thread = thread::spawn(move || sender.send(7));
        receiver.close();
        let got = receiver.try_recv();
        match thread.join().unwrap() {
            Ok(()) => assert_eq!(got, Ok(7)), // after `close` nothing is sent that was not seen
            Err(back) => assert_eq!((got, back), (Err(TryRecvError::Closed), 7)),
        }
    });
}

#[test]
fn drop_of_the_receiver_against_the_wait_for_it() {
    model(|| {
        let (mut sender, receiver) = channel::<u8>();
        let thread = thread::spawn(move || drop(receiver));
        block_on(sender.closed());
        assert!(sender.is_closed());
        assert_eq!(sender.send(1), Err(1));
        thread.join().unwrap();
    });
}

#[test]
fn send_while_the_receiver_changes_its_waker() {
    model(|| {
        let (sender, mut receiver) = channel();
        let thread = thread::spawn(move || assert_eq!(sender.send(7), Ok(())));
        let (first, second) = (Doze::new(), Doze::new());
        let mut poll = |doze: &Arc<Doze>| {
            Pin::new(&mut receiver).poll(&mut Context::from_waker(&Arc::clone(doze).into()))
        };
        let mut got = poll(&first);
        if got.is_pending() {
            got = poll(&second);
        }
        while got.is_pending() {
            second.sleep(); // the latest waker is the one that counts
            got = poll(&second);
        }
        assert_eq!(got, Poll::Ready(Ok(7)));
        thread.join().unwrap();
    });
}

#[test]
fn close_against_the_wait_for_it() {
    model(|| {
        let (mut sender, mut receiver) = channel();
        let thread = thread::spawn(move || {
            block_on(sender.closed());
            sender.send(7)
        });
        receiver.close();
        assert_eq!(block_on(&mut receiver), Err(RecvError));
        assert_eq!(thread.join().unwrap(), Err(7));
    });
}

#[test]
fn both_ends_dropped_at_once() {
    model(|| {
        let (sender, mut receiver) = channel::<u8>();
        let doze = Doze::new();
        let polled = Pin::new(&mut receiver).poll(&mut Context::from_waker(&Arc::clone(&doze).into()));
        assert!(polled.is_pending());
        let thread = thread::spawn(move || drop(sender));
        drop(receiver);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&doze), 1); // nobody keeps the waker
    });
}
