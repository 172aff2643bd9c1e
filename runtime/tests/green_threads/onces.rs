//! Stories of `Once`, `OnceLock` and `LazyLock`: what is made once, and waits while it is made.

use crate::support::{Log, SECOND, message_of_panic, seconds, story};
use runtime::{
    green::{
        sync::{LazyLock, Once, OnceLock},
        thread,
    },
    greenlet,
};
use std::{cell::Cell, rc::Rc};

#[test]
fn those_who_come_while_it_is_done_wait_for_it() {
    story(|| {
        static ONCE: Once = Once::new();
        let log = Log::default();
        let callers: Vec<_> = (0..3)
            .map(|n| {
                let log = log.clone();
                thread::spawn(move || {
                    ONCE.call_once(|| {
                        thread::sleep(SECOND);
                        log.say("done");
                    });
                    log.say(n.to_string());
                })
            })
            .collect();
        thread::yield_now();
        assert!(!ONCE.is_completed());
        let (seconds, ()) = seconds(|| callers.into_iter().for_each(|caller| caller.join().unwrap()));
        assert_eq!((seconds, log.take()), (1, "done, 0, 1, 2".to_owned()));
        assert!(ONCE.is_completed());
        ONCE.call_once(|| unreachable!("it was done"));
    });
}

#[test]
fn a_once_that_was_killed_is_poisoned_and_can_be_forced() {
    story(|| {
        let once = Rc::new(Once::new());
        let victim = {
            let once = Rc::clone(&once);
            thread::spawn(move || once.call_once(|| thread::sleep(SECOND))).into_greenlet()
        };
        let waiter = {
            let once = Rc::clone(&once);
            thread::spawn(move || message_of_panic(|| once.call_once(|| unreachable!("poisoned"))))
        };
        thread::yield_now();
        victim.cancel();
        assert!(greenlet::wait(victim).is_err());
        assert!(waiter.join().unwrap().contains("poisoned"));
        once.call_once_force(|state| assert!(state.is_poisoned()));
        assert!(once.is_completed());
        once.call_once_force(|_| unreachable!("it was done"));
    });
}

#[test]
fn a_value_is_made_by_the_next_if_the_first_does_not_get_there() {
    story(|| {
        let (cell, log) = (Rc::new(OnceLock::new()), Log::default());
        let make = |n: u32, fails: bool| {
            let (cell, log) = (Rc::clone(&cell), log.clone());
            thread::spawn(move || {
                *cell.get_or_init(|| {
                    log.say(format!("{n} tries"));
                    thread::sleep(SECOND);
                    assert!(!fails, "out of tea");
                    n
                })
            })
        };
        let (first, second, third) = (make(1, true), make(2, false), make(3, false));
        thread::yield_now();
        assert_eq!(cell.get(), None);
        assert!(first.join().is_err());
        assert_eq!((second.join().unwrap(), third.join().unwrap()), (2, 2));
        assert_eq!(log.take(), "1 tries, 2 tries");
        assert_eq!(cell.set(4), Err(4));
        assert_eq!(Rc::into_inner(cell).unwrap().into_inner(), Some(2));
    });
}

#[test]
fn to_set_a_value_waits_for_who_is_making_one() {
    story(|| {
        let cell = Rc::new(OnceLock::new());
        let maker = {
            let cell = Rc::clone(&cell);
            thread::spawn(move || {
                cell.get_or_init(|| {
                    thread::sleep(SECOND);
                    1
                });
            })
        };
        thread::yield_now();
        let (seconds, set) = seconds(|| cell.set(2));
        assert_eq!((seconds, set), (1, Err(2)));
        maker.join().unwrap();
        let mut cell = Rc::into_inner(cell).unwrap();
        assert_eq!((cell.take(), cell.set(3), cell.get_mut().copied()), (Some(1), Ok(()), Some(3)));
    });
}

#[test]
fn a_lazy_value_waits_to_be_needed_and_then_is_made_once() {
    story(|| {
        let made = Rc::new(Cell::new(0));
        let lazy = Rc::new(LazyLock::new({
            let made = Rc::clone(&made);
            move || {
                thread::sleep(SECOND);
                made.set(made.get() + 1);
                42
            }
        }));
        assert_eq!(made.get(), 0);
        let users: Vec<_> = (0..3)
            .map(|_| {
                let lazy = Rc::clone(&lazy);
                thread::spawn(move || **lazy)
            })
            .collect();
        let (seconds, sum) = seconds(|| users.into_iter().map(|user| user.join().unwrap()).sum::<i32>());
        assert_eq!((seconds, sum, made.get()), (1, 3 * 42, 1));
    });
}

#[test]
fn a_lazy_value_that_was_not_made_is_poisoned() {
    story(|| {
        static LAZY: LazyLock<u32> = LazyLock::new(|| panic!("out of tea"));
        assert_eq!(message_of_panic(|| *LAZY), "out of tea");
        assert!(message_of_panic(|| *LAZY).contains("poisoned"));
        assert!(message_of_panic(|| *LazyLock::force(&LAZY)).contains("poisoned"));
    });
}
