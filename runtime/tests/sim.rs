//! The simulator: what a seed decides, what is found, and that it can be seen again.
#![cfg(feature = "macros")]

use runtime::{
    OnExit, join_all, random_u64, spawn, spawn_blocking,
    sync::{Event, Lock},
    task::{self, yield_now},
    testing::{Cause, Failure, Sim, note, settle},
    time::{self, Instant, sleep},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, HashSet},
    process::{Command, ExitCode},
    rc::Rc,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// The names of three tasks in the order in which they ran.
async fn order_of_three() -> String {
    let log = Rc::new(RefCell::new(String::new()));
    join_all(["a", "b", "c"].map(|name| {
        let log = Rc::clone(&log);
        spawn(async move { log.borrow_mut().push_str(name) })
    }))
    .await;
    log.take()
}

#[test]
fn a_seed_decides_the_order_and_all_orders_come_up_alike() {
    let mut seen = BTreeMap::new();
    for seed in 0..600 {
        let (order, _) = Sim::new().seed(seed).record(order_of_three).unwrap();
        *seen.entry(order).or_insert(0) += 1;
    }
    assert!(seen.keys().eq(["abc", "acb", "bac", "bca", "cab", "cba"]), "{seen:?}");
    assert!(seen.values().all(|&times| times > 60), "{seen:?}");
}

/// Tasks, timers, locks and chance, all in one.
async fn busy_program() {
    let lock = Rc::new(Lock::new(0));
    let workers = (0..10).map(|n| {
        let lock = Rc::clone(&lock);
        spawn(async move {
            for _ in 0..5 {
                sleep(Duration::from_millis(random_u64() % 4)).await;
                let mut guard = lock.acquire().await;
                yield_now().await;
                *guard += n;
                note(format_args!("{n} at {:?}: {}", task::current().id(), *guard));
            }
        })
    });
    join_all(workers.collect::<Vec<_>>()).await;
    assert_eq!(*lock.acquire().await, 225);
}

#[test]
fn the_same_seed_gives_the_same_transcript_byte_for_byte() {
    let mut texts = HashSet::new();
    for seed in 0..100 {
        let (_, one) = Sim::new().seed(seed).record(busy_program).unwrap();
        let (_, other) = Sim::new().seed(seed).record(busy_program).unwrap();
        assert_eq!(one.to_string().as_bytes(), other.to_string().as_bytes());
        assert_eq!(one, other);
        assert!(one.to_string().lines().count() as u64 > one.turns());
        texts.insert(one.to_string());
    }
    assert_eq!(texts.len(), 100, "and another seed another one");
    let summary = Sim::new().seeds(100).every_seed_twice().run_summary(busy_program);
    assert_eq!(summary, 100);
}

/// `try_run` for those who expect success.
trait RunSummary {
    fn run_summary<F: Future<Output = ()>>(&self, program: impl Fn() -> F) -> usize;
}

impl RunSummary for Sim {
    fn run_summary<F: Future<Output = ()>>(&self, program: impl Fn() -> F) -> usize {
        self.try_run(program).unwrap_or_else(|failure| panic!("{failure}")).orders()
    }
}

/// Two tasks take what is left, if the look is still true after the walk.
async fn last_ticket() {
    let left = Rc::new(Cell::new(1));
    let quick = {
        let left = Rc::clone(&left);
        spawn(async move {
            let seen = left.get();
            if seen > 0 {
                left.set(left.get() - 1);
            }
        })
    };
    let slow = {
        let left = Rc::clone(&left);
        spawn(async move {
            if left.get() > 0 {
                yield_now().await;
                left.set(left.get() - 1);
            }
        })
    };
    quick.await.unwrap();
    slow.await.unwrap();
    assert!(left.get() >= 0, "sold twice");
}

#[test]
fn a_race_that_shows_in_some_orders_only_is_found_and_seen_again() {
    let failure = Sim::new().try_run(last_ticket).unwrap_err();
    assert!(matches!(failure.cause(), Cause::Panicked(text) if text == "sold twice"), "{failure}");
    assert!(failure.is_reproducible());
    // By value, and not with every other seed.
    let again = Sim::new().seed(failure.seed()).try_run(last_ticket).unwrap_err();
    assert_eq!((again.seed(), again.cause()), (failure.seed(), failure.cause()));
    assert_eq!(again.transcript().hash(), failure.transcript().hash());
    let passing = (0..100).filter(|&seed| Sim::new().seed(seed).try_run(last_ticket).is_ok()).count();
    assert!((20..80).contains(&passing), "{passing} of 100 seeds do not show it");
}

