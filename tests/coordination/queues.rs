//! `Queue`, `LifoQueue`, `PriorityQueue`: in which order things come out, when one has to wait, and the baker's shop in
//! three arrangements.

use crate::support::{LONG, Transcript, finish, give_up, secs, spawn_named};
use runtime::{
    random_u64, spawn,
    sync::{
        LifoQueue, PriorityQueue, Queue,
        queue::{GetTimeoutError, PutTimeoutError, TryGetError, TryPutError},
    },
    task::yield_now,
    time::sleep,
};
use std::{cell::Cell, rc::Rc};

#[runtime::test(start_paused = true)]
async fn first_in_first_out() {
    let queue = Queue::unbounded();
    for item in ["first", "second", "third"] {
        queue.put(item).await.unwrap();
    }
    for item in ["first", "second", "third"] {
        assert_eq!(queue.get().await, Ok(item));
    }
}

#[runtime::test(start_paused = true)]
async fn last_in_first_out() {
    let stack = LifoQueue::bounded(3);
    for item in [3, 4, 5] {
        stack.put(item).await.unwrap();
    }
    assert_eq!(stack.get().await, Ok(5));
    assert_eq!(stack.get().await, Ok(4));
    stack.put(6).await.unwrap();
    assert_eq!(stack.get().await, Ok(6));
    assert_eq!(stack.get().await, Ok(3));
}

/// What is least comes first; where the first fields of a tuple are equal, the next ones decide.
#[runtime::test(start_paused = true)]
async fn the_lowest_first() {
    let queue = PriorityQueue::unbounded();
    for item in [(30, "b"), (20, "a"), (30, "a"), (10, "a")] {
        queue.put(item).await.unwrap();
    }
    for item in [(10, "a"), (20, "a"), (30, "a"), (30, "b")] {
        assert_eq!(queue.get().await, Ok(item));
    }
}

#[runtime::test(start_paused = true)]
async fn a_full_queue_refuses_and_an_empty_one_has_nothing() {
    let queue = Queue::bounded(2);
    assert_eq!((queue.len(), queue.is_empty(), queue.is_full()), (0, true, false));
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));

    queue.try_put('a').unwrap();
    queue.try_put('b').unwrap();
    assert_eq!((queue.len(), queue.is_empty(), queue.is_full()), (2, false, true));
    // What was not taken in comes back.
    assert!(queue.try_put('c') == Err(TryPutError::Full('c')));

    assert_eq!(queue.try_get(), Ok('a'));
    queue.try_put('c').unwrap();
    assert_eq!((queue.try_get(), queue.try_get()), (Ok('b'), Ok('c')));
}

/// Putting waits when it is full (not when it is empty), getting when it is empty, and both for no longer than said.
#[runtime::test(start_paused = true)]
async fn waiting_for_room_and_for_items_has_its_limits() {
    let clock = Transcript::new();
    let queue = Queue::bounded(1);
    assert_eq!(queue.get_timeout(secs(2)).await, Err(GetTimeoutError::Elapsed));
    clock.expect_time(secs(2));
    assert!(queue.put_timeout('a', secs(3)).await.is_ok());
    clock.expect_time(secs(2));
    assert!(queue.put_timeout('b', secs(3)).await == Err(PutTimeoutError::Elapsed('b')));
    clock.expect_time(secs(5));
    assert_eq!(queue.get_timeout(secs(2)).await, Ok('a'));
    assert_eq!(queue.try_get(), Err(TryGetError::Empty), "what was given up was not put in");
    clock.expect_time(secs(5));
}

#[runtime::test(start_paused = true)]
async fn whoever_puts_into_a_full_queue_waits_for_room() {
    let transcript = Transcript::new();
    let queue = Rc::new(Queue::bounded(1));
    let producer = {
        let (queue, transcript) = (Rc::clone(&queue), transcript.clone());
        spawn(async move {
            for item in 1..=3 {
                queue.put(item).await.unwrap();
                transcript.say(format!("{item} is in"));
            }
        })
    };
    for item in 1..=3 {
        sleep(secs(1)).await;
        assert_eq!(queue.get().await, Ok(item));
    }
    finish([producer]).await;
    transcript.expect(["0 1 is in", "1 2 is in", "2 3 is in"]);
}

/// Two threads that pop from one list and look at it in between take an element twice, or one that is gone. Consumers of
/// a queue do not: each item goes to one of them.
#[runtime::test(start_paused = true, seed = 1)]
async fn no_item_is_given_to_two_consumers_and_none_to_nobody() {
    const ITEMS: u64 = 1000;
    for consumers in [1, 2, 7, 50] {
        let queue = Rc::new(Queue::bounded(3));
        let crowd: Vec<_> = (0..consumers)
            .map(|_| {
                let queue = Rc::clone(&queue);
                spawn(async move {
                    let mut got = Vec::new();
                    while let Ok(item) = queue.get().await {
                        for _ in 0..random_u64() % 3 {
                            yield_now().await;
                        }
                        got.push(item);
                    }
                    got
                })
            })
            .collect();
        for item in 0..ITEMS {
            queue.put(item).await.unwrap();
        }
        queue.close();
        let mut got = finish(crowd).await.concat();
        got.sort_unstable();
        assert!(got.into_iter().eq(0..ITEMS), "with {consumers} consumers");
    }
}

