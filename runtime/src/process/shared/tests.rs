//! Stories of locks and their like, told by two who share them as two processes do: each has its own copy, which came as a message.

use super::{
    Barrier, BarrierError, BoundedSemaphore, Condition, Event, Lock, LockError, RLock, Semaphore,
    SharedArray, SharedValue, wait,
};
use crate::{
    process::{Data, luggage},
    spawn,
    sync::channel,
    task::yield_now,
    time::{Instant, timeout},
};
use runtime_io::shared::Want;
use std::{
    cell::{Cell, RefCell},
    future::Future,
    io,
    rc::Rc,
    sync::mpsc,
    thread,
    time::Duration,
};

/// No story takes as long.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(5);

/// The copy of another process.
fn other<T: Data>(value: &T) -> T {
    luggage::decode(luggage::encode(value).unwrap()).unwrap()
}

fn run<T>(story: impl Future<Output = T>) -> T {
    crate::run(async { timeout(LONG, story).await.expect("the story hangs") })
}

/// Lets the others run until it is so.
async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        yield_now().await;
    }
}

#[test]
fn a_lock_keeps_the_other_out_until_it_is_given_back() {
    let ours = Lock::new().unwrap();
    let theirs = other(&ours);
    let guard = ours.blocking_acquire().unwrap();
    assert!(theirs.locked());
    assert!(theirs.try_acquire().unwrap().is_none());
    assert!(theirs.blocking_acquire_timeout(SHORT).unwrap().is_none());
    thread::scope(|scope| {
        let waits = scope.spawn(|| drop(theirs.blocking_acquire().unwrap()));
        thread::yield_now();
        assert!(!waits.is_finished());
        drop(guard);
    });
    assert!(!ours.locked());
}

#[test]
fn a_task_waits_while_others_go_on_and_gets_the_lock() {
    let ours = Lock::new().unwrap();
    let theirs = other(&ours);
    run(async {
        let guard = ours.acquire().await.unwrap();
        let order = Rc::new(RefCell::new(Vec::new()));
        let waiting: Vec<_> = (0..3)
            .map(|number| {
                let (theirs, order) = (theirs.clone(), order.clone());
                spawn(async move {
                    let guard = theirs.acquire().await.unwrap();
                    order.borrow_mut().push(number);
                    yield_now().await;
                    drop(guard);
                })
            })
            .collect();
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(order.borrow().is_empty());
        drop(guard);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 2], "in the order of asking");
    });
}

#[test]
fn a_wait_that_is_kept_beyond_the_end_of_its_runtime_does_not_keep_that_from_ending() {
    let (tell, told) = mpsc::channel();
    let story = move || {
        let ours = Lock::new().unwrap();
        let _guard = ours.blocking_acquire().unwrap();
        let theirs = other(&ours);
        let runtime = crate::Runtime::new().unwrap();
        let mut kept = Box::pin(theirs.acquire());
        assert!(runtime.block_on(futures_lite::future::poll_once(kept.as_mut())).is_none());
        drop(runtime);
        drop(kept);
        tell.send(()).unwrap();
    };
    thread::Builder::new().spawn(story).unwrap();
    told.recv_timeout(LONG).expect("the runtime ends");
}

#[test]
fn a_task_that_gives_up_leaves_no_trace_and_passes_on_what_it_got() {
    let ours = Lock::new().unwrap();
    let theirs = other(&ours);
    run(async {
        let guard = ours.acquire().await.unwrap();
        assert!(theirs.acquire_timeout(SHORT).await.unwrap().is_none());
        let first = spawn({
            let theirs = theirs.clone();
            async move { theirs.acquire().await.map(drop).unwrap() }
        });
        let second = spawn({
            let theirs = theirs.clone();
            async move { theirs.acquire().await.map(drop).unwrap() }
        });
        for _ in 0..10 {
            yield_now().await;
        }
        drop(guard); // it is the first one's now, who is dropped before he takes notice
        assert!(first.cancel_and_wait().await.is_err());
        second.await.unwrap();
        assert!(!ours.locked());
    });
}

#[test]
fn who_gets_the_lock_of_the_dead_is_told_until_it_is_mended() {
    let ours = Lock::new().unwrap();
    let theirs = other(&ours);
    std::mem::forget(theirs.blocking_acquire().unwrap());
    assert!(ours.try_acquire().unwrap().is_none());
    drop(theirs); // and with it the process, as far as can be told
    let Err(LockError::OwnerDied(guard)) = ours.blocking_acquire() else { panic!("the holder is dead") };
    drop(guard);
    let error = run(async { ours.acquire().await.map(drop).unwrap_err().to_string() });
    assert!(error.contains("half-changed"), "{error}");
    let guard = ours.try_acquire().unwrap_err().recover().unwrap();
    guard.mend();
    drop(guard);
    drop(ours.blocking_acquire().unwrap());
}

