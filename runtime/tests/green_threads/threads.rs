//! Stories of greenlets that pass for threads: joined, named, parked.

use crate::support::{Log, SECOND, message_of_panic, seconds, story};
use runtime::{
    green::thread::{self, Thread},
    greenlet, join,
    task::JoinError,
};
use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    rc::Rc,
};

#[test]
fn who_joins_gets_the_value_or_the_panic() {
    story(|| {
        let log = Log::default();
        let not_send = Rc::new(7);
        let fine = thread::spawn({
            let log = log.clone();
            move || {
                thread::sleep(SECOND);
                log.say("done");
                not_send
            }
        });
        assert!(!fine.is_finished());
        assert_eq!(*fine.join().unwrap(), 7);
        assert_eq!(log.take(), "done");

        let clumsy = thread::spawn(|| panic!("out of tea"));
        assert_eq!(*clumsy.join().unwrap_err().downcast::<&str>().unwrap(), "out of tea");
    });
}

#[test]
fn who_joins_a_killed_one_hears_of_it() {
    story(|| {
        let victim = thread::spawn(|| thread::sleep(SECOND));
        thread::yield_now();
        victim.as_greenlet().cancel();
        let error = victim.join().unwrap_err();
        assert!(error.downcast::<JoinError>().unwrap().is_cancelled());
    });
}

#[test]
fn a_handle_that_is_dropped_lets_the_greenlet_go_on() {
    story(|| {
        let log = Log::default();
        drop(thread::spawn({
            let log = log.clone();
            move || {
                thread::sleep(SECOND);
                log.say("went on");
            }
        }));
        thread::sleep(2 * SECOND);
        assert_eq!(log.take(), "went on");
    });
}

#[test]
fn it_has_the_name_that_it_was_given() {
    story(|| {
        let named = thread::Builder::new().name("baker".into()).stack_size(128 << 10);
        let named = named.spawn(thread::current).unwrap();
        assert_eq!(named.thread().name(), Some("baker"));
        let id = named.thread().id();
        let current = named.join().unwrap();
        assert_eq!((current.name(), current.id()), (Some("baker"), id));

        let nameless = thread::spawn(|| thread::current().name().map(str::to_owned));
        assert_eq!(nameless.join().unwrap(), None);
        assert_eq!(thread::current().name(), Some("main"));

        let plain =
            greenlet::Builder::new().name("plain").spawn(|| thread::current().name().map(str::to_owned));
        assert_eq!(greenlet::wait(plain).unwrap().as_deref(), Some("plain"));
    });
}

#[test]
fn every_greenlet_is_somebody_else_and_stays_the_same() {
    story(|| {
        let mut ids = HashSet::from([thread::current().id()]);
        for _ in 0..100 {
            // One after the other: their stacks and tasks may be the same, they are not.
            let same = thread::spawn(|| {
                let id = thread::current().id();
                thread::yield_now();
                (id, id == thread::current().id())
            });
            let (id, is_same) = same.join().unwrap();
            assert!(ids.insert(id) && is_same);
        }
        assert!(!ids.insert(thread::current().id()));
    });
}

#[test]
fn strands_of_one_task_park_apart() {
    let log = Log::default();
    let park = |n: &'static str| {
        let log = log.clone();
        let threads: Rc<RefCell<Vec<Thread>>> = Rc::default();
        let run = greenlet::run({
            let threads = Rc::clone(&threads);
            move || {
                threads.borrow_mut().push(thread::current());
                thread::park();
                log.say(n);
            }
        });
        (threads, run)
    };
    let ((one, first), (two, second)) = (park("first"), park("second"));
    runtime::run(async move {
        join!(first, second, async {
            two.borrow()[0].unpark();
            runtime::task::yield_now().await;
            runtime::task::yield_now().await;
            one.borrow()[0].unpark();
        });
    });
    assert_eq!(log.take(), "second, first");
}

#[test]
fn a_token_waits_for_who_parks_and_there_is_one_at_most() {
    story(|| {
        let me = thread::current();
        me.unpark();
        me.unpark();
        thread::park(); // at once
        let (passed, ()) = seconds(|| thread::park_timeout(2 * SECOND));
        assert_eq!(passed, 2, "the second token was the first");
        thread::spawn(move || {
            thread::sleep(SECOND);
            me.unpark();
        });
        let (passed, ()) = seconds(thread::park);
        assert_eq!(passed, 1);
    });
}

#[test]
fn a_token_is_kept_while_nobody_has_the_handle() {
    story(|| {
        thread::current().unpark();
        thread::park();
    });
}

#[test]
fn a_thread_unparks_a_greenlet_and_the_other_way_round() {
    story(|| {
        let me = thread::current();
        let (sender, receiver) = std::sync::mpsc::channel();
        let other = runtime::spawn_blocking(move || {
            sender.send(thread::current()).unwrap();
            me.unpark();
            thread::park();
        });
        thread::park();
        receiver.recv().unwrap().unpark();
        greenlet::wait(other).unwrap();
    });
}

#[test]
fn sleepers_sleep_at_the_same_time() {
    story(|| {
        let sleepers: Vec<_> = (1..=100).map(|n| thread::spawn(move || thread::sleep(n * SECOND))).collect();
        let (passed, ()) = seconds(|| sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap()));
        assert_eq!(passed, 100);
    });
}

#[test]
fn what_std_declares_per_thread_is_shared_by_greenlets() {
    std::thread_local!(static COUNT: Cell<u32> = const { Cell::new(0) });
    runtime::task_local!(static MINE: u32);
    story(|| {
        let all: Vec<_> = (0..3)
            .map(|n| {
                thread::spawn(move || {
                    MINE.sync_scope(n, || {
                        COUNT.set(COUNT.get() + 1);
                        thread::sleep(SECOND);
                        (COUNT.get(), MINE.get())
                    })
                })
            })
            .collect();
        let seen: Vec<_> = all.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(seen, [(3, 0), (3, 1), (3, 2)]);
    });
}

#[test]
fn without_a_runtime_there_is_an_error_that_says_what_to_do() {
    let error = thread::Builder::new().spawn(|| ()).unwrap_err();
    assert!(error.to_string().contains("runtime::run"), "{error}");
    assert!(message_of_panic(|| thread::spawn(|| ())).contains("needs a runtime on this thread"));
    thread::sleep(SECOND / 1000);
    thread::yield_now();
    thread::current().unpark();
    thread::park();
    thread::park_timeout(SECOND / 1000);
}

#[test]
fn a_task_cannot_join_what_has_not_ended() {
    runtime::run(async {
        let handle = thread::spawn(|| 1);
        let message = message_of_panic(|| handle.join());
        assert!(message.contains("`JoinHandle::join` would have to wait here"), "{message}");
        let handle = thread::spawn(|| 2);
        while !handle.is_finished() {
            runtime::task::yield_now().await;
        }
        assert_eq!(handle.join().unwrap(), 2);
        assert!(message_of_panic(thread::park).contains("`thread::park` would have to wait here"));
    });
}

#[test]
fn the_end_of_a_runtime_is_heard_of_by_handles_that_are_left() {
    let handle = story(|| {
        thread::spawn(|| {
            thread::sleep(SECOND);
            1
        })
    });
    let error = handle.join().unwrap_err();
    assert!(error.downcast::<JoinError>().unwrap().is_cancelled());
}
