//! Queues between threads, and deaths at the worst moments.

use super::{
    Queue,
    board::{Board, Name},
    shared::Shared,
};
use crate::{
    process::{
        RecvError, SendError,
        luggage::{decode, encode},
        packet::Packet,
    },
    spawn,
    task::yield_now,
    time::{Duration, Instant, advance},
};
use runtime_io::packet::Patience;
use std::{
    collections::BTreeSet,
    os::fd::AsFd,
    rc::Rc,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
};

/// A story on a clock that stands still unless it is advanced.
fn paused(story: impl Future<Output = ()>) {
    let runtime = crate::Builder::new().start_paused(true).build().unwrap();
    runtime.block_on(story);
}

/// Somebody takes an item, and dies before he can say so.
fn die_with_an_item(shared: &Shared) {
    shared.exit.receive(shared.exit.as_fd(), Patience::Never).unwrap().expect("an item");
}

#[test]
fn items_come_out_as_they_went_in_and_no_more_go_in_than_there_are_places() {
    crate::run(async {
        let queue = Queue::bounded(2).unwrap();
        assert_eq!(
            (queue.capacity(), queue.len(), queue.is_empty(), queue.is_full()),
            (Some(2), 0, true, false)
        );
        queue.put((1, "one".to_owned())).await.unwrap();
        queue.try_put((2, "two".to_owned())).unwrap();
        assert_eq!((queue.len(), queue.is_full()), (2, true));
        let back = queue.try_put((3, "three".to_owned())).unwrap_err();
        assert!(matches!(back.why, SendError::Full), "{back}");
        let back = queue.put_timeout(back.into_inner(), Duration::from_millis(1)).await.unwrap_err();
        assert!(matches!(back.why, SendError::Elapsed), "{back}");
        let back = queue.blocking_put_timeout(back.into_inner(), Duration::from_millis(1)).unwrap_err();
        assert!(matches!(back.why, SendError::Elapsed), "{back}");
        assert_eq!(back.item, (3, "three".to_owned()));

        assert_eq!(queue.get().await.unwrap(), (1, "one".to_owned()));
        queue.blocking_put(back.into_inner()).unwrap();
        assert_eq!(queue.try_get().unwrap().0, 2);
        assert_eq!(queue.blocking_get().unwrap().0, 3);
        assert!(matches!(queue.try_get(), Err(RecvError::Empty)));
        assert!(matches!(queue.get_timeout(Duration::from_millis(1)).await, Err(RecvError::Elapsed)));
        assert!(matches!(queue.blocking_get_timeout(Duration::from_millis(1)), Err(RecvError::Elapsed)));
        assert!(queue.is_empty());
    });
}

#[test]
fn short_and_long_items_keep_their_order() {
    let queue = Queue::unbounded().unwrap();
    let item = |n: usize| vec![n as u8; if [0, 7, 8, 39].contains(&n) { 100_000 } else { n }];
    for n in 0..40 {
        queue.try_put(item(n)).unwrap();
    }
    assert_eq!(queue.len(), 40);
    for n in 0..40 {
        assert!(queue.try_get().unwrap() == item(n), "{n}");
    }
}

#[test]
fn without_a_bound_there_is_room_for_hundreds_and_then_who_puts_waits() {
    let queue = Queue::unbounded().unwrap();
    let mut put = 0;
    while queue.try_put(put).is_ok() {
        put += 1;
    }
    assert!(put >= 200 && queue.is_full() && queue.len() == put, "{put}");
    assert!(queue.try_put(0).is_err());
    for n in 0..put {
        assert_eq!(queue.try_get().unwrap(), n);
    }
    assert!(!queue.is_full());
}

