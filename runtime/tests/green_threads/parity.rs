//! One program, compiled with the standard library's names and with ours: the signatures fit, and it comes to the same.

use crate::support::story;

/// The program; `$std` is where `sync` and `thread` are.
macro_rules! program {
    ($name:ident, $($std:tt)+) => {
        #[allow(clippy::disallowed_methods, reason = "in the original they are real threads")]
        mod $name {
            use $($std)+::{
                sync::{
                    Arc, Barrier, Condvar, LazyLock, LockResult, Mutex, MutexGuard, Once, OnceLock, PoisonError,
                    RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError, Weak,
                    atomic::{AtomicUsize, Ordering},
                    mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, TrySendError},
                },
                thread::{self, Builder, JoinHandle, Scope, ScopedJoinHandle, Thread, ThreadId},
            };
            use std::{
                collections::HashMap,
                fmt::Debug,
                panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind},
                time::Duration,
            };

            static PRIMES: LazyLock<Vec<u32>> = LazyLock::new(|| vec![2, 3, 5, 7]);
            static STARTED: Once = Once::new();
            static TITLE: OnceLock<String> = OnceLock::new();
            static HITS: Mutex<u32> = Mutex::new(0);
            static NAMES: RwLock<Vec<String>> = RwLock::new(Vec::new());
            static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
            static MEETING: Barrier = Barrier::new(2);
            const TICK: Duration = Duration::from_millis(1);

            fn is_shared<T: Send + Sync + UnwindSafe + RefUnwindSafe + Debug>() {}
            fn is_sent<T: Send + Debug>() {}
            fn is_read_by_many<T: Sync + Debug>() {}

            fn traits() {
                is_shared::<Mutex<u8>>();
                is_shared::<RwLock<u8>>();
                is_shared::<Condvar>();
                is_shared::<Barrier>();
                is_shared::<Once>();
                is_shared::<OnceLock<u8>>();
                is_shared::<LazyLock<u8>>();
                is_shared::<Sender<u8>>();
                is_shared::<SyncSender<u8>>();
                is_shared::<Thread>();
                is_shared::<ThreadId>();
                is_sent::<Receiver<u8>>();
                is_read_by_many::<MutexGuard<'_, u8>>();
                is_read_by_many::<RwLockReadGuard<'_, u8>>();
                is_read_by_many::<RwLockWriteGuard<'_, u8>>();
            }

            fn work(jobs: Receiver<u32>, done: Sender<(ThreadId, u32)>) -> JoinHandle<u32> {
                let builder = Builder::new().name("worker".into()).stack_size(128 << 10);
                builder
                    .spawn(move || {
                        let mut count = 0;
                        for job in &jobs {
                            done.send((thread::current().id(), job * job)).unwrap();
                            count += 1;
                        }
                        count
                    })
                    .unwrap()
            }

            fn channels(log: &mut Vec<String>) {
                let (jobs, taken) = mpsc::sync_channel(0);
                let (done, results) = mpsc::channel();
                let worker = work(taken, done);
                let id = worker.thread().id();
                let mut sum = 0;
                for job in PRIMES.iter() {
                    jobs.send(*job).unwrap();
                    let (by, square) = results.recv().unwrap();
                    assert_eq!(by, id);
                    sum += square;
                }
                assert_eq!(results.try_recv(), Err(TryRecvError::Empty));
                assert_eq!(results.recv_timeout(TICK), Err(RecvTimeoutError::Timeout));
                drop(jobs);
                let name = worker.thread().name().map(str::to_owned);
                log.push(format!("{sum} {name:?} {:?}", worker.join()));
                assert_eq!(results.recv_timeout(TICK), Err(RecvTimeoutError::Disconnected));
                assert!(results.into_iter().next().is_none());
                let (full, rest) = mpsc::sync_channel(1);
                log.push(format!("{:?} {:?}", full.try_send(1), full.try_send(2) == Err(TrySendError::Full(2))));
                log.push(format!("{:?}", rest.try_iter().collect::<Vec<_>>()));
                drop(rest);
                log.push(full.send(3).unwrap_err().to_string());
            }

            fn locks(log: &mut Vec<String>) -> LockResult<()> {
                let workers: Vec<_> = (0..4)
                    .map(|n| {
                        thread::spawn(move || {
                            STARTED.call_once(|| thread::sleep(TICK));
                            *HITS.lock().unwrap() += 1;
                            NAMES.write().unwrap().push(format!("n{n}"));
                        })
                    })
                    .collect();
                workers.into_iter().for_each(|worker| worker.join().unwrap());
                NAMES.write().unwrap().sort();
                log.push(format!("{:?} {HITS:?} {}", NAMES.read().unwrap(), STARTED.is_completed()));

                let shared: Arc<Mutex<dyn Debug>> = Arc::new(Mutex::new("unsized"));
                let weak: Weak<Mutex<dyn Debug>> = Arc::downgrade(&shared);
                log.push(format!("{:?}", weak.upgrade().unwrap().lock().unwrap()));
                let held = shared.lock();
                assert!(matches!(shared.try_lock(), Err(TryLockError::WouldBlock)));
                log.push(format!("{:?}", shared.try_lock().unwrap_err().to_string()));
                drop(held);

                let counter = Mutex::new(1);
                let poisoned = catch_unwind(AssertUnwindSafe(|| {
                    let _guard = counter.lock();
                    std::panic::resume_unwind(Box::new("quietly"));
                }));
                assert!(poisoned.is_err() && counter.is_poisoned());
                *counter.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                counter.clear_poison();
                log.push(format!("{counter:?}"));
                log.push(format!("{:?} {:?}", RwLock::from(3), Mutex::<u8>::default()));
                log.push(format!("{} {}", TITLE.get_or_init(|| "once".into()), TITLE.set("twice".into()).is_err()));
                log.push(format!("{TITLE:?} {:?}", LazyLock::<u8>::force(&LazyLock::new(|| 9))));
                let map: RwLock<HashMap<u8, u8>> = RwLock::default();
                map.write().unwrap().insert(1, 2);
                log.push(format!("{:?}", map.into_inner().map_err(|_| PoisonError::new(()))?));
                Ok(())
            }

            fn conditions(log: &mut Vec<String>) {
                let opener = thread::spawn(|| {
                    *GATE.0.lock().unwrap() = true;
                    GATE.1.notify_all();
                    MEETING.wait().is_leader()
                });
                let guard = GATE.1.wait_while(GATE.0.lock().unwrap(), |is_open| !*is_open).unwrap();
                let (guard, result) = GATE.1.wait_timeout(guard, TICK).unwrap();
                assert!(result.timed_out() && *guard);
                let (guard, result) = GATE.1.wait_timeout_while(guard, TICK, |is_open| *is_open).unwrap();
                log.push(format!("{} {}", *guard, result.timed_out()));
                drop(guard);
                let leaders = u8::from(MEETING.wait().is_leader()) + u8::from(opener.join().unwrap());
                log.push(format!("{leaders} leader"));
            }

            fn add<'scope>(s: &'scope Scope<'scope, '_>, to: &'scope AtomicUsize) -> ScopedJoinHandle<'scope, usize> {
                s.spawn(|| to.fetch_add(1, Ordering::Relaxed))
            }

            fn scopes(log: &mut Vec<String>) {
                let (mut numbers, count) = (vec![1, 2, 3], AtomicUsize::new(0));
                thread::scope(|s| {
                    s.spawn(|| numbers.push(4));
                    let named = Builder::new().name("scoped".into());
                    let named = named.spawn_scoped(s, || thread::current().name().map(str::to_owned)).unwrap();
                    assert_eq!(named.thread().name(), Some("scoped"));
                    log.push(format!("{:?}", named.join().unwrap()));
                    add(s, &count).join().unwrap();
                    add(s, &count);
                    let panic = s.spawn(|| std::panic::resume_unwind(Box::new("quietly"))).join();
                    let panic: Box<dyn std::any::Any + Send> = panic.map(|()| ()).unwrap_err();
                    log.push(format!("{:?}", panic.downcast_ref::<&str>()));
                });
                log.push(format!("{numbers:?} {count:?} {}", thread::panicking()));
            }

            pub(super) fn run() -> Vec<String> {
                let mut log = Vec::new();
                traits();
                channels(&mut log);
                locks(&mut log).unwrap();
                conditions(&mut log);
                scopes(&mut log);
                let sleeper: JoinHandle<()> = thread::spawn(|| {
                    thread::park();
                    thread::park_timeout(TICK);
                    thread::yield_now();
                });
                sleeper.thread().unpark();
                log.push(format!("{:?}", sleeper.join()));
                log.push(format!("{:?}", thread::available_parallelism().is_ok()));
                log
            }
        }
    };
}

program!(original, std);
program!(ours, runtime::green);

#[test]
fn a_program_of_std_comes_to_the_same_with_other_use_lines() {
    assert_eq!(story(ours::run), original::run());
}
