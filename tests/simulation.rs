//! The programs about threads and locks once more, each under a thousand seeds: what holds in every order of the tasks,
//! and what only in some.
//!
//! The stories in `coordination/` tell what happens when tasks run first come, first served, line by line. Here the lines
//! that depend on that are left out, and the rest has to hold however the tasks take their turns.

use runtime::{
    JoinHandle, io, join, join_all, random_u64, select, spawn,
    sync::{Barrier, Condition, Lock, LockGuard, RLock, RLockGuard, Semaphore, broadcast, channel, watch},
    task::{self, TaskGroup, yield_now},
    testing::{Cause, Sim, net, note},
    time::{Instant, sleep, timeout},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

/// Enough for every order of six tasks, and over in a second.
const SEEDS: u64 = 1000;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lines with the virtual second in which they were said.
#[derive(Clone)]
struct Transcript {
    start: Instant,
    lines: Rc<RefCell<Vec<String>>>,
}

impl Transcript {
    fn new() -> Self {
        Self { start: Instant::now(), lines: Rc::default() }
    }

    fn say(&self, line: impl AsRef<str>) {
        self.lines.borrow_mut().push(format!("{} {}", self.start.elapsed().as_secs_f64(), line.as_ref()));
    }

    fn take(&self) -> Vec<String> {
        self.lines.take()
    }

    #[track_caller]
    fn expect_time(&self, elapsed: Duration) {
        assert_eq!(self.start.elapsed(), elapsed);
    }
}

async fn finish<T: 'static>(tasks: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let ended = join_all(tasks).await;
    ended.into_iter().map(|task| task.unwrap_or_else(|error| panic!("{error}"))).collect()
}

/// Runs the program with every seed: how many get stuck, and what is said of the first that does.
fn stuck<F: Future<Output = ()>>(program: impl Fn() -> F) -> (u64, String) {
    let mut stuck = (0, String::new());
    for seed in 0..SEEDS {
        if let Err(failure) = Sim::new().seed(seed).record(&program) {
            let Cause::Stuck(list) = failure.cause() else { panic!("{failure}") };
            if stuck.0 == 0 {
                stuck.1.clone_from(list);
            }
            stuck.0 += 1;
        }
    }
    stuck
}

/// `Lock` and `RLock`, for programs that are run with either.
trait Exclusive: 'static {
    type Guard<'a>;
    fn take(&self) -> impl Future<Output = Self::Guard<'_>>;
}

impl Exclusive for Lock<()> {
    type Guard<'a> = LockGuard<'a, ()>;
    fn take(&self) -> impl Future<Output = LockGuard<'_, ()>> {
        self.acquire()
    }
}

impl Exclusive for RLock<()> {
    type Guard<'a> = RLockGuard<'a, ()>;
    fn take(&self) -> impl Future<Output = RLockGuard<'_, ()>> {
        self.acquire()
    }
}

// Threads that are started and joined.

#[runtime::test(seeds = 1000)]
async fn hello_comes_first_and_then_ten_children_in_any_order() {
    let transcript = Transcript::new();
    let children: Vec<_> = (0..10)
        .map(|number| {
            let transcript = transcript.clone();
            spawn(async move {
                sleep(secs(1)).await;
                transcript.say(number.to_string());
            })
        })
        .collect();
    transcript.say("hello");
    finish(children).await;
    let lines = transcript.take();
    assert_eq!(lines[0], "0 hello");
    let children: BTreeSet<_> = lines[1..].iter().cloned().collect();
    assert_eq!(children, (0..10).map(|number| format!("1 {number}")).collect());
    assert_eq!(lines.len(), 11);
}

/// The order of the children is what a seed decides, and they all come up.
#[test]
fn whoever_relies_on_the_order_of_children_is_found_out() {
    let failure = Sim::new()
        .seeds(SEEDS)
        .try_run(|| async {
            let log = Rc::new(RefCell::new(Vec::new()));
            finish((0..3).map(|number| {
                let log = Rc::clone(&log);
                spawn(async move { log.borrow_mut().push(number) })
            }))
            .await;
            assert_eq!(*log.borrow(), [0, 1, 2]);
        })
        .unwrap_err();
    assert!(failure.is_reproducible() && failure.seed() < 20, "{failure}");
}

#[derive(Clone, Copy, Debug)]
enum Join {
    Each,
    First,
    Last,
    Nobody,
}

