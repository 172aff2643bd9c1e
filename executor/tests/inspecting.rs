//! Dumps, lists and statistics: what is said of tasks and of the loop, on the virtual clock, word by word.

mod common;

use common::elsewhere;
use runtime_executor::{
    Executor, inspect, join_all, spawn, spawn_blocking,
    task::{self, TaskId, TaskState, yield_now},
    time::{Clock, Instant, sleep, sleep_until},
};
use runtime_sync::{Event, Lock};
use std::{
    future::{pending, poll_fn},
    rc::Rc,
    task::Poll,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

fn paused() -> Executor {
    Executor::builder().clock(Clock::paused()).build()
}

/// The dump, with `path/file.rs:12:34` shortened to `file`.
fn dump() -> String {
    let short = |word: &str| {
        let Some((path, rest)) = word.split_once(".rs:") else { return word.to_owned() };
        let open = if path.starts_with('(') { "(" } else { "" };
        let name = path.rsplit('/').next().unwrap_or(path);
        format!("{open}{name}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':'))
    };
    let line = |line: &str| line.split(' ').map(short).collect::<Vec<_>>().join(" ");
    inspect::dump().to_string().lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_dump_is_a_tree_of_who_spawned_whom_and_what_each_waits_for() {
    paused().block_on(async {
        let lock = Rc::new(Lock::new(()));
        let event = Rc::new(Event::new());
        let server = task::Builder::new().name("server").spawn({
            let (lock, event) = (lock.clone(), event.clone());
            async move {
                let guard = lock.acquire().await;
                let waiting = lock.clone();
                spawn(async move { drop(waiting.acquire().await) }).detach();
                let nap = spawn(sleep(60 * SECOND));
                task::Builder::new().name("ticker").daemon(true).spawn(pending::<()>()).detach();
                event.wait().await;
                drop(guard);
                nap.await.unwrap();
            }
        });
        sleep(2 * SECOND).await;
        let expected = "\
4 tasks, 0 ready
main task runs
└─ task 1 'server' (spawned at inspecting) has waited 2s
   │   for the Event created at inspecting, asked at inspecting
   ├─ task 2 (spawned at inspecting) has waited 2s
   │      for the Lock created at inspecting, asked at inspecting, held by task 1 since inspecting, for at least 2s
   ├─ task 3 (spawned at inspecting) has waited 2s
   │      for a timer, due in 58s
   └─ task 4 'ticker' (spawned at inspecting), a daemon, has waited 2s for nothing that is known";
        assert_eq!(dump(), expected);

        event.set();
        yield_now().await;
        yield_now().await;
        let expected = "\
3 tasks, 0 ready
main task runs
└─ task 1 'server' (spawned at inspecting) has waited 0ns
   │   for the end of task 3
   ├─ task 3 (spawned at inspecting) has waited 2s
   │      for a timer, due in 58s
   └─ task 4 'ticker' (spawned at inspecting), a daemon, has waited 2s for nothing that is known";
        assert_eq!(dump(), expected);
        server.cancel_and_wait().await.unwrap_err();
    });
}

#[test]
fn a_task_whose_spawner_has_ended_stands_at_the_top_also_if_a_new_task_has_the_spawners_slot() {
    paused().block_on(async {
        spawn(async { spawn(pending::<()>()).detach() }).await.unwrap();
        let heir = spawn(pending::<()>());
        yield_now().await;
        let parents: Vec<_> =
            task::list().iter().map(|status| (status.task.id().get(), status.parent)).collect();
        assert_eq!(parents, [(2, None), (3, Some(TaskId::MAIN))]);
        assert_eq!(heir.id().get(), 3);
    });
}

#[test]
fn a_list_is_in_order_of_spawning_and_says_who_runs_who_is_ready_and_since_when_others_wait() {
    paused().block_on(async {
        let late = spawn(async {
            sleep(3 * SECOND).await;
            task::list()
        });
        spawn(pending::<()>()).detach();
        sleep(SECOND).await;
        spawn(async {}).detach();
        let states = |list: &[task::TaskStatus]| {
            list.iter()
                .map(|status| (status.task.id().get(), status.state, status.since_poll))
                .collect::<Vec<_>>()
        };
        let waiting = |since| (TaskState::Waiting, Some(since));
        let (state, since) = waiting(SECOND);
        let list = task::list();
        assert_eq!(list.len(), task::count(), "the main task counts in neither");
        assert_eq!(states(&list), [(1, state, since), (2, state, since), (3, TaskState::Ready, None)]);
        let (state, since) = waiting(3 * SECOND);
        assert_eq!(states(&late.await.unwrap()), [(1, TaskState::Running, None), (2, state, since)]);
    });
}

#[test]
fn a_task_may_wait_for_several_things_and_the_futures_of_a_join_all_are_its_own() {
    paused().block_on(async {
        sleep(SECOND).await;
        let many = spawn(async {
            let naps = (1..=10).map(|seconds| sleep(seconds * SECOND));
            join_all(naps).await;
        });
        yield_now().await;
        yield_now().await;
        let expected = "\
1 task, 0 ready
main task runs
└─ task 1 (spawned at inspecting) has waited 0ns
       for a timer, due in 1s
       for a timer, due in 2s
       for a timer, due in 3s
       for a timer, due in 4s
       for a timer, due in 5s
       for a timer, due in 6s
       for a timer, due in 7s
       for a timer, due in 8s
       and for 2 more";
        assert_eq!(dump(), expected);
        assert_eq!(task::list()[0].waits.len(), 10);
        many.await.unwrap();
    });
}

#[test]
fn a_task_with_a_blocking_job_waits_for_that_and_one_whose_waker_was_taken_for_whoever_has_it() {
    paused().block_on(async {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let job = spawn_blocking(move || wait.recv());
        let mut kept = None;
        let mut kept_twice = None;
        let foreign = poll_fn(|context| {
            kept = Some(context.waker().clone());
            kept_twice.clone_from(&kept);
            Poll::<()>::Pending
        });
        let mut foreign = std::pin::pin!(foreign);
        let outcome = poll_fn(|context| {
            assert!(foreign.as_mut().poll(context).is_pending());
            Poll::Ready(spawn(async {
                yield_now().await;
                (dump(), inspect::stats())
            }))
        });
        let (text, stats) = outcome.await.await.unwrap();
        let expected = "\
2 tasks, 0 ready
main task has waited 0ns
│   for the end of task 2
│   for whoever holds 2 clones of its waker
├─ task 1 (spawned at inspecting) has waited 0ns
│      for its job on the blocking pool
└─ task 2 (spawned at inspecting) runs";
        assert_eq!(text, expected);
        assert_eq!((stats.jobs_queued + stats.jobs_running, stats.job_threads), (1, 1));
        go.send(()).unwrap();
        job.await.unwrap().unwrap();
    });
}

#[test]
fn statistics_count_turns_polls_sleeps_and_wakes_from_elsewhere() {
    paused().block_on(async {
        let before = inspect::stats();
        assert_eq!(
            (before.turns, before.polls, before.sleeps),
            (1, 0, 0),
            "the first turn, and its poll is not over"
        );
        for _ in 0..40 {
            yield_now().await;
        }
        let after = inspect::stats();
        assert_eq!((after.turns, after.polls), (41, 40));

        let waker = common::own_waker().await;
        elsewhere(move || waker.wake());
        common::pause().await;
        spawn(pending::<()>()).detach();
        let ready = spawn(async {});
        let stats = inspect::stats();
        assert_eq!(stats.remote_wakes, 1);
        assert_eq!((stats.spawned, stats.tasks, stats.ready), (2, 2, 2));
        ready.await.unwrap();
        let stats = inspect::stats();
        assert_eq!((stats.spawned, stats.tasks, stats.ready), (2, 1, 0));

        let nap = spawn(sleep(SECOND));
        yield_now().await;
        assert_eq!(inspect::stats().timers, 1);
        nap.await.unwrap();
        let stats = inspect::stats();
        assert_eq!((stats.timers, stats.lag.count(), stats.lag.quantile(1.0)), (0, 1, Duration::ZERO));
    });
}

#[test]
fn the_lag_of_the_loop_is_how_long_a_due_timer_was_overdue() {
    common::executor().block_on(async {
        let start = Instant::now();
        let overdue = spawn(sleep_until(start + Duration::from_millis(1)));
        yield_now().await;
        // Keeps the thread from everybody else.
        while start.elapsed() < Duration::from_millis(20) {}
        overdue.await.unwrap();
        let lag = inspect::stats().lag;
        assert_eq!(lag.count(), 1);
        assert!(lag.quantile(0.5) >= Duration::from_millis(19), "{lag}");
        assert!(lag.buckets().all(|(bound, count)| count == 0 || bound >= Duration::from_millis(19)));
    });
}
