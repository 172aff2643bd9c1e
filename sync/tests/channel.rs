//! Stories of channels: who is served when, whose an item is, and how a channel ends. Both flavours, no executor.

mod drops;
mod stories;

use drops::Drops;
use futures_lite::{StreamExt, future::poll_once};
use runtime_sync::{
    Elapsed, Kind,
    channel::{Receiver, SendError, SendTimeoutError, Sender, TryRecvError, TrySendError},
    flavour::{Flavour, Local, Shared},
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    rc::Rc,
    time::Duration,
};
use stories::{
    Task, advance, in_both_flavours, now, open_waits, tired, when_time_is_over, with_services, woken,
};

/// A flavour, as far as these stories are concerned.
trait Channels: Flavour {
    fn channel<T>(capacity: usize) -> (Sender<T, Self>, Receiver<T, Self>);
    fn unbounded<T>() -> (Sender<T, Self>, Receiver<T, Self>);
}

impl Channels for Local {
    fn channel<T>(capacity: usize) -> (Sender<T, Self>, Receiver<T, Self>) {
        runtime_sync::channel(capacity)
    }

    fn unbounded<T>() -> (Sender<T, Self>, Receiver<T, Self>) {
        runtime_sync::unbounded()
    }
}

impl Channels for Shared {
    fn channel<T>(capacity: usize) -> (Sender<T, Self>, Receiver<T, Self>) {
        runtime_sync::shared::channel(capacity)
    }

    fn unbounded<T>() -> (Sender<T, Self>, Receiver<T, Self>) {
        runtime_sync::shared::unbounded()
    }
}

in_both_flavours! {
    a_channel_without_limit_takes_everything_at_once,
    each_item_goes_to_one_of_the_receivers,
    senders_get_room_in_the_order_in_which_they_asked,
    receivers_get_items_in_the_order_in_which_they_asked,
    the_item_of_a_receiver_that_gave_up_goes_to_the_next,
    items_keep_their_order_when_a_receiver_gives_up,
    the_room_of_a_sender_that_gave_up_goes_to_the_next,
    a_sender_that_gives_up_gets_its_item_back,
    reserved_room_is_taken_and_queues_with_the_senders,
    room_that_was_reserved_in_vain_goes_to_the_next,
    room_that_was_reserved_outlives_close,
    a_receiver_does_not_wait_for_room_that_was_given_back_after_close,
    of_two_receivers_one_gets_what_is_sent_after_close_and_the_other_learns_of_the_end,
    room_that_was_reserved_is_worth_nothing_without_receivers,
    many_are_received_at_once_and_their_room_is_used,
    many_leave_alone_what_was_meant_for_others,
    whoever_gives_up_waiting_for_many_passes_the_first_on,
    a_weak_sender_neither_counts_nor_outlives_the_last,
    close_gives_senders_their_items_back_and_lets_receivers_drain,
    when_the_last_sender_goes_all_who_receive_learn_of_the_end,
    when_the_last_receiver_goes_items_are_dropped_and_senders_get_theirs_back,
    one_of_several_may_go,
    a_rendezvous_is_when_both_are_there,
    at_a_rendezvous_senders_are_served_in_order,
    a_sender_whose_receiver_went_away_waits_on_at_the_head,
    a_receiver_that_went_away_costs_the_latest_sender_its_turn,
    senders_whose_turn_was_taken_back_stay_in_order,
    a_rendezvous_passes_the_turn_of_a_sender_that_gave_up_on,
    what_was_handed_over_at_a_rendezvous_waits_for_the_next_receiver,
    room_reserved_at_a_rendezvous_is_for_one_item,
    a_receiver_is_a_stream,
    a_poll_by_hand_keeps_its_place_until_something_else_is_called,
    a_poll_by_hand_that_is_abandoned_passes_its_item_on,
    numbers_agree_with_what_is_there,
    every_item_is_dropped_once,
    an_item_may_use_the_channel_while_it_is_dropped,
    handles_of_one_channel_know_each_other,
    a_time_limit_gives_the_item_back_and_the_place_up,
    a_time_limit_that_is_reached_with_the_grant_passes_it_on,
    whoever_is_done_in_time_is_not_disturbed,
    whoever_waits_is_known_to_wait,
    whoever_gives_way_has_done_nothing,
}