#[test]
fn who_waits_for_a_place_or_an_item_is_told_at_once() {
    paused(async {
        let began = Instant::now();
        let queue = Queue::bounded(1).unwrap();
        queue.put(0).await.unwrap();
        let putters: Vec<_> = (1..4)
            .map(|n| {
                spawn({
                    let queue = queue.clone();
                    async move { queue.put(n).await.unwrap() }
                })
            })
            .collect();
        yield_now().await;
        let mut got = BTreeSet::new();
        for _ in 0..4 {
            got.insert(queue.get().await.unwrap());
        }
        crate::join_all(putters).await;
        let getter = spawn({
            let queue = queue.clone();
            async move { queue.get().await.unwrap() }
        });
        yield_now().await;
        queue.put(4).await.unwrap();
        got.insert(getter.await.unwrap());
        assert_eq!(got, BTreeSet::from([0, 1, 2, 3, 4]));
        assert_eq!(began.elapsed(), Duration::ZERO, "nobody had to look by himself");
    });
}

#[test]
fn who_gives_up_waiting_passes_on_what_he_has_heard() {
    let queue = Queue::bounded(1).unwrap();
    queue.try_put(1).unwrap();
    let shared = &*queue.shared;
    for is_served in [false, true] {
        let mut waiter = super::shared::Waiter::new(shared);
        waiter.heard(Ok(Some(Packet::default()))).unwrap();
        if is_served {
            waiter.served();
        } else {
            drop(waiter);
        }
        let told = shared.entrance.try_recv();
        assert_eq!(matches!(told, Ok(Some(_))), !is_served, "{told:?}");
    }
}

#[test]
fn closing_lets_consumers_finish_and_sends_everybody_else_home() {
    paused(async {
        let queue = Queue::bounded(1).unwrap();
        let began = Instant::now();
        queue.put("last".to_owned()).await.unwrap();
        let waits = spawn({
            let queue = queue.clone();
            async move { queue.put("late".to_owned()).await }
        });
        yield_now().await;
        let other = Queue::<u8>::unbounded().unwrap();
        let gets = spawn({
            let other = other.clone();
            async move { other.get().await }
        });
        yield_now().await;
        queue.close().unwrap();
        other.close().unwrap();
        queue.close().unwrap();
        let late = waits.await.unwrap().unwrap_err();
        assert!(matches!(late.why, SendError::Closed), "{late}");
        assert_eq!(late.item, "late");
        assert!(matches!(gets.await.unwrap(), Err(RecvError::Closed)));
        assert!(queue.is_closed() && queue.is_full());
        assert!(matches!(queue.try_put(String::new()).unwrap_err().why, SendError::Closed));
        assert!(matches!(queue.blocking_put(String::new()).unwrap_err().why, SendError::Closed));
        assert_eq!(queue.get().await.unwrap(), "last");
        assert!(matches!(queue.get().await, Err(RecvError::Closed)));
        assert!(matches!(queue.blocking_get(), Err(RecvError::Closed)));
        assert!(matches!(queue.try_put(String::new()).unwrap_err().why, SendError::Closed));
        assert!(queue.is_empty());
        assert_eq!(began.elapsed(), Duration::ZERO);
    });
}

#[test]
fn threads_that_block_are_woken_by_items_places_and_the_end() {
    let queue = Queue::bounded(1).unwrap();
    thread::scope(|threads| {
        let consumer = threads.spawn(|| {
            let got: Vec<u32> = std::iter::from_fn(|| queue.blocking_get().ok()).collect();
            got
        });
        for n in 0..300 {
            queue.blocking_put(n).unwrap();
        }
        queue.close().unwrap();
        assert_eq!(consumer.join().unwrap(), Vec::from_iter(0..300));
    });
}

#[test]
fn of_many_producers_and_consumers_nothing_is_lost_and_nothing_arrives_twice() {
    const EACH: u32 = 400;
    let queue = Queue::bounded(5).unwrap();
    let all = Mutex::new(Vec::new());
    thread::scope(|threads| {
        for consumer in 0..3 {
            let (queue, all) = (queue.try_clone().unwrap(), &all);
            threads.spawn(move || {
                let mut got = Vec::new();
                if consumer == 0 {
                    std::iter::from_fn(|| queue.blocking_get().ok()).for_each(|item| got.push(item));
                } else {
                    crate::run(async {
                        while let Ok(item) = queue.get().await {
                            got.push(item);
                        }
                    });
                }
                all.lock().unwrap().extend(got);
            });
        }
        thread::scope(|threads| {
            for producer in 0..3 {
                let queue = queue.try_clone().unwrap();
                threads.spawn(move || {
                    let items =
                        (0..EACH).map(|n| (producer, n, vec![0_u8; if n % 50 == 0 { 80_000 } else { 0 }]));
                    if producer == 0 {
                        items.for_each(|item| queue.blocking_put(item).unwrap());
                    } else {
                        crate::run(async {
                            for item in items {
                                queue.put(item).await.unwrap();
                            }
                        });
                    }
                });
            }
        });
        queue.close().unwrap();
    });
    let mut all: Vec<_> = all.into_inner().unwrap().into_iter().map(|(from, n, _)| (from, n)).collect();
    all.sort_unstable();
    let expected: Vec<_> = (0..3).flat_map(|from| (0..EACH).map(move |n| (from, n))).collect();
    assert_eq!(all, expected);
    assert_eq!(queue.shared.board.used(), 0, "every place is free again");
}

