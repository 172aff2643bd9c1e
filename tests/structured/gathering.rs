//! Many at once, and all their results: in the order in which they were asked for, or in which they come.

use crate::support::{Transcript, ms, secs, spawn_named};
use runtime::{
    JoinHandle, join_all, spawn, task,
    time::{sleep, timeout},
    try_join, try_join_all,
};
use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

/// Ten workers that sleep a second and print their number are done after one second, not ten.
#[runtime::test(start_paused = true)]
async fn ten_workers_of_a_second_take_a_second() {
    let transcript = Transcript::new();
    let workers: Vec<JoinHandle<()>> = (0..10)
        .map(|n: u32| {
            let transcript = transcript.clone();
            spawn(async move {
                sleep(secs(1)).await;
                transcript.say(n.to_string());
            })
        })
        .collect();
    for outcome in join_all(workers).await {
        outcome.unwrap();
    }
    transcript.expect((0..10).map(|n| format!("1 {n}")));
    transcript.expect_time(secs(1));
}

/// `self.name = name` and `def run(self)`: a type with an `async fn run`, spawned under its name.
struct Worker {
    name: &'static str,
    transcript: Transcript,
}

impl Worker {
    async fn run(self) {
        let known_as = task::current();
        assert_eq!(known_as.name(), Some(self.name), "the name is the task's");
        sleep(secs(2)).await;
        self.transcript.say(format!("{} says hello", self.name));
    }

    fn start(self) -> JoinHandle<()> {
        spawn_named(self.name, self.run())
    }
}

#[runtime::test(start_paused = true)]
async fn a_type_that_runs_is_spawned_under_its_name() {
    let transcript = Transcript::new();
    let worker = |name| Worker { name, transcript: transcript.clone() };
    let started = ["number 1", "number 2"].map(|name| worker(name).start());
    transcript.say("main goes on");
    join_all(started).await;
    transcript.say("ending");
    transcript.expect(["0 main goes on", "2 number 1 says hello", "2 number 2 says hello", "2 ending"]);
}

/// Without a name of its own a task has a number, which no other task of the runtime ever has.
#[runtime::test]
async fn tasks_without_names_have_numbers() {
    let numbers = join_all((0..3).map(|_| spawn(async { task::current().id().to_string() }))).await;
    let numbers: Vec<_> = numbers.into_iter().map(Result::unwrap).collect();
    assert_eq!(numbers, ["task 1", "task 2", "task 3"]);
}

/// Ten times `add(i, 5)`: locals are everybody's own, the process is one.
#[runtime::test]
async fn each_worker_has_its_own_locals_in_one_process() {
    let add = |a: u32, b: u32| async move {
        let local = a;
        task::yield_now().await;
        (local + b, std::process::id())
    };
    let sums = join_all((0..10).map(|i| spawn(add(i, 5)))).await;
    let (sums, processes): (Vec<_>, BTreeSet<_>) = sums.into_iter().map(Result::unwrap).unzip();
    assert!(sums.into_iter().eq(5..15));
    assert_eq!(processes.into_iter().collect::<Vec<_>>(), [std::process::id()]);
}

/// `hello` is printed first: whoever starts ten others goes on before any of them has begun.
#[runtime::test(start_paused = true)]
async fn whoever_starts_the_others_speaks_first() {
    let transcript = Transcript::new();
    let workers: Vec<_> = (0..10)
        .map(|n| {
            let transcript = transcript.clone();
            spawn(async move {
                sleep(secs(1)).await;
                transcript.say(n.to_string());
            })
        })
        .collect();
    transcript.say("hello");
    join_all(workers).await;
    transcript.expect(["0 hello".to_owned()].into_iter().chain((0..10).map(|n| format!("1 {n}"))));
}