#[test]
fn where_the_joins_stand_decides_when_all_is_over() {
    for (join, over_after) in [(Join::Each, 8), (Join::First, 3), (Join::Last, 5), (Join::Nobody, 0)] {
        Sim::new().seeds(SEEDS / 4).run(move || async move {
            let transcript = Transcript::new();
            let listening = || spawn(sleep(secs(3)));
            let writing = || spawn(sleep(secs(5)));
            if let Join::Each = join {
                // Joined in the loop that starts them: one after the other.
                listening().await.unwrap();
                writing().await.unwrap();
            } else {
                let (listening, writing) = (listening(), writing());
                match join {
                    Join::First => listening.await.unwrap(),
                    Join::Last => writing.await.unwrap(),
                    _ => {}
                }
            }
            transcript.expect_time(secs(over_after));
        });
    }
}

/// With both at the same instant either may be told first.
#[test]
fn a_join_with_a_limit_ends_with_the_first_of_both() {
    let seen = Rc::new(RefCell::new(BTreeMap::new()));
    Sim::new().seeds(SEEDS).run(|| {
        let seen = Rc::clone(&seen);
        async move {
            for lasts in 1..=3 {
                let transcript = Transcript::new();
                let mut task = spawn(sleep(secs(lasts)));
                let in_time = task.join_timeout(secs(2)).await.is_ok();
                transcript.expect_time(secs(lasts.min(2)));
                if !in_time {
                    task.await.unwrap(); // it has gone on
                    transcript.expect_time(secs(lasts));
                }
                *seen.borrow_mut().entry((lasts, in_time)).or_insert(0) += 1;
            }
        }
    });
    let seen: Vec<_> = seen.borrow().keys().copied().collect();
    assert_eq!(seen, [(1, true), (2, false), (2, true), (3, false)]);
}

#[runtime::test(seeds = 1000)]
async fn gathered_results_stand_in_the_order_of_the_arguments() {
    let clock = Transcript::new();
    let say = async |what: &'static str, seconds| {
        sleep(secs(seconds)).await;
        what
    };
    assert_eq!(join!(say("a", 3), say("b", 1)), ("a", "b"));
    clock.expect_time(secs(3));
    let tasks = [("a", 2), ("b", 0), ("c", 1)].map(|(what, seconds)| {
        spawn(async move {
            sleep(secs(seconds)).await;
            what
        })
    });
    assert_eq!(finish(tasks).await, ["a", "b", "c"]);
    clock.expect_time(secs(5));
}

// Locks and deadlocks.

#[runtime::test(seeds = 1000)]
async fn acquiring_a_lock_twice_is_told_in_every_order() {
    let lock = Rc::new(Lock::new(()));
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let lock = Rc::clone(&lock);
            spawn(async move {
                let _first = lock.acquire().await;
                yield_now().await;
                let _second = lock.acquire().await;
                unreachable!("123");
            })
        })
        .collect();
    for ended in join_all(tasks).await {
        let error = ended.unwrap_err().to_string();
        assert!(error.contains("would wait for ever"), "{error}");
    }
}

#[test]
fn two_rlocks_crossed_by_two_tasks_are_stuck_in_every_order() {
    let (times, list) = stuck(|| async {
        let locks = [Rc::new(RLock::new(())), Rc::new(RLock::new(()))];
        finish([(0, 1), (1, 0)].map(|(first, second)| {
            let locks = locks.clone();
            spawn(async move {
                let _first = locks[first].acquire().await;
                yield_now().await;
                let _second = locks[second].acquire().await;
            })
        }))
        .await;
    });
    assert_eq!(times, SEEDS, "{list}");
    assert!(
        list.contains("circle:") && list.contains("held by task 1") && list.contains("held by task 2"),
        "{list}"
    );
}

