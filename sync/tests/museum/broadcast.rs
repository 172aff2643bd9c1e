//! What happened to channels that give every value to everybody.

use crate::stage::{OnDrop, Open, Task, now};
use runtime_sync::broadcast::{RecvError, TryRecvError};
use std::{cell::Cell, rc::Rc};

both!(
    what_was_missed_is_not_miscounted,
    a_slow_one_does_not_cost_the_others_anything,
    a_newcomer_does_not_get_what_was_sent_before,
    a_send_does_not_wake_only_one,
    the_last_sender_does_not_leave_without_a_word,
    a_cancelled_receiver_does_not_lose_its_place,
    a_value_that_everybody_has_is_not_kept,
    a_receiver_that_leaves_does_not_keep_the_values,
    receivers_that_leave_do_not_keep_a_run_of_values,
    a_value_is_not_cloned_under_the_borrow,
    a_value_is_not_dropped_under_the_borrow,
    a_value_that_nobody_could_get_is_not_lost,
);

/// tokio's `broadcast` (#2425 and others): the number of missed values was off by what came meanwhile.
fn what_was_missed_is_not_miscounted<F: Open>() {
    let (sender, mut slow) = F::broadcast(2);
    (0..5).for_each(|value| _ = sender.send(value).unwrap());
    assert_eq!(slow.len(), 2);
    assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(3)));
    assert_eq!(slow.try_recv(), Ok(3));
    sender.send(5).unwrap();
    sender.send(6).unwrap();
    sender.send(7).unwrap();
    assert_eq!(now(slow.recv()), Err(RecvError::Lagged(2)));
    assert_eq!((slow.try_recv(), slow.try_recv()), (Ok(6), Ok(7)));
    assert_eq!(slow.try_recv(), Err(TryRecvError::Empty));
    // One that is told, is overrun again before it takes anything, and then the senders leave.
    (8..11).for_each(|value| _ = sender.send(value).unwrap());
    assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(1)));
    sender.send(11).unwrap();
    drop(sender);
    assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(1)));
    assert_eq!((slow.try_recv(), slow.try_recv()), (Ok(10), Ok(11)));
    assert_eq!(slow.try_recv(), Err(TryRecvError::Closed));
}

/// Conservation, for everybody: one that lags does not make another lag.
fn a_slow_one_does_not_cost_the_others_anything<F: Open>() {
    let (sender, slow) = F::broadcast(2);
    let mut fast = sender.subscribe();
    let mut both = [slow.resubscribe(), slow];
    for value in 0..6 {
        assert_eq!(sender.send(value), Ok(3));
        assert_eq!(fast.try_recv(), Ok(value));
    }
    for slow in &mut both {
        assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(4)));
        assert_eq!((slow.try_recv(), slow.try_recv()), (Ok(4), Ok(5)));
    }
}

/// tokio #5396's question, for values: only those who were there when it was sent.
fn a_newcomer_does_not_get_what_was_sent_before<F: Open>() {
    let (sender, mut old) = F::broadcast(4);
    sender.send(1).unwrap();
    let (mut young, mut younger) = (sender.subscribe(), old.resubscribe());
    sender.send(2).unwrap();
    assert_eq!((young.try_recv(), younger.try_recv()), (Ok(2), Ok(2)));
    assert_eq!((old.try_recv(), old.try_recv()), (Ok(1), Ok(2)));
}

/// tokio #2134: a value was sent while receivers were going to sleep.
fn a_send_does_not_wake_only_one<F: Open>() {
    let (sender, first) = F::broadcast(2);
    let mut receivers = [first.resubscribe(), first.resubscribe(), first];
    let mut waiters: Vec<_> = receivers.iter_mut().map(|receiver| Task::waiting(receiver.recv())).collect();
    drop(waiters.remove(1));
    sender.send('x').unwrap();
    assert!(waiters.iter_mut().all(|waiter| waiter.ends() == Ok('x')));
}

/// tokio #2123's kin: an end that told one.
fn the_last_sender_does_not_leave_without_a_word<F: Open>() {
    let (sender, first) = F::broadcast::<u8>(2);
    let mut receivers = [first.resubscribe(), first];
    let mut waiters: Vec<_> = receivers.iter_mut().map(|receiver| Task::waiting(receiver.recv())).collect();
    let other = sender.clone();
    drop(sender);
    assert!(waiters.iter().all(|waiter| !waiter.is_woken()));
    drop(other);
    assert!(waiters.iter_mut().all(|waiter| waiter.ends() == Err(RecvError::Closed)));
}