#[test]
fn join_passes_when_the_last_item_is_done() {
    paused(async {
        let began = Instant::now();
        let queue = Rc::new(Queue::unbounded().unwrap());
        queue.join().await.unwrap();
        queue.put(1).await.unwrap();
        queue.put(2).await.unwrap();
        let joins: Vec<_> = (0..2)
            .map(|_| {
                spawn({
                    let queue = queue.clone();
                    async move { queue.join().await }
                })
            })
            .collect();
        for left in [2, 1] {
            assert_eq!(queue.unfinished(), left);
            queue.get().await.unwrap();
            yield_now().await;
            assert!(joins.iter().all(|join| !join.is_finished()), "got, and not done");
            assert_eq!(queue.unfinished(), left);
            queue.task_done();
            if left > 1 {
                assert!(queue.shared.bell.try_recv().is_err(), "nobody is told before");
            }
        }
        for join in joins {
            join.await.unwrap().unwrap();
        }
        queue.blocking_join().unwrap();
        assert_eq!((queue.unfinished(), began.elapsed()), (0, Duration::ZERO));
    });
}

#[test]
#[should_panic(expected = "more often than items were got")]
fn no_more_is_done_than_was_got() {
    let queue = Queue::unbounded().unwrap();
    queue.try_put(1).unwrap();
    queue.task_done();
}

#[test]
fn the_place_of_a_producer_who_died_is_free_after_a_second() {
    paused(async {
        let queue = Queue::bounded(1).unwrap();
        queue.shared.board.claim().expect("a place, of somebody who dies now");
        let waits = spawn({
            let queue = queue.clone();
            async move { queue.put(1).await }
        });
        let began = Instant::now();
        while !waits.is_finished() {
            assert!(began.elapsed() < Duration::from_secs(2), "it waits for ever");
            advance(Duration::from_millis(50)).await;
            yield_now().await;
        }
        waits.await.unwrap().unwrap();
        assert!(began.elapsed() >= Duration::from_secs(1), "as if he had died: {:?}", began.elapsed());
        assert_eq!(queue.get().await.unwrap(), 1);
    });
}

#[test]
fn a_producer_who_was_only_stopped_does_no_harm() {
    paused(async {
        let queue = Queue::bounded(1).unwrap();
        let board = &queue.shared.board;
        let stopped = board.claim().unwrap();
        while queue.try_put(1).is_err() {
            advance(Duration::from_millis(300)).await;
        }
        // He goes on.
        let bytes = encode(&2).unwrap();
        let mut parcel = queue.shared.entrance.prepare(&bytes).unwrap();
        parcel.send(queue.shared.entrance.as_fd(), Patience::Never, stopped.tag()).unwrap();
        board.sent(stopped);
        assert_eq!(queue.get().await.unwrap(), 1);
        assert_eq!(queue.get().await.unwrap(), 2);
        assert_eq!((board.used(), queue.unfinished()), (0, 2));
        queue.try_put(3).unwrap();
        assert!(queue.try_put(4).is_err(), "one place as ever");
    });
}

