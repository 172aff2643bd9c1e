//! Stories of `watch`: which value is seen, who is told of it, and how it ends. Both flavours, no executor.
#![cfg(not(loom))]

mod stories;

use futures_lite::StreamExt;
use runtime_sync::{
    Elapsed, Kind,
    flavour::{Flavour, Local, Shared},
    watch::{Closed, Receiver, SendError, Sender},
};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    time::Duration,
};
use stories::{Task, advance, in_both_flavours, is, now, open_waits, tired, with_services, woken};

/// A flavour, as far as these stories are concerned.
trait Watches: Flavour {
    fn watch<T>(initial: T) -> (Sender<T, Self>, Receiver<T, Self>);
}

impl Watches for Local {
    fn watch<T>(initial: T) -> (Sender<T, Self>, Receiver<T, Self>) {
        runtime_sync::watch(initial)
    }
}

impl Watches for Shared {
    fn watch<T>(initial: T) -> (Sender<T, Self>, Receiver<T, Self>) {
        runtime_sync::shared::watch(initial)
    }
}

in_both_flavours!(
    a_new_value_is_told_once_and_only_the_latest_is_seen,
    looking_is_not_seeing,
    each_receiver_sees_for_itself,
    all_who_wait_are_told_in_order_of_arrival,
    a_wait_that_was_given_up_has_seen_nothing,
    the_last_value_is_seen_before_the_end,
    those_who_wait_are_told_that_the_sender_is_gone,
    without_receivers_a_value_is_not_set_unless_one_insists,
    a_snapshot_outlives_its_value_and_holds_nothing_up,
    a_change_of_a_clone_becomes_the_value,
    a_change_that_was_not_one_is_not_told,
    a_change_made_meanwhile_is_not_lost,
    waiting_for_a_value_looks_at_the_one_that_is_there,
    waiting_for_a_value_passes_over_others,
    waiting_for_a_value_ends_with_the_sender,
    a_wait_for_a_value_that_was_given_up_has_seen_nothing,
    the_sender_learns_that_the_last_receiver_went,
    a_wait_for_the_last_receiver_passes_though_another_came,
    a_stream_begins_with_the_value_of_now,
    a_poll_by_hand_keeps_its_place_until_another_method_is_called,
    values_may_use_the_channel_when_they_are_cloned_and_dropped,
    waits_say_what_for,
    a_limit_leaves_nothing_behind,
    who_always_finds_a_change_gives_way_now_and_then,
    descriptions_say_what_is_there,
);

fn a_new_value_is_told_once_and_only_the_latest_is_seen<F: Watches>() {
    let (sender, mut receiver) = F::watch(0);
    Task::waiting(receiver.changed()).goes_on_waiting(); // what is there at first is no news
    let task = Task::waiting(receiver.changed());
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!(task.ends(), Ok(()));
    assert_eq!(*receiver.borrow(), 2);
    drop(Task::waiting(receiver.changed()));
    sender.send(2).unwrap(); // the same again is a new one, too
    assert_eq!(now(receiver.changed()), Ok(()));
}

fn looking_is_not_seeing<F: Watches>() {
    let (sender, mut receiver) = F::watch('a');
    sender.send('b').unwrap();
    assert_eq!(*receiver.borrow(), 'b');
    assert_eq!(receiver.has_changed(), Ok(true));
    assert_eq!(*receiver.borrow_and_update(), 'b');
    assert_eq!(receiver.has_changed(), Ok(false));
    drop(Task::waiting(receiver.changed()));
}

fn each_receiver_sees_for_itself<F: Watches>() {
    let (sender, mut first) = F::watch(0);
    sender.send(1).unwrap();
    let mut unseen = first.clone();
    assert_eq!(now(first.changed()), Ok(()));
    let mut seen = first.clone();
    let mut late = sender.subscribe();
    assert_eq!(now(unseen.changed()), Ok(()));
    drop((Task::waiting(seen.changed()), Task::waiting(late.changed())));
    assert_eq!(sender.receiver_count(), 4);
}

fn all_who_wait_are_told_in_order_of_arrival<F: Watches>() {
    let (sender, receiver) = F::watch(0);
    let mut receivers = [receiver.clone(), receiver.clone(), receiver];
    let mut tasks: Vec<_> = receivers.iter_mut().map(|receiver| Task::waiting(receiver.changed())).collect();
    drop(tasks.remove(1));
    sender.send(1).unwrap();
    assert_eq!(woken(&tasks), [0, 1]);
    tasks.into_iter().for_each(|task| assert_eq!(task.ends(), Ok(())));
    assert_eq!(now(receivers[1].changed()), Ok(()));
}