/// asyncio, bpo-23812, for a value that all get: a `recv` that is cancelled after its wake-up takes nothing.
fn a_cancelled_receiver_does_not_lose_its_place<F: Open>() {
    let (sender, mut receiver) = F::broadcast(2);
    let waiter = Task::waiting(receiver.recv());
    sender.send('x').unwrap();
    assert!(waiter.is_woken());
    drop(waiter);
    assert_eq!(now(receiver.recv()), Ok('x'));
}

/// tokio #5925's other side: a value stayed in the channel when all had it.
fn a_value_that_everybody_has_is_not_kept<F: Open>() {
    let (sender, mut one) = F::broadcast(4);
    let mut two = sender.subscribe();
    let value = Rc::new(());
    sender.send(Rc::clone(&value)).unwrap();
    drop(one.try_recv());
    assert_eq!(Rc::strong_count(&value), 2);
    drop(two.try_recv());
    assert_eq!((Rc::strong_count(&value), sender.len()), (1, 0));
}

/// The same when those who had yet to take it leave.
fn a_receiver_that_leaves_does_not_keep_the_values<F: Open>() {
    let (sender, mut one) = F::broadcast(4);
    let two = sender.subscribe();
    let values = [Rc::new(1), Rc::new(2)];
    values.iter().for_each(|value| _ = sender.send(Rc::clone(value)).unwrap());
    assert_eq!(one.try_recv(), Ok(Rc::clone(&values[0])));
    drop(two);
    assert_eq!(values.each_ref().map(Rc::strong_count), [1, 2]);
    assert_eq!((sender.len(), one.len()), (1, 1));
    drop(one);
    assert_eq!(values.each_ref().map(Rc::strong_count), [1, 1]);
    assert!(sender.send(Rc::new(3)).is_err());
}

/// tokio #5925: with many values and receivers, each that left went through all of it.
fn receivers_that_leave_do_not_keep_a_run_of_values<F: Open>() {
    let (sender, slow) = F::broadcast(4);
    let mut fast = sender.subscribe();
    let values = [Rc::new(1), Rc::new(2), Rc::new(3)];
    values.iter().for_each(|value| _ = sender.send(Rc::clone(value)).unwrap());
    (0..2).for_each(|_| _ = fast.try_recv().unwrap());
    drop(slow);
    assert_eq!(values.each_ref().map(Rc::strong_count), [1, 1, 2]);
    assert_eq!((sender.len(), fast.len()), (1, 1));
}

struct Cloned(Rc<dyn Fn()>);

impl Clone for Cloned {
    fn clone(&self) -> Self {
        (self.0)();
        Self(Rc::clone(&self.0))
    }
}

/// tokio #4129's pattern, and RUSTSEC-2025-0023: the value was cloned inside.
fn a_value_is_not_cloned_under_the_borrow<F: Open>() {
    let (sender, mut one) = F::broadcast::<Cloned>(2);
    let _two = sender.subscribe();
    let (again, clones) = (sender.clone(), Rc::new(Cell::new(0)));
    let count = Rc::clone(&clones);
    let value = Cloned(Rc::new(move || {
        count.set(count.get() + 1);
        assert_eq!(again.receiver_count(), 2);
    }));
    assert!(sender.send(value).is_ok());
    assert!(one.try_recv().is_ok());
    assert_eq!(clones.get(), 1);
}

/// tokio #1886, here: a value that nobody took made room, or was left when the receiver went, and its `drop` came back.
fn a_value_is_not_dropped_under_the_borrow<F: Open>() {
    let (sender, receiver) = F::broadcast::<Rc<OnDrop>>(1);
    let drops = Rc::new(Cell::new(0));
    for _ in 0..2 {
        let (again, count) = (sender.clone(), Rc::clone(&drops));
        let value = OnDrop::new(move || {
            count.set(count.get() + 1);
            assert!(again.len() < 2 && again.capacity() == 1);
        });
        assert!(sender.send(Rc::new(value)).is_ok());
    }
    assert_eq!(drops.get(), 1, "the first made room");
    drop(receiver);
    assert_eq!(drops.get(), 2);
}

/// tokio #4225's rule: what was not sent comes back.
fn a_value_that_nobody_could_get_is_not_lost<F: Open>() {
    let (sender, receiver) = F::broadcast(1);
    drop(receiver);
    assert_eq!(sender.send(7).unwrap_err().0, 7);
    let mut late = sender.subscribe();
    sender.send(8).unwrap();
    assert_eq!(late.try_recv(), Ok(8));
}
