//! `join_all`: children side by side in one task, each polled because it woke and for no other reason.
#![cfg(not(loom))]

mod common;

use common::{Counting, Drops, Guarded, Log, elsewhere, executor, own_waker, pause, poll_once, scaled};
use runtime_executor::{
    Executor, current, join, join_all, spawn,
    task::{self, yield_now},
};
use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
};

type Child = Pin<Box<dyn Future<Output = usize>>>;

/// Children that count their polls, keep the waker of their first one, and end when told to.
#[derive(Clone, Default)]
struct Crowd(Rc<RefCell<Vec<Member>>>);

#[derive(Default)]
struct Member {
    polls: usize,
    waker: Option<Waker>,
    done: bool,
}

impl Crowd {
    fn of(size: usize) -> Self {
        Self(Rc::new(RefCell::new((0..size).map(|_| Member::default()).collect())))
    }

    fn children(&self) -> Vec<Child> {
        let child = |number| -> Child {
            let crowd = self.clone();
            Box::pin(poll_fn(move |context| {
                let mut members = crowd.0.borrow_mut();
                let me: &mut Member = &mut members[number];
                me.polls += 1;
                if me.waker.is_none() {
                    me.waker = Some(context.waker().clone());
                }
                if me.done { Poll::Ready(number) } else { Poll::Pending }
            }))
        };
        (0..self.0.borrow().len()).map(child).collect()
    }

    fn polls(&self, number: usize) -> usize {
        self.0.borrow()[number].polls
    }

    fn all_polls(&self) -> usize {
        self.0.borrow().iter().map(|member| member.polls).sum()
    }

    fn waker(&self, number: usize) -> Waker {
        self.0.borrow()[number].waker.clone().expect("polled before")
    }

    fn wake(&self, number: usize) {
        self.waker(number).wake();
    }

    fn end(&self, number: usize) {
        self.0.borrow_mut()[number].done = true;
        self.wake(number);
    }
}

/// Lets every task run as far as it can.
async fn settle() {
    for _ in 0..scaled(400, 12) {
        yield_now().await;
    }
}