fn a_channel_without_limit_takes_everything_at_once<F: Channels>() {
    let (sender, mut receiver) = F::unbounded();
    for item in 0..1000 {
        now(sender.send(item)).unwrap();
    }
    assert_eq!((sender.len(), sender.capacity()), (1000, None));
    for item in 0..1000 {
        assert_eq!(now(receiver.recv()), Some(item));
    }
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

fn each_item_goes_to_one_of_the_receivers<F: Channels>() {
    let (first_sender, mut first_receiver) = F::channel(4);
    let (second_sender, mut second_receiver) = (first_sender.clone(), first_receiver.clone());
    now(first_sender.send(1)).unwrap();
    now(second_sender.send(2)).unwrap();
    now(first_sender.send(3)).unwrap();
    assert_eq!(now(second_receiver.recv()), Some(1));
    assert_eq!(now(first_receiver.recv()), Some(2));
    assert_eq!(second_receiver.try_recv(), Ok(3));
    assert_eq!(first_receiver.try_recv(), Err(TryRecvError::Empty));
}

fn senders_get_room_in_the_order_in_which_they_asked<F: Channels>() {
    let (sender, mut receiver) = F::channel(1);
    now(sender.send(0)).unwrap();
    let mut waiting: Vec<_> = (1..=3).map(|item| Task::waiting(sender.send(item))).collect();
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    assert_eq!(woken(&waiting), []);

    assert_eq!(now(receiver.recv()), Some(0));
    assert_eq!(woken(&waiting), [0]);
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)), "that room is the first's already");
    assert!(sender.try_reserve().is_err(), "that room is the first's already");
    waiting[1].goes_on_waiting();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "it has room, but has not sent");

    for item in 1..=3 {
        assert_eq!(waiting.remove(0).ends(), Ok(()));
        assert_eq!(now(receiver.recv()), Some(item));
    }
    assert_eq!(sender.try_send(4), Ok(()));
}

fn receivers_get_items_in_the_order_in_which_they_asked<F: Channels>() {
    let (sender, mut receiver) = F::channel(2);
    let (mut first, mut second) = (receiver.clone(), receiver.clone());
    let mut waiting = vec![Task::waiting(first.recv()), Task::waiting(second.recv())];
    now(sender.send(1)).unwrap();
    assert_eq!(woken(&waiting), [0]);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "the item is the first's already");
    waiting[1].goes_on_waiting();
    let mut third = Task::waiting(receiver.recv());
    now(sender.send(2)).unwrap();
    assert_eq!(woken(&waiting), [0, 1]);
    assert!(!third.is_woken());

    assert_eq!(waiting.remove(0).ends(), Some(1));
    third.goes_on_waiting();
    assert_eq!(waiting.remove(0).ends(), Some(2));
    now(sender.send(3)).unwrap();
    assert_eq!(third.ends(), Some(3));
}

fn the_item_of_a_receiver_that_gave_up_goes_to_the_next<F: Channels>() {
    let (sender, mut receiver) = F::channel(1);
    let (mut first, mut second) = (receiver.clone(), receiver.clone());
    let (first, second) = (Task::waiting(first.recv()), Task::waiting(second.recv()));
    now(sender.send(7)).unwrap();
    assert!(first.is_woken());
    drop(first);
    assert_eq!(second.ends(), Some(7));

    let third = Task::waiting(receiver.recv());
    now(sender.send(8)).unwrap();
    drop(third); // with nobody behind it
    assert_eq!((receiver.len(), receiver.try_recv()), (1, Ok(8)));
}

fn items_keep_their_order_when_a_receiver_gives_up<F: Channels>() {
    let (sender, mut receiver) = F::channel(3);
    let (mut first, mut second) = (receiver.clone(), receiver.clone());
    let (first, second) = (Task::waiting(first.recv()), Task::waiting(second.recv()));
    for item in 1..=3 {
        now(sender.send(item)).unwrap();
    }
    drop(first);
    assert_eq!(second.ends(), Some(1));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Ok(3));
}

fn the_room_of_a_sender_that_gave_up_goes_to_the_next<F: Channels>() {
    let (sender, mut receiver) = F::channel(1);
    now(sender.send(0)).unwrap();
    let first = Task::waiting(sender.send(1));
    let unserved = Task::waiting(sender.send(2));
    let third = Task::waiting(sender.send(3));
    assert_eq!(receiver.try_recv(), Ok(0));
    assert!(first.is_woken());
    drop(unserved);
    assert!(!third.is_woken());
    drop(first);
    assert_eq!(third.ends(), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(3));

    now(sender.send(4)).unwrap();
    let last = Task::waiting(sender.send(5));
    assert_eq!(receiver.try_recv(), Ok(4));
    drop(last); // with nobody behind it
    assert_eq!(sender.try_send(6), Ok(()));
}

