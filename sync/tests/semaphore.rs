//! Stories of `Semaphore` and `BoundedSemaphore`.

mod stories;

use runtime_sync::{
    Elapsed, Kind,
    flavour::{Flavour, Shared},
    semaphore::{Acquire, BoundedSemaphore, OverRelease, OwnedPermit, Permit, Semaphore, TryAcquireError},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use stories::{Task, advance, in_both_flavours, is, now, open_waits, tired, with_services, woken};

in_both_flavours!(
    so_many_get_in_and_the_rest_wait_their_turn,
    who_asks_for_many_is_not_overtaken,
    one_release_serves_as_many_as_it_can,
    whoever_gives_up_lets_those_behind_it_go,
    permits_that_reached_somebody_who_is_gone_go_on,
    a_close_ends_all_waits,
    permits_that_are_out_stay_good_after_a_close,
    permits_are_split_and_forgotten,
    those_who_wait_do_not_lose_permits_that_are_forgotten,
    a_limit_gives_the_place_up,
    there_are_never_more_than_there_can_be,
    a_bounded_one_takes_back_what_is_missing,
    a_bounded_one_refuses_what_it_will_never_have,
    a_task_with_nothing_left_to_spend_gives_way_and_takes_nothing,
    waits_say_what_for,
    it_costs_at_most_a_line_of_the_cache,
);

fn so_many_get_in_and_the_rest_wait_their_turn<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(2);
    let one = now(semaphore.acquire()).unwrap();
    let two = semaphore.try_acquire().unwrap();
    assert_eq!(semaphore.available_permits(), 0);
    let three = Task::waiting(semaphore.acquire());
    let four = Task::waiting(semaphore.acquire());
    drop(one);
    assert!(three.is_woken() && !four.is_woken());
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    drop(three.ends());
    drop(four.ends());
    drop(two);
    assert_eq!(semaphore.available_permits(), 2);
}

fn who_asks_for_many_is_not_overtaken<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(3);
    let mut out: Vec<_> = (0..3).map(|_| semaphore.try_acquire().unwrap()).collect();
    let many = Task::waiting(semaphore.acquire_many(3));
    let few = Task::waiting(semaphore.acquire());
    for _ in 0..2 {
        out.pop();
        assert!(!few.is_woken());
        assert!(semaphore.try_acquire().is_err(), "two are free, and wait for the one who wants three");
    }
    out.pop();
    let many = many.ends().unwrap();
    assert_eq!(many.count(), 3);
    drop(many);
    drop(few.ends());
}

fn one_release_serves_as_many_as_it_can<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(0);
    let tasks: Vec<_> = [1, 0, 2, 3, 1].map(|many| Task::waiting(semaphore.acquire_many(many))).into();
    semaphore.add_permits(4);
    assert_eq!(woken(&tasks), [0, 1, 2]);
    semaphore.add_permits(2);
    assert_eq!(woken(&tasks), [0, 1, 2, 3]);
    let permits: Vec<_> = tasks.into_iter().take(4).map(Task::ends).collect();
    assert_eq!(permits.iter().flatten().map(Permit::count).sum::<usize>(), 6);
    drop(permits);
    assert_eq!(semaphore.available_permits(), 6);
}

fn whoever_gives_up_lets_those_behind_it_go<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(2);
    let many = Task::waiting(semaphore.acquire_many(3));
    let tasks = [1, 1, 1].map(|many| Task::waiting(semaphore.acquire_many(many)));
    drop(many);
    assert_eq!(woken(&tasks), [0, 1]);
    drop(tasks);
    assert_eq!(semaphore.available_permits(), 2);
}

fn permits_that_reached_somebody_who_is_gone_go_on<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(0);
    let many = Task::waiting(semaphore.acquire_many(2));
    let tasks = [1, 2].map(|many| Task::waiting(semaphore.acquire_many(many)));
    semaphore.add_permits(2);
    assert!(many.is_woken());
    drop(many);
    assert_eq!(woken(&tasks), [0]);
    semaphore.add_permits(1);
    assert_eq!(woken(&tasks), [0, 1]);
}