#[test]
fn ten_tasks_with_two_locks_in_both_orders_are_stuck_after_four_lines() {
    let (pairs, lines) = (RefCell::new(BTreeSet::new()), RefCell::new(Vec::new()));
    let (times, list) = stuck(|| {
        let transcript = Transcript::new();
        lines.borrow_mut().push(Rc::clone(&transcript.lines));
        async move {
            let locks = Rc::new((Lock::new(()), Lock::new(())));
            finish((1..=10).map(|number| {
                let (locks, transcript) = (Rc::clone(&locks), transcript.clone());
                task::Builder::new().name(format!("Thread-{number}")).spawn(async move {
                    let (a, b) = &*locks;
                    {
                        let _a = a.acquire().await;
                        transcript.say(format!("{number} A"));
                        let _b = b.acquire().await;
                        transcript.say(format!("{number} B"));
                    }
                    let _b = b.acquire().await;
                    transcript.say(format!("{number} B???"));
                    sleep(secs(2)).await;
                    let _a = a.acquire().await;
                    transcript.say(format!("{number} A???"));
                })
            }))
            .await;
        }
    });
    assert_eq!(times, SEEDS, "{list}");
    for lines in lines.borrow().iter() {
        let said: Vec<String> = lines.take();
        let numbers: Vec<_> = said.iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
        let words: Vec<_> = said.iter().map(|line| line.split(' ').nth(2).unwrap()).collect();
        assert_eq!(words, ["A", "B", "B???", "A"]);
        assert!(numbers[0] == numbers[1] && numbers[1] == numbers[2] && numbers[2] != numbers[3]);
        pairs.borrow_mut().insert((numbers[0].clone(), numbers[3].clone()));
    }
    assert_eq!(pairs.borrow().len(), 90, "every pair of tasks has crossed");
    let waiting = list.matches("has waited").count();
    assert!(list.contains("circle:") && waiting == 11, "all ten, and the main task behind them: {list}");
}

/// Two eat twice each, once in either way.
fn eat<L: Exclusive>(noodles: &Rc<L>, fork: &Rc<L>, eaten: &Rc<Cell<u32>>) -> Vec<JoinHandle<()>> {
    let mut eaters = Vec::new();
    for _ in ["Ada", "Grace"] {
        let (noodles_first, fork_then, full) = (Rc::clone(noodles), Rc::clone(fork), Rc::clone(eaten));
        eaters.push(spawn(async move {
            let _noodles = noodles_first.take().await;
            let _fork = fork_then.take().await;
            full.set(full.get() + 1);
        }));
        let (noodles_then, fork_first, full) = (Rc::clone(noodles), Rc::clone(fork), Rc::clone(eaten));
        eaters.push(spawn(async move {
            let _fork = fork_first.take().await;
            sleep(secs(1)).await;
            let _noodles = noodles_then.take().await;
            full.set(full.get() + 1);
        }));
    }
    eaters
}

/// A deadlock that testing once may miss: in one order of six everybody eats.
#[test]
fn two_locks_around_noodles_and_fork_leave_somebody_hungry_in_most_orders() {
    let (times, list) = stuck(|| async {
        let (noodles, fork) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
        finish(eat(&noodles, &fork, &Rc::default())).await;
    });
    assert!((SEEDS * 3 / 4..SEEDS * 9 / 10).contains(&times), "{times} of {SEEDS}, and not five in six");
    assert_eq!(list.matches("for the Lock").count(), list.matches("held by").count(), "{list}");
}

#[runtime::test(seeds = 1000)]
async fn one_rlock_around_noodles_and_fork_feeds_everybody_in_every_order() {
    let clock = Transcript::new();
    let (both, eaten) = (Rc::new(RLock::new(())), Rc::new(Cell::new(0)));
    finish(eat(&both, &both, &eaten)).await;
    assert_eq!(eaten.get(), 4);
    clock.expect_time(secs(2));
}

/// Five tasks: A for 3 s and B in it, then B for 2 s and A in it.
async fn five_go_both_ways<L: Exclusive>(a: Rc<L>, b: Rc<L>) {
    let tasks = (1..=5).map(|_| {
        let (a, b) = (Rc::clone(&a), Rc::clone(&b));
        spawn(async move {
            {
                let _a = a.take().await;
                sleep(secs(3)).await;
                let _b = b.take().await;
            }
            let _b = b.take().await;
            sleep(secs(2)).await;
            let _a = a.take().await;
        })
    });
    finish(tasks.collect::<Vec<_>>()).await;
}

#[test]
fn five_tasks_that_go_both_ways_are_stuck_with_two_locks_in_every_order() {
    let (times, list) = stuck(|| five_go_both_ways(Rc::new(Lock::new(())), Rc::new(Lock::new(()))));
    assert_eq!(times, SEEDS, "{list}");
}

#[runtime::test(seeds = 1000)]
async fn five_tasks_that_go_both_ways_take_25_seconds_with_one_rlock() {
    let clock = Transcript::new();
    let lock = Rc::new(RLock::new(()));
    five_go_both_ways(Rc::clone(&lock), lock).await;
    clock.expect_time(secs(25));
}