fn a_sender_that_gives_up_gets_its_item_back<F: Channels>() {
    let (sender, receiver) = F::channel(1);
    assert_eq!(sender.send("not even begun").into_inner(), "not even begun");
    now(sender.send("there")).unwrap();
    let mut late = sender.send("late");
    assert!(now(poll_once(&mut late)).is_none());
    assert_eq!(late.into_inner(), "late");
    assert_eq!(receiver.len(), 1);
}

fn reserved_room_is_taken_and_queues_with_the_senders<F: Channels>() {
    let (sender, mut receiver) = F::channel(2);
    let room = now(sender.reserve()).unwrap();
    let more = sender.try_reserve().unwrap();
    assert_eq!(sender.len(), 0);
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    assert!(matches!(sender.try_reserve(), Err(TrySendError::Full(()))));

    more.send(1).unwrap();
    room.send(2).unwrap();
    let first = Task::waiting(sender.send(3));
    let second = Task::waiting(sender.reserve());
    let third = Task::waiting(sender.send(5));
    assert_eq!(now(receiver.recv()), Some(1));
    assert!(first.is_woken() && !second.is_woken());
    assert_eq!(now(receiver.recv()), Some(2));
    assert!(second.is_woken() && !third.is_woken());
    assert_eq!(first.ends(), Ok(()));
    second.ends().unwrap().send(4).unwrap();
    assert_eq!(now(receiver.recv()), Some(3));
    assert_eq!(third.ends(), Ok(()));
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(4), Ok(5)));
}

fn room_that_was_reserved_in_vain_goes_to_the_next<F: Channels>() {
    let (sender, mut receiver) = F::channel(1);
    let room = sender.try_reserve().unwrap();
    let (first, second) = (Task::waiting(sender.reserve()), Task::waiting(sender.send(2)));
    drop(room);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert_eq!(second.ends(), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(2));
    drop(sender.try_reserve().unwrap());
    assert_eq!(sender.try_send(3), Ok(()));
}

