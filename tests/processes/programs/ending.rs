//! Who is waited for and who is ended when a program ends.

use super::{Program, SECOND, programs, sleep_seconds};
use nix::{
    sys::signal::{Signal, kill, raise},
    unistd::Pid,
};
use runtime::{
    cluster,
    process::{self, Process},
    signal::{SignalKind, signal},
    spawn, spawn_blocking,
    time::sleep,
};
use std::{future::pending, os::unix::process::parent_id, time::Duration};

pub(super) const ALL: &[Program] = programs![
    daemon_beside_another,
    daemon_that_has_no_time,
    nobody_joins,
    main_panics,
    main_fails,
    dropped,
    daemon_that_listens,
    daemon_that_is_deaf,
    started_by_threads,
    grandchildren,
    daemons_of_daemons,
    exits_at_once,
    is_killed,
    blocking_style,
    in_a_worker,
    several_runtimes,
    a_deadline_for_the_end,
    destructors,
    slow_end,
    many,
];

/// Says a word every half second, until it is stopped.
fn babble(word: String) {
    loop {
        sleep_seconds(0.5);
        println!("{word}");
    }
}

/// Says a word after so many tenths of a second.
fn say_after(tenths: u32, word: String) {
    sleep_seconds(f64::from(tenths) / 10.0);
    println!("{word}");
}

fn start_daemon(word: &str) -> Process<()> {
    Process::builder().daemon(true).spawn(babble, word.to_owned()).unwrap()
}

fn start(seconds: u32, word: &str) -> Process<()> {
    Process::spawn(say_after, (10 * seconds, word.to_owned())).unwrap()
}

/// The daemon's time is main's, the other's is its own.
#[runtime::main]
async fn daemon_beside_another() {
    let _daemon = start_daemon("666");
    let _other = start(9, "the other has ended");
    sleep(3 * SECOND).await;
    println!("main has ended");
}

/// Main ends at once.
#[runtime::main]
async fn daemon_that_has_no_time() {
    fn in_main_two() {
        babble("in func2".to_owned());
    }
    Process::builder().daemon(true).spawn(in_main_two, ()).unwrap();
    start(3, "in func1");
    println!("in main");
}

#[runtime::main]
async fn nobody_joins() {
    for seconds in [4, 2] {
        drop(start(seconds, &format!("child {seconds}")));
    }
    println!("main has ended");
}

#[runtime::main]
async fn main_panics() {
    start_daemon("666");
    start(5, "the other has ended");
    sleep(2 * SECOND).await;
    panic!("out of order");
}

#[runtime::main]
async fn main_fails() -> Result<(), String> {
    start_daemon("666");
    start(5, "the other has ended");
    Err("no luck".to_owned())
}

/// A daemon whose handle is gone is a daemon all the same; and so is one in a task that goes on.
#[runtime::main]
async fn dropped() {
    drop(start_daemon("666"));
    let other = start_daemon("666");
    spawn(async move { other.join().await }).detach();
    start(9, "the other has ended");
    sleep(3 * SECOND).await;
    println!("main has ended");
}

/// Tells by a line that it is ready, which its parent cannot see but whoever reads the transcript can.
async fn listen(name: String, ends: bool) {
    let mut told = signal(SignalKind::terminate()).unwrap();
    println!("{name} is ready");
    told.recv().await.unwrap();
    println!("{name} was told");
    if !ends {
        sleep(Duration::from_secs(3_600)).await;
    }
    println!("{name} has ended");
}

/// Main ends when the daemon surely listens: when there is a line of it.
async fn end_when_ready(listener: Process<()>) {
    while !std::fs::read_to_string(format!("/proc/{}/status", listener.pid()))
        .unwrap()
        .lines()
        .any(is_catching)
    {
        sleep(SECOND / 10).await;
    }
    println!("main has ended");
}

/// A line of proc(5) that says that SIGTERM is caught.
fn is_catching(line: &str) -> bool {
    let Some(mask) = line.strip_prefix("SigCgt:\t") else { return false };
    u64::from_str_radix(mask, 16).unwrap() & (1 << 14) != 0
}

#[runtime::main]
async fn daemon_that_listens() {
    let daemon = Process::builder().daemon(true).spawn(listen, ("daemon".to_owned(), true)).unwrap();
    end_when_ready(daemon).await;
}

#[runtime::main]
async fn daemon_that_is_deaf() {
    let daemon = Process::builder().daemon(true).spawn(listen, ("daemon".to_owned(), false)).unwrap();
    end_when_ready(daemon).await;
}

/// By a thread of the runtime's, and by one of its own: no runtime runs on either.
#[runtime::main]
#[expect(clippy::disallowed_methods, reason = "it is about threads")]
async fn started_by_threads() {
    let by_pool = spawn_blocking(|| (start(4, "by the pool"), start_daemon("666")));
    let by_thread = std::thread::spawn(|| {
        let child = start(1, "by a thread");
        child.blocking_join().unwrap();
        println!("joined");
        start(6, "by a thread, later");
    });
    by_pool.await.unwrap();
    by_thread.join().unwrap();
    println!("main has ended");
}