/// The harness names its threads after the tests, unless it has but one; Cargo names the package, unless it was not asked.
#[test]
fn the_failure_has_the_line_that_replays_it() {
    let failure = Sim::new().try_run(last_ticket).unwrap_err();
    let package = std::env::var("CARGO_PKG_NAME").map_or(String::new(), |package| format!(" -p {package}"));
    let text = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("shop::sells_tickets".to_owned());
        thread.spawn_scoped(scope, || failure.to_string()).unwrap().join().unwrap()
    });
    let seed = failure.seed();
    let line = format!(
        "\n  replay it with: RUNTIME_SIM_SEED={seed} cargo test{package} -- --exact shop::sells_tickets\n"
    );
    assert!(text.contains(&line), "{text}");
    assert!(text.contains(&format!("Sim::new().seed({seed})")), "{text}");
    let text = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new();
        thread.spawn_scoped(scope, || failure.to_string()).unwrap().join().unwrap()
    });
    let command: Vec<_> = std::env::args().collect();
    assert!(text.contains(&format!("RUNTIME_SIM_SEED={seed} {}\n", command.join(" "))), "{text}");
}

#[test]
#[ignore = "started by the_environment_chooses_the_seeds"]
fn prints_its_seeds() {
    Sim::new().seeds(2).run(|| async {
        println!("draws {}", random_u64());
    });
    Sim::new().seed(1).run(|| async {
        println!("pinned {}", random_u64());
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn the_environment_chooses_the_seeds() {
    let draws = |variable: &str, value: &str| {
        let program = std::env::current_exe().expect("the test knows its own path");
        let run = Command::new(program)
            .args(["--ignored", "--exact", "prints_its_seeds", "--nocapture", "--test-threads", "1"])
            .env(variable, value)
            .output()
            .expect("the test program starts");
        let output =
            String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        let lines = output.lines().filter(|line| line.contains("draws") || line.contains("pinned"));
        (lines.map(|line| line.rsplit("... ").next().unwrap_or(line).to_owned()).collect::<Vec<_>>(), output)
    };
    assert_ne!(
        Sim::new().seed(0).record(async || random_u64()).unwrap().0,
        Sim::new().seed(17).record(async || random_u64()).unwrap().0
    );
    let drawn = |seed| {
        let draw = || async { random_u64() };
        format!("draws {}", Sim::new().seed(seed).record(draw).unwrap().0)
    };
    let pinned = drawn(1).replace("draws", "pinned");
    // The first seed runs twice, to see whether it comes out alike.
    let expected = |seeds: &[u64]| {
        let first = seeds.iter().take(1);
        let lines = first.chain(seeds).map(|&seed| drawn(seed));
        lines.chain([pinned.clone(), pinned.clone()]).collect::<Vec<_>>()
    };
    assert_eq!(draws("RUNTIME_SIM_SEED", "17").0, expected(&[17]));
    assert_eq!(draws("RUNTIME_SIM_SEEDS", "3").0, expected(&[0, 1, 2]));
    assert_eq!(draws("RUNTIME_SIM_SEEDS", "5..7").0, expected(&[5, 6]));
    assert_eq!(draws("ELSE", "").0, expected(&[0, 1]));
    for nonsense in ["x", "", "1..3"] {
        let (_, output) = draws("RUNTIME_SIM_SEED", nonsense);
        assert!(output.contains(&format!("RUNTIME_SIM_SEED={nonsense} is not a seed")), "{output}");
    }
    assert!(draws("RUNTIME_SIM_SEEDS", "3..3").1.contains("are no seeds"));
}

fn failure_of<F: Future<Output = ()>>(program: impl Fn() -> F) -> Failure {
    Sim::new().seeds(1).max_turns(1000).try_run(program).unwrap_err()
}

#[test]
fn a_stuck_program_ends_with_a_list_of_who_waits() {
    let failure = failure_of(|| async {
        let (lock, event) = (Rc::new(Lock::new(())), Event::new());
        let guard = lock.acquire().await;
        let other = Rc::clone(&lock);
        task::Builder::new()
            .name("the waiting one")
            .spawn(async move { drop(other.acquire().await) })
            .detach();
        event.wait().await;
        drop(guard);
    });
    let Cause::Stuck(list) = failure.cause() else { panic!("{failure}") };
    for expected in [
        "nothing can happen",
        "main task",
        "'the waiting one'",
        "Event",
        "Lock",
        "held by main task",
        "sim.rs",
    ] {
        assert!(list.contains(expected), "{expected} is not in: {list}");
    }
    assert!(failure.is_reproducible());
}

/// Two wait for each other, and a third would go on for ever: found when the circle closes.
#[test]
fn a_deadlock_among_some_ends_the_run_unless_reports_are_allowed() {
    let crossed = || async {
        let locks = [Rc::new(Lock::new(())), Rc::new(Lock::new(()))];
        for (first, second) in [(0, 1), (1, 0)] {
            let locks = locks.clone();
            spawn(async move {
                let _first = locks[first].acquire().await;
                yield_now().await;
                let _second = locks[second].acquire().await;
            })
            .detach();
        }
        sleep(1000 * SECOND).await;
    };
    let failure = failure_of(crossed);
    assert!(matches!(failure.cause(), Cause::Stuck(list) if list.contains("circle:")), "{failure}");
    assert!(failure.transcript().turns() < 10, "at once");
    Sim::new().seeds(1).allow_reports().run(crossed);
}

#[test]
fn a_program_that_never_ends_is_ended() {
    let failure = failure_of(|| async {
        loop {
            yield_now().await;
        }
    });
    assert_eq!(*failure.cause(), Cause::Endless);
    // Time that passes is no such thing: turns are counted.
    Sim::new().seeds(1).max_turns(1000).run(|| sleep(1_000_000 * SECOND));
}

#[test]
fn real_time_and_threads_are_refused() {
    let failure = failure_of(|| async {
        time::resume();
        sleep(SECOND).await;
    });
    assert_eq!(*failure.cause(), Cause::ClockRuns);
    let failure = failure_of(|| async { spawn_blocking(|| ()).await.unwrap() });
    assert!(failure.to_string().contains("a simulation is one thread"), "{failure}");
    let failure = failure_of(|| async {
        let listener = runtime::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.accept().await.unwrap_or_else(|error| panic!("{error}"));
    });
    assert!(failure.to_string().contains("no reactor"), "{failure}");
}

#[test]
fn stopping_and_returning_an_error_are_failures() {
    let failure = failure_of(|| async {
        runtime::Handle::current().stop();
        std::future::pending::<()>().await;
    });
    assert_eq!(*failure.cause(), Cause::Stopped);
    let failure = Sim::new().try_run(|| async { Err::<(), _>("on purpose") }).unwrap_err();
    assert_eq!(*failure.cause(), Cause::Failed);
    assert!(failure.is_reproducible());
    Sim::new().seeds(1).run(|| async { ExitCode::SUCCESS });
}

#[test]
fn what_the_runtime_reports_is_a_failure_unless_it_is_allowed() {
    let forgetful = || async {
        let lock = Rc::new(Lock::new(()));
        let other = Rc::clone(&lock);
        spawn(async move { std::mem::forget(other.acquire().await) }).await.unwrap();
        let _ = lock.acquire_timeout(SECOND).await;
    };
    let failure = failure_of(forgetful);
    assert!(
        matches!(failure.cause(), Cause::Reported(reports) if reports[0].contains("has ended")),
        "{failure}"
    );
    Sim::new().seeds(10).allow_reports().run(forgetful);
}

#[test]
fn a_panic_that_nobody_would_learn_of_is_a_failure() {
    let detached = failure_of(|| async {
        task::Builder::new().name("left alone").spawn(async { panic!("on purpose") }).detach();
        sleep(SECOND).await;
    });
    assert!(
        matches!(detached.cause(), Cause::TaskPanicked(text) if text.contains("'left alone'")),
        "{detached}"
    );
    let dropped_with_main = failure_of(|| async {
        let _handle = spawn(async { panic!("on purpose") });
        settle().await;
    });
    assert!(matches!(dropped_with_main.cause(), Cause::TaskPanicked(_)), "{dropped_with_main}");
    assert!(dropped_with_main.is_reproducible());
    Sim::new().seeds(1).run(|| async {
        assert!(spawn(async { panic!("on purpose") }).await.is_err(), "somebody asked");
    });
}

/// Also what happens after the program's last line: destructors, and cleanups with all the time that they take.
#[test]
fn the_end_of_a_run_belongs_to_it() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    let failure = failure_of(|| async {
        spawn(async {
            let _fails = Fails;
            std::future::pending::<()>().await;
        })
        .detach();
        settle().await;
    });
    assert!(failure.to_string().contains("in a destructor"), "{failure}");
    let failure = failure_of(|| async {
        spawn(async {
            let _fails = Fails;
            std::future::pending::<()>().await;
        })
        .detach();
        settle().await;
        panic!("in the program");
    });
    assert_eq!(*failure.cause(), Cause::Panicked("in the program".to_owned()), "what came first is told");
    let (_, transcript) = Sim::new()
        .record(|| async {
            spawn(async {
                let _later = task::defer(async {
                    sleep(SECOND).await;
                    note("cleaned up");
                });
                std::future::pending::<()>().await;
            })
            .detach();
            settle().await;
        })
        .unwrap();
    assert!(transcript.to_string().contains("cleaned up"), "{transcript}");
}

#[test]
fn a_program_that_the_seed_does_not_determine_is_told_so() {
    // The order in which the tasks are spawned is that of a HashMap, whose keys are secret and new each time.
    let by_map = || async {
        let sleeps: HashMap<u64, Duration> = (0..100).map(|n| (n, n as u32 * SECOND)).collect();
        join_all(sleeps.into_values().map(|time| spawn(sleep(time)))).await;
    };
    let failure = failure_of(by_map);
    let Cause::Differs(how) = failure.cause() else { panic!("{failure}") };
    assert!(how.contains("of the transcript was once `"), "{how}");
    assert!(failure.to_string().contains("the order of a HashMap"), "{failure}");
    assert!(!failure.is_reproducible());
}

#[test]
fn a_failure_that_comes_only_sometimes_is_told_so() {
    let runs = Cell::new(0);
    let failure = failure_of(|| {
        runs.set(runs.get() + 1);
        let run = runs.get();
        async move { assert!(run > 1, "the first time") }
    });
    assert!(!failure.is_reproducible());
    assert!(failure.to_string().contains("the second run did not fail"), "{failure}");
    // The same turns, but another end.
    runs.set(0);
    let failure = failure_of(|| {
        runs.set(runs.get() + 1);
        let run = runs.get();
        async move { panic!("run {run}") }
    });
    assert!(failure.to_string().contains("when run again, it panicked: run 2"), "{failure}");
    // The same turns, at another time.
    runs.set(0);
    let failure = failure_of(|| {
        runs.set(runs.get() + 1);
        sleep(runs.get() * SECOND)
    });
    assert!(failure.to_string().contains("was once `1s: main` and once `2s: main`"), "{failure}");
    // A later seed is compared when asked for.
    let later = || {
        runs.set(runs.get() + 1);
        let run = runs.get();
        async move { note(if run > 4 { run } else { 0 }) }
    };
    runs.set(0);
    Sim::new().seeds(50).run(later);
    runs.set(0);
    let failure = Sim::new().seeds(50).every_seed_twice().try_run(later).unwrap_err();
    assert_eq!(failure.seed(), 2);
    assert!(failure.to_string().contains("was once `5` and once `6`"), "{failure}");
}

#[test]
fn time_is_virtual_and_each_run_begins_anew() {
    Sim::new().seeds(20).run(|| async {
        let start = Instant::now();
        assert_eq!(spawn(async {}).id().get(), 1, "tasks are numbered from 1 in each run");
        sleep(3600 * SECOND).await;
        assert_eq!(start.elapsed(), 3600 * SECOND);
    });
}

#[test]
fn tasks_that_are_left_are_cancelled_or_waited_for() {
    let ended = Rc::new(Cell::new(0));
    let program = || {
        let ended = Rc::clone(&ended);
        async move {
            spawn(async move {
                sleep(SECOND).await;
                ended.set(ended.get() + 1);
            })
            .detach();
        }
    };
    Sim::new().seeds(9).run(program);
    assert_eq!(ended.get(), 0);
    Sim::new().seeds(9).on_exit(OnExit::Wait).run(program);
    assert_eq!(ended.get(), 10, "nine, and the first twice");
    assert_eq!(Rc::strong_count(&ended), 1, "nothing outlives its run");
}

#[test]
fn settling_works_in_a_simulation() {
    Sim::new().run(|| async {
        let count = Rc::new(Cell::new(0));
        for _ in 0..3 {
            let count = Rc::clone(&count);
            spawn(async move {
                for _ in 0..5 {
                    yield_now().await;
                }
                count.set(count.get() + 1);
                sleep(SECOND).await;
                count.set(100);
            })
            .detach();
        }
        settle().await;
        assert_eq!(count.get(), 3);
    });
}

/// On the real clock, with real sockets: the kernel is asked whether it has anything for anybody.
#[runtime::test]
#[cfg_attr(miri, ignore = "real sockets")]
async fn settling_waits_for_what_the_kernel_has_already() {
    let listener = runtime::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = runtime::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let read = Rc::new(Cell::new(0));
    let count = Rc::clone(&read);
    spawn(async move {
        loop {
            server.read_exact(&mut [0; 3]).await.unwrap();
            yield_now().await;
            count.set(count.get() + 1);
        }
    })
    .detach();
    settle().await;
    assert_eq!(read.get(), 0);
    client.write_all(b"one").await.unwrap();
    settle().await;
    assert_eq!(read.get(), 1);
}

#[runtime::test]
#[should_panic(expected = "an ordinary `#[test]` function")]
async fn a_simulation_inside_a_runtime_is_refused() {
    Sim::new().run(|| async {});
}

#[test]
#[should_panic(expected = "seed 0 fails in turn 1: it panicked: on purpose")]
fn run_panics_with_the_seed() {
    Sim::new().run(|| async { panic!("on purpose") });
}
