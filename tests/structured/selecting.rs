//! The first of several, time limits that move, and what must not be cancelled.

use crate::support::{Transcript, ms, secs};
use runtime::{
    race, select, spawn,
    sync::{Event, Queue, oneshot},
    task,
    time::{self, Instant, Timer, sleep, timeout, timeout_scope},
};
use std::{cell::Cell, rc::Rc};

/// Three mirrors are asked at once; the first answer counts, and nobody waits for the others.
#[runtime::test(start_paused = true)]
async fn the_first_answer_counts() {
    let transcript = Transcript::new();
    let mirror = async |name: &'static str, latency_ms: u64| {
        sleep(ms(latency_ms)).await;
        transcript.say(format!("{name} answers"));
        name
    };
    assert_eq!(race([mirror("far", 300), mirror("near", 20), mirror("down", 60_000)]).await, "near");
    sleep(secs(100)).await;
    transcript.expect(["0.02 near answers"]);
}

/// A server's loop: work, a heartbeat that goes on whatever else happens, and the word to stop.
#[runtime::test(start_paused = true)]
async fn a_worker_serves_beats_and_stops_when_told() {
    let transcript = Transcript::new();
    let (orders, stop) = (Rc::new(Queue::unbounded()), Rc::new(Event::new()));
    let worker = spawn({
        let (orders, stop, transcript) = (orders.clone(), stop.clone(), transcript.clone());
        async move {
            let mut heartbeat = time::interval(secs(2));
            let mut served = 0;
            loop {
                select! {
                    biased;
                    () = stop.wait() => break served,
                    _ = heartbeat.tick() => transcript.say("alive"),
                    Ok(order) = orders.get() => {
                        let order: &str = order;
                        sleep(ms(500)).await;
                        transcript.say(format!("{order} served"));
                        served += 1;
                    }
                }
            }
        }
    });
    for (pause_ms, order) in [(100, "tea"), (0, "cake"), (3_000, "bill")] {
        sleep(ms(pause_ms)).await;
        orders.put(order).await.unwrap();
    }
    sleep(secs(2)).await;
    stop.set();
    assert_eq!(worker.await.unwrap(), 3);
    transcript.expect([
        "0 alive",
        "0.6 tea served",
        "1.1 cake served",
        "2 alive",
        "3.6 bill served",
        "4 alive",
    ]);
}

/// A transfer that may pause for two seconds at a time, however long the whole takes.
#[runtime::test(start_paused = true)]
async fn an_idle_limit_moves_with_each_sign_of_life() {
    let transfer = async |pauses: &[u64]| {
        timeout_scope(secs(2), async |deadline| {
            for pause in pauses {
                sleep(ms(*pause)).await;
                deadline.reschedule_after(secs(2));
            }
            pauses.len()
        })
        .await
    };
    let start = Instant::now();
    assert_eq!(transfer(&[1_500, 1_900, 1_999, 1_000]).await, Ok(4));
    assert_eq!(start.elapsed(), ms(6_399));
    assert!(transfer(&[1_500, 2_500, 0]).await.is_err());
    assert_eq!(start.elapsed(), ms(6_399 + 3_500));
}

/// Two limits that end together: the caller's is the one that is told.
#[runtime::test(start_paused = true)]
async fn of_two_limits_that_end_together_the_callers_is_told() {
    let transcript = Transcript::new();
    let request = async {
        let answer = timeout(secs(1), std::future::pending::<()>()).await;
        transcript.say(format!("try again after {answer:?}"));
        sleep(secs(1)).await;
    };
    assert!(timeout(secs(1), request).await.is_err());
    transcript.expect([""; 0]);
    transcript.expect_time(secs(1));
}

/// The customer hangs up; the payment is booked all the same, and completely.
#[runtime::test(start_paused = true)]
async fn a_payment_is_not_left_half_booked() {
    let transcript = Transcript::new();
    let balance = Rc::new(Cell::new((100, 0)));
    let book = {
        let (balance, transcript) = (balance.clone(), transcript.clone());
        async move {
            let (from, to) = balance.get();
            balance.set((from - 30, to));
            sleep(secs(2)).await; // the other bank is slow
            balance.set((from - 30, to + 30));
            transcript.say("booked");
        }
    };
    let customer = spawn({
        let transcript = transcript.clone();
        async move {
            task::shield(book).await;
            transcript.say("thank you");
        }
    });
    sleep(secs(1)).await;
    customer.cancel_and_wait().await.unwrap_err();
    assert_eq!(balance.get(), (70, 0), "half of it is done");
    sleep(secs(10)).await;
    assert_eq!(balance.get(), (70, 30));
    transcript.expect(["2 booked"]);
}

/// A watchdog: a timer that is put off as long as somebody says that all is well.
#[runtime::test(start_paused = true)]
async fn a_watchdog_barks_when_nobody_calls_for_three_seconds() {
    let transcript = Transcript::new();
    let (barks, heard) = oneshot::channel();
    let watchdog = Timer::after(secs(3), {
        let transcript = transcript.clone();
        move || {
            transcript.say("woof");
            barks.send(()).unwrap();
        }
    });
    for pause in [1, 2, 2] {
        sleep(secs(pause)).await;
        assert!(watchdog.reset(secs(3)));
        transcript.say("all is well");
    }
    heard.await.unwrap();
    assert!(!watchdog.reset(secs(3)), "it has barked");
    transcript.expect(["1 all is well", "3 all is well", "5 all is well", "8 woof"]);
}
