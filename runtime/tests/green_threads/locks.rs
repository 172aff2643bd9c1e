//! Stories of `Mutex` and `RwLock`: who waits, who is next, and what poisons.

use crate::support::{Lingers, Log, SECOND, message_of_panic, seconds, story};
use runtime::{
    Builder,
    green::{
        sync::{Arc, Mutex, RwLock, TryLockError, mpsc},
        thread,
    },
    greenlet,
    inspect::OnDeadlock,
    spawn_blocking,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

#[test]
fn a_mutex_suspends_those_who_wait_and_serves_them_in_order() {
    story(|| {
        static COUNT: Mutex<Vec<u32>> = Mutex::new(Vec::new());
        let log = Log::default();
        let workers: Vec<_> = (0..3)
            .map(|n| {
                let log = log.clone();
                thread::spawn(move || {
                    let mut count = COUNT.lock().unwrap();
                    log.say(format!("{n} in"));
                    thread::sleep(SECOND);
                    log.say(format!("{n} out"));
                    count.push(n);
                })
            })
            .collect();
        let (seconds, ()) = seconds(|| workers.into_iter().for_each(|worker| worker.join().unwrap()));
        assert_eq!(seconds, 3);
        assert_eq!(log.take(), "0 in, 0 out, 1 in, 1 out, 2 in, 2 out");
        assert_eq!(*COUNT.lock().unwrap(), [0, 1, 2]);
    });
}

#[test]
fn nobody_overtakes_those_who_wait() {
    story(|| {
        let mutex = Rc::new(Mutex::new(0));
        let held = mutex.lock().unwrap();
        let waiter = thread::spawn({
            let mutex = Rc::clone(&mutex);
            move || *mutex.lock().unwrap() += 1
        });
        thread::yield_now();
        drop(held);
        assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)), "it is the waiter's");
        assert_eq!(*mutex.lock().unwrap(), 1);
        waiter.join().unwrap();
    });
}

#[test]
fn a_panic_poisons_and_the_poison_can_be_cleared() {
    story(|| {
        let mutex = Rc::new(Mutex::new(1));
        let clumsy = thread::spawn({
            let mutex = Rc::clone(&mutex);
            move || {
                let mut value = mutex.lock().unwrap();
                *value = 2;
                panic!("in the middle");
            }
        });
        assert!(clumsy.join().is_err());
        assert!(mutex.is_poisoned());
        assert_eq!(**mutex.lock().unwrap_err().get_ref(), 2);
        assert!(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(_))));
        mutex.clear_poison();
        assert_eq!(*mutex.lock().unwrap(), 2);
        assert_eq!(Rc::into_inner(mutex).unwrap().into_inner().unwrap(), 2);
    });
}

#[test]
fn a_kill_poisons_too() {
    story(|| {
        let mutex = Rc::new(Mutex::new(1));
        let victim = thread::spawn({
            let mutex = Rc::clone(&mutex);
            move || {
                let mut value = mutex.lock().unwrap();
                *value = 2;
                thread::sleep(SECOND);
                *value = 3;
            }
        })
        .into_greenlet();
        thread::yield_now();
        victim.cancel();
        assert_eq!(**mutex.lock().unwrap_err().get_ref(), 2);
        assert!(greenlet::wait(victim).unwrap_err().is_cancelled());
    });
}

#[test]
fn a_destructor_that_locks_while_it_unwinds_does_not_poison() {
    struct Locks(Rc<Mutex<u32>>);
    impl Drop for Locks {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }
    story(|| {
        let mutex = Rc::new(Mutex::new(0));
        let locks = Locks(Rc::clone(&mutex));
        assert!(
            thread::spawn(move || {
                let _locks = locks;
                panic!("out of tea");
            })
            .join()
            .is_err()
        );
        assert_eq!(*mutex.lock().unwrap(), 1);
    });
}

#[test]
fn a_neighbour_that_unwinds_poisons_nothing_of_others() {
    story(|| {
        let mutex = Rc::new(Mutex::new(0));
        let (before, log) = (mutex.lock().unwrap(), Log::default());
        let neighbour = thread::spawn({
            let log = log.clone();
            move || {
                let _lingers = Lingers(log);
                panic!("unwinds for a second");
            }
        });
        thread::sleep(SECOND / 2);
        assert_eq!(log.take(), "lingers");
        assert!(std::thread::panicking(), "the thread is");
        assert!(!thread::panicking(), "this greenlet is not");
        drop(before);
        assert!(!mutex.is_poisoned());
        assert!(neighbour.join().is_err());
    });
}

#[test]
fn who_is_killed_while_a_neighbour_unwinds_poisons_all_the_same() {
    story(|| {
        let mutex = Rc::new(Mutex::new(0));
        let log = Log::default();
        let victim = thread::spawn({
            let mutex = Rc::clone(&mutex);
            move || {
                let _value = mutex.lock().unwrap();
                thread::sleep(10 * SECOND);
            }
        });
        let neighbour = thread::spawn(move || {
            let _lingers = Lingers(log);
            panic!("unwinds for a second");
        });
        thread::sleep(SECOND / 2);
        victim.as_greenlet().cancel();
        assert!(victim.join().is_err());
        assert!(!neighbour.is_finished());
        assert!(mutex.is_poisoned());
        assert!(neighbour.join().is_err());
    });
}

#[test]
fn a_greenlet_knows_that_it_unwinds_even_while_it_waits_in_a_destructor() {
    struct Asks(Log);
    impl Drop for Asks {
        fn drop(&mut self) {
            self.0.say(thread::panicking().to_string());
            thread::sleep(SECOND);
            self.0.say(thread::panicking().to_string());
        }
    }
    story(|| {
        let log = Log::default();
        let asks = Asks(log.clone());
        assert!(thread::spawn(move || drop_in_panic(asks)).join().is_err());
        assert_eq!(log.take(), "true, true");
        drop(Asks(log.clone()));
        assert_eq!(log.take(), "false, false");
    });
}