#[test]
fn outputs_come_in_the_order_of_the_input_whatever_the_order_of_ending() {
    executor().block_on(async {
        let crowd = Crowd::of(100);
        let group = spawn(join_all(crowd.children()));
        settle().await;
        for number in (0..100).rev() {
            crowd.end(number);
            if number % 7 == 0 {
                settle().await;
            }
        }
        assert_eq!(group.await.unwrap(), (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn of_no_children_it_is_ready_at_once() {
    executor().block_on(async {
        assert_eq!(poll_once(&mut join_all(Vec::<Child>::new())).await, Poll::Ready(vec![]));
    });
}

#[test]
fn of_ready_children_it_is_ready_at_once() {
    executor().block_on(async {
        assert_eq!(join_all((0..40).map(ready)).await, (0..40).collect::<Vec<_>>());
    });
}

#[test]
fn children_run_at_once_in_order() {
    let log = Log::default();
    executor().block_on(async {
        let child = |number: usize| {
            let log = log.clone();
            async move {
                log.add(format!("{number} begins"));
                yield_now().await;
                log.add(format!("{number} ends"));
            }
        };
        join_all((0..3).map(child)).await;
    });
    let expected = ["0 begins", "1 begins", "2 begins", "0 ends", "1 ends", "2 ends"];
    assert_eq!(log.take(), expected);
}

#[test]
fn only_the_child_that_woke_is_polled() {
    executor().block_on(async {
        let crowd = Crowd::of(200);
        let group = spawn(join_all(crowd.children()));
        settle().await;
        assert_eq!(crowd.all_polls(), 200);
        crowd.wake(77);
        settle().await;
        assert_eq!((crowd.all_polls(), crowd.polls(77)), (201, 2));
        group.cancel_and_wait().await.unwrap_err();
    });
}

#[test]
fn a_child_woken_many_times_is_polled_once() {
    executor().block_on(async {
        let crowd = Crowd::of(3);
        let group = spawn(join_all(crowd.children()));
        settle().await;
        for _ in 0..scaled(1_000, 50) {
            crowd.wake(1);
        }
        let waker = crowd.waker(1);
        elsewhere(move || (0..scaled(1_000, 50)).for_each(|_| waker.wake_by_ref()));
        settle().await;
        assert!(
            crowd.polls(1) <= 3,
            "one for the wakes here, one for those from elsewhere: {}",
            crowd.polls(1)
        );
        assert_eq!(crowd.polls(0) + crowd.polls(2), 2);
        group.cancel_and_wait().await.unwrap_err();
    });
}

#[test]
fn the_number_of_polls_is_linear_in_what_wakes() {
    let children = scaled(10_000, 71);
    executor().block_on(async {
        let crowd = Crowd::of(children);
        let group = spawn(join_all(crowd.children()));
        settle().await;
        assert_eq!(crowd.all_polls(), children);
        // One after the other, as answers come in: each wakes the group anew.
        for number in 0..children {
            crowd.end(number * 7 % children);
            if number % 10 == 0 {
                yield_now().await;
            }
        }
        assert_eq!(group.await.unwrap().len(), children);
        assert_eq!(crowd.all_polls(), 2 * children);
    });
}

/// A child whose wake comes while its siblings of a long batch are still being worked off.
#[test]
fn a_wake_between_two_halves_of_a_batch_is_not_lost() {
    executor().block_on(async {
        let crowd = Crowd::of(100);
        let group = spawn(join_all(crowd.children()));
        settle().await;
        // More than one turn's worth wakes; the group polls the first part and asks for another turn.
        (0..70).for_each(|number| crowd.wake(number));
        let before = crowd.all_polls();
        while crowd.all_polls() == before {
            yield_now().await;
        }
        assert!(crowd.all_polls() < before + 70, "not all in one turn");
        assert_eq!(crowd.polls(0), 2);
        crowd.wake(0);
        settle().await;
        assert_eq!(crowd.polls(0), 3, "the wake is not lost");
        group.cancel_and_wait().await.unwrap_err();
    });
}

/// The same, at random.
#[test]
fn no_wake_is_lost_and_none_is_served_twice() {
    let rounds = scaled(300, 1);
    executor().block_on(async {
        let size = 150;
        let crowd = Crowd::of(size);
        let group = spawn(join_all(crowd.children()));
        settle().await;
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..rounds {
            for _ in 0..4 {
                let mut woken = Vec::new();
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                for offset in 0..random % 90 {
                    woken.push((random as usize / 97 + offset as usize) % size);
                }
                let before: Vec<_> = woken.iter().map(|number| crowd.polls(*number)).collect();
                woken.iter().for_each(|number| crowd.wake(*number));
                if random.is_multiple_of(3) {
                    yield_now().await; // half-way through
                    continue;
                }
                settle().await;
                for (number, polls) in woken.iter().zip(before) {
                    assert!(crowd.polls(*number) > polls, "the wake of child {number} was lost");
                }
            }
        }
        (0..size).for_each(|number| crowd.end(number));
        assert_eq!(group.await.unwrap().len(), size);
    });
}

#[test]
fn children_that_always_wake_themselves_do_not_starve_those_not_yet_polled() {
    executor().block_on(async {
        let turns = Rc::new(Cell::new(0));
        let spinners = (0..100).map(|_| -> Child {
            let turns = turns.clone();
            Box::pin(async move {
                loop {
                    turns.set(turns.get() + 1);
                    yield_now().await;
                }
            })
        });
        let crowd = Crowd::of(1);
        let group = spawn(join_all(spinners.chain(crowd.children())));
        for _ in 0..20 {
            yield_now().await;
        }
        assert_eq!(crowd.polls(0), 1, "after {} polls of its siblings", turns.get());
        group.cancel_and_wait().await.unwrap_err();
    });
}

#[test]
fn every_woken_child_is_polled_once_before_any_is_polled_twice() {
    executor().block_on(async {
        let size = 150;
        let polls: Rc<RefCell<Vec<usize>>> = Rc::new(RefCell::new(vec![0; size]));
        let child = |number| {
            let polls = polls.clone();
            poll_fn(move |context| -> Poll<()> {
                polls.borrow_mut()[number] += 1;
                let polls = polls.borrow();
                let least = polls.iter().min().unwrap();
                assert!(polls[number] <= least + 1, "child {number} is ahead of the others");
                context.waker().wake_by_ref();
                Poll::Pending
            })
        };
        let group = spawn(join_all((0..size).map(child)));
        for _ in 0..30 {
            yield_now().await;
        }
        assert!(!group.is_finished(), "no assertion failed");
        assert!(polls.borrow().iter().all(|polls| *polls > 1));
        group.cancel_and_wait().await.unwrap_err();
    });
}

#[test]
fn a_large_group_gives_way_to_other_tasks() {
    executor().block_on(async {
        let crowd = Crowd::of(1_000);
        let group = spawn(join_all(crowd.children()));
        yield_now().await;
        assert!(crowd.all_polls() < 200, "one turn polled {} children", crowd.all_polls());
        group.cancel_and_wait().await.unwrap_err();
    });
}

#[test]
fn a_task_that_joins_ready_children_again_and_again_has_to_give_way() {
    Executor::builder().budget(8).build().block_on(async {
        let rounds = Rc::new(Cell::new(0));
        let seen = rounds.clone();
        let hog = spawn(async move {
            while seen.get() < scaled(10_000, 30) {
                seen.set(seen.get() + 1);
                join_all([poll_fn(current::poll_budget), poll_fn(current::poll_budget)]).await;
            }
        });
        yield_now().await;
        assert!(rounds.get() <= 9, "{} rounds in one poll, with a budget of 8 operations", rounds.get());
        hog.cancel();
        let _ = hog.await;
    });
}

#[test]
fn dropped_half_way_it_drops_who_is_left_and_keeps_nothing() {
    let drops = Drops::default();
    executor().block_on(async {
        let crowd = Crowd::of(10);
        let children = crowd
            .children()
            .into_iter()
            .map(|mut child| Guarded::new(drops.value(), move |context| child.as_mut().poll(context)));
        let group = spawn(join_all(children));
        settle().await;
        crowd.end(3);
        crowd.end(4);
        settle().await;
        drops.assert_here(2);
        group.cancel_and_wait().await.unwrap_err();
        drops.assert_here(10);
        (0..10).for_each(|number| crowd.wake(number)); // to nobody
        settle().await;
        assert_eq!(crowd.all_polls(), 12);
    });
}

#[test]
fn dropped_on_another_thread_it_leaves_its_slots_all_the_same() {
    executor().block_on(async {
        // Polled here, by hand, with children that may travel.
        let drops = Drops::default();
        let wakers = Arc::new(std::sync::Mutex::new(Vec::new()));
        let child = |_| {
            let wakers = wakers.clone();
            Guarded::new(drops.value(), move |context| {
                wakers.lock().unwrap().push(context.waker().clone());
                Poll::<()>::Pending
            })
        };
        let mut group = join_all((0..40).map(child));
        assert!(poll_once(&mut group).await.is_pending());
        elsewhere(move || drop(group));
        assert_eq!(drops.count(), 40);
        let stale = std::mem::take(&mut *wakers.lock().unwrap());
        stale.iter().for_each(Waker::wake_by_ref);
        elsewhere(|| stale.iter().for_each(Waker::wake_by_ref));
        yield_now().await;
        yield_now().await;

        // Its slots and its number are free for others, whom the stale wakers do not concern.
        let crowd = Crowd::of(2);
        let successor = spawn(join_all(crowd.children()));
        settle().await;
        stale.iter().for_each(Waker::wake_by_ref);
        settle().await;
        assert_eq!(crowd.all_polls(), 2);
        successor.cancel_and_wait().await.unwrap_err();
    });
}

#[test]
fn dropped_outside_its_runtime_it_leaves_its_slots_in_the_next_run() {
    let executor = executor();
    let crowd = Crowd::of(5);
    let mut group = join_all(crowd.children());
    assert!(executor.block_on(poll_once(&mut group)).is_pending());
    drop(group);
    executor.block_on(async {
        (0..5).for_each(|number| crowd.wake(number));
        yield_now().await;
        let next = Crowd::of(5);
        let group = spawn(join_all(next.children()));
        settle().await;
        (0..5).for_each(|number| crowd.wake(number));
        settle().await;
        assert_eq!(next.all_polls(), 5);
        (0..5).for_each(|number| next.end(number));
        assert_eq!(group.await.unwrap().len(), 5);
    });
}

#[test]
fn dropped_after_its_runtime_it_is_just_dropped() {
    let drops = Drops::default();
    let executor = executor();
    let mut group = join_all((0..5).map(|_| Guarded::new(drops.value(), |_| Poll::<()>::Pending)));
    assert!(executor.block_on(poll_once(&mut group)).is_pending());
    drop(executor);
    drop(group);
    drops.assert_here(5);
}

#[test]
fn polled_outside_a_runtime_it_panics_and_can_still_be_used() {
    let mut group = join_all((0..3).map(ready));
    let refused = catch_unwind(AssertUnwindSafe(|| {
        let _ = Pin::new(&mut group).poll(&mut Context::from_waker(Waker::noop()));
    }));
    let message = refused.unwrap_err().downcast::<String>().unwrap();
    assert!(message.starts_with("join_all needs a runtime on this thread"), "{message}");
    assert_eq!(executor().block_on(group), [0, 1, 2]);
}

#[test]
fn polled_in_another_runtime_than_before_it_panics_with_a_sentence() {
    let first = executor();
    let mut group = join_all((0..3).map(|_| pause()));
    assert!(first.block_on(poll_once(&mut group)).is_pending());
    executor().block_on(async {
        let refused = spawn(poll_fn(move |context| Pin::new(&mut group).poll(context))).await.unwrap_err();
        assert!(refused.to_string().contains("cannot go on in another"), "{refused}");
    });
}

#[test]
fn polled_after_it_was_done_it_panics_with_a_sentence() {
    executor().block_on(async {
        let mut group = join_all([ready(1)]);
        assert!(poll_once(&mut group).await.is_ready());
        let again = spawn(async move { poll_once(&mut group).await.is_ready() }).await.unwrap_err();
        assert!(again.to_string().contains("polled after it was done"), "{again}");
    });
}

#[test]
fn a_child_that_panics_leaves_the_siblings_good_for_whoever_catches_it() {
    executor().block_on(async {
        let crowd = Crowd::of(2);
        let mut children = crowd.children();
        children.insert(1, Box::pin(async { panic!("child") }));
        let mut group = pin!(join_all(children));
        let caught = poll_fn(|context| {
            Poll::Ready(catch_unwind(AssertUnwindSafe(|| group.as_mut().poll(context).is_pending())))
        });
        assert!(caught.await.is_err());
        assert_eq!((crowd.polls(0), crowd.polls(1)), (1, 0));
    });
}

#[test]
fn groups_of_groups_poll_only_the_grandchild_that_woke() {
    executor().block_on(async {
        let crowds: Vec<_> = (0..5).map(|_| Crowd::of(5)).collect();
        let group =
            spawn(join_all(crowds.iter().map(|crowd| join_all(crowd.children())).collect::<Vec<_>>()));
        settle().await;
        crowds[2].wake(3);
        settle().await;
        let polls: Vec<_> = crowds.iter().map(Crowd::all_polls).collect();
        assert_eq!(polls, [5, 5, 6, 5, 5]);
        for crowd in &crowds {
            (0..5).for_each(|number| crowd.end(number));
        }
        assert_eq!(group.await.unwrap(), vec![vec![0, 1, 2, 3, 4]; 5]);
    });
}

#[test]
fn children_may_borrow_from_their_parent() {
    executor().block_on(async {
        let words = [String::from("one"), String::from("three")];
        let longest = Cell::new(0);
        let lengths = join_all(words.iter().map(async |word| {
            yield_now().await;
            longest.set(longest.get().max(word.len()));
            word.len()
        }));
        assert_eq!(lengths.await, [3, 5]);
        assert_eq!(longest.get(), 5);
    });
}

#[test]
fn a_child_woken_by_another_thread_is_polled() {
    executor().block_on(async {
        let crowd = Crowd::of(4);
        let group = spawn(join_all(crowd.children()));
        settle().await;
        for number in 0..4 {
            crowd.0.borrow_mut()[number].done = true;
            let waker = crowd.waker(number);
            std::thread::Builder::new().spawn(move || waker.wake()).unwrap();
        }
        assert_eq!(group.await.unwrap(), [0, 1, 2, 3]);
    });
}

#[test]
fn a_child_that_wakes_its_sibling_has_it_polled() {
    let log = Log::default();
    executor().block_on(async {
        let crowd = Crowd::of(1);
        let mut children = crowd.children();
        let (user, note) = (crowd.clone(), log.clone());
        children.push(Box::pin(async move {
            user.end(0);
            note.add("woken");
            1
        }));
        assert_eq!(join_all(children).await, [0, 1]);
    });
    assert_eq!(log.take(), ["woken"]);
}

#[test]
fn it_works_under_a_foreign_waker_that_changes() {
    executor().block_on(async {
        let crowd = Crowd::of(3);
        let mut group = join_all(crowd.children());
        let [first, second] = [0; 2].map(|_| Arc::new(Counting::default()));
        for counting in [&first, &second] {
            let waker: Waker = counting.clone().into();
            assert!(Pin::new(&mut group).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        crowd.wake(0);
        crowd.wake(1);
        let wakes = |counting: &Arc<Counting>| counting.wakes.load(Ordering::Relaxed);
        assert_eq!((wakes(&first), wakes(&second)), (0, 1), "the latest, once");
        drop(group);
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 1));
    });
}

/// A foreign parent's waker may run anything when it is cloned; here its clone wakes a child.
#[test]
fn a_child_woken_while_its_parents_waker_is_cloned_is_polled() {
    executor().block_on(async {
        let crowd = Crowd::of(2);
        let mut group = join_all(crowd.children());
        assert!(poll_once(&mut group).await.is_pending());
        let counting = Arc::new(Counting::default());
        crowd.wake(0); // takes the parent out of the group, so that the next poll stores another
        crowd.end(0);
        crowd.end(1);
        let waker: Waker = counting.into();
        let polled = Pin::new(&mut group).poll(&mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Ready(vec![0, 1]));
    });
}

#[test]
fn slots_are_given_back() {
    executor().block_on(async {
        // With one slot leaked per round, sixteen million would run out; here the numbers tell sooner.
        let slot_of = |waker: &Waker| waker.data().addr() & 0xff_ffff;
        let first = spawn(own_waker()).await.unwrap();
        for round in 0..scaled(50, 4) {
            let crowd = Crowd::of(70);
            let group = spawn(join_all(crowd.children()));
            settle().await;
            (0..70).filter(|number| round % 2 == 0 || number % 2 == 0).for_each(|number| crowd.end(number));
            settle().await;
            drop(group.cancel_and_wait().await);
        }
        for _ in 0..scaled(1_000, 250) {
            join_all([yield_now()]).await; // each time with a slot left over at the end
        }
        let wakers = join_all((0..70).map(|_| spawn(own_waker()))).await;
        let highest = wakers.iter().map(|waker| slot_of(waker.as_ref().unwrap())).max().unwrap();
        assert!(highest < slot_of(&first) + 200, "slots leak: {highest}");
        assert_eq!(task::count(), 0);
    });
}

#[test]
fn join_polls_all_its_branches_and_gives_a_tuple() {
    let log = Log::default();
    executor().block_on(async {
        let slow = async {
            for _ in 0..3 {
                yield_now().await;
            }
            "slow"
        };
        let guard = log.on_drop("done branch dropped");
        let quick = async move {
            let _guard = guard;
            1
        };
        let joined = join!(slow, quick, async { 2.5 });
        assert_eq!(joined, ("slow", 1, 2.5));
        assert_eq!(log.take(), ["done branch dropped"]);
    });
}

#[test]
fn join_dropped_half_way_drops_its_branches() {
    let log = Log::default();
    executor().block_on(async {
        let (one, two) = (log.on_drop("one"), log.on_drop("two"));
        let handle = spawn(async move {
            join!(
                async move {
                    let _one = one;
                },
                async move {
                    let _two = two;
                    pending::<()>().await;
                },
            )
        });
        yield_now().await;
        assert_eq!(log.take(), ["one"]);
        handle.cancel_and_wait().await.unwrap_err();
        assert_eq!(log.take(), ["two"]);
    });
}