/// `asyncio.gather(a(), b())`: both at once, and the results in the order of the arguments, not of the ends.
#[runtime::test(start_paused = true)]
async fn gathered_results_come_in_the_order_of_the_arguments() {
    let transcript = Transcript::new();
    let slow = async {
        sleep(secs(3)).await;
        transcript.say("a is done");
        'a'
    };
    let quick = async {
        sleep(secs(1)).await;
        transcript.say("b is done");
        'b'
    };
    assert_eq!(runtime::join!(slow, quick), ('a', 'b'));
    transcript.expect(["1 b is done", "3 a is done"]);
    transcript.expect_time(secs(3));
}

/// `gather` as Python has it: the first exception comes out at once. Unlike there, the siblings do not run on unseen.
#[runtime::test(start_paused = true)]
async fn the_first_failure_comes_out_at_once_and_stops_the_siblings() {
    let transcript = Transcript::new();
    let fetch = async |page: &str, seconds: u64| {
        sleep(secs(seconds)).await;
        transcript.say(format!("{page} answers"));
        if page == "missing" { Err("404") } else { Ok(page.len()) }
    };
    assert_eq!(try_join_all([fetch("home", 1), fetch("news", 2)]).await, Ok(vec![4, 4]));
    transcript.expect(["1 home answers", "2 news answers"]);
    let failed = try_join_all([fetch("home", 1), fetch("missing", 2), fetch("news", 60)]).await;
    assert_eq!(failed, Err("404"));
    sleep(secs(100)).await;
    transcript.expect(["3 home answers", "4 missing answers"]);
    let failed = try_join!(fetch("missing", 1), async {
        sleep(secs(60)).await;
        Ok(())
    });
    assert_eq!(failed, Err("404"));
    transcript.expect_time(secs(105));
}

/// A pool of five, five jobs: results in the order of submission, or as they come, without shutting anything down.
#[runtime::test(start_paused = true)]
async fn squares_as_they_are_completed() {
    let transcript = Transcript::new();
    let square = |n: u64| {
        spawn(async move {
            sleep(ms(100 * (n * 3 % 5))).await;
            n * n
        })
    };
    let squares = join_all((0..5).map(square)).await;
    assert_eq!(squares.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 4, 9, 16]);
    transcript.expect_time(ms(400));

    let mut finished = task::as_completed((0..5).map(square));
    while let Some((index, result)) = finished.next().await {
        transcript.say(format!("job {index}: {}", result.unwrap()));
    }
    transcript.expect(["0.4 job 0: 0", "0.5 job 2: 4", "0.6 job 4: 16", "0.7 job 1: 1", "0.8 job 3: 9"]);
}

/// `as_completed(…, timeout=…)`: a limit around each step loses nothing, so the rest can be asked for later.
#[runtime::test(start_paused = true)]
async fn a_limit_around_the_next_result_loses_none() {
    let transcript = Transcript::new();
    let jobs = [2, 7, 1].map(|n| {
        spawn(async move {
            sleep(secs(n)).await;
            n
        })
    });
    let mut finished = task::as_completed(jobs);
    loop {
        match timeout(secs(3), finished.next()).await {
            Ok(Some((index, n))) => transcript.say(format!("{index} after {}", n.unwrap())),
            Ok(None) => break,
            Err(_) => transcript.say("still waiting"),
        }
    }
    transcript.expect(["1 2 after 1", "2 0 after 2", "5 still waiting", "7 1 after 7"]);
}

/// A callback for each result, in the order of completion (`imap_unordered`, `add_done_callback`).
#[runtime::test(start_paused = true)]
async fn callbacks_see_each_result_when_it_comes() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let jobs = [3_u64, 1, 2].map(|n| {
        let job = spawn(async move {
            sleep(secs(n)).await;
            n * n
        });
        let seen = seen.clone();
        job.on_done(move |result| seen.borrow_mut().push(*result.as_ref().unwrap()));
        job
    });
    join_all(jobs).await;
    assert_eq!(seen.take(), [1, 4, 9]);
}