fn a_wait_that_was_given_up_has_seen_nothing<F: Watches>() {
    let (sender, mut receiver) = F::watch(0);
    let task = Task::waiting(receiver.changed());
    sender.send(1).unwrap();
    assert!(task.is_woken());
    drop(task);
    assert_eq!(receiver.has_changed(), Ok(true));
    assert_eq!(now(receiver.changed()), Ok(()));
}

fn the_last_value_is_seen_before_the_end<F: Watches>() {
    let (sender, mut receiver) = F::watch(0);
    let mut other = receiver.clone();
    sender.send(1).unwrap();
    let task_of_other = other.borrow_and_update();
    drop(sender);
    assert_eq!(*task_of_other, 1);
    assert_eq!(receiver.has_changed(), Ok(true));
    assert_eq!(now(receiver.changed()), Ok(()));
    assert_eq!(now(receiver.changed()), Err(Closed));
    assert_eq!((receiver.has_changed(), other.has_changed()), (Err(Closed), Err(Closed)));
    assert_eq!(*receiver.borrow(), 1, "the value is there for ever");
}

fn those_who_wait_are_told_that_the_sender_is_gone<F: Watches>() {
    let (sender, mut receiver) = F::watch(0);
    let mut other = receiver.clone();
    let tasks = [Task::waiting(receiver.changed()), Task::waiting(other.changed())];
    drop(sender);
    tasks.into_iter().for_each(|task| assert_eq!(task.ends(), Err(Closed)));
}

fn without_receivers_a_value_is_not_set_unless_one_insists<F: Watches>() {
    let (sender, receiver) = F::watch(0);
    assert!(!sender.is_closed());
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send(1), Err(SendError(1)));
    assert_eq!(*sender.borrow(), 0);
    assert_eq!(*sender.send_replace(2), 0);
    sender.send_modify(|value| *value += 1);
    assert_eq!(sender.subscribe().has_changed(), Ok(false), "to whoever comes, it is what it is");
    assert_eq!(*sender.borrow(), 3);
}

fn a_snapshot_outlives_its_value_and_holds_nothing_up<F: Watches>() {
    let (sender, receiver) = F::watch(String::from("old"));
    let before = receiver.borrow();
    let same = before.clone();
    sender.send(String::from("new")).unwrap();
    assert_eq!((before.as_str(), same.as_str(), receiver.borrow().as_str()), ("old", "old", "new"));
    drop((sender, receiver));
    assert_eq!(format!("{before} {same:?}"), "old \"old\"");
}

fn a_change_of_a_clone_becomes_the_value<F: Watches>() {
    let (sender, mut receiver) = F::watch(vec![1]);
    let before = receiver.borrow();
    let task = Task::waiting(receiver.changed());
    sender.send_modify(|list| list.push(2));
    assert_eq!(task.ends(), Ok(()));
    assert_eq!((before.as_slice(), receiver.borrow().as_slice()), (&[1][..], &[1, 2][..]));
}

fn a_change_that_was_not_one_is_not_told<F: Watches>() {
    let (sender, mut receiver) = F::watch(1);
    let task = Task::waiting(receiver.changed());
    assert!(!sender.send_if_modified(|value| {
        *value = 5;
        false
    }));
    assert!(!task.is_woken());
    assert_eq!(*sender.borrow(), 1, "and it did not happen");
    assert!(sender.send_if_modified(|value| {
        *value += 1;
        true
    }));
    assert_eq!(task.ends(), Ok(()));
    assert_eq!(*receiver.borrow(), 2);
}

fn a_change_made_meanwhile_is_not_lost<F: Watches>() {
    let (sender, receiver) = F::watch(1);
    let mut runs = 0;
    sender.send_modify(|value| {
        runs += 1;
        if runs == 1 {
            sender.send(10).unwrap(); // as another thread might
        }
        *value += 1;
    });
    assert_eq!((runs, *receiver.borrow()), (2, 11));
}

fn waiting_for_a_value_looks_at_the_one_that_is_there<F: Watches>() {
    let (sender, mut receiver) = F::watch(4);
    assert_eq!(*now(receiver.wait_for(|value| *value == 4)).unwrap(), 4, "although it was seen");
    sender.send(5).unwrap();
    assert_eq!(*now(receiver.wait_for(|value| *value == 5)).unwrap(), 5);
    assert_eq!(receiver.has_changed(), Ok(false));
}

