//! `Semaphore` and `BoundedSemaphore`: so many at once, the others in waves behind them.

use crate::support::{Crowd, Transcript, finish, secs, spawn_named};
use runtime::{
    spawn,
    sync::{BoundedSemaphore, Semaphore, semaphore::OverRelease},
    time::sleep,
};
use std::{cell::Cell, rc::Rc};

#[runtime::test(start_paused = true)]
async fn five_permits_let_five_tasks_in_every_five_seconds() {
    let transcript = Transcript::new();
    let (semaphore, crowd) = (Rc::new(Semaphore::new(5)), Crowd::default());
    finish((1..=100).map(|number| {
        let (semaphore, crowd, transcript) = (Rc::clone(&semaphore), crowd.clone(), transcript.clone());
        let name = format!("Thread-{number}");
        spawn_named(name.clone(), async move {
            let _permit = semaphore.acquire().await.expect("nobody closes it");
            let _inside = crowd.enter();
            transcript.say(name);
            sleep(secs(5)).await;
        })
    }))
    .await;
    transcript.expect((1..=100).map(|number| format!("{} Thread-{number}", (number - 1) / 5 * 5)));
    transcript.expect_time(secs(100));
    assert_eq!(crowd.most(), 5);
    assert_eq!(semaphore.available_permits(), 5);
}

#[runtime::test(start_paused = true)]
async fn three_permits_and_ten_tasks_make_waves_of_three() {
    let transcript = Transcript::new();
    let (semaphore, crowd) = (Rc::new(BoundedSemaphore::new(3)), Crowd::default());
    let v = Rc::new(Cell::new(10));
    finish((0..10).map(|_| {
        let (semaphore, crowd, transcript) = (Rc::clone(&semaphore), crowd.clone(), transcript.clone());
        let v = Rc::clone(&v);
        spawn(async move {
            transcript.say("ddd");
            let _permit = semaphore.acquire().await.expect("nobody closes it");
            let _inside = crowd.enter();
            sleep(secs(1)).await;
            v.set(v.get() - 1);
            transcript.say(v.get().to_string());
        })
    }))
    .await;
    let started = ["0 ddd"; 10];
    let waves = ["1 9", "1 8", "1 7", "2 6", "2 5", "2 4", "3 3", "3 2", "3 1", "4 0"];
    transcript.expect(started.into_iter().chain(waves));
    transcript.expect_time(secs(4));
    assert_eq!(crowd.most(), 3);
}

/// Python raises `ValueError: Semaphore released too many times`.
#[runtime::test(start_paused = true)]
async fn a_bounded_semaphore_refuses_a_release_too_many() {
    let semaphore = BoundedSemaphore::new(3);
    assert_eq!(semaphore.release(1), Err(OverRelease { bound: 3 }));
    semaphore.acquire().await.unwrap().forget();
    assert_eq!(semaphore.release(2), Err(OverRelease { bound: 3 }), "one is missing, not two");
    assert_eq!(semaphore.available_permits(), 2, "and that one is still missing");
    assert_eq!(semaphore.release(1), Ok(()));
    assert_eq!(semaphore.available_permits(), 3);

    // One without a bound grows.
    let semaphore = Semaphore::new(3);
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 4);
}

/// At 0 it blocks, and it is never below.
#[runtime::test(start_paused = true)]
async fn acquiring_takes_one_and_releasing_gives_one_back() {
    let semaphore = Semaphore::new(2);
    let (first, second) = (semaphore.acquire().await.unwrap(), semaphore.acquire().await.unwrap());
    assert_eq!(semaphore.available_permits(), 0);
    assert!(semaphore.try_acquire().is_err());
    drop(first);
    assert_eq!(semaphore.available_permits(), 1);
    assert!(semaphore.try_acquire().is_ok());
    drop(second);
    assert_eq!(semaphore.available_permits(), 2);
}