fn room_that_was_reserved_outlives_close<F: Channels>() {
    let (sender, mut receiver) = F::channel(2);
    let room = now(sender.reserve()).unwrap();
    receiver.close();
    assert!(sender.is_closed());
    assert!(matches!(sender.try_reserve(), Err(TrySendError::Closed(()))));
    assert_eq!(sender.try_send(1), Err(TrySendError::Closed(1)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "one more may come");
    let waiting = Task::waiting(receiver.recv());
    room.send(2).unwrap();
    assert_eq!(waiting.ends(), Some(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

fn a_receiver_does_not_wait_for_room_that_was_given_back_after_close<F: Channels>() {
    let (sender, mut receiver) = F::channel::<u8>(2);
    let mut other = receiver.clone();
    let rooms = (sender.try_reserve().unwrap(), sender.try_reserve().unwrap());
    receiver.close();
    let (first, second) = (Task::waiting(receiver.recv()), Task::waiting(other.recv()));
    drop(rooms.0);
    assert!(!first.is_woken() && !second.is_woken());
    drop(rooms.1);
    assert_eq!((first.ends(), second.ends()), (None, None));
}

fn of_two_receivers_one_gets_what_is_sent_after_close_and_the_other_learns_of_the_end<F: Channels>() {
    let (sender, closing) = F::channel(1);
    let (mut first, mut second) = (closing.clone(), closing.clone());
    let room = sender.try_reserve().unwrap();
    let (first, second) = (Task::waiting(first.recv()), Task::waiting(second.recv()));
    closing.close();
    room.send(7).unwrap();
    assert!(first.is_woken() && !second.is_woken());
    assert_eq!(first.ends(), Some(7));
    assert_eq!(second.ends(), None);
}

fn room_that_was_reserved_is_worth_nothing_without_receivers<F: Channels>() {
    let (sender, receiver) = F::channel(2);
    let (used, unused) = (sender.try_reserve().unwrap(), sender.try_reserve().unwrap());
    let waiting = Task::waiting(sender.reserve());
    drop(receiver);
    assert_eq!(used.send("nobody").unwrap_err().into_inner(), "nobody");
    drop(unused);
    assert_eq!(waiting.ends().err(), Some(SendError(())));
    assert_eq!(sender.len(), 0);
}

fn many_are_received_at_once_and_their_room_is_used<F: Channels>() {
    let (sender, mut receiver) = F::channel(3);
    let mut items = Vec::new();
    assert_eq!(now(receiver.recv_many(&mut items, 0)), 0);
    let waiting = Task::waiting(receiver.recv_many(&mut items, 5));
    for item in 1..=3 {
        now(sender.send(item)).unwrap();
    }
    let senders: Vec<_> = (4..=7).map(|item| Task::waiting(sender.send(item))).collect();
    assert_eq!(waiting.ends(), 3);
    assert_eq!(items, [1, 2, 3]);
    assert_eq!(woken(&senders), [0, 1, 2]);
    for (index, task) in senders.into_iter().enumerate() {
        if index == 3 {
            assert_eq!(now(receiver.recv_many(&mut items, 2)), 2);
        }
        assert_eq!(task.ends(), Ok(()));
    }
    drop(sender);
    assert_eq!(now(receiver.recv_many(&mut items, 9)), 2);
    assert_eq!(items, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(now(receiver.recv_many(&mut items, 9)), 0);
}

fn many_leave_alone_what_was_meant_for_others<F: Channels>() {
    let (sender, mut receiver) = F::channel(3);
    let mut other = receiver.clone();
    let waiting = Task::waiting(other.recv());
    now(sender.send(1)).unwrap();
    now(sender.send(2)).unwrap();
    let mut items = Vec::new();
    assert_eq!(now(receiver.recv_many(&mut items, 9)), 1);
    assert_eq!(waiting.ends(), Some(2));
    assert_eq!(items, [1]);
}

fn whoever_gives_up_waiting_for_many_passes_the_first_on<F: Channels>() {
    let (sender, mut receiver) = F::channel(3);
    let mut other = receiver.clone();
    let mut items = Vec::new();
    let many = Task::waiting(receiver.recv_many(&mut items, 9));
    let one = Task::waiting(other.recv());
    now(sender.send(1)).unwrap();
    drop(many);
    assert_eq!(one.ends(), Some(1));
    assert_eq!(items, []);
}

fn a_weak_sender_neither_counts_nor_outlives_the_last<F: Channels>() {
    let (sender, mut receiver) = F::channel(1);
    let weak = sender.downgrade();
    assert_eq!(sender.sender_count(), 1);
    let second = weak.upgrade().expect("the first is there");
    assert_eq!(receiver.sender_count(), 2);
    drop(sender);
    now(second.send(1)).unwrap();
    assert_eq!(now(receiver.recv()), Some(1));
    let waiting = Task::waiting(receiver.recv());
    drop(second);
    assert_eq!(waiting.ends(), None);
    let another = weak.clone();
    assert!(weak.upgrade().is_none() && another.upgrade().is_none());
    assert_eq!(receiver.sender_count(), 0);
}

fn close_gives_senders_their_items_back_and_lets_receivers_drain<F: Channels>() {
    let (sender, mut receiver) = F::channel(1);
    now(sender.send(1)).unwrap();
    let (send, reserve) = (Task::waiting(sender.send(2)), Task::waiting(sender.reserve()));
    receiver.close();
    receiver.close(); // again: nothing more happens
    assert_eq!(send.ends(), Err(SendError(2)));
    assert!(reserve.ends().is_err());
    assert_eq!(now(sender.send(3)), Err(SendError(3)));
    assert_eq!(now(receiver.recv()), Some(1));
    assert_eq!(now(receiver.recv()), None);

    // Room that was granted before is used, though the channel closes before its sender takes notice.
    let (sender, mut receiver) = F::channel(1);
    now(sender.send(1)).unwrap();
    let granted = Task::waiting(sender.send(2));
    assert_eq!(receiver.try_recv(), Ok(1));
    receiver.close();
    let waiting = Task::waiting(receiver.recv());
    assert_eq!(granted.ends(), Ok(()));
    assert_eq!(waiting.ends(), Some(2));
    assert_eq!(now(receiver.recv()), None);
}

fn when_the_last_sender_goes_all_who_receive_learn_of_the_end<F: Channels>() {
    let (sender, mut receiver) = F::channel(1);
    let (mut first, mut second) = (receiver.clone(), receiver.clone());
    let waiting = [Task::waiting(first.recv()), Task::waiting(second.recv())];
    now(sender.send(1)).unwrap();
    drop(sender);
    assert_eq!(woken(&waiting), [0], "the second may get it yet, if the first gives up");
    let [first, second] = waiting;
    assert_eq!(first.ends(), Some(1));
    assert_eq!(second.ends(), None);
    assert_eq!(now(receiver.recv()), None);

    let (sender, mut receiver) = F::channel::<i32>(1);
    let mut other = receiver.clone();
    let waiting = [Task::waiting(receiver.recv()), Task::waiting(other.recv())];
    drop(sender);
    assert_eq!(woken(&waiting), [0, 1]);
    assert_eq!(waiting.map(Task::ends), [None, None]);
}

fn when_the_last_receiver_goes_items_are_dropped_and_senders_get_theirs_back<F: Channels>() {
    let drops = Drops::new();
    let (sender, mut receiver) = F::channel(2);
    for _ in 0..2 {
        assert!(now(sender.send(drops.item())).is_ok());
    }
    let (granted, waiting) =
        (Task::waiting(sender.send(drops.item())), Task::waiting(sender.send(drops.item())));
    drop(receiver.try_recv().expect("two are there"));
    assert!(granted.is_woken() && !waiting.is_woken());
    assert_eq!(drops.count(), 1);
    drop(receiver);
    assert_eq!(drops.count(), 2, "the other that was there");
    let returned = [granted.ends(), waiting.ends()].map(|sent| sent.expect_err("nobody is there to receive"));
    assert_eq!(drops.count(), 2);
    assert_eq!((sender.len(), sender.receiver_count(), sender.is_closed()), (0, 0, true));
    drop(returned);
    assert_eq!(drops.count(), 4);
}

fn one_of_several_may_go<F: Channels>() {
    let (sender, mut receiver) = F::channel(1);
    drop(sender.clone());
    drop(receiver.clone());
    assert_eq!((sender.sender_count(), sender.receiver_count()), (1, 1));
    now(sender.send(1)).unwrap();
    assert_eq!(now(receiver.recv()), Some(1));
}

fn a_rendezvous_is_when_both_are_there<F: Channels>() {
    let (sender, mut receiver) = F::channel(0);
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
    let sending = Task::waiting(sender.send(1));
    assert_eq!((receiver.len(), receiver.try_recv()), (0, Err(TryRecvError::Empty)));
    let receiving = Task::waiting(receiver.recv());
    assert_eq!(sending.ends(), Ok(()));
    assert_eq!(receiving.ends(), Some(1));

    let receiving = Task::waiting(receiver.recv());
    assert_eq!(sender.try_send(2), Ok(()));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)), "who waited has got one");
    assert_eq!(receiving.ends(), Some(2));
    assert_eq!(sender.capacity(), Some(0));
}

fn at_a_rendezvous_senders_are_served_in_order<F: Channels>() {
    let (sender, mut receiver) = F::channel(0);
    let mut other = receiver.clone();
    let senders =
        [Task::waiting(sender.send(1)), Task::waiting(sender.send(2)), Task::waiting(sender.send(3))];
    let first = Task::waiting(receiver.recv());
    assert_eq!(woken(&senders), [0]);
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    let second = Task::waiting(other.recv());
    assert_eq!(woken(&senders), [0, 1]);
    let [one, two, three] = senders;
    assert_eq!((one.ends(), two.ends()), (Ok(()), Ok(())));
    assert_eq!((first.ends(), second.ends()), (Some(1), Some(2)));
    assert!(!three.is_woken());
}

fn a_sender_whose_receiver_went_away_waits_on_at_the_head<F: Channels>() {
    let (sender, mut receiver) = F::channel(0);
    let (mut first, second) = (Task::waiting(sender.send(1)), Task::waiting(sender.send(2)));
    let receiving = Task::waiting(receiver.recv());
    assert!(first.is_woken());
    drop(receiving);
    first.goes_on_waiting();
    assert_eq!(receiver.len(), 0);
    let receiving = Task::waiting(receiver.recv());
    assert!(first.is_woken() && !second.is_woken());
    assert_eq!(first.ends(), Ok(()));
    assert_eq!(receiving.ends(), Some(1));

    // The same, but the next receiver is there before the sender takes notice.
    drop(Task::waiting(receiver.recv()));
    let receiving = Task::waiting(receiver.recv());
    assert_eq!(second.ends(), Ok(()));
    assert_eq!(receiving.ends(), Some(2));
}

fn a_receiver_that_went_away_costs_the_latest_sender_its_turn<F: Channels>() {
    let (sender, mut receiver) = F::channel(0);
    let mut other = receiver.clone();
    let (first, mut second) = (Task::waiting(sender.send(1)), Task::waiting(sender.send(2)));
    let (leaving, staying) = (Task::waiting(receiver.recv()), Task::waiting(other.recv()));
    assert!(first.is_woken() && second.is_woken());
    drop(leaving);
    assert_eq!(first.ends(), Ok(()));
    second.goes_on_waiting();
    assert_eq!(staying.ends(), Some(1));
    let again = Task::waiting(other.recv());
    assert_eq!(second.ends(), Ok(()));
    assert_eq!(again.ends(), Some(2));
}

fn senders_whose_turn_was_taken_back_stay_in_order<F: Channels>() {
    let (sender, mut receiver) = F::channel(0);
    let mut others: Vec<_> = (0..3).map(|_| receiver.clone()).collect();
    let mut senders: Vec<_> = (0..4).map(|item| Task::waiting(sender.send(item))).collect();
    let mut receivers: Vec<_> = others.iter_mut().map(|other| Task::waiting(other.recv())).collect();
    assert_eq!(woken(&senders), [0, 1, 2]);
    receivers.truncate(1); // the third's turn is taken back, then the second's
    senders[1].goes_on_waiting(); // the third has not taken notice
    let receiving = Task::waiting(receiver.recv());
    assert_eq!(woken(&senders), [0, 1, 2], "the second once more, the third still");
    senders[2].goes_on_waiting();
    for item in 0..2 {
        assert_eq!(senders.remove(0).ends(), Ok(()), "{item}");
    }
    assert_eq!((receivers.remove(0).ends(), receiving.ends()), (Some(0), Some(1)));
    drop(Task::waiting(receiver.recv())); // the third's turn again, and taken back again
    assert_eq!(woken(&senders), [0]);
    receiver.close();
    assert_eq!(senders.remove(0).ends(), Err(SendError(2)));
    assert_eq!(senders.remove(0).ends(), Err(SendError(3)));
}

fn a_rendezvous_passes_the_turn_of_a_sender_that_gave_up_on<F: Channels>() {
    let (sender, mut receiver) = F::channel(0);
    let (first, second) = (Task::waiting(sender.send(1)), Task::waiting(sender.send(2)));
    let receiving = Task::waiting(receiver.recv());
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert_eq!(second.ends(), Ok(()));
    assert_eq!(receiving.ends(), Some(2));
}

fn what_was_handed_over_at_a_rendezvous_waits_for_the_next_receiver<F: Channels>() {
    let (sender, mut receiver) = F::channel(0);
    let receiving = Task::waiting(receiver.recv());
    assert_eq!(sender.try_send(1), Ok(()));
    drop(receiving);
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!((receiver.len(), now(receiver.recv())), (1, Some(1)));
}

fn room_reserved_at_a_rendezvous_is_for_one_item<F: Channels>() {
    let (sender, mut receiver) = F::channel(0);
    assert!(sender.try_reserve().is_err());
    let reserving = Task::waiting(sender.reserve());
    let sending = Task::waiting(sender.send(2));
    let receiving = Task::waiting(receiver.recv());
    let room = reserving.ends().unwrap();
    assert!(!sending.is_woken());
    drop(receiving); // what is reserved stays so
    room.send(1).unwrap();
    assert_eq!(now(receiver.recv()), Some(1));
    let receiving = Task::waiting(receiver.recv());
    assert_eq!(sending.ends(), Ok(()));
    assert_eq!(receiving.ends(), Some(2));
}

fn a_receiver_is_a_stream<F: Channels>() {
    let (sender, mut receiver) = F::channel(2);
    let mut other = receiver.clone();
    let next = Task::waiting(receiver.next());
    now(sender.send(1)).unwrap();
    assert_eq!(next.ends(), Some(1));
    now(sender.send(2)).unwrap();
    now(sender.send(3)).unwrap();
    drop(sender);
    assert_eq!(now(receiver.collect::<Vec<_>>()), [2, 3]);
    assert_eq!(now(other.next()), None);
}

/// What `poll_recv` comes to, as a future that leaves the place behind.
fn poll_recv<'a, T, F: Flavour>(
    receiver: &'a RefCell<Receiver<T, F>>,
) -> impl Future<Output = Option<T>> + 'a {
    poll_fn(|cx| receiver.borrow_mut().poll_recv(cx))
}