/// A child waits for its own children, whose names tell of it.
#[runtime::main]
async fn grandchildren() {
    fn name() -> String {
        process::current().name().to_owned()
    }
    async fn parent() -> String {
        start_daemon("666");
        start(4, "grandchild");
        let own = Process::spawn(name, ()).unwrap().join().await.unwrap();
        println!("child has ended");
        format!("{} {own}", name())
    }
    let child = Process::spawn(parent, ()).unwrap();
    let names = child.join().await.unwrap();
    println!("joined {names}");
    // Of plain functions, whose children belong to no runtime.
    fn plain_parent() {
        start_daemon("666");
        start(4, "plain grandchild");
        println!("plain child has ended");
    }
    Process::spawn(plain_parent, ()).unwrap().join().await.unwrap();
    println!("main has ended");
}

/// Children of a daemon are daemons, and end with it although it is killed.
#[runtime::main]
async fn daemons_of_daemons() {
    fn parent() {
        let child = Process::spawn(babble, "777".to_owned()).unwrap();
        println!("daemon {}", child.is_daemon());
        babble("666".to_owned());
    }
    let _daemon = Process::builder().daemon(true).spawn(parent, ()).unwrap();
    start(15, "the other has ended");
    sleep(6 * SECOND).await;
    println!("main has ended");
}

/// Without any end of `main`: the daemon notices, in the middle of its loop, and the other goes on.
#[runtime::main]
async fn exits_at_once() {
    start_daemon("666");
    start(9, "the other has ended");
    sleep(2 * SECOND).await;
    println!("main has ended");
    std::process::exit(3);
}

#[runtime::main]
async fn is_killed() {
    fn spin() {
        loop {
            std::hint::spin_loop();
        }
    }
    let _daemon = Process::builder().daemon(true).spawn(spin, ()).unwrap();
    start_daemon("666");
    start(9, "the other has ended");
    sleep(2 * SECOND).await;
    println!("main has ended");
    raise(Signal::SIGKILL).unwrap();
}

/// A program in blocking style is a greenlet: what it joins suspends it, and tasks go on.
#[runtime::main]
fn blocking_style() {
    start_daemon("666");
    let ticking = spawn(async {
        sleep(SECOND).await;
        println!("tick");
    });
    let child = Process::spawn(say_after, (50, "child".to_owned())).unwrap();
    assert!(child.blocking_join_timeout(2 * SECOND).is_none());
    child.blocking_join().unwrap();
    assert!(ticking.is_finished());
    start(5, "the other has ended");
    println!("main has ended");
}

/// A worker of a cluster has children, and waits for them.
#[runtime::main(workers = 1)]
async fn in_a_worker() {
    start_daemon("666");
    start(5, "child of the worker");
    sleep(2 * SECOND).await;
    println!("main has ended");
    kill(Pid::from_raw(parent_id().cast_signed()), Signal::SIGTERM).unwrap();
    cluster::stopping().await;
}

/// Each runtime ends what was started in it.
fn several_runtimes() {
    let _init = process::init();
    start(9, "started outside");
    runtime::run(async {
        start(3, "started in the first");
        start_daemon("666");
        println!("the first has ended");
    });
    runtime::run(async {
        start(3, "started in the second");
        println!("the second has ended");
    });
    println!("main has ended");
}

/// A runtime that does not wait for ever.
fn a_deadline_for_the_end() {
    let _init = process::init();
    let runtime = runtime::Runtime::new().unwrap();
    runtime.block_on(async { start(9, "left to itself") });
    assert_eq!(runtime.shutdown_timeout(SECOND), 0);
    println!("main has ended");
}

/// What ends tasks takes its time.
#[runtime::main]
async fn slow_end() {
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            sleep_seconds(4.0);
            println!("dropped");
        }
    }
    start_daemon("666");
    let slow = Slow;
    spawn(async move {
        let _slow = slow;
        pending::<()>().await;
    })
    .detach();
    sleep(2 * SECOND).await;
    println!("main has ended");
}

/// More than anybody remembers one by one: a half is joined, of the other no handle is left, and the first of those last longest.
#[runtime::main]
async fn many() {
    for n in 0..20 {
        Process::spawn(say_after, (0, format!("joined {n}"))).unwrap().join().await.unwrap();
        drop(Process::spawn(say_after, (if n < 3 { 200 } else { 10 }, format!("dropped {n}"))).unwrap());
    }
    println!("main has ended");
}

/// Children that are started while all ends, by a destructor.
#[runtime::main]
async fn destructors() {
    struct Heir;
    impl Drop for Heir {
        fn drop(&mut self) {
            start_daemon("666");
            start(5, "the heir");
            println!("dropped");
        }
    }
    let heir = Heir;
    spawn(async move {
        let _heir = heir;
        pending::<()>().await;
    })
    .detach();
    sleep(SECOND / 10).await;
    println!("main has ended");
}