fn waiting_for_a_value_passes_over_others<F: Watches>() {
    let (sender, mut receiver) = F::watch(0);
    let asked = RefCell::new(Vec::new());
    let mut task = Task::waiting(receiver.wait_for(|value| {
        asked.borrow_mut().push(*value);
        value % 3 == 2
    }));
    sender.send(1).unwrap();
    task.goes_on_waiting();
    task.goes_on_waiting(); // woken for nothing: it does not look twice at one value
    sender.send(2).unwrap();
    assert_eq!(*task.ends().unwrap(), 2);
    assert_eq!(asked.take(), [0, 1, 2]);
}

fn waiting_for_a_value_ends_with_the_sender<F: Watches>() {
    let (sender, mut receiver) = F::watch(0);
    let task = Task::waiting(receiver.wait_for(|value| *value == 7));
    sender.send(7).unwrap();
    drop(sender);
    assert_eq!(*task.ends().unwrap(), 7, "the last value is looked at first");
    assert!(matches!(now(receiver.wait_for(|value| *value == 8)), Err(Closed)));
}

fn a_wait_for_a_value_that_was_given_up_has_seen_nothing<F: Watches>() {
    let (sender, mut receiver) = F::watch(0);
    sender.send(1).unwrap();
    drop(Task::waiting(receiver.wait_for(|value| *value == 7)));
    assert_eq!(receiver.has_changed(), Ok(true), "it was asked about, but not seen");
}

fn the_sender_learns_that_the_last_receiver_went<F: Watches>() {
    let (sender, receiver) = F::watch(0);
    let other = receiver.clone();
    let tasks = [Task::waiting(sender.closed()), Task::waiting(sender.closed())];
    drop(Task::waiting(sender.closed()));
    drop(receiver);
    assert_eq!(woken(&tasks), []);
    drop(other);
    tasks.into_iter().for_each(Task::ends);
    now(sender.closed());
}

fn a_wait_for_the_last_receiver_passes_though_another_came<F: Watches>() {
    let (sender, receiver) = F::watch(0);
    let task = Task::waiting(sender.closed());
    drop(receiver);
    let another = sender.subscribe();
    task.ends();
    drop(Task::waiting(sender.closed()));
    drop(another);
}

fn a_stream_begins_with_the_value_of_now<F: Watches>() {
    let (sender, receiver) = F::watch(0);
    let mut values = receiver.into_stream();
    assert_eq!(now(values.next()).as_deref(), Some(&0));
    let next = Task::waiting(values.next());
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!(next.ends().as_deref(), Some(&2));
    sender.send(3).unwrap();
    drop(sender);
    assert_eq!(now(values.map(|value| *value).collect::<Vec<_>>()), [3]);
}

fn a_poll_by_hand_keeps_its_place_until_another_method_is_called<F: Watches>() {
    with_services();
    let (sender, mut receiver) = F::watch(0);
    drop(Task::waiting(poll_fn(|cx| receiver.poll_changed(cx))));
    assert_eq!(open_waits().len(), 1, "the receiver has the place");
    sender.send(1).unwrap();
    assert_eq!(*receiver.borrow_and_update(), 1);
    assert!(open_waits().is_empty());
    drop(Task::waiting(poll_fn(|cx| receiver.poll_changed(cx)))); // what it was granted has been seen
    drop(receiver);
    assert!(open_waits().is_empty());
}

/// A place for the channel in which the value is that looks at it.
type Channel<F> = Rc<RefCell<Option<Sender<Curious<F>, F>>>>;

/// Looks at its channel when it is cloned or dropped.
struct Curious<F: Watches> {
    channel: Channel<F>,
    looks: Rc<Cell<usize>>,
}

impl<F: Watches> Curious<F> {
    fn look(&self) {
        if let Some(sender) = &*self.channel.borrow() {
            self.looks.set(self.looks.get() + sender.receiver_count());
        }
    }
}

impl<F: Watches> Clone for Curious<F> {
    fn clone(&self) -> Self {
        self.look();
        Self { channel: Rc::clone(&self.channel), looks: Rc::clone(&self.looks) }
    }
}

impl<F: Watches> Drop for Curious<F> {
    fn drop(&mut self) {
        self.look();
    }
}