fn a_poll_by_hand_keeps_its_place_until_something_else_is_called<F: Channels>() {
    let (sender, receiver) = F::channel(2);
    let mut other = receiver.clone();
    let receiver = RefCell::new(receiver);
    drop(Task::waiting(poll_recv(&receiver)));
    let behind = Task::waiting(other.recv());
    now(sender.send(1)).unwrap();
    assert!(!behind.is_woken(), "the item is for the place that was left behind");
    assert_eq!(now(poll_recv(&receiver)), Some(1));

    drop(Task::waiting(poll_recv(&receiver)));
    now(sender.send(2)).unwrap();
    assert_eq!(behind.ends(), Some(2));
    let behind = Task::waiting(other.recv());
    now(sender.send(3)).unwrap();
    assert!(!behind.is_woken());
    let mut receiver = receiver.into_inner();
    let recv = receiver.recv(); // begins anew, at the end
    assert_eq!(behind.ends(), Some(3));
    let recv = Task::waiting(recv);
    now(sender.send(4)).unwrap();
    assert_eq!(recv.ends(), Some(4));
}

fn a_poll_by_hand_that_is_abandoned_passes_its_item_on<F: Channels>() {
    let (sender, receiver) = F::channel(2);
    let (mut other, receiver) = (receiver.clone(), RefCell::new(receiver));
    drop(Task::waiting(poll_recv(&receiver)));
    let behind = Task::waiting(other.recv());
    now(sender.send(1)).unwrap();
    drop(receiver);
    assert_eq!(behind.ends(), Some(1));
    assert_eq!(sender.receiver_count(), 1);
}