#[test]
fn a_recursive_lock_lets_its_holder_in_again_and_nobody_else() {
    let ours = RLock::new().unwrap();
    let theirs = other(&ours);
    let outer = ours.blocking_acquire().unwrap();
    let inner = ours.try_acquire().unwrap().unwrap();
    assert_eq!((ours.count(), theirs.count()), (2, 0));
    assert!(theirs.try_acquire().unwrap().is_none());
    thread::scope(|scope| {
        let tried = scope.spawn(|| ours.try_acquire().unwrap().is_none());
        assert!(tried.join().unwrap(), "another thread is somebody else");
    });
    drop(outer);
    assert!(theirs.locked());
    drop(inner);
    run(async {
        let _outer = theirs.acquire().await.unwrap();
        let _inner = theirs.acquire_timeout(SHORT).await.unwrap().unwrap();
        let other_task = spawn({
            let theirs = theirs.clone();
            async move { theirs.try_acquire().unwrap().is_none() }
        });
        assert!(other_task.await.unwrap());
    });
    assert!(!ours.locked());
}

#[test]
fn permits_are_shared_and_those_of_the_dead_come_back() {
    let ours = Semaphore::new(3).unwrap();
    let theirs = other(&ours);
    let two = ours.blocking_acquire_many(2).unwrap();
    std::mem::forget(theirs.blocking_acquire().unwrap());
    assert_eq!((ours.available_permits(), two.permits()), (0, 2));
    assert!(ours.blocking_acquire_timeout(SHORT).unwrap().is_none());
    drop(theirs);
    run(async {
        let third = ours.acquire().await.unwrap();
        assert!(ours.try_acquire().unwrap().is_none());
        third.forget();
    });
    drop(two);
    assert_eq!(ours.available_permits(), 2);
    ours.add_permits(5).unwrap();
    assert_eq!(ours.available_permits(), 7);
    assert_eq!(ours.add_permits(Semaphore::MAX_PERMITS).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert!(Semaphore::new(Semaphore::MAX_PERMITS + 1).is_err());
}

#[test]
fn who_asks_for_many_is_not_passed_by_who_asks_for_few() {
    let ours = Semaphore::new(2).unwrap();
    run(async {
        let one = ours.acquire().await.unwrap();
        let many = spawn({
            let theirs = other(&ours);
            async move { theirs.acquire_many(2).await.unwrap().permits() }
        });
        until(|| ours.try_acquire().unwrap().is_none()).await;
        drop(one);
        assert_eq!(many.await.unwrap(), 2);
    });
}

#[test]
fn a_bounded_semaphore_does_not_grow() {
    let ours = BoundedSemaphore::new(1).unwrap();
    let theirs = other(&ours);
    theirs.blocking_acquire().unwrap().forget();
    assert_eq!(ours.available_permits(), 0);
    ours.release(1).unwrap();
    assert_eq!(theirs.release(1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(theirs.available_permits(), 1);
}

#[test]
fn an_event_wakes_threads_and_tasks_of_all() {
    let ours = Event::new().unwrap();
    let theirs = other(&ours);
    let (telling, told) = mpsc::channel();
    thread::scope(|scope| {
        for event in [&ours, &theirs] {
            let telling = telling.clone();
            scope.spawn(move || telling.send(event.blocking_wait()).unwrap());
        }
        run(async {
            let waits = spawn({
                let theirs = theirs.clone();
                async move { theirs.wait().await }
            });
            yield_now().await;
            assert!(!theirs.wait_timeout(SHORT).await.unwrap());
            ours.set().unwrap();
            waits.await.unwrap().unwrap();
        });
        for _ in 0..2 {
            told.recv_timeout(LONG).unwrap().unwrap();
        }
    });
    assert!(theirs.is_set() && theirs.blocking_wait_timeout(SHORT).unwrap());
    theirs.clear().unwrap();
    assert!(!ours.is_set());
}

#[test]
fn a_condition_is_notified_in_order_and_times_out_with_the_lock() {
    let ours = Condition::new().unwrap();
    let theirs = other(&ours);
    let guard = theirs.blocking_lock().unwrap();
    let (guard, is_notified) = theirs.blocking_wait_timeout(guard, SHORT).unwrap();
    assert!(!is_notified);
    drop(guard);
    run(async {
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let theirs = theirs.clone();
                spawn(async move {
                    let guard = theirs.lock().await.unwrap();
                    drop(theirs.wait(guard).await.unwrap());
                })
            })
            .collect();
        let mut notified = 0;
        while notified < 2 {
            let guard = ours.lock().await.unwrap();
            notified += ours.notify(&guard, 2 - notified);
            drop(guard);
            yield_now().await;
        }
        until(|| tasks.iter().filter(|task| task.is_finished()).count() == 2).await;
        let guard = ours.lock().await.unwrap();
        assert_eq!(ours.notify_all(&guard), 1);
        let (guard, is_notified) = ours.wait_timeout(guard, SHORT).await.unwrap();
        assert!(!is_notified);
        let (_guard, is_notified) = ours.wait_timeout(guard, Duration::ZERO).await.unwrap();
        assert!(!is_notified);
    });
    drop(ours.blocking_lock().unwrap());
}

#[test]
#[should_panic(expected = "of another lock")]
fn a_guard_of_another_lock_is_refused() {
    let (one, another) = (Condition::new().unwrap(), Condition::new().unwrap());
    let guard = one.blocking_lock().unwrap();
    another.notify_all(&guard);
}

#[test]
fn a_dropped_wait_for_a_notification_gives_it_and_the_lock_to_the_next() {
    let ours = Condition::new().unwrap();
    run(async {
        let parked = Rc::new(Cell::new(0));
        let [first, second] = [(), ()].map(|()| {
            let (theirs, parked) = (other(&ours), Rc::clone(&parked));
            spawn(async move {
                let guard = theirs.lock().await.unwrap();
                parked.set(parked.get() + 1);
                drop(theirs.wait(guard).await.unwrap());
            })
        });
        until(|| parked.get() == 2).await;
        let guard = ours.lock().await.unwrap();
        assert_eq!(ours.notify(&guard, 1), 1);
        assert!(first.cancel_and_wait().await.is_err());
        drop(guard);
        second.await.unwrap();
    });
    drop(ours.blocking_lock().unwrap());
}

#[test]
fn a_barrier_lets_pass_all_at_once_and_tells_when_it_is_broken() {
    let ours = Barrier::new(3).unwrap();
    let theirs = other(&ours);
    let places = run(async {
        let [one, two] = [(), ()].map(|()| {
            let theirs = theirs.clone();
            spawn(async move { theirs.wait().await.unwrap() })
        });
        until(|| ours.waiting() == 2).await;
        [ours.wait().await.unwrap(), one.await.unwrap(), two.await.unwrap()]
    });
    assert_eq!(places, [2, 0, 1]);
    assert!(matches!(theirs.blocking_wait_timeout(SHORT), Err(BarrierError::Broken)));
    assert!(ours.is_broken() && matches!(ours.blocking_wait(), Err(BarrierError::Broken)));
    theirs.reset().unwrap();
    assert_eq!((ours.is_broken(), ours.waiting(), ours.parties()), (false, 0, 3));
    assert!(Barrier::new(0).is_err() && Barrier::new(2_000).is_err());
}

#[test]
fn values_are_whole_and_of_their_types() {
    let text = SharedArray::from_slice(&['a', 'ß', '😀']).unwrap();
    assert_eq!(other(&text).to_vec(), ['a', 'ß', '😀']);
    let numbers = SharedArray::from_slice(&[1.5_f64, -0.0, f64::INFINITY]).unwrap();
    let theirs = other(&numbers);
    assert_eq!(theirs.fetch_add(0, 0.5), 1.5);
    assert_eq!(numbers.get(0), Some(2.0));
    assert!(numbers.get(1).unwrap().is_sign_negative() && numbers.get(3).is_none());
    let signed = SharedValue::new(-1_i8).unwrap();
    assert_eq!(other(&signed).fetch_add(-128), -1);
    assert_eq!(signed.get(), 127, "what does not fit is lost");
    let flag = SharedValue::new(false).unwrap();
    assert!(!other(&flag).update(|flag| !flag) && flag.get());
    let wide = SharedArray::<char>::on(signed.lock().board().clone());
    signed.set(-1);
    assert_eq!(wide.get(0), Some(char::REPLACEMENT_CHARACTER), "any bits are some value");
    assert!(SharedArray::<u8>::new(0).unwrap().is_empty());
}

#[test]
fn a_value_has_a_lock_for_whoever_agrees() {
    let ours = SharedValue::new(0_u64).unwrap();
    thread::scope(|scope| {
        for value in [ours.clone(), other(&ours)] {
            scope.spawn(move || {
                for _ in 0..500 {
                    value.blocking_with_lock(|value| value.set(value.get() + 1)).unwrap();
                }
            });
        }
    });
    assert_eq!(ours.get(), 1_000);
}

#[test]
fn one_thing_is_not_taken_for_another() {
    let lock = Lock::new().unwrap();
    let packet = luggage::encode(&lock).unwrap();
    assert!(luggage::decode::<Event>(packet).unwrap_err().to_string().contains("something else"));
    let packet = luggage::encode(&SharedArray::<u8>::new(3).unwrap()).unwrap();
    assert!(luggage::decode::<SharedValue<u8>>(packet).unwrap_err().to_string().contains("not one value"));
    let mut packet = luggage::encode(&lock).unwrap();
    packet.bytes[0] = 1;
    assert!(luggage::decode::<Lock>(packet).unwrap_err().to_string().contains("another length"));
    assert!(postcard::to_extend(&lock, Vec::new()).is_err(), "nobody else carries it");
}

#[test]
fn who_gives_up_before_it_has_begun_to_wait_gives_up_the_lock() {
    let ours = Lock::new().unwrap();
    for limit in [None, Some(LONG)] {
        let guard = ours.blocking_acquire().unwrap();
        let waits = wait(ours.board(), Want::Notification, limit);
        std::mem::forget(guard);
        drop(waits);
        assert!(!ours.locked());
    }
}

/// Whenever that is: where it asks for the lock, where it waits, and where it has been notified.
#[cfg(feature = "greenlet")]
#[test]
fn a_greenlet_that_is_killed_at_any_turn_of_a_wait_leaves_the_lock_to_others() {
    for (turns, limit) in (0..12).flat_map(|turns| [(turns, None), (turns, Some(LONG))]) {
        let ours = Condition::new().unwrap();
        let theirs = other(&ours);
        run(async {
            let first = ours.lock().await.unwrap();
            let condition = ours.clone();
            let greenlet = crate::greenlet::spawn(move || {
                let guard = condition.blocking_lock().unwrap();
                match limit {
                    None => drop(condition.blocking_wait(guard)),
                    Some(limit) => drop(condition.blocking_wait_timeout(guard, limit)),
                }
            });
            yield_now().await;
            drop(first);
            for turn in 0..turns {
                yield_now().await;
                if turn == 6 {
                    theirs.notify_all(&theirs.lock().await.unwrap());
                }
            }
            greenlet.cancel();
            let _ = greenlet.await;
            drop(theirs.lock().await.unwrap());
            assert_eq!(theirs.notify_all(&theirs.lock().await.unwrap()), 0, "nobody waits");
        });
    }
}

#[test]
fn who_waits_is_woken_and_does_not_look_twenty_times_a_second() {
    let ours = Lock::new().unwrap();
    let theirs = other(&ours);
    let begun = Instant::now();
    let (telling, told) = mpsc::channel();
    thread::scope(|scope| {
        // Hand in hand: each waits for the other each time.
        let mut guard = Some(ours.blocking_acquire().unwrap());
        scope.spawn(move || {
            for _ in 0..200 {
                let guard = theirs.blocking_acquire().unwrap();
                telling.send(()).unwrap();
                drop(guard);
            }
        });
        for _ in 0..200 {
            drop(guard.take());
            told.recv().unwrap();
            guard = Some(ours.blocking_acquire().unwrap());
        }
    });
    assert!(begun.elapsed() < Duration::from_millis(200 * 25), "{:?}", begun.elapsed());
}

#[test]
fn a_task_that_waits_is_rung_for_and_does_not_look_twenty_times_a_second() {
    let ours = Lock::new().unwrap();
    let theirs = other(&ours);
    let begun = Instant::now();
    run(async move {
        let (telling, mut told) = channel(1);
        let mut guard = Some(ours.acquire().await.unwrap());
        let partner = spawn(async move {
            for _ in 0..200 {
                let guard = theirs.acquire().await.unwrap();
                telling.send(()).await.unwrap();
                drop(guard);
            }
        });
        for _ in 0..200 {
            drop(guard.take());
            told.recv().await.unwrap();
            guard = Some(ours.acquire().await.unwrap());
        }
        partner.await.unwrap();
    });
    assert!(begun.elapsed() < Duration::from_millis(200 * 25), "{:?}", begun.elapsed());
}