#[runtime::test(seeds = 1000)]
async fn ten_tasks_start_at_once_and_count_down_one_per_second() {
    let transcript = Transcript::new();
    let v = Rc::new(Lock::new(10));
    finish((0..10).map(|_| {
        let (v, transcript) = (Rc::clone(&v), transcript.clone());
        spawn(async move {
            transcript.say("ddd");
            let mut v = v.acquire().await;
            sleep(secs(1)).await;
            *v -= 1;
            transcript.say(v.to_string());
        })
    }))
    .await;
    let started = (0..10).map(|_| "0 ddd".to_owned());
    let counted = (1..=10).map(|second| format!("{second} {}", 10 - second));
    assert!(started.chain(counted).eq(transcript.take()));
}

/// Without the lock all updates but one are lost; with it none is.
#[runtime::test(seeds = 1000)]
async fn a_lock_around_reading_and_writing_back_loses_no_update() {
    let (lock, with, without) = (Rc::new(Lock::new(())), Rc::new(Cell::new(30)), Rc::new(Cell::new(30)));
    let down = async |number: &Cell<i32>| {
        let temp = number.get();
        sleep(Duration::from_millis(1)).await;
        number.set(temp - 1);
    };
    let tasks = (0..30).map(|_| {
        let (lock, with, without) = (Rc::clone(&lock), Rc::clone(&with), Rc::clone(&without));
        spawn(async move {
            down(&without).await;
            let _guard = lock.acquire().await;
            down(&with).await;
        })
    });
    finish(tasks.collect::<Vec<_>>()).await;
    assert_eq!((with.get(), without.get()), (0, 29));
}

/// Released twice too few, an `RLock` stays with its owner: in a simulation that report is a failure.
#[test]
fn an_rlock_with_a_release_too_few_is_reported_with_every_seed() {
    for seed in 0..SEEDS {
        let owner = || async {
            let lock = Rc::new(RLock::new(()));
            finish([0, 2].map(|too_few| {
                let lock = Rc::clone(&lock);
                spawn(async move {
                    let guards = [lock.acquire().await, lock.acquire().await, lock.acquire().await];
                    assert_eq!(lock.count(), 3);
                    if too_few > 0 {
                        yield_now().await;
                        guards.into_iter().take(too_few).for_each(std::mem::forget);
                    }
                })
            }))
            .await;
        };
        let failure = Sim::new().seed(seed).record(owner).unwrap_err();
        match failure.cause() {
            Cause::Reported(reports) => assert!(reports[0].contains("2 times fewer"), "{failure}"),
            // The other one came second, and waits for it.
            Cause::Stuck(list) => assert!(list.contains("for the RLock"), "{failure}"),
            _ => panic!("{failure}"),
        }
    }
}

// Everything at once.

/// Orders, until there is a receipt: a connection may be reset on the way, or take too long.
async fn trade(buyer: u64) -> io::Result<()> {
    loop {
        let stream = net::TcpStream::connect("10.0.0.1:80").await?;
        let order = (random_u64() % 10 + buyer).to_be_bytes();
        let mut receipt = [0; 8];
        let trade = async {
            stream.write_all(&order).await?;
            stream.read_exact(&mut receipt).await
        };
        select! {
            Ok(()) = trade => break,
            _ = sleep(secs(5)) => note(format_args!("{buyer} tries again")),
        }
        note(format_args!("instead of {order:?}"));
    }
    Ok(())
}

