//! What happened to channels.

use crate::stage::{On, OnDrop, Open, Task, now};
use runtime_sync::channel::{SendError, TryRecvError, TrySendError};
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::Poll,
};

both!(
    an_item_does_not_vanish_with_a_cancelled_receiver,
    an_item_does_not_vanish_with_a_stream_that_is_dropped,
    an_item_does_not_vanish_between_a_batch_and_its_receiver,
    an_item_on_its_way_to_one_is_not_taken_by_another,
    room_does_not_vanish_with_a_cancelled_sender,
    a_newcomer_does_not_send_past_those_who_wait,
    a_newcomer_does_not_starve_those_whose_room_comes_back,
    a_batch_that_is_taken_does_not_wake_only_one_sender,
    the_last_reserved_place_of_a_closed_channel_does_not_leave_the_receiver_asleep,
    a_reservation_that_is_cancelled_on_its_way_does_not_leave_the_receiver_asleep,
    a_reservation_does_not_leak_its_place,
    a_closed_channel_does_not_say_empty,
    a_closed_channel_does_not_open_again,
    the_last_sender_does_not_leave_without_a_word,
    the_last_receiver_does_not_leave_without_a_word,
    an_item_that_is_refused_is_not_lost,
    a_rendezvous_does_not_succeed_with_nobody,
    a_rendezvous_that_fell_through_is_not_forgotten,
    the_counters_do_not_disagree_with_the_content,
    a_waker_is_not_called_under_the_borrow,
    an_item_is_not_dropped_under_the_borrow,
    an_item_that_panics_when_dropped_does_not_keep_the_others,
    an_end_that_is_waited_for_does_not_come_late_to_anyone,
);

/// asyncio, bpo-23812, and tornado #2826: `put` gave the item to the getter it had chosen, the getter was cancelled,
/// and the item was gone.
fn an_item_does_not_vanish_with_a_cancelled_receiver<F: Open>() {
    let (sender, mut first) = F::channel(2);
    let (mut second, mut third) = (first.clone(), first.clone());
    let chosen = Task::waiting(first.recv());
    let mut next = Task::waiting(second.recv());
    sender.try_send('a').unwrap();
    assert!(chosen.is_woken());
    drop(chosen);
    assert_eq!(next.ends(), Some('a'));
    let chosen = Task::waiting(third.recv());
    sender.try_send('b').unwrap();
    drop(chosen);
    assert_eq!(first.try_recv(), Ok('b'), "nobody else waits: it is there for whoever comes");
}

/// The same with a receiver polled as a stream: no future is dropped, the receiver itself is.
fn an_item_does_not_vanish_with_a_stream_that_is_dropped<F: Open>() {
    let (sender, mut first) = F::channel(1);
    let mut second = first.clone();
    let polled = Task::new(std::future::poll_fn(|cx| Poll::Ready(first.poll_recv(cx)))).poll();
    assert!(matches!(polled, Poll::Ready(Poll::Pending)));
    let mut next = Task::waiting(second.recv());
    sender.try_send('a').unwrap();
    assert!(!next.is_woken());
    drop(first);
    assert_eq!(next.ends(), Some('a'));
}

/// The same with a receiver of many at once.
fn an_item_does_not_vanish_between_a_batch_and_its_receiver<F: Open>() {
    let (sender, mut receiver) = F::channel(4);
    let mut items = vec![0];
    let batch = Task::waiting(receiver.recv_many(&mut items, 3));
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert!(batch.is_woken());
    drop(batch);
    assert_eq!(now(receiver.recv_many(&mut items, 3)), 2);
    assert_eq!(items, [0, 1, 2]);
}

/// asyncio, gh-90155, for items: whoever looked in between took what another had been woken for.
fn an_item_on_its_way_to_one_is_not_taken_by_another<F: Open>() {
    let (sender, mut first) = F::channel(2);
    let mut second = first.clone();
    let mut waiter = Task::waiting(first.recv());
    sender.try_send('a').unwrap();
    assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
    let mut late = Task::waiting(second.recv());
    sender.try_send('b').unwrap();
    assert_eq!((waiter.ends(), late.ends()), (Some('a'), Some('b')));
}