fn values_may_use_the_channel_when_they_are_cloned_and_dropped<F: Watches>() {
    let (channel, looks) = (Rc::new(RefCell::new(None)), Rc::<Cell<usize>>::default());
    let curious = Curious { channel: Rc::clone(&channel), looks: Rc::clone(&looks) };
    let (sender, receiver) = F::watch(curious.clone());
    channel.replace(Some(sender));
    let used = channel.borrow();
    let sender = used.as_ref().unwrap();
    assert!(sender.send(curious).is_ok()); // drops the first
    assert_eq!(looks.get(), 1);
    sender.send_modify(|_| ()); // clones it, and drops it
    assert_eq!(looks.get(), 3);
    drop(receiver);
    drop(used);
    channel.take(); // the value held its own channel
}

fn waits_say_what_for<F: Watches>() {
    with_services();
    let (sender, mut receiver) = F::watch(0);
    let asked = line!() + 1;
    let task = Task::waiting(receiver.changed());
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.asked.file(), wait.asked.line()), (Kind::Watch, file!(), asked));
    assert_eq!(wait.created.file(), file!());
    sender.send(1).unwrap();
    assert_eq!(task.ends(), Ok(()));
    assert!(open_waits().is_empty());
    let asked = line!() + 1;
    let task = Task::waiting(sender.closed());
    assert_eq!(open_waits()[0].asked.line(), asked);
    drop(task);
    let asked = line!() + 1;
    let mut values = receiver.into_stream();
    now(values.next());
    let task = Task::waiting(values.next());
    assert_eq!(open_waits()[0].asked.line(), asked, "a stream is named by where it was made");
    drop(task);
    drop(values);
    assert!(open_waits().is_empty());
}

fn a_limit_leaves_nothing_behind<F: Watches>() {
    with_services();
    let (sender, mut receiver) = F::watch(0);
    let late = Task::waiting(receiver.changed_timeout(Duration::from_secs(1)));
    advance(Duration::from_secs(1));
    assert_eq!(late.ends(), Err(Elapsed));
    assert!(open_waits().is_empty());
    sender.send(1).unwrap();
    assert_eq!(now(receiver.changed_timeout(Duration::ZERO)), Ok(Ok(())));
}

fn who_always_finds_a_change_gives_way_now_and_then<F: Watches>() {
    let (sender, receiver) = F::watch(0);
    let receiver = RefCell::new(receiver);
    let task = tired(|| {
        sender.send_modify(|value| *value += 1);
        poll_fn(|cx| receiver.borrow_mut().poll_changed(cx))
    });
    assert_eq!(receiver.borrow().has_changed(), Ok(true), "nothing was seen when it gave way");
    assert_eq!(task.ends(), Ok(()));
    drop(tired(|| {
        let mut receiver = receiver.borrow().clone();
        async move { receiver.wait_for(|_| true).await.is_ok() }
    }));
}

fn descriptions_say_what_is_there<F: Watches>() {
    let (sender, receiver) = F::watch(0);
    sender.send(1).unwrap();
    assert!(
        format!("{sender:?}")
            .starts_with("watch::Sender { version: 1, receivers: 1, is_closed: false, created")
    );
    drop(sender);
    assert!(
        format!("{receiver:?}")
            .starts_with("watch::Receiver { version: 1, receivers: 1, is_closed: true, created")
    );
    assert_eq!(Closed.to_string(), "the sender is gone, and no more values will come");
}

#[test]
fn what_crosses_threads() {
    assert!(!is!(Sender<u8>: Send));
    assert!(!is!(runtime_sync::watch::Snapshot<u8>: Send));
    assert!(is!(runtime_sync::shared::watch::Sender<u8>: Sync));
    assert!(is!(runtime_sync::shared::watch::Receiver<u8>: Send));
    // Two threads may look at one value at the same time.
    assert!(!is!(runtime_sync::shared::watch::Receiver<Cell<u8>>: Send));
    assert!(!is!(runtime_sync::shared::watch::Snapshot<Cell<u8>>: Send));
}

#[test]
fn changes_by_several_threads_add_up() {
    let rounds = if cfg!(miri) { 20 } else { 2_000 };
    let (sender, mut receiver) = runtime_sync::shared::watch(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let body = || (0..rounds).for_each(|_| sender.send_modify(|value| *value += 1));
            std::thread::Builder::new().spawn_scoped(scope, body).unwrap();
        }
        let mut before = 0;
        while before < 2 * rounds {
            receiver.blocking_changed().unwrap();
            let value = *receiver.borrow();
            assert!(value >= before);
            before = value;
        }
    });
}