#[test]
fn the_place_of_a_consumer_who_died_is_free_when_the_queue_is_empty_or_what_was_in_it_is_taken() {
    let queue = Queue::bounded(1).unwrap();
    queue.try_put(1).unwrap();
    die_with_an_item(&queue.shared);
    assert_eq!(queue.len(), 0);
    queue.try_put(2).unwrap();
    assert!(queue.try_put(3).is_err());

    let queue = Queue::bounded(3).unwrap();
    let is_full = |item| matches!(queue.try_put(item), Err(error) if matches!(error.why, SendError::Full));
    (1..=3).for_each(|item| queue.try_put(item).unwrap());
    die_with_an_item(&queue.shared);
    assert!(is_full(4), "nobody can know yet");
    for item in 4..6 {
        assert_eq!(queue.try_get().unwrap(), item - 2);
        queue.try_put(item).unwrap();
        assert!(is_full(item), "it is not empty, and the newest was there before");
    }
    assert_eq!(queue.try_get().unwrap(), 4);
    queue.try_put(6).unwrap();
    queue.try_put(7).unwrap();
    assert!(is_full(8), "three again");
    assert_eq!([(); 3].map(|()| queue.try_get().unwrap()), [5, 6, 7]);
    assert_eq!(queue.shared.board.used(), 0);
}

#[test]
fn who_waits_for_the_place_of_a_dead_consumer_gets_it() {
    paused(async {
        let queue = Queue::bounded(1).unwrap();
        queue.try_put(1).unwrap();
        let waits = spawn({
            let queue = queue.clone();
            async move { queue.put(2).await }
        });
        yield_now().await;
        die_with_an_item(&queue.shared);
        let began = Instant::now();
        while !waits.is_finished() && began.elapsed() < Duration::from_secs(1) {
            advance(Duration::from_millis(50)).await;
            yield_now().await;
        }
        waits.await.unwrap().unwrap();
        assert_eq!(queue.get().await.unwrap(), 2);
    });
}

#[test]
fn who_joins_does_not_wait_for_an_item_that_went_with_its_consumer() {
    paused(async {
        let queue = Queue::unbounded().unwrap();
        queue.try_put(1).unwrap();
        let joins = spawn({
            let queue = queue.clone();
            async move { queue.join().await }
        });
        yield_now().await;
        die_with_an_item(&queue.shared);
        let began = Instant::now();
        while !joins.is_finished() && began.elapsed() < Duration::from_secs(1) {
            advance(Duration::from_millis(50)).await;
            yield_now().await;
        }
        assert!(joins.is_finished());
    });
}

#[test]
fn who_joins_a_closed_queue_does_not_wait_for_it_either() {
    paused(async {
        let queue = Queue::bounded(2).unwrap();
        queue.put(1).await.unwrap();
        die_with_an_item(&queue.shared);
        queue.close().unwrap();
        assert!(queue.is_empty(), "the end is no item");
        let joins = spawn({
            let queue = queue.clone();
            async move { queue.join().await }
        });
        for _ in 0..3 {
            yield_now().await;
            advance(Duration::from_millis(100)).await;
        }
        assert!(joins.is_finished());
    });
}

#[test]
fn a_handle_that_was_sent_is_the_same_queue() {
    let queue = Queue::<u32>::bounded(1).unwrap().max_message(1_000);
    let theirs: Queue<u32> = decode(encode(&queue).unwrap()).unwrap();
    theirs.try_put(7).unwrap();
    assert!(matches!(queue.try_put(8).unwrap_err().why, SendError::Full));
    assert_eq!((queue.try_get().unwrap(), theirs.unfinished()), (7, 1));
    theirs.task_done();
    theirs.close().unwrap();
    assert!(queue.is_closed());

    let other = Queue::<String>::unbounded().unwrap();
    let sent = encode(&other).unwrap();
    let Packet { bytes, mut descriptors } = sent;
    descriptors.swap(0, 4);
    let refused = decode::<Queue<String>>(Packet { bytes, descriptors }).unwrap_err();
    assert!(refused.to_string().contains("ocket"), "{refused}");
}

