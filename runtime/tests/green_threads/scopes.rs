//! Stories of greenlets that borrow: whatever happens, what they borrow is there as long as they are.

use crate::support::{Lingers, Log, SECOND, Says, message_of_panic, seconds, story};
use runtime::{
    Builder,
    green::{
        sync::Mutex,
        thread::{self, Scope},
    },
    greenlet,
    task::JoinError,
};
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

#[test]
fn they_borrow_and_give_back() {
    story(|| {
        let words = ["borrowed".to_owned(), "by".to_owned(), "greenlets".to_owned()];
        let mut lengths = [0; 3];
        let sum = thread::scope(|s| {
            let all: Vec<_> = words
                .iter()
                .zip(&mut lengths)
                .map(|(word, length)| {
                    s.spawn(move || {
                        thread::sleep(SECOND);
                        *length = word.len();
                        word.as_str() // a value that borrows
                    })
                })
                .collect();
            all.into_iter().map(|one| one.join().unwrap().len()).sum::<usize>()
        });
        assert_eq!((sum, lengths), (19, [8, 2, 9]));
    });
}

#[test]
fn the_scope_waits_for_those_nobody_joins() {
    story(|| {
        let count = Cell::new(0);
        let (passed, value) = seconds(|| {
            thread::scope(|s| {
                for n in 1..=3 {
                    let count = &count;
                    s.spawn(move || {
                        thread::sleep(n * SECOND);
                        count.set(count.get() + 1);
                    });
                }
                "value"
            })
        });
        assert_eq!((passed, value, count.get()), (3, "value", 3));
    });
}

#[test]
fn children_start_siblings_and_scopes_of_their_own() {
    fn tree<'scope>(s: &'scope Scope<'scope, '_>, leaves: &'scope Cell<u32>, depth: u32) {
        if depth == 0 {
            thread::yield_now();
            leaves.set(leaves.get() + 1);
            return;
        }
        s.spawn(move || tree(s, leaves, depth - 1));
        thread::scope(|inner| {
            inner.spawn(|| tree(s, leaves, depth - 1));
        });
    }
    story(|| {
        let leaves = Cell::new(0);
        thread::scope(|s| tree(s, &leaves, 5));
        assert_eq!(leaves.get(), 32);
    });
}

#[test]
fn a_joined_panic_is_the_joiners() {
    story(|| {
        let value = thread::scope(|s| {
            let clumsy = s.spawn(|| panic!("out of tea"));
            let panic = clumsy.join().unwrap_err();
            *panic.downcast::<&str>().unwrap()
        });
        assert_eq!(value, "out of tea");
    });
}

#[test]
fn a_panic_that_nobody_joined_comes_out_at_the_end() {
    story(|| {
        let log = Log::default();
        let message = message_of_panic(|| {
            thread::scope(|s| {
                s.spawn(|| panic!("out of tea"));
                s.spawn(|| {
                    thread::sleep(SECOND);
                    log.say("went on");
                });
            });
        });
        assert_eq!(message, "a scoped greenlet panicked");
        assert_eq!(log.take(), "went on");
    });
}

#[test]
fn a_panic_of_the_body_waits_for_the_children_and_does_not_kill_them() {
    story(|| {
        let log = Log::default();
        let (passed, message) = seconds(|| {
            message_of_panic(|| {
                thread::scope(|s| {
                    s.spawn(|| {
                        thread::sleep(SECOND);
                        log.say("done");
                    });
                    panic!("of the body");
                })
            })
        });
        assert_eq!((passed, message.as_str(), log.take().as_str()), (1, "of the body", "done"));
        assert!(!std::thread::panicking());
    });
}

/// A greenlet with a scope and two children in it, one of which lingers when it is killed, and one has not begun.
fn family(log: &Log) -> greenlet::JoinHandle<()> {
    let log = log.clone();
    thread::spawn(move || {
        let lent = Says("what was lent", log);
        thread::scope(|s| {
            s.spawn(|| {
                let _lingers = Lingers(lent.1.clone());
                thread::sleep(100 * SECOND);
            });
            s.spawn(|| {
                let _says = Says("the other", lent.1.clone());
                thread::sleep(100 * SECOND);
            });
            thread::sleep(100 * SECOND);
            lent.1.say("never");
        });
    })
    .into_greenlet()
}

#[test]
fn a_killed_owner_kills_and_waits_before_it_lets_go() {
    story(|| {
        let log = Log::default();
        let owner = family(&log);
        thread::sleep(SECOND);
        owner.cancel();
        thread::sleep(SECOND / 2);
        assert!(!owner.is_finished());
        let (passed, end) = seconds(|| greenlet::wait(owner));
        assert!(end.unwrap_err().is_cancelled());
        assert_eq!((passed, log.take().as_str()), (0, "lingers, the other, leaves, what was lent"));
    });
}

