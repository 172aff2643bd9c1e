//! The tutorials' programs that hang: here each ends with a report that names the tasks, the locks and the lines.

use runtime::{
    Builder, Report,
    inspect::Deadlock,
    join_all,
    net::TcpListener,
    spawn,
    sync::{Lock, RLock},
    task,
    task::yield_now,
    time::sleep,
};
use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    thread,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

type Transcript = Rc<RefCell<Vec<String>>>;

/// Runs a program that hangs, as `run` would. What it printed, the report of its end, and the text of the panic.
fn hangs(program: impl AsyncFnOnce(Transcript)) -> (Vec<String>, Deadlock, String) {
    let (transcript, last) = (Transcript::default(), Rc::new(RefCell::new(None)));
    let seen = last.clone();
    let runtime = Builder::new()
        .start_paused(true)
        .on_report(move |report| {
            let Report::Deadlock(deadlock) = report else { panic!("{report}") };
            *seen.borrow_mut() = Some(deadlock.clone());
        })
        .build();
    let run = catch_unwind(AssertUnwindSafe(|| runtime.unwrap().block_on(program(transcript.clone()))));
    let text = *run.expect_err("it hangs").downcast::<String>().expect("a text");
    let deadlock: Deadlock = last.take().expect("a report");
    assert!(deadlock.is_total);
    assert_eq!(deadlock.to_string(), text);
    (transcript.take(), deadlock, text)
}

fn ids(tasks: &[task::TaskStatus]) -> Vec<u64> {
    tasks.iter().map(|status| status.task.id().get()).collect()
}

/// Ten tasks take A and B in it, then B and, two seconds later, A in it.
#[test]
fn ten_tasks_with_two_locks_in_both_orders() {
    let line = line!();
    let (printed, deadlock, text) = hangs(async |transcript| {
        let lock_a = Lock::new(());
        let lock_b = Lock::new(());
        let locks = Rc::new((lock_a, lock_b));
        let tasks = (1..=10).map(|number| {
            let (locks, transcript) = (Rc::clone(&locks), transcript.clone());
            let say = move |what: &str| transcript.borrow_mut().push(format!("Thread-{number} {what}"));
            let name = format!("Thread-{number}");
            task::Builder::new().name(name).spawn(async move {
                let (a, b) = &*locks;
                {
                    let _a = a.acquire().await;
                    say("A");
                    let _b = b.acquire().await;
                    say("B");
                }
                let _b = b.acquire().await;
                say("B???");
                sleep(2 * SECOND).await;
                let _a = a.acquire().await;
                say("A???");
            })
        });
        let tasks: Vec<_> = tasks.collect();
        join_all(tasks).await;
    });
    assert_eq!(printed, ["Thread-1 A", "Thread-1 B", "Thread-1 B???", "Thread-2 A"]);
    assert_eq!(ids(&deadlock.cycles[0]), [1, 2]);
    assert_eq!(ids(&deadlock.behind), [0, 3, 4, 5, 6, 7, 8, 9, 10], "eight tasks and the main task");
    let at = |offset: u32| format!("tests/deadlocks.rs:{}:", line + offset);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[2].starts_with("    task 1 'Thread-1'"), "{text}");
    for part in [at(2), at(20), "held by task 2".into(), at(12)] {
        assert!(lines[3].contains(&part), "task 1 waits for A: {part} {text}");
    }
    assert!(lines[4].starts_with("    task 2 'Thread-2'"), "{text}");
    for part in [at(3), at(14), "held by task 1".into(), at(17)] {
        assert!(lines[5].contains(&part), "task 2 waits for B: {part} {text}");
    }
}

/// Two locks that are each entered twice are still two.
#[test]
fn two_different_rlocks_crossed_by_two_tasks() {
    let (_, deadlock, text) = hangs(async |_| {
        let locks = [Rc::new(RLock::new(())), Rc::new(RLock::new(()))];
        join_all([(0, 1), (1, 0)].map(|(first, second)| {
            let locks = locks.clone();
            spawn(async move {
                let _first = locks[first].acquire().await;
                let _again = locks[first].acquire().await;
                yield_now().await;
                let _second = locks[second].acquire().await;
            })
        }))
        .await;
    });
    assert_eq!(ids(&deadlock.cycles[0]), [1, 2]);
    assert!(text.contains("for the RLock created at tests/deadlocks.rs:"), "{text}");
}