/// asyncio's `Queue`, #201, on the other side: the putter that was woken for the free place was cancelled.
fn room_does_not_vanish_with_a_cancelled_sender<F: Open>() {
    let (sender, mut receiver) = F::channel(1);
    sender.try_send(0).unwrap();
    let chosen = Task::waiting(sender.send(1));
    let mut next = Task::waiting(sender.send(2));
    assert_eq!(receiver.try_recv(), Ok(0));
    assert!(chosen.is_woken() && !next.is_woken());
    drop(chosen);
    next.ends().unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
    sender.try_send(3).unwrap();
}

/// futures #2071, for channels: the order in which they came is the order in which they send.
fn a_newcomer_does_not_send_past_those_who_wait<F: Open>() {
    let (sender, mut receiver) = F::channel(1);
    sender.try_send(0).unwrap();
    let mut waiter = Task::waiting(sender.send(1));
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    let mut newcomer = Task::waiting(sender.send(2));
    waiter.ends().unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    newcomer.ends().unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
}

/// futures #2071, at a rendezvous: there is a receiver, one has been called to it, and somebody else comes by.
fn a_newcomer_does_not_starve_those_whose_room_comes_back<F: Open>() {
    let (sender, mut receiver) = F::channel(0);
    let mut other = receiver.clone();
    let mut first = Task::waiting(sender.send(1));
    let mut second = Task::waiting(sender.send(2));
    let staying = Task::waiting(receiver.recv());
    let leaving = Task::waiting(other.recv());
    drop(staying);
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    drop(leaving);
    let mut newcomer = Task::waiting(sender.send(3));
    let mut items = Vec::new();
    for _ in 0..3 {
        let mut receive = Task::waiting(receiver.recv());
        for send in [&mut first, &mut second, &mut newcomer] {
            if send.is_woken() {
                let _ = send.poll();
            }
        }
        items.push(receive.ends());
    }
    assert_eq!(items, [Some(1), Some(2), Some(3)]);
}

/// asyncio, #93222, for room: three places came free at once, and one sender was woken.
fn a_batch_that_is_taken_does_not_wake_only_one_sender<F: Open>() {
    let (sender, mut receiver) = F::channel(3);
    (0..3).for_each(|item| sender.try_send(item).unwrap());
    let mut waiters: Vec<_> = (3..7).map(|item| Task::waiting(sender.send(item))).collect();
    let mut items = Vec::new();
    assert_eq!(now(receiver.recv_many(&mut items, 9)), 3);
    waiters[..3].iter_mut().for_each(|waiter| waiter.ends().unwrap());
    assert!(!waiters[3].is_woken());
    drop(waiters);
    assert_eq!(now(receiver.recv_many(&mut items, 9)), 3);
    assert_eq!(items, [0, 1, 2, 3, 4, 5]);
}

/// tokio #8075, #8260: the channel was closed, the last place that was reserved came back unused, and the receiver who
/// waited for just that was not told.
fn the_last_reserved_place_of_a_closed_channel_does_not_leave_the_receiver_asleep<F: Open>() {
    let (sender, mut receiver) = F::channel::<u8>(1);
    let other = receiver.clone();
    let place = now(sender.reserve()).unwrap();
    let mut waiter = Task::waiting(receiver.recv());
    other.close();
    assert!(!waiter.is_woken(), "one item may still come");
    drop(place);
    assert_eq!(waiter.ends(), None);
    let (sender, mut receiver) = F::channel(1);
    let other = receiver.clone();
    let place = now(sender.reserve()).unwrap();
    let mut waiter = Task::waiting(receiver.recv());
    other.close();
    place.send(7).unwrap();
    assert_eq!(waiter.ends(), Some(7));
}

/// tokio #8260: the place came back because the future that was to have it was dropped.
fn a_reservation_that_is_cancelled_on_its_way_does_not_leave_the_receiver_asleep<F: Open>() {
    let (sender, mut receiver) = F::channel(1);
    let mut other = receiver.clone();
    sender.try_send(0).unwrap();
    let reserving = Task::waiting(sender.reserve());
    assert_eq!(other.try_recv(), Ok(0));
    assert!(reserving.is_woken());
    let mut waiter = Task::waiting(receiver.recv());
    other.close();
    assert!(!waiter.is_woken());
    drop(reserving);
    assert_eq!(waiter.ends(), None);
}

