//! Giving way: there is no clock interrupt among tasks, each gives the processor up by itself.

use crate::support::{Transcript, finish, secs};
use runtime::{
    spawn,
    sync::unbounded,
    task::yield_now,
    time::{self, sleep},
};

/// Three who count to three: one after the other, or in turns if they give way.
#[runtime::test]
async fn whoever_does_not_give_way_is_not_interrupted() {
    for gives_way in [false, true] {
        let transcript = Transcript::new();
        let counters = ["a", "b", "c"].map(|name| {
            let transcript = transcript.clone();
            spawn(async move {
                for n in 1..=3 {
                    transcript.say(format!("{name}{n}"));
                    if gives_way {
                        yield_now().await;
                    }
                }
            })
        });
        finish(counters).await;
        let order = if gives_way { "a1 b1 c1 a2 b2 c2 a3 b3 c3" } else { "a1 a2 a3 b1 b2 b3 c1 c2 c3" };
        transcript.expect_lines(order.split(' ').map(str::to_owned));
    }
}

/// `sleep(0)` gives way as well: everybody who is ready has a turn before it goes on.
#[runtime::test(start_paused = true)]
async fn a_sleep_of_nothing_is_a_turn() {
    let transcript = Transcript::new();
    let other = spawn({
        let transcript = transcript.clone();
        async move { transcript.say("the other") }
    });
    sleep(secs(0)).await;
    transcript.say("main");
    other.await.unwrap();
    transcript.expect(["0 the other", "0 main"]);
}

/// One whose channel is never empty would never have to wait. A budget makes it give way from time to time, so that
/// nobody else, and no timer, starves.
#[runtime::test]
async fn a_task_that_always_finds_work_gives_way_all_the_same() {
    let (sender, mut receiver) = unbounded();
    let busy = spawn(async move {
        let mut received = 0_u64;
        loop {
            sender.try_send(()).unwrap();
            receiver.recv().await.unwrap();
            received += 1;
            std::hint::black_box(received);
        }
    });
    let start = time::Instant::now();
    sleep(time::Duration::from_millis(5)).await;
    assert!(start.elapsed() >= time::Duration::from_millis(5));
    assert!(!busy.is_finished());
    busy.cancel_and_wait().await.unwrap_err();
}
