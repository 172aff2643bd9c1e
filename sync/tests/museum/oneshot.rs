//! What happened to channels for one value.

use crate::stage::{On, OnDrop, Open, Task};
use runtime_sync::oneshot::{RecvError, TryRecvError};
use std::{cell::Cell, future::Future, pin::Pin, rc::Rc, task::Poll};

both!(
    a_value_that_was_sent_is_not_lost_on_the_way,
    a_value_is_not_sent_to_a_receiver_that_has_closed,
    a_sender_that_leaves_does_not_leave_the_receiver_asleep,
    a_receiver_that_leaves_does_not_leave_the_sender_asleep,
    a_send_between_the_look_and_the_waiting_is_not_missed,
    a_receiver_that_was_polled_and_dropped_does_not_leave_its_waker_behind,
    the_task_that_polled_first_and_moved_on_is_not_the_one_woken,
    a_waker_is_not_called_under_the_borrow,
);

/// tokio #4225 (RUSTSEC-2021-0124), #6558: `send` said `Ok`, and the value was dropped on the sender's side. `Ok` means
/// that the receiver has it, or its drop.
fn a_value_that_was_sent_is_not_lost_on_the_way<F: Open>() {
    let drops = Rc::new(Cell::new(0));
    let value = || {
        let drops = Rc::clone(&drops);
        OnDrop::new(move || drops.set(drops.get() + 1))
    };
    let (sender, mut receiver) = F::oneshot();
    assert!(sender.send(value()).is_ok());
    assert_eq!(drops.get(), 0);
    receiver.close();
    let got = receiver.try_recv();
    assert!(got.is_ok(), "it was sent before the close");
    drop(got);
    assert_eq!(drops.get(), 1);
    let (sender, receiver) = F::oneshot();
    assert!(sender.send(value()).is_ok());
    drop(receiver);
    assert_eq!(drops.get(), 2);
}

/// tokio #4225, the other half: after the close nothing arrives, and what is sent comes back.
fn a_value_is_not_sent_to_a_receiver_that_has_closed<F: Open>() {
    let (sender, mut receiver) = F::oneshot();
    receiver.close();
    assert!(sender.is_closed());
    assert_eq!(sender.send(7), Err(7));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    let (sender, receiver) = F::oneshot();
    drop(receiver);
    assert_eq!(sender.send(7), Err(7));
}

/// asyncio, gh-86296's kin: the one who was to answer was cancelled, and the question stayed.
fn a_sender_that_leaves_does_not_leave_the_receiver_asleep<F: Open>() {
    let (sender, receiver) = F::oneshot::<u8>();
    let mut waiter = Task::waiting(receiver);
    drop(sender);
    assert_eq!(waiter.ends(), Err(RecvError));
}

/// And the other way round.
fn a_receiver_that_leaves_does_not_leave_the_sender_asleep<F: Open>() {
    for close in [true, false] {
        let (mut sender, mut receiver) = F::oneshot::<u8>();
        let mut waiter = Task::waiting(sender.closed());
        if close {
            receiver.close();
        } else {
            drop(receiver);
        }
        waiter.ends();
    }
}

/// event-listener #138, futures #942 (`AtomicWaker`): the value came between the look and the waker.
fn a_send_between_the_look_and_the_waiting_is_not_missed<F: Open>() {
    let (sender, receiver) = F::oneshot();
    let mut late = Task::new(receiver);
    let mut sender = Some(sender);
    late.probe().on(On::Clone, move || {
        if let Some(sender) = sender.take() {
            sender.send(7).unwrap();
        }
    });
    match late.poll() {
        Poll::Ready(value) => assert_eq!(value, Ok(7)),
        Poll::Pending => assert_eq!(late.ends(), Ok(7)),
    }
}

/// `oneshot`, RUSTSEC-2026-0005: a receiver was polled and dropped, and its waker read afterwards.
fn a_receiver_that_was_polled_and_dropped_does_not_leave_its_waker_behind<F: Open>() {
    let (mut sender, receiver) = F::oneshot::<u8>();
    let waiter = Task::waiting(receiver);
    let probe = Rc::clone(waiter.probe());
    drop(waiter);
    assert_eq!(probe.copies(), 0);
    assert_eq!(sender.poll_closed(&mut std::task::Context::from_waker(&probe.waker())), Poll::Ready(()));
    assert_eq!((probe.copies(), probe.wakes()), (0, 0));
    let (mut sender, _receiver) = F::oneshot::<u8>();
    let closed = Task::waiting(sender.closed());
    let probe = Rc::clone(closed.probe());
    drop(closed);
    assert_eq!(probe.copies(), 0);
}

/// tokio's `oneshot` before 0.1.10: polled in one task and then in another, it woke the first.
fn the_task_that_polled_first_and_moved_on_is_not_the_one_woken<F: Open>() {
    let (sender, receiver) = F::oneshot();
    let mut nomad = Task::waiting(receiver);
    let old = nomad.change_waker();
    nomad.waits();
    assert_eq!(old.copies(), 0);
    sender.send(7).unwrap();
    assert_eq!(old.wakes(), 0);
    assert_eq!(nomad.ends(), Ok(7));
}

/// tokio #5154: what a wake runs on the spot looked at the channel.
fn a_waker_is_not_called_under_the_borrow<F: Open>() {
    let (sender, receiver) = F::oneshot();
    let receiver = Rc::new(std::cell::RefCell::new(receiver));
    let again = Rc::clone(&receiver);
    let polled = Rc::clone(&receiver);
    let mut waiter =
        Task::waiting(std::future::poll_fn(move |cx| Pin::new(&mut *polled.borrow_mut()).poll(cx)));
    let got = Rc::new(Cell::new(None));
    let place = Rc::clone(&got);
    waiter.probe().on(On::Wake, move || place.set(again.borrow_mut().try_recv().ok()));
    sender.send(7).unwrap();
    assert_eq!(got.get(), Some(7));
    assert_eq!(waiter.ends(), Err(RecvError), "it was taken already");
}
