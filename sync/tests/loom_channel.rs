//! Model checks of shared channels and queues: no item is lost or doubled, and nobody sleeps while there is something
//! for him, whichever end goes, closes or gives up.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-sync --release --test loom_channel`
#![cfg(loom)]

mod models;

use models::{Counted, Doze, beside, block_on, give_up, model};
use runtime_sync::shared::{Queue, Receiver, Sender, channel, unbounded};
use std::sync::{Arc, atomic::Ordering::Relaxed};

/// Everything that comes until the end.
fn drain(mut receiver: Receiver<usize>) -> Vec<usize> {
    let mut items = Vec::new();
    while let Some(item) = block_on(receiver.recv()) {
        items.push(item);
    }
    items
}

#[test]
fn one_sends_and_one_receives() {
    model(|| {
        let (sender, receiver) = channel(1);
        let thread = beside(move || {
            block_on(sender.send(1)).unwrap();
            block_on(sender.send(2)).unwrap();
        });
        assert_eq!(drain(receiver), [1, 2]);
        thread.join().unwrap();
    });
}

#[test]
fn one_sends_and_one_receives_without_limit() {
    model(|| {
        let (sender, receiver) = unbounded();
        let thread = beside(move || {
            sender.try_send(1).unwrap();
            sender.try_send(2).unwrap();
        });
        assert_eq!(drain(receiver), [1, 2]);
        thread.join().unwrap();
    });
}

#[test]
fn two_threads_block_on_it() {
    model(|| {
        let (sender, mut receiver) = channel(1);
        let thread = beside(move || {
            sender.blocking_send(1).unwrap();
            sender.blocking_send(2).unwrap();
        });
        assert_eq!((receiver.blocking_recv(), receiver.blocking_recv()), (Some(1), Some(2)));
        thread.join().unwrap();
    });
}