fn a_close_ends_all_waits<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(1);
    let tasks = [2, 1].map(|many| Task::waiting(semaphore.acquire_many(many)));
    semaphore.close();
    assert!(semaphore.is_closed());
    for task in tasks {
        assert_eq!(task.ends().unwrap_err().to_string(), "the semaphore was closed");
    }
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    assert!(now(semaphore.acquire()).is_err());
    semaphore.add_permits(1);
    assert!(now(semaphore.acquire()).is_err(), "for good");
    semaphore.close();
    assert_eq!(semaphore.forget_permits(1), 0);
}

fn permits_that_are_out_stay_good_after_a_close<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(3);
    let out = now(semaphore.acquire_many(2)).unwrap();
    let granted = Task::waiting(semaphore.acquire_many(2));
    drop(out);
    let late = Task::waiting(semaphore.acquire_many(2));
    semaphore.close();
    let permit = granted.ends().expect("it was granted before");
    assert!(late.ends().is_err());
    drop(permit);
    assert_eq!(semaphore.available_permits(), 3);
}

fn permits_are_split_and_forgotten<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(5);
    let mut three = now(semaphore.acquire_many(3)).unwrap();
    let one = three.split(1).unwrap();
    assert_eq!((three.count(), one.count(), three.split(3).is_none()), (2, 1, true));
    assert_eq!(three.count(), 2, "a split that fails takes nothing");
    drop(one);
    assert_eq!(semaphore.available_permits(), 3);
    three.forget();
    assert_eq!(semaphore.forget_permits(1), 1);
    assert_eq!(semaphore.forget_permits(9), 2);
    assert_eq!((semaphore.forget_permits(9), semaphore.available_permits()), (0, 0));
    semaphore.add_permits(1);
    assert!(semaphore.try_acquire().is_ok());
}

fn those_who_wait_do_not_lose_permits_that_are_forgotten<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(2);
    let task = Task::waiting(semaphore.acquire_many(3));
    assert_eq!(semaphore.forget_permits(2), 0, "they are meant for the first in the queue");
    semaphore.add_permits(1);
    assert!(task.ends().is_ok());
}

fn a_limit_gives_the_place_up<F: Flavour>() {
    with_services();
    let second = Duration::from_secs(1);
    let semaphore = Semaphore::<F>::new(1);
    let permit = now(semaphore.acquire_timeout(second)).unwrap().unwrap();
    let hasty = Task::waiting(semaphore.acquire_timeout(second));
    let patient = Task::waiting(semaphore.acquire_timeout(second));
    advance(second);
    assert_eq!(hasty.ends().unwrap_err(), Elapsed);
    drop(permit);
    assert!(patient.ends().unwrap().is_ok(), "it was there when it looked");
    let last = Task::waiting(async {
        let _permit = semaphore.acquire().await;
        semaphore.acquire_timeout(second).await
    });
    semaphore.close();
    assert!(last.ends().unwrap().is_err());
}

fn there_are_never_more_than_there_can_be<F: Flavour>() {
    let too_many = Semaphore::<F>::MAX_PERMITS + 1;
    let refused = |act: &dyn Fn()| {
        let message = catch_unwind(AssertUnwindSafe(act)).unwrap_err();
        let message = message.downcast::<String>().expect("it is a sentence with a number");
        assert!(message.contains(&Semaphore::<F>::MAX_PERMITS.to_string()), "{message}");
    };
    refused(&|| drop(Semaphore::<F>::new(too_many)));
    let semaphore = Semaphore::<F>::new(1);
    refused(&|| drop(semaphore.acquire_many(too_many)));
    refused(&|| drop(semaphore.try_acquire_many(too_many)));
    refused(&|| semaphore.add_permits(Semaphore::<F>::MAX_PERMITS));
    assert_eq!(semaphore.available_permits(), 1);
}

fn a_bounded_one_takes_back_what_is_missing<F: Flavour>() {
    let semaphore = BoundedSemaphore::<F>::new(2);
    now(semaphore.acquire_many(2)).unwrap().forget();
    let task = Task::waiting(semaphore.acquire());
    assert_eq!(semaphore.release(3), Err(OverRelease { bound: 2 }));
    assert!(!task.is_woken(), "none of the three was taken");
    assert_eq!(semaphore.release(2), Ok(()));
    assert!(semaphore.release(1).is_err(), "a guard gives its permit back by itself");
    drop(task.ends());
    assert_eq!((semaphore.available_permits(), semaphore.bound()), (2, 2));
    assert_eq!(
        semaphore.release(1).unwrap_err().to_string(),
        "more permits were released than are missing: the semaphore has at most 2"
    );
    semaphore.close();
    assert!(semaphore.is_closed() && semaphore.try_acquire().is_err());
}