/// As a list would be used: look whether something is there, wait, take what was there.
#[runtime::test(start_paused = true)]
async fn two_who_look_before_they_take_both_count_on_the_same_item() {
    let list = Rc::new(std::cell::RefCell::new(vec![1]));
    let takers = [(); 2].map(|()| {
        let list = Rc::clone(&list);
        spawn(async move {
            let last = list.borrow().last().copied();
            yield_now().await;
            last.is_some().then(|| list.borrow_mut().pop())
        })
    });
    assert_eq!(finish(takers).await, [Some(Some(1)), Some(None)], "the second finds it gone");
}

/// A baker makes ten buns, one each 0 to 2 s; a guest looks each 0 to 3 s whether there is one, and some leave hungry.
/// The guests come until all is eaten (Python's give up after ten looks, and may leave buns behind).
#[runtime::test(start_paused = true, seed = 7)]
async fn what_is_baked_is_eaten_by_guests_who_look_in() {
    let mut in_vain = 0;
    for guests in 1..=3 {
        let queue = Rc::new(Queue::unbounded());
        let eaten = Rc::new(Cell::new(0));
        let baker = {
            let queue = Rc::clone(&queue);
            spawn(async move {
                for bun in 0..10 {
                    sleep(secs(random_u64() % 3)).await;
                    queue.put(bun).await.unwrap();
                }
            })
        };
        let guests: Vec<_> = (0..guests)
            .map(|_| {
                let (queue, eaten) = (Rc::clone(&queue), Rc::clone(&eaten));
                spawn(async move {
                    let (mut mine, mut looks_in_vain) = (Vec::new(), 0);
                    while eaten.get() < 10 {
                        sleep(secs(random_u64() % 4)).await;
                        match queue.try_get() {
                            Ok(bun) => {
                                mine.push(bun);
                                eaten.set(eaten.get() + 1);
                            }
                            Err(_) => looks_in_vain += 1,
                        }
                    }
                    (mine, looks_in_vain)
                })
            })
            .collect();
        finish([baker]).await;
        let mut buns = Vec::new();
        for (mine, looks_in_vain) in finish(guests).await {
            assert!(mine.is_sorted(), "first in, first out: {mine:?}");
            buns.extend(mine);
            in_vain += looks_in_vain;
        }
        buns.sort_unstable();
        assert!(buns.into_iter().eq(0..10));
        assert!(queue.is_empty());
    }
    assert!(in_vain > 0, "some came when there was none");
}

/// The guest says when a bun is eaten, and the baker waits for that before "ok": they alternate strictly, however long
/// each takes.
#[runtime::test(start_paused = true, seed = 7)]
async fn a_baker_who_joins_the_queue_waits_for_each_bun_to_be_eaten() {
    let transcript = Transcript::new();
    let queue = Rc::new(Queue::unbounded());
    let eaters = {
        let (queue, transcript) = (Rc::clone(&queue), transcript.clone());
        spawn(async move {
            while let Ok(bun) = queue.get().await {
                sleep(secs(random_u64() % 4)).await;
                transcript.say(format!("eaten {bun}"));
                queue.task_done();
            }
        })
    };
    let mut expected = Vec::new();
    for bun in 0..10 {
        sleep(secs(random_u64() % 3)).await;
        transcript.say(format!("baked {bun}"));
        queue.put(bun).await.unwrap();
        queue.join().await;
        transcript.say(format!("ok {bun}"));
        expected.extend([format!("baked {bun}"), format!("eaten {bun}"), format!("ok {bun}")]);
    }
    transcript.expect_lines(expected);
    queue.close();
    finish([eaters]).await;
}

/// The other way round: the baker says that it is done, and the guests wait for it before they eat.
#[runtime::test(start_paused = true)]
async fn guests_who_join_the_queue_wait_for_the_baker() {
    let transcript = Transcript::new();
    let queue = Rc::new(Queue::unbounded());
    let guests: Vec<_> = ["Ada", "Grace"]
        .into_iter()
        .map(|name| {
            let (queue, transcript) = (Rc::clone(&queue), transcript.clone());
            spawn_named(name, async move {
                let bun = queue.get().await.unwrap();
                transcript.say(format!("{name} takes {bun}"));
                queue.join().await;
                transcript.say(format!("{name} eats"));
            })
        })
        .collect();
    for bun in 1..=2 {
        sleep(secs(1)).await;
        queue.put(bun).await.unwrap();
    }
    for _ in 1..=2 {
        sleep(secs(10)).await;
        queue.task_done();
    }
    finish(guests).await;
    transcript.expect(["1 Ada takes 1", "2 Grace takes 2", "22 Ada eats", "22 Grace eats"]);
}

/// It waits for work to be done, not for the queue to be empty; and whoever takes and never says "done" keeps it waiting.
#[runtime::test(start_paused = true)]
async fn joining_waits_for_done_and_not_for_empty() {
    let queue = Rc::new(Queue::unbounded());
    queue.put('x').await.unwrap();
    assert_eq!(queue.get().await, Ok('x'));
    let waiter = {
        let queue = Rc::clone(&queue);
        spawn(async move { queue.join().await })
    };
    sleep(LONG).await;
    assert!(queue.is_empty() && !waiter.is_finished());
    assert_eq!(queue.unfinished(), 1);
    queue.task_done();
    finish([waiter]).await;

    queue.put('y').await.unwrap();
    let waiter = {
        let queue = Rc::clone(&queue);
        spawn(async move { queue.join().await })
    };
    sleep(LONG).await;
    assert!(!waiter.is_finished());
    give_up([waiter]).await;
}