#[test]
fn a_second_kill_does_not_hurry_it() {
    story(|| {
        let log = Log::default();
        let owner = family(&log);
        thread::sleep(SECOND);
        owner.cancel();
        thread::sleep(SECOND / 2);
        owner.cancel();
        assert!(greenlet::wait(owner).is_err());
        assert_eq!(log.take(), "lingers, the other, leaves, what was lent");
    });
}

#[test]
fn killed_while_it_waits_for_the_end_it_kills_as_well() {
    story(|| {
        let log = Log::default();
        let owner = thread::spawn({
            let log = log.clone();
            move || {
                let lent = Says("what was lent", log);
                thread::scope(|s| {
                    s.spawn(|| {
                        let _lingers = Lingers(lent.1.clone());
                        thread::sleep(100 * SECOND);
                    });
                });
            }
        })
        .into_greenlet();
        thread::sleep(SECOND);
        owner.cancel();
        let (passed, end) = seconds(|| greenlet::wait(owner));
        assert!(end.is_err());
        assert_eq!((passed, log.take().as_str()), (1, "lingers, leaves, what was lent"));
    });
}

#[test]
fn killed_at_every_wait_of_a_program_it_always_ends_in_order() {
    /// How long the program is, in waits of the owner.
    const WAITS: u32 = 12;
    story(|| {
        for turns in 0..3 * WAITS {
            let log = Log::default();
            let owner = thread::spawn({
                let log = log.clone();
                move || {
                    let lent = Says("lent", log);
                    thread::scope(|s| {
                        for _ in 0..3 {
                            s.spawn(|| {
                                let _child = Says("child", lent.1.clone());
                                thread::scope(|s| {
                                    s.spawn(|| {
                                        let _grandchild = Says("grandchild", lent.1.clone());
                                        (0..WAITS).for_each(|_| thread::yield_now());
                                    });
                                    (0..WAITS).for_each(|_| thread::yield_now());
                                });
                            });
                            (0..WAITS / 3).for_each(|_| thread::yield_now());
                        }
                    });
                }
            })
            .into_greenlet();
            (0..turns).for_each(|_| thread::yield_now());
            owner.cancel();
            let _ = greenlet::wait(owner);
            let log = log.take();
            let count = |what| log.split(", ").filter(|said| *said == what).count();
            assert!(log.is_empty() || log.ends_with("lent") && count("lent") == 1, "{turns}: {log}");
            assert!(count("grandchild") <= count("child") && count("child") <= 3, "{turns}: {log}");
        }
    });
}

#[test]
fn killed_before_its_first_turn_a_child_still_counts() {
    story(|| {
        let log = Log::default();
        let end = thread::scope(|s| {
            let held = Says("captured", log.clone());
            let child = s.spawn(move || {
                let _held = &held;
                unreachable!("it was killed");
            });
            child.as_greenlet().cancel();
            assert_eq!(log.take(), "");
            child.join()
        });
        assert!(end.unwrap_err().downcast::<JoinError>().unwrap().is_cancelled());
        assert_eq!(log.take(), "captured");
    });
}

#[test]
fn a_child_that_was_killed_is_no_panic() {
    story(|| {
        let end = thread::scope(|s| {
            let (one, other) = (s.spawn(|| thread::sleep(SECOND)), s.spawn(|| thread::sleep(SECOND)));
            thread::yield_now();
            one.as_greenlet().cancel();
            other.as_greenlet().cancel();
            one.join()
        });
        assert!(end.unwrap_err().downcast::<JoinError>().unwrap().is_cancelled());
    });
}

#[test]
fn a_value_that_nobody_joins_is_dropped_before_what_it_borrows() {
    struct Reads<'a>(&'a Says);
    impl Drop for Reads<'_> {
        fn drop(&mut self) {
            thread::sleep(SECOND);
            self.0.1.say(format!("value reads {:?}", self.0.0));
        }
    }
    story(|| {
        let log = Log::default();
        let lent = Says("lent", log.clone());
        thread::scope(|s| {
            drop(s.spawn(|| Reads(&lent)));
            let kept = s.spawn(|| Reads(&lent));
            thread::sleep(SECOND / 2);
            drop(kept);
            drop(s.spawn(|| Reads(&lent)));
        });
        drop(lent);
        assert_eq!(log.take(), "value reads \"lent\", value reads \"lent\", value reads \"lent\", lent");
    });
}