#[test]
fn two_send_and_one_receives() {
    model(|| {
        let (sender, receiver) = channel(1);
        let other = sender.clone();
        let threads = [(sender, 1), (other, 2)];
        let threads = threads.map(|(sender, item)| beside(move || block_on(sender.send(item)).unwrap()));
        let mut items = drain(receiver);
        items.sort_unstable();
        assert_eq!(items, [1, 2]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn one_sends_and_two_receive() {
    model(|| {
        let (sender, receiver) = channel(1);
        let threads = [receiver.clone(), receiver].map(|receiver| beside(move || drain(receiver)));
        block_on(sender.send(1)).unwrap();
        block_on(sender.send(2)).unwrap();
        drop(sender);
        let mut items: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        items.sort_unstable();
        assert_eq!(items, [1, 2]);
    });
}

#[test]
fn at_a_rendezvous_one_sends_and_one_receives() {
    model(|| {
        let (sender, receiver) = channel(0);
        let thread = beside(move || {
            block_on(sender.send(1)).unwrap();
            block_on(sender.send(2)).unwrap();
        });
        assert_eq!(drain(receiver), [1, 2]);
        thread.join().unwrap();
    });
}

#[test]
fn at_a_rendezvous_the_receiver_gives_up_and_comes_again() {
    model(|| {
        let (sender, mut receiver) = channel(0);
        let thread = beside(move || {
            block_on(sender.send(1)).unwrap();
            block_on(sender.send(2)).unwrap();
        });
        let mut items: Vec<usize> = give_up(receiver.recv()).into_iter().flatten().collect();
        items.extend(drain(receiver));
        assert_eq!(items, [1, 2]);
        thread.join().unwrap();
    });
}

/// Two senders wait, two receivers arrive, and one of these gives up: the first sender is served by one of them. The
/// second may be, or not.
#[test]
fn at_a_rendezvous_a_turn_is_taken_back() {
    model(|| {
        let (sender, mut leaving) = channel(0);
        let (bell, second, mut staying) = (Doze::new(), sender.clone(), leaving.clone());
        let mut first_send = sender.send(1);
        let mut second_send = second.send(2);
        assert!(bell.poll(&mut first_send).is_pending());
        assert!(Doze::new().poll(&mut second_send).is_pending());
        let leaves = beside(move || give_up(leaving.recv()).flatten());
        let stays = beside(move || block_on(staying.recv()));
        bell.finish(&mut first_send).unwrap();
        let sent_second = give_up(&mut second_send).is_some();
        drop((first_send, second_send));
        drop((sender, second));
        let mut items: Vec<usize> =
            [leaves, stays].into_iter().filter_map(|thread| thread.join().unwrap()).collect();
        items.sort_unstable();
        assert!(items == [1] || items == [1, 2] && sent_second, "{items:?}");
    });
}

#[test]
fn the_item_of_one_who_gives_up_reaches_the_next() {
    model(|| {
        let (sender, mut leaving) = channel(1);
        let mut staying = leaving.clone();
        let leaves = beside(move || give_up(leaving.recv()).flatten());
        let stays = beside(move || block_on(staying.recv()));
        block_on(sender.send(1)).unwrap();
        drop(sender);
        let got = (leaves.join().unwrap(), stays.join().unwrap());
        assert!(got == (Some(1), None) || got == (None, Some(1)), "{got:?}");
    });
}

#[test]
fn the_room_of_one_who_gives_up_reaches_the_next() {
    model(|| {
        let (sender, receiver) = channel(1);
        sender.try_send(0).unwrap();
        let other = sender.clone();
        let leaves = beside(move || give_up(other.send(1)).is_some());
        let stays = beside(move || block_on(sender.send(2)).unwrap());
        let items = drain(receiver);
        assert_eq!(items.contains(&1), leaves.join().unwrap());
        assert!(items[0] == 0 && items.contains(&2));
        stays.join().unwrap();
    });
}

#[test]
fn the_last_sender_goes_while_two_receive() {
    model(|| {
        let (sender, receiver) = channel::<usize>(1);
        let other = receiver.clone();
        let thread = beside(move || drain(other));
        let goes = beside(move || drop(sender));
        assert_eq!(drain(receiver), []);
        assert_eq!(thread.join().unwrap(), []);
        goes.join().unwrap();
    });
}

#[test]
fn the_last_receiver_goes_while_one_sends() {
    model(|| {
        let (sender, receiver) = channel(1);
        let (item, drops) = Counted::new();
        let (second, second_drops) = Counted::new();
        let thread = beside(move || {
            let first = block_on(sender.send(item));
            let second = block_on(sender.send(second));
            assert!(first.is_ok() || second.is_err());
            (first, second)
        });
        drop(receiver);
        let (first, second) = thread.join().unwrap();
        // What was sent was dropped with the channel, what was not is in our hands.
        assert_eq!(drops.load(Relaxed), usize::from(first.is_ok()));
        assert_eq!(second_drops.load(Relaxed), usize::from(second.is_ok()));
        drop((first, second));
        assert_eq!((drops.load(Relaxed), second_drops.load(Relaxed)), (1, 1));
    });
}

#[test]
fn close_against_send() {
    model(|| {
        let (sender, receiver) = channel(1);
        let thread = beside(move || {
            let sent = [block_on(sender.send(1)).is_ok(), block_on(sender.send(2)).is_ok()];
            sent.into_iter().filter(|sent| *sent).count()
        });
        receiver.close();
        let items = drain(receiver);
        assert_eq!(items, &[1, 2][..thread.join().unwrap()], "what was taken in is received");
    });
}

#[test]
fn the_last_room_is_given_back_after_close() {
    model(|| {
        let (sender, receiver) = channel::<usize>(1);
        let kept = sender.clone(); // it is not the last sender that ends it
        let thread = beside(move || {
            let room = sender.try_reserve();
            drop(room);
        });
        receiver.close();
        assert_eq!(drain(receiver), []);
        thread.join().unwrap();
        assert!(kept.is_closed());
    });
}

#[test]
fn a_room_is_used_and_another_given_back_after_close() {
    model(|| {
        let (sender, receiver) = channel(2);
        let other = receiver.clone();
        let (bell, end): (_, Sender<usize>) = (Doze::new(), sender.clone());
        let mut waiting = receiver;
        let thread = beside(move || {
            let rooms = (sender.try_reserve().unwrap(), sender.try_reserve().unwrap());
            other.close();
            drop(rooms.0);
            rooms.1.send(7).unwrap();
        });
        let mut recv = waiting.recv();
        let first = match bell.poll(&mut recv) {
            std::task::Poll::Ready(item) => item,
            std::task::Poll::Pending => bell.finish(&mut recv),
        };
        drop(recv);
        assert_eq!((first, block_on(waiting.recv())), (Some(7), None));
        thread.join().unwrap();
        assert!(end.is_closed());
    });
}

#[test]
fn an_upgrade_against_the_last_sender() {
    model(|| {
        let (sender, receiver) = channel(1);
        let weak = sender.downgrade();
        let thread = beside(move || weak.upgrade().map(|sender| block_on(sender.send(1)).unwrap()).is_some());
        drop(sender);
        let items = drain(receiver);
        assert_eq!(items.len(), usize::from(thread.join().unwrap()));
    });
}

#[test]
fn many_are_received_while_two_send() {
    model(|| {
        let (sender, mut receiver) = channel(1);
        let other = sender.clone();
        let threads = [(sender, 1), (other, 2)];
        let threads = threads.map(|(sender, item)| beside(move || block_on(sender.send(item)).unwrap()));
        let mut items = Vec::new();
        while block_on(receiver.recv_many(&mut items, 2)) > 0 {}
        items.sort_unstable();
        assert_eq!(items, [1, 2]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_queue_is_joined_while_its_work_is_done() {
    model(|| {
        let queue = Arc::new(Queue::bounded(1));
        let (working, joining) = (Arc::clone(&queue), Arc::clone(&queue));
        queue.try_put(1).unwrap();
        let works = beside(move || {
            while block_on(working.get()).is_ok() {
                working.task_done();
            }
        });
        let joins = beside(move || block_on(joining.join()));
        block_on(queue.put(2)).unwrap();
        queue.close();
        works.join().unwrap();
        joins.join().unwrap();
        assert_eq!(queue.unfinished(), 0);
    });
}

#[test]
fn a_queue_is_closed_at_once_while_one_gets_and_one_joins() {
    model(|| {
        let queue = Arc::new(Queue::bounded(1));
        let (getting, joining) = (Arc::clone(&queue), Arc::clone(&queue));
        let (item, drops) = Counted::new();
        assert!(queue.try_put(item).is_ok());
        let gets = beside(move || block_on(getting.get()).inspect(|_| getting.task_done()).map(drop));
        let joins = beside(move || block_on(joining.join()));
        queue.close_now();
        let _ = gets.join().unwrap();
        joins.join().unwrap();
        assert_eq!((drops.load(Relaxed), queue.unfinished(), queue.len()), (1, 0, 0));
    });
}