/// tokio #904, for channels: a permit to send that was dropped unused stayed taken.
fn a_reservation_does_not_leak_its_place<F: Open>() {
    let (sender, mut receiver) = F::channel(1);
    drop(now(sender.reserve()).unwrap());
    let place = now(sender.reserve()).unwrap();
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)), "it is reserved");
    let mut waiter = Task::waiting(sender.send(1));
    drop(place);
    waiter.ends().unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    let place = now(sender.reserve()).unwrap();
    place.send(2).unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
    sender.try_send(3).unwrap();
}

/// tokio #7686: after the close, `try_recv` said `Empty`, as if something could still come.
fn a_closed_channel_does_not_say_empty<F: Open>() {
    let (sender, mut receiver) = F::channel(2);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    sender.try_send(1).unwrap();
    let place = now(sender.reserve()).unwrap();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(1), "what was there comes out");
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "the reserved one may come");
    drop(place);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(now(receiver.recv()), None);
}

/// tokio #8021, for channels: closed is for good, whatever is cloned afterwards.
fn a_closed_channel_does_not_open_again<F: Open>() {
    let (sender, mut receiver) = F::channel::<u8>(1);
    let weak = sender.downgrade();
    drop(sender);
    assert!(weak.upgrade().is_none());
    assert_eq!(now(receiver.recv()), None);
    let (sender, receiver) = F::channel(1);
    let (weak, late) = (sender.downgrade(), receiver.clone());
    drop(receiver);
    late.close();
    let sender_too = weak.upgrade().expect("there is a sender");
    assert_eq!(sender_too.try_send(1), Err(TrySendError::Closed(1)));
    assert_eq!(now(sender.send(2)), Err(SendError(2)));
    assert!(now(sender.reserve()).is_err());
}

/// async-channel's and flume's early bugs: the end of the last sender woke one of the receivers.
fn the_last_sender_does_not_leave_without_a_word<F: Open>() {
    let (sender, first) = F::channel::<u8>(1);
    let mut receivers = [first.clone(), first.clone(), first];
    let mut waiters: Vec<_> = receivers.iter_mut().map(|receiver| Task::waiting(receiver.recv())).collect();
    let other = sender.clone();
    drop(sender);
    assert!(waiters.iter().all(|waiter| !waiter.is_woken()));
    drop(other);
    assert!(waiters.iter_mut().all(|waiter| waiter.ends().is_none()));
}

/// And the end of the last receiver: every sender gets its item back.
fn the_last_receiver_does_not_leave_without_a_word<F: Open>() {
    let (sender, receiver) = F::channel(1);
    sender.try_send(0).unwrap();
    let mut sends: Vec<_> = (1..3).map(|item| Task::waiting(sender.send(item))).collect();
    let mut reserve = Task::waiting(sender.reserve());
    drop(receiver);
    assert_eq!(sends.iter_mut().map(Task::ends).collect::<Vec<_>>(), [Err(SendError(1)), Err(SendError(2))]);
    assert!(reserve.ends().is_err());
    assert!(sender.is_closed());
}

/// asyncio's `wait_for(queue.put(…))`: what was not sent was not returned either. And what was granted a place when
/// the receivers went is not stored where nobody looks.
fn an_item_that_is_refused_is_not_lost<F: Open>() {
    let (sender, mut receiver) = F::channel(1);
    sender.try_send(String::from("first")).unwrap();
    let mut send = sender.send(String::from("second"));
    assert!(Task::new(&mut send).poll().is_pending());
    assert_eq!(send.into_inner(), "second");
    let mut granted = Task::waiting(sender.send(String::from("third")));
    assert_eq!(receiver.try_recv().unwrap(), "first");
    assert!(granted.is_woken());
    drop(receiver);
    assert_eq!(granted.ends(), Err(SendError(String::from("third"))));
}

/// tokio #4225 (there a oneshot): `send` said `Ok`, and nobody ever had the value. With no room in the channel, `Ok`
/// needs a receiver that is there.
fn a_rendezvous_does_not_succeed_with_nobody<F: Open>() {
    let (sender, mut receiver) = F::channel(0);
    let mut send = Task::waiting(sender.send(1));
    let leaving = Task::waiting(receiver.recv());
    assert!(send.is_woken());
    drop(leaving);
    send.waits();
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    let mut staying = Task::waiting(receiver.recv());
    send.ends().unwrap();
    assert_eq!(staying.ends(), Some(1));
}