#[test]
fn a_destructor_that_panics_in_a_child_leaves_the_scope_in_order() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    story(|| {
        let message = message_of_panic(|| {
            thread::scope(|s| {
                s.spawn(|| {
                    let _bomb = Bomb;
                    thread::yield_now();
                });
            });
        });
        assert_eq!(message, "a scoped greenlet panicked");
    });
}

#[test]
fn outside_a_greenlet_nobody_could_wait() {
    runtime::run(async {
        let ran = Cell::new(false);
        let message = message_of_panic(|| thread::scope(|_| ran.set(true)));
        assert!(message.contains("needs a greenlet"), "{message}");
        assert!(!ran.get());
    });
}

#[test]
fn the_end_of_the_runtime_is_a_kill() {
    let log = Log::default();
    story({
        let log = log.clone();
        move || {
            family(&log).detach();
            thread::sleep(SECOND);
        }
    });
    assert_eq!(log.take(), "lingers, the other, leaves, what was lent");
}

#[test]
fn all_that_are_killed_in_a_scope_poison_what_they_had() {
    story(|| {
        let accounts = Rc::new([const { Mutex::new(0) }; 3]);
        let owner = {
            let accounts = Rc::clone(&accounts);
            thread::spawn(move || {
                thread::scope(|s| {
                    for account in &*accounts {
                        s.spawn(|| {
                            let mut balance = account.lock().unwrap();
                            *balance = 1;
                            thread::sleep(SECOND);
                            *balance = 2;
                        });
                    }
                });
            })
            .into_greenlet()
        };
        thread::sleep(SECOND / 2);
        owner.cancel();
        assert!(greenlet::wait(owner).is_err());
        assert!(accounts.iter().all(|account| **account.lock().unwrap_err().get_ref() == 1));
    });
}

#[test]
fn locks_in_a_scope_are_poisoned_by_who_is_killed_there() {
    story(|| {
        let account = Mutex::new(100);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            thread::scope(|s| {
                s.spawn(|| {
                    let mut balance = account.lock().unwrap();
                    *balance -= 30;
                    panic!("in the middle");
                });
            });
        }));
        assert!(caught.is_err());
        assert_eq!(**account.lock().unwrap_err().get_ref(), 70);
    });
}

#[test]
fn an_owner_outlives_a_child_that_swallows_its_kill() {
    story(|| {
        let log = Log::default();
        let owner = thread::spawn({
            let log = log.clone();
            move || {
                let lent = Says("lent", log);
                thread::scope(|s| {
                    s.spawn(|| {
                        while catch_unwind(|| thread::sleep(100 * SECOND)).is_err() {
                            lent.1.say("no");
                            if lent.1.len() == 5 {
                                break;
                            }
                        }
                    });
                    thread::sleep(100 * SECOND);
                });
            }
        })
        .into_greenlet();
        thread::sleep(SECOND);
        owner.cancel();
        assert!(greenlet::wait(owner).is_err());
        assert_eq!(log.take(), "no, no, no, no, no, lent");
    });
}

/// The stacks that are left behind for good are what the test is about.
#[test]
fn who_is_abandoned_takes_nothing_along() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let reports = Rc::clone(&seen);
    let log = Log::default();
    let runtime = Builder::new()
        .start_paused(true)
        .on_report(move |report| reports.borrow_mut().push(report.to_string()))
        .build()
        .unwrap();
    runtime.block_on(greenlet::run({
        let log = log.clone();
        move || {
            let owner = thread::spawn(move || {
                let lent = Says("lent", log);
                thread::scope(|s| {
                    // It swallows whatever is thrown at it, and is abandoned. Its own child borrows from further down.
                    s.spawn(|| {
                        thread::scope(|inner| {
                            inner.spawn(|| {
                                let _lingers = Lingers(lent.1.clone());
                                thread::sleep(5 * SECOND);
                                lent.1.say("reads what was lent");
                            });
                            loop {
                                let _ = catch_unwind(|| thread::sleep(1000 * SECOND));
                            }
                        })
                    });
                    thread::sleep(SECOND);
                });
            })
            .into_greenlet();
            thread::sleep(2 * SECOND);
            owner.cancel();
            thread::sleep(100 * SECOND);
            assert!(!owner.is_finished(), "it waits for the grandchild of which nobody will tell it");
        }
    }));
    drop(runtime);
    assert_eq!(log.take(), "reads what was lent, lingers, leaves");
    assert!(seen.borrow().iter().any(|report| report.contains("swallowed")), "{seen:?}");
}