fn numbers_agree_with_what_is_there<F: Channels>() {
    let (sender, mut receiver) = F::channel(2);
    assert_eq!((sender.capacity(), receiver.capacity()), (Some(2), Some(2)));
    assert!(sender.is_empty() && receiver.is_empty());
    now(sender.send(1)).unwrap();
    now(sender.send(2)).unwrap();
    let waiting = Task::waiting(sender.send(3));
    assert_eq!((sender.len(), receiver.len()), (2, 2));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(sender.len(), 1, "the third has room, but is not there yet");
    assert_eq!(waiting.ends(), Ok(()));
    assert_eq!(sender.len(), 2);
    drop(sender);
    assert_eq!((receiver.try_recv(), receiver.len()), (Ok(2), 1));
    assert_eq!((receiver.try_recv(), receiver.len()), (Ok(3), 0));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

fn every_item_is_dropped_once<F: Channels>() {
    let drops = Drops::new();
    let (sender, mut receiver) = F::channel(1);
    let mut other = receiver.clone();
    let receiving = Task::waiting(receiver.recv());
    assert!(sender.try_send(drops.item()).is_ok());
    drop(receiving); // what it was granted stays
    assert_eq!(drops.count(), 0);
    let sending = Task::waiting(sender.send(drops.item()));
    drop(sending); // with its item
    assert_eq!(drops.count(), 1);
    drop(sender.try_send(drops.item())); // there is no room for it
    assert_eq!(drops.count(), 2);
    let granted = Task::waiting(sender.send(drops.item()));
    drop(other.try_recv());
    assert_eq!(drops.count(), 3);
    drop(granted);
    assert_eq!(drops.count(), 4);
    assert!(sender.try_reserve().is_ok_and(|room| room.send(drops.item()).is_ok()));
    drop((receiver, other));
    assert_eq!(drops.count(), 5);
    drop(sender.try_send(drops.item()));
    assert_eq!(drops.count(), 6);
}

/// An item that asks its own channel when it is dropped.
struct Curious<F: Flavour> {
    channel: Sender<Curious<F>, F>,
    seen: Rc<RefCell<Vec<(usize, bool)>>>,
}

impl<F: Flavour> Drop for Curious<F> {
    fn drop(&mut self) {
        let seen = (self.channel.len(), self.channel.is_closed());
        self.seen.borrow_mut().push(seen);
        let copy = self.channel.clone();
        drop(copy.reserve());
        drop(copy.try_reserve());
    }
}

fn an_item_may_use_the_channel_while_it_is_dropped<F: Channels>() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (sender, receiver) = F::channel(2);
    let item = || Curious { channel: sender.clone(), seen: Rc::clone(&seen) };
    assert!(sender.try_send(item()).is_ok());
    assert!(sender.try_send(item()).is_ok());
    drop(sender.try_send(item()));
    drop(Task::waiting(sender.send(item())));
    assert_eq!(seen.take(), [(2, false), (2, false)]);
    drop(receiver);
    assert_eq!(seen.take(), [(0, true), (0, true)]);
    drop(sender.try_send(item()));
    assert_eq!(seen.take(), [(0, true)]);
}