fn drop_in_panic(_value: impl Sized) {
    panic!("out of tea");
}

#[test]
fn a_lock_that_reached_a_killed_greenlet_goes_to_the_next() {
    story(|| {
        let mutex = Rc::new(Mutex::new(()));
        let held = mutex.lock().unwrap();
        let wait = |mutex: &Rc<Mutex<()>>| {
            let mutex = Rc::clone(mutex);
            thread::spawn(move || drop(mutex.lock().unwrap())).into_greenlet()
        };
        let (first, second) = (wait(&mutex), wait(&mutex));
        thread::yield_now();
        drop(held); // the first has it, and will never know
        first.cancel();
        greenlet::wait(second).unwrap();
        assert!(greenlet::wait(first).unwrap_err().is_cancelled());
        assert!(!mutex.is_poisoned());
    });
}

#[test]
fn a_thread_without_a_runtime_blocks() {
    let mutex = Arc::new(Mutex::new(0));
    story({
        let mutex = Arc::clone(&mutex);
        move || {
            let mut value = mutex.lock().unwrap();
            let (sender, started) = mpsc::channel();
            let other = spawn_blocking({
                let mutex = Arc::clone(&mutex);
                move || {
                    sender.send(()).unwrap();
                    *mutex.lock().unwrap() += 1;
                }
            });
            started.recv().unwrap();
            *value = 10;
            drop(value);
            greenlet::wait(other).unwrap();
        }
    });
    assert_eq!(*mutex.lock().unwrap(), 11);
}

#[test]
fn where_nobody_could_release_it_waiting_is_refused() {
    let runtime = runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mutex = Mutex::new(1);
        let held = mutex.lock().unwrap();
        let message = message_of_panic(|| mutex.lock());
        assert!(message.contains("`Mutex::lock` would have to wait here"), "{message}");
        assert!(message.contains("greenlet::spawn"), "{message}");
        drop(held);
        assert_eq!(*mutex.lock().unwrap(), 1);
    });
}

#[test]
fn readers_share_and_writers_wait_for_them() {
    story(|| {
        let lock = Rc::new(RwLock::new(0));
        let log = Log::default();
        let read = |n: u32| {
            let (lock, log) = (Rc::clone(&lock), log.clone());
            thread::spawn(move || {
                let value = lock.read().unwrap();
                thread::sleep(SECOND);
                log.say(format!("{n} read {value}"));
            })
        };
        let write = || {
            let (lock, log) = (Rc::clone(&lock), log.clone());
            thread::spawn(move || {
                *lock.write().unwrap() += 1;
                log.say("written");
            })
        };
        let all = [read(1), read(2), write(), read(3)];
        let (seconds, ()) = seconds(|| all.into_iter().for_each(|one| one.join().unwrap()));
        assert_eq!(seconds, 2);
        assert_eq!(log.take(), "1 read 0, 2 read 0, written, 3 read 1");
    });
}

#[test]
fn only_who_writes_poisons() {
    story(|| {
        let lock = Rc::new(RwLock::new(0));
        let clumsy = |reads: bool| {
            let lock = Rc::clone(&lock);
            let end = thread::spawn(move || {
                if reads {
                    let _value = lock.read().unwrap();
                    panic!("while reading");
                }
                let _value = lock.write().unwrap();
                panic!("while writing");
            });
            assert!(end.join().is_err());
        };
        clumsy(true);
        assert!(!lock.is_poisoned());
        assert_eq!(*lock.try_read().unwrap(), 0);
        clumsy(false);
        assert!(lock.is_poisoned());
        assert!(matches!(lock.try_read(), Err(TryLockError::Poisoned(_))));
        assert!(lock.write().is_err());
        lock.clear_poison();
        assert!(lock.write().is_ok());
    });
}

#[test]
fn a_panic_that_is_caught_in_between_poisons_once() {
    story(|| {
        let mutex = Mutex::new(0);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _value = mutex.lock().unwrap();
            panic!("out of tea");
        }));
        assert!(caught.is_err());
        assert!(mutex.is_poisoned());
        mutex.clear_poison();
        drop(mutex.lock().unwrap());
        assert!(!mutex.is_poisoned());
    });
}

#[test]
fn two_that_wait_for_each_other_are_reported_and_one_word_of_the_builder_ends_them() {
    let reports = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&reports);
    let runtime = Builder::new()
        .start_paused(true)
        .on_deadlock(OnDeadlock::Fail)
        .on_report(move |report| seen.lock().unwrap().push(report.to_string()))
        .build()
        .unwrap();
    runtime.block_on(greenlet::run(|| {
        let forks = Rc::new([const { Mutex::new(()) }; 2]);
        let eat = |name: &str, first: usize, second: usize| {
            let forks = Rc::clone(&forks);
            let eater = thread::Builder::new().name(name.to_owned());
            eater.spawn(move || {
                let _first = forks[first].lock().unwrap();
                thread::sleep(SECOND);
                let _second = forks[second].lock().unwrap();
            })
        };
        let (one, two) = (eat("one", 0, 1).unwrap(), eat("two", 1, 0).unwrap());
        assert!(one.join().is_err() && two.join().is_err());
    }));
    let report = reports.lock().unwrap().join("\n");
    assert!(report.contains("circle:"), "{report}");
    assert!(report.contains("greenlet 1 'one'") && report.contains("held by task 2 since"), "{report}");
}