fn a_bounded_one_refuses_what_it_will_never_have<F: Flavour>() {
    let semaphore = BoundedSemaphore::<F>::new(2);
    let refused = catch_unwind(AssertUnwindSafe(|| drop(semaphore.acquire_many(3))));
    assert!(refused.unwrap_err().downcast::<String>().unwrap().contains("never has 3"));
    assert_eq!(now(semaphore.acquire_many(2)).unwrap().count(), 2);
}

fn a_task_with_nothing_left_to_spend_gives_way_and_takes_nothing<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(3);
    let task = tired(|| semaphore.acquire_many(2));
    assert_eq!(semaphore.available_permits(), 3);
    assert_eq!(task.ends().unwrap().count(), 2);
}

fn waits_say_what_for<F: Flavour>() {
    with_services();
    let (semaphore, created) = (Semaphore::<F>::new(0), line!());
    let (waiting, asked) = (Task::waiting(semaphore.acquire()), line!());
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.created.line(), wait.asked.line()), (Kind::Semaphore, created, asked));
    let text = format!("{semaphore:?}");
    assert!(text.starts_with("Semaphore { available_permits: 0, waiters: 1, is_closed: false"), "{text}");
    semaphore.add_permits(1);
    drop(waiting.ends());
    assert!(open_waits().is_empty());
}

fn it_costs_at_most_a_line_of_the_cache<F: Flavour>() {
    assert!(size_of::<Semaphore<F>>() <= 64, "{}", size_of::<Semaphore<F>>());
    assert!(size_of::<BoundedSemaphore<F>>() <= 64, "{}", size_of::<BoundedSemaphore<F>>());
}

#[test]
fn owned_permits_keep_their_semaphore() {
    let semaphore = Rc::new(runtime_sync::Semaphore::new(3));
    let permit: OwnedPermit = now(Rc::clone(&semaphore).acquire_owned(2)).unwrap();
    assert!(Rc::clone(&semaphore).try_acquire_owned(2).is_err());
    let waiting = Task::waiting(Rc::clone(&semaphore).acquire_owned(2));
    drop(permit);
    let permit = waiting.ends().unwrap();
    assert_eq!((permit.count(), semaphore.available_permits()), (2, 1));
    permit.forget();
    assert_eq!((semaphore.available_permits(), Rc::strong_count(&semaphore)), (1, 1));

    let semaphore = Arc::new(runtime_sync::shared::Semaphore::new(1));
    let permit = now(Arc::clone(&semaphore).acquire_owned(1)).unwrap();
    thread::scope(|scope| scope.spawn(move || drop(permit)).join().unwrap());
    assert_eq!(Arc::clone(&semaphore).try_acquire_owned(1).unwrap().count(), 1);
}

#[test]
fn it_crosses_threads() {
    assert!(is!(Semaphore<Shared>: Send) && is!(Semaphore<Shared>: Sync));
    assert!(
        is!(Permit<'_, Shared>: Send) && is!(OwnedPermit<Shared>: Send) && is!(Acquire<'_, Shared>: Send)
    );
    assert!(!is!(runtime_sync::Semaphore: Send) && !is!(runtime_sync::Semaphore: Sync));
    assert!(!is!(runtime_sync::Permit<'_>: Send) && !is!(runtime_sync::OwnedPermit: Send));
}

#[test]
fn threads_never_have_more_than_there_are() {
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 1_000 };
    const PERMITS: usize = 3;
    let semaphore = runtime_sync::shared::Semaphore::new(PERMITS);
    let out = AtomicUsize::new(0);
    thread::scope(|scope| {
        for wanted in [1, 2, 3] {
            let (semaphore, out) = (&semaphore, &out);
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let permit = semaphore.blocking_acquire(wanted).unwrap();
                    let others = out.fetch_add(wanted, Ordering::Relaxed);
                    assert!(others + permit.count() <= PERMITS);
                    out.fetch_sub(wanted, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(semaphore.available_permits(), PERMITS);
}