fn handles_of_one_channel_know_each_other<F: Channels>() {
    let (sender, _receiver) = F::channel::<u8>(1);
    let (other, _other_receiver) = F::channel::<u8>(1);
    assert!(sender.same_channel(&sender.clone()));
    assert!(!sender.same_channel(&other));
}

const SECOND: Duration = Duration::from_secs(1);

fn a_time_limit_gives_the_item_back_and_the_place_up<F: Channels>() {
    with_services();
    let (sender, mut receiver) = F::channel(1);
    now(sender.send(1)).unwrap();
    let (limited, behind) = (Task::waiting(sender.send_timeout(2, SECOND)), Task::waiting(sender.send(3)));
    advance(SECOND);
    assert_eq!(limited.ends(), Err(SendTimeoutError::Elapsed(2)));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(behind.ends(), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(3));
    let limited = Task::waiting(receiver.recv_timeout(SECOND));
    advance(SECOND);
    assert_eq!(limited.ends(), Err(Elapsed));

    now(sender.send(4)).unwrap();
    let limited = Task::waiting(sender.send_timeout(5, SECOND));
    receiver.close();
    assert_eq!(limited.ends(), Err(SendTimeoutError::Closed(5)));
}

fn a_time_limit_that_is_reached_with_the_grant_passes_it_on<F: Channels>() {
    with_services();
    let (sender, receiver) = F::channel(1);
    let (mut receiver, mut in_time) = (receiver.clone(), receiver);
    now(sender.send(1)).unwrap();
    let (limited, behind) = (Task::waiting(sender.send_timeout(2, SECOND)), Task::waiting(sender.send(3)));
    when_time_is_over(move || assert_eq!(in_time.try_recv(), Ok(1)));
    advance(SECOND);
    assert_eq!(limited.ends(), Err(SendTimeoutError::Elapsed(2)));
    assert_eq!(behind.ends(), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(3));

    let (other, in_time) = (receiver.clone(), sender.clone());
    let mut other = other;
    let (limited, behind) = (Task::waiting(receiver.recv_timeout(SECOND)), Task::waiting(other.recv()));
    when_time_is_over(move || assert_eq!(in_time.try_send(4), Ok(())));
    advance(SECOND);
    assert_eq!(limited.ends(), Err(Elapsed));
    assert_eq!(behind.ends(), Some(4));
}