#[test]
fn what_cannot_be_sent_or_read_is_told_and_the_queue_goes_on() {
    struct Stubborn;
    impl serde::Serialize for Stubborn {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    let stubborn = Queue::bounded(1).unwrap();
    assert!(matches!(stubborn.try_put(Stubborn).unwrap_err().why, SendError::Unsendable(_)));
    assert_eq!(stubborn.len(), 0);

    let short = Queue::bounded(2).unwrap().max_message(10);
    let long = short.try_put("eleven bytes".to_owned()).unwrap_err();
    assert!(long.to_string().contains("13 bytes is longer than the 10"), "{long}");
    let numbers: Queue<u64> = decode(encode(&short).unwrap()).unwrap();
    numbers.try_put(1 << 40).unwrap();
    numbers.try_put(3).unwrap();
    assert!(matches!(short.try_get(), Err(RecvError::Unreadable(_))));
    assert_eq!((short.unfinished(), numbers.try_get().unwrap()), (1, 3));
    numbers.task_done();
    assert_eq!(short.unfinished(), 0, "what nobody can read nobody has to do");
}

#[test]
fn greenlets_are_suspended_where_threads_would_block() {
    #[cfg(feature = "greenlet")]
    crate::run(async {
        let queue = Queue::bounded(1).unwrap();
        let consumer = crate::greenlet::spawn({
            let queue = queue.clone();
            move || (0..3).map(|_| queue.blocking_get().unwrap()).collect::<Vec<u8>>()
        });
        let producer = crate::greenlet::spawn(move || {
            (0..3).for_each(|n| queue.blocking_put(n).unwrap());
            queue.blocking_join().map_err(|_| ()).ok();
        });
        assert_eq!(consumer.await.unwrap(), [0, 1, 2]);
        producer.cancel();
    });
}

#[test]
fn a_name_fits_one_item_only() {
    let board = Board::create(2).unwrap();
    let (one, two) = (board.claim().unwrap(), board.claim().unwrap());
    assert!(board.claim().is_none());
    board.sent(one);
    board.sent(two);
    board.give_back(one);
    assert_eq!(board.used(), 2, "what is sent is not given back");
    board.take(one);
    let again = board.claim().unwrap();
    assert_ne!(one, again);
    board.take(one);
    board.take(Name::from_tag(u64::MAX));
    assert_eq!(board.used(), 2, "names of nobody free nothing");
    board.take(again);
    board.take(two);
    assert_eq!(board.used(), 0);
}

/// The sender says that it is sent at the very moment at which the receiver, who has it already, frees the place.
#[test]
fn an_item_that_is_taken_while_its_sender_says_so_leaves_its_place_free() {
    let board = Board::create(1).unwrap();
    let handed_over = AtomicU64::new(0);
    let rounds = if cfg!(asan) { 5_000 } else { 50_000 };
    thread::scope(|scope| {
        let taking = scope.spawn(|| {
            for _ in 0..rounds {
                let tag = loop {
                    match handed_over.load(SeqCst) {
                        0 => std::hint::spin_loop(),
                        tag => break tag,
                    }
                };
                board.take(Name::from_tag(tag));
                handed_over.store(0, SeqCst);
            }
        });
        // What is not free any more stays so: the sender then has no place, and gives the other one nothing more to take.
        let mut free = 0;
        while free < rounds {
            let Some(name) = board.claim() else { break };
            free += 1;
            handed_over.store(name.tag(), SeqCst);
            // A little later each time, until it meets the moment.
            (0..free % 100).for_each(|_| std::hint::spin_loop());
            board.sent(name);
            while handed_over.load(SeqCst) != 0 {
                std::hint::spin_loop();
            }
        }
        for _ in free..rounds {
            handed_over.store(u64::MAX, SeqCst);
            while handed_over.load(SeqCst) != 0 {
                std::hint::spin_loop();
            }
        }
        taking.join().unwrap();
        assert_eq!(free, rounds, "places were free");
    });
}

#[test]
fn a_place_that_changes_hands_is_not_taken_away() {
    paused(async {
        let board = Board::create(1).unwrap();
        let mut odd = Default::default();
        for _ in 0..5 {
            let name = board.claim().unwrap();
            board.look_after(&mut odd, || false);
            advance(Duration::from_millis(600)).await;
            board.look_after(&mut odd, || false);
            board.sent(name);
            assert_eq!(board.used(), 1);
            board.take(name);
            assert_eq!(board.used(), 0);
        }
    });
}