/// And the one that went back to waiting is first in line again, and gets its item back at the end.
fn a_rendezvous_that_fell_through_is_not_forgotten<F: Open>() {
    let (sender, mut receiver) = F::channel(0);
    let mut first = Task::waiting(sender.send(1));
    let mut second = Task::waiting(sender.send(2));
    drop(Task::waiting(receiver.recv()));
    first.waits();
    let mut receive = Task::waiting(receiver.recv());
    assert!(!second.is_woken());
    first.ends().unwrap();
    assert_eq!(receive.ends(), Some(1));
    drop(receive);
    drop(receiver);
    assert_eq!(second.ends(), Err(SendError(2)));
}

/// tokio #8062, #6603: `len` and `is_empty` told something else than what could be received.
fn the_counters_do_not_disagree_with_the_content<F: Open>() {
    let (sender, mut receiver) = F::channel(3);
    let place = now(sender.reserve()).unwrap();
    assert_eq!((sender.len(), receiver.is_empty()), (0, true), "a place is not an item");
    sender.try_send(1).unwrap();
    place.send(2).unwrap();
    assert_eq!((sender.len(), receiver.len()), (2, 2));
    let mut other = receiver.clone();
    assert_eq!((receiver.try_recv(), other.try_recv()), (Ok(1), Ok(2)));
    let mut waiter = Task::waiting(other.recv());
    sender.try_send(3).unwrap();
    assert_eq!(sender.len(), 1, "it is there until it is taken");
    assert_eq!(waiter.ends(), Some(3));
    drop(waiter);
    assert_eq!((sender.len(), sender.receiver_count(), sender.sender_count()), (0, 2, 1));
    sender.try_send(4).unwrap();
    drop((receiver, other));
    assert_eq!((sender.len(), sender.receiver_count()), (0, 0));
}

/// tokio #5154: what a wake runs on the spot sent and received.
fn a_waker_is_not_called_under_the_borrow<F: Open>() {
    let (sender, mut receiver) = F::channel(2);
    let (again, mut other) = (sender.clone(), receiver.clone());
    let mut waiter = Task::waiting(receiver.recv());
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    waiter.probe().on(On::Wake, move || {
        count.set(count.get() + 1);
        again.try_send(2).unwrap();
        assert_eq!((again.len(), other.try_recv()), (2, Ok(1)), "one of them is claimed, and one is free");
    });
    sender.try_send(1).unwrap();
    assert_eq!(calls.get(), 1);
    assert_eq!(waiter.ends(), Some(2));
}

/// tokio #1886, #7094: items that were left were dropped inside the channel, and their `drop` came back to it.
fn an_item_is_not_dropped_under_the_borrow<F: Open>() {
    let (sender, receiver) = F::channel(2);
    let drops = Rc::new(Cell::new(0));
    for _ in 0..2 {
        let (again, count) = (sender.clone(), Rc::clone(&drops));
        let item = OnDrop::new(move || {
            count.set(count.get() + 1);
            assert!(again.is_closed() && again.is_empty());
            assert_eq!(again.sender_count() + count.get(), 4);
        });
        assert!(sender.try_send(item).is_ok());
    }
    drop(receiver);
    assert_eq!(drops.get(), 2);
}

/// tokio #7094: the first of the items that were left panicked in its `drop`, and the rest leaked.
fn an_item_that_panics_when_dropped_does_not_keep_the_others<F: Open>() {
    let (sender, receiver) = F::channel(3);
    let drops = Rc::new(RefCell::new(Vec::new()));
    let item = |number| {
        let drops = Rc::clone(&drops);
        OnDrop::new(move || {
            drops.borrow_mut().push(number);
            assert_ne!(number, 0, "an item of somebody else's");
        })
    };
    (0..3).for_each(|number| assert!(sender.try_send(item(number)).is_ok()));
    let mut waiter = Task::waiting(sender.send(item(3)));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    assert_eq!(*drops.borrow(), [0, 1, 2]);
    assert!(waiter.ends().is_err(), "it has its item back");
}

/// tokio #2134: who is woken by the end finds the end, in whatever order it looks.
fn an_end_that_is_waited_for_does_not_come_late_to_anyone<F: Open>() {
    let (sender, mut first) = F::channel(2);
    let mut second = first.clone();
    let mut waiter = Task::waiting(first.recv());
    let mut other = Task::waiting(second.recv());
    sender.try_send(1).unwrap();
    drop(sender);
    assert!(waiter.is_woken() && !other.is_woken(), "the item is still there, and not the other's");
    assert_eq!(waiter.ends(), Some(1));
    assert_eq!(other.ends(), None);
}