/// Sellers and buyers with all the tools there are, over a bad network: what happens varies from seed to seed, and never
/// with one seed.
async fn market() {
    let (offers, mut taken) = channel(3);
    let (news, mut paper) = broadcast::channel(8);
    let (price, mut prices) = watch::channel(100);
    let (stock, gate, tills) =
        (Rc::new(Condition::new(5)), Rc::new(Barrier::new(3)), Rc::new(Semaphore::new(2)));
    let listener = net::TcpListener::bind("10.0.0.1:80").await.unwrap();
    let shop = spawn(async move {
        let mut sold = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let mut order = [0; 8];
            if stream.read_exact(&mut order).await.is_ok() && stream.write_all(&order).await.is_ok() {
                sold += 1;
                note(format_args!("sold {sold}"));
            }
            if sold == 3 {
                break;
            }
        }
    });
    let buyers = TaskGroup::<io::Error>::run(async |group| {
        for buyer in 0..3_u64 {
            let (stock, gate, tills) = (Rc::clone(&stock), Rc::clone(&gate), Rc::clone(&tills));
            let offers = offers.clone();
            group
                .spawn(async move {
                    let first = gate.wait().await.unwrap();
                    note(format_args!("{buyer} came {first}"));
                    let mut left = stock.wait_for(stock.lock().await, |left| *left > 0).await;
                    *left -= 1;
                    drop(left);
                    stock.notify(1);
                    let _till = tills.acquire().await.unwrap();
                    trade(buyer).await?;
                    offers.send(buyer).await.unwrap();
                    Ok(())
                })
                .detach();
        }
        Ok(())
    });
    let observer = spawn(async move {
        while prices.changed().await.is_ok() {
            note(format_args!("the price is {}", *prices.borrow_and_update()));
        }
    });
    let reader = spawn(async move {
        while let Ok(line) = paper.recv().await {
            note(line);
        }
    });
    let crier = spawn(async move {
        while let Some(buyer) = taken.recv().await {
            price.send(100 + buyer).unwrap();
            news.send(format!("{buyer} has bought")).unwrap();
        }
    });
    // A receipt that gets lost on its way leaves the shop with one sale more than there are customers.
    let _ = timeout(secs(3600), buyers).await;
    shop.cancel();
    drop(offers);
    let _ = shop.await;
    finish([crier, observer, reader]).await;
}

#[test]
fn with_one_seed_everything_happens_the_same_way_again() {
    let ms = Duration::from_millis;
    let network = net::Network::new().delay(ms(0)..=ms(800)).resets(0.2, ms(0)..=ms(2000)).partitions(
        0.2,
        ms(0)..=ms(1000),
        ms(0)..=ms(9000),
    );
    let summary = Sim::new().seeds(SEEDS / 4).network(network).every_seed_twice().try_run(market);
    let orders = summary.unwrap_or_else(|failure| panic!("{failure}")).orders();
    assert_eq!(orders, SEEDS as usize / 4, "and no two seeds alike");
}

// How fast that goes.

/// Ten rounds over two channels.
async fn ping_pong() {
    let (to, mut from) = channel(1);
    let (back, mut answers) = channel(1);
    let echo = spawn(async move {
        while let Some(n) = from.recv().await {
            back.send(n + 1).await.unwrap();
        }
    });
    for n in 0..10 {
        to.send(n).await.unwrap();
        assert_eq!(answers.recv().await, Some(n + 1));
    }
    drop(to);
    echo.await.unwrap();
}

/// Five tasks take a lock three times each.
async fn five_and_a_lock() {
    let lock = Rc::new(Lock::new(0));
    let tasks = (0..5).map(|_| {
        let lock = Rc::clone(&lock);
        spawn(async move {
            for _ in 0..3 {
                let mut count = lock.acquire().await;
                let before = *count;
                yield_now().await;
                *count = before + 1;
            }
        })
    });
    finish(tasks.collect::<Vec<_>>()).await;
    assert_eq!(*lock.acquire().await, 15);
}

/// A request and its echo, over a network with delays and pieces.
async fn echo() {
    let listener = net::TcpListener::bind("10.0.0.1:7").await.unwrap();
    let server = spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        io::copy(&stream, &mut &stream).await.unwrap()
    });
    let client = net::TcpStream::connect("10.0.0.1:7").await.unwrap();
    client.write_all(&[7; 100]).await.unwrap();
    client.read_exact(&mut [0; 100]).await.unwrap();
    drop(client);
    assert_eq!(server.await.unwrap(), 100);
}

#[test]
#[ignore = "measures: cargo test --release -p runtime-suite --test simulation -- --ignored --nocapture"]
fn seeds_per_hour() {
    fn measure<F: Future<Output = ()>>(what: &str, program: impl Fn() -> F) {
        let seeds = 200_000;
        let start = Instant::now(); // the machine's, outside a runtime
        let orders = Sim::new().seeds(seeds).try_run(program).unwrap().orders();
        let per_hour = seeds as f64 / start.elapsed().as_secs_f64() * 3600.0;
        println!("{what}: {:.0} million seeds an hour, {orders} orders in {seeds}", per_hour / 1e6);
    }
    measure("ping-pong", ping_pong);
    measure("five tasks and a lock", five_and_a_lock);
    measure("an echo over the network", echo);
}
