//! Stories of the oneshot channel: who owns the value, who is woken, and when foreign code runs. First of the shared
//! flavour, which threads use; then of both.
#![cfg(not(loom))]

mod stories;

use runtime_sync::{
    Kind,
    flavour::{Flavour, Local, Shared},
    oneshot,
    shared::oneshot::{Receiver, RecvError, Sender, TryRecvError, channel},
};
use std::{
    cell::Cell,
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};
use stories::{Person, Task, in_both_flavours, is, now, open_waits, with_services};

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
    is_send_and_sync::<Sender<Cell<u8>>>(); // `Send` alone is asked of the value
    is_send_and_sync::<Receiver<Cell<u8>>>();
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

/// A flavour, as far as the stories of both are concerned.
trait Channels: Flavour {
    fn channel<T>() -> (oneshot::Sender<T, Self>, oneshot::Receiver<T, Self>);
}

impl Channels for Local {
    fn channel<T>() -> (oneshot::Sender<T>, oneshot::Receiver<T>) {
        oneshot::channel()
    }
}

impl Channels for Shared {
    fn channel<T>() -> (Sender<T>, Receiver<T>) {
        channel()
    }
}

in_both_flavours!(
    a_value_reaches_the_task_that_waits,
    the_end_of_either_side_is_told_to_the_other,
    a_value_has_one_owner_at_a_time,
    a_wait_that_was_given_up_loses_nothing,
    a_refused_value_comes_back,
    whoever_polled_last_is_woken,
    waits_say_what_for_and_end_in_time,
    a_wait_goes_along_to_another_task,
    an_end_may_be_a_value,
);

fn a_value_reaches_the_task_that_waits<F: Channels>() {
    let (sender, receiver) = F::channel();
    let task = Task::waiting(receiver);
    assert_eq!(sender.send(Rc::new(7)), Ok(()));
    assert_eq!(task.ends().as_deref(), Ok(&7));
    let (sender, mut receiver) = F::channel();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    sender.send(8).unwrap();
    assert_eq!(now(&mut receiver), Ok(8));
    assert_eq!(now(&mut receiver), Err(RecvError));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

fn the_end_of_either_side_is_told_to_the_other<F: Channels>() {
    let (sender, receiver) = F::channel::<u8>();
    let task = Task::waiting(receiver);
    drop(sender);
    assert_eq!(task.ends(), Err(RecvError));
    let (mut sender, receiver) = F::channel::<u8>();
    let task = Task::waiting(sender.closed());
    drop(receiver);
    task.ends();
    let (mut sender, mut receiver) = F::channel::<u8>();
    let task = Task::waiting(sender.closed());
    receiver.close();
    task.ends();
    now(sender.closed());
}

/// Counts its drops.
#[derive(Debug)]
struct Dropped(Rc<Cell<u32>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

fn a_value_has_one_owner_at_a_time<F: Channels>() {
    let drops = Rc::<Cell<u32>>::default();
    let value = || Dropped(Rc::clone(&drops));
    let (sender, receiver) = F::channel();
    sender.send(value()).unwrap();
    assert_eq!(drops.get(), 0, "it is the receiver's");
    drop(receiver);
    assert_eq!(drops.get(), 1, "and goes with it");
    let (sender, mut receiver) = F::channel();
    sender.send(value()).unwrap();
    receiver.close();
    let taken = receiver.try_recv().unwrap();
    drop(receiver);
    assert_eq!(drops.get(), 1, "it is ours");
    drop(taken);
    let (sender, receiver) = F::channel();
    drop(receiver);
    let back = sender.send(value()).unwrap_err();
    assert_eq!(drops.get(), 2, "it is ours again");
    drop(back);
    assert_eq!(drops.get(), 3);
}

fn a_wait_that_was_given_up_loses_nothing<F: Channels>() {
    let (sender, mut receiver) = F::channel();
    drop(Task::waiting(&mut receiver));
    let woken = Task::waiting(&mut receiver);
    sender.send(1).unwrap();
    assert!(woken.is_woken());
    drop(woken);
    assert_eq!(now(receiver), Ok(1));
}

fn a_refused_value_comes_back<F: Channels>() {
    let (sender, mut receiver) = F::channel();
    let task = Task::waiting(&mut receiver);
    drop(task);
    receiver.close();
    assert!(sender.is_closed());
    assert_eq!(sender.send(5), Err(5));
    assert_eq!(now(receiver), Err(RecvError));
}

fn whoever_polled_last_is_woken<F: Channels>() {
    let (first, second) = (Bell::new(), Bell::new());
    let (sender, mut receiver) = F::channel();
    assert!(poll(&mut receiver, &first.1).is_pending());
    assert!(poll(&mut receiver, &second.1).is_pending());
    assert_eq!(Arc::strong_count(&first.0), 2, "the other waker was let go at once");
    sender.send(()).unwrap();
    assert_eq!((first.0.rings(), second.0.rings()), (0, 1));
    assert_eq!(Arc::strong_count(&second.0), 2);
}

fn waits_say_what_for_and_end_in_time<F: Channels>() {
    with_services();
    let (mut sender, mut receiver) = F::channel();
    let task = Task::waiting(&mut receiver);
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.created, wait.created.file()), (Kind::Oneshot, wait.asked, file!()));
    drop(task);
    assert_eq!(open_waits().len(), 1, "the receiver still waits");
    let asked = line!() + 1;
    let task = Task::waiting(sender.closed());
    assert_eq!((open_waits()[1].asked.line(), open_waits()[1].address), (asked, wait.address));
    drop(task);
    assert_eq!(open_waits().len(), 1);
    sender.send(1).unwrap();
    // Across threads it ends where it began. At home it is over: nobody else could have use of what it was granted.
    assert_eq!(open_waits().len(), usize::from(!F::IS_LOCAL));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(open_waits().is_empty());
    let (mut sender, receiver) = F::channel::<u8>();
    let (task, other) = (Task::waiting(receiver), Task::waiting(sender.closed()));
    assert_eq!(open_waits().len(), 2);
    drop(task);
    assert!(open_waits().is_empty(), "one gave up, so the other waits no more");
    other.ends();
}

fn a_wait_goes_along_to_another_task<F: Channels>() {
    with_services();
    let (sender, mut receiver) = F::channel();
    drop(Person::default().waiting(&mut receiver));
    let task = Person::default().waiting(&mut receiver);
    assert_eq!(open_waits().len(), 1, "the wait of the first is over");
    sender.send(1).unwrap();
    assert_eq!(task.ends(), Ok(1));
    assert!(open_waits().is_empty());
}

fn an_end_may_be_a_value<F: Channels>() {
    let (sender, receiver) = F::channel::<oneshot::Receiver<u8, F>>();
    let (mut inner_sender, inner_receiver) = F::channel();
    let watching = Task::waiting(inner_sender.closed());
    sender.send(inner_receiver).map_err(drop).unwrap();
    drop(receiver); // drops the value, which is an end itself, and wakes
    watching.ends();
}

#[test]
fn the_local_flavour_stays_on_its_thread() {
    assert!(!is!(oneshot::Sender<u8>: Send) && !is!(oneshot::Receiver<u8>: Send));
    assert!(!is!(oneshot::Sender<u8>: Sync) && !is!(oneshot::Receiver<u8>: Sync));
}
