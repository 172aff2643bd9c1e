//! `Condition`: so many keys are made, so many go through the door, one by one.
//!
//! Waiting takes the guard of the lock, so what Python finds when it runs ("cannot wait on un-acquired lock", after
//! an `acquire(False)` whose result nobody looked at) does not compile here.

use crate::support::{Transcript, finish, give_up, secs, spawn_named, unfinished};
use runtime::{JoinHandle, sync::Condition, task::yield_now, time::sleep};
use std::{rc::Rc, time::Duration};

/// So many wait at the door; whoever gets through holds the lock for `stay`.
fn queue_up(
    door: &Rc<Condition<()>>,
    waiters: usize,
    stay: Duration,
    transcript: &Transcript,
) -> Vec<JoinHandle<()>> {
    (0..waiters)
        .map(|number| {
            let (door, transcript) = (Rc::clone(door), transcript.clone());
            spawn_named(format!("Thread-{number}"), async move {
                let _guard = door.wait(door.lock().await).await;
                sleep(stay).await;
                transcript.say(format!("run the thread: {number}"));
            })
        })
        .collect()
}

/// All that are notified wake, and then each waits for the lock.
#[runtime::test(start_paused = true)]
async fn three_keys_let_three_of_five_through_one_every_three_seconds() {
    let transcript = Transcript::new();
    let door = Rc::new(Condition::new(()));
    let waiters = queue_up(&door, 5, secs(3), &transcript);
    yield_now().await;
    door.notify(3);
    sleep(secs(100)).await;
    transcript.expect(["3 run the thread: 0", "6 run the thread: 1", "9 run the thread: 2"]);
    assert_eq!(unfinished(&waiters), 2);

    door.notify(2);
    finish(waiters).await;
    transcript.expect(["103 run the thread: 3", "106 run the thread: 4"]);
}

/// The numbers are typed, one each minute, until `q`.
#[runtime::test(start_paused = true)]
async fn as_many_run_as_were_asked_for_and_the_others_wait_on() {
    let transcript = Transcript::new();
    let door = Rc::new(Condition::new(()));
    let waiters = queue_up(&door, 10, secs(0), &transcript);
    let mut notified = 0;
    for line in ["1", "3", "0", "2", "q"] {
        sleep(secs(60)).await;
        let Ok(number) = line.parse::<usize>() else { break };
        {
            let _guard = door.lock().await;
            door.notify(number);
        }
        notified += number;
        transcript.say("*****");
    }
    transcript.expect([
        "60 *****",
        "60 run the thread: 0",
        "120 *****",
        "120 run the thread: 1",
        "120 run the thread: 2",
        "120 run the thread: 3",
        "180 *****",
        "240 *****",
        "240 run the thread: 4",
        "240 run the thread: 5",
    ]);
    assert_eq!((notified, unfinished(&waiters)), (6, 10 - 6));
    give_up(waiters).await;
}

/// More keys than people: the rest is not kept for those who come later.
#[runtime::test(start_paused = true)]
async fn a_notification_for_nobody_is_gone() {
    let transcript = Transcript::new();
    let door = Rc::new(Condition::new(()));
    let early = queue_up(&door, 2, secs(0), &transcript);
    yield_now().await;
    door.notify(5);
    finish(early).await;
    let late = queue_up(&door, 3, secs(0), &transcript);
    sleep(secs(100)).await;
    transcript.expect(["0 run the thread: 0", "0 run the thread: 1"]);
    assert_eq!(unfinished(&late), 3);

    door.notify_all();
    finish(late).await;
    transcript.expect(["100 run the thread: 0", "100 run the thread: 1", "100 run the thread: 2"]);
}