fn whoever_is_done_in_time_is_not_disturbed<F: Channels>() {
    with_services();
    let (sender, mut receiver) = F::channel(1);
    let limited = Task::waiting(receiver.recv_timeout(SECOND));
    assert_eq!(now(sender.send_timeout(1, SECOND)), Ok(()));
    advance(SECOND); // both at once: what is there counts
    assert_eq!(limited.ends(), Ok(Some(1)));
    drop(sender);
    assert_eq!(now(receiver.recv_timeout(SECOND)), Ok(None));
}

fn whoever_waits_is_known_to_wait<F: Channels>() {
    with_services();
    let (sender, mut receiver) = F::channel(0);
    let line = line!() + 1;
    let mut sending = Task::waiting(sender.send(1));
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.asked.line(), wait.created.file()), (Kind::Send, line, file!()));
    let receiving = Task::waiting(receiver.recv());
    assert_eq!(open_waits().iter().map(|wait| wait.kind).collect::<Vec<_>>(), [Kind::Send, Kind::Receive]);
    drop(receiving);
    sending.goes_on_waiting(); // its turn was taken back: it waits still, and once
    assert_eq!(open_waits().iter().map(|wait| wait.kind).collect::<Vec<_>>(), [Kind::Send]);
    let receiving = Task::waiting(receiver.recv());
    assert_eq!((sending.ends(), receiving.ends()), (Ok(()), Some(1)));
    assert_eq!(open_waits().len(), 0);
}

fn whoever_gives_way_has_done_nothing<F: Channels>() {
    let (sender, receiver) = F::unbounded();
    let sent = Cell::new(0);
    let next = || {
        sent.set(sent.get() + 1);
        sender.send(sent.get())
    };
    let given_way = tired(next);
    assert_eq!(sender.len(), sent.get() - 1);
    assert_eq!(given_way.ends(), Ok(()));
    assert_eq!(sender.len(), sent.get());
    let mut others: Vec<_> = (0..256).map(|_| receiver.clone()).collect();
    let mut receiver = receiver;
    now(receiver.recv_many(&mut Vec::new(), 10_000));
    (0..256).for_each(|item| sender.try_send(item).unwrap());
    let mut others = others.iter_mut();
    let given_way = tired(|| others.next().expect("one of them gives way").recv());
    let left = sender.len();
    assert!(given_way.ends().is_some());
    assert_eq!(sender.len(), left - 1);
}