async fn noodles_first(noodles: Rc<Lock<()>>, fork: Rc<Lock<()>>, name: &str, transcript: Transcript) {
    let _noodles = noodles.acquire().await;
    transcript.borrow_mut().push(format!("{name} has the noodles"));
    let _fork = fork.acquire().await;
    transcript.borrow_mut().push(format!("{name} has the fork, and eats"));
}

async fn fork_first(noodles: Rc<Lock<()>>, fork: Rc<Lock<()>>, name: &str, transcript: Transcript) {
    let _fork = fork.acquire().await;
    transcript.borrow_mut().push(format!("{name} has the fork"));
    sleep(SECOND).await;
    let _noodles = noodles.acquire().await;
    transcript.borrow_mut().push(format!("{name} has the noodles, and eats"));
}

#[test]
fn noodles_and_fork_with_two_locks() {
    let (printed, deadlock, _) = hangs(async |transcript| {
        let (noodles, fork) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
        let mut eaters = Vec::new();
        for name in ["Ada", "Grace"] {
            let (log, also) = (transcript.clone(), transcript.clone());
            eaters.push(spawn(noodles_first(noodles.clone(), fork.clone(), name, log)));
            eaters.push(spawn(fork_first(noodles.clone(), fork.clone(), name, also)));
        }
        join_all(eaters).await;
    });
    assert_eq!(
        printed,
        ["Ada has the noodles", "Ada has the fork, and eats", "Ada has the fork", "Grace has the noodles"]
    );
    assert_eq!(ids(&deadlock.cycles[0]), [2, 3]);
    assert_eq!(ids(&deadlock.behind), [0, 4]);
}

/// Five tasks: A for three seconds and B in it, then B for two seconds and A in it.
#[test]
fn five_tasks_that_go_both_ways() {
    let (_, deadlock, _) = hangs(async |_| {
        let (a, b) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
        join_all((0..5).map(|_| {
            let (a, b) = (a.clone(), b.clone());
            spawn(async move {
                {
                    let _a = a.acquire().await;
                    sleep(3 * SECOND).await;
                    let _b = b.acquire().await;
                }
                let _b = b.acquire().await;
                sleep(2 * SECOND).await;
                let _a = a.acquire().await;
            })
        }))
        .await;
    });
    assert_eq!(ids(&deadlock.cycles[0]), [1, 2]);
    assert_eq!(ids(&deadlock.behind), [0, 3, 4, 5]);
}

/// One lock, twice in one task: that task is told by a panic, and nobody hangs.
#[test]
fn one_lock_twice_in_one_task() {
    let runtime = Builder::new().start_paused(true).build().unwrap();
    let told = runtime.block_on(async {
        let twice = spawn(async {
            let lock = Lock::new(());
            let _first = lock.acquire().await;
            let _second = lock.acquire().await;
            println!("123");
        });
        twice.await.unwrap_err().to_string()
    });
    assert!(told.contains("for the Lock created at tests/deadlocks.rs:"), "{told}");
    assert!(told.contains("which it acquired itself at tests/deadlocks.rs:"), "{told}");
}

/// Two tasks are stuck, and are named; but somebody may yet connect, so it is not the end.
#[test]
fn whoever_waits_for_a_client_goes_on_beside_those_who_are_stuck() {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let seen = reports.clone();
    let on_report = move |report: &Report| {
        let Report::Deadlock(deadlock) = report else { panic!("{report}") };
        seen.borrow_mut().push((ids(&deadlock.cycles[0]), deadlock.is_total));
    };
    let runtime = Builder::new().start_paused(true).on_report(on_report).build().unwrap();
    let client = runtime.block_on(async {
        let locks = [Rc::new(Lock::new(())), Rc::new(Lock::new(()))];
        for (first, second) in [(0, 1), (1, 0)] {
            let locks = locks.clone();
            let crossing = async move {
                let _first = locks[first].acquire().await;
                yield_now().await;
                let _second = locks[second].acquire().await;
            };
            spawn(crossing).detach();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = thread::Builder::new().spawn(move || {
            // The loop sleeps by then, or is about to.
            thread::park_timeout(Duration::from_millis(20));
            std::net::TcpStream::connect(address).unwrap()
        });
        listener.accept().await.unwrap();
        client
    });
    client.unwrap().join().unwrap();
    assert_eq!(reports.take(), [(vec![1, 2], false)]);
}
