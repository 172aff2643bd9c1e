//! Stories of `Condvar` and `Barrier`.

use crate::support::{Log, SECOND, message_of_panic, seconds, story};
use runtime::{
    green::{
        sync::{Arc, Barrier, Condvar, Mutex},
        thread,
    },
    greenlet, spawn_blocking,
};
use std::rc::Rc;

#[derive(Default)]
struct Shop {
    apples: Mutex<u32>,
    changed: Condvar,
}

impl Shop {
    fn pick(&self) {
        *self.changed.wait_while(self.apples.lock().unwrap(), |apples| *apples == 0).unwrap() -= 1;
    }

    fn grow(&self) {
        *self.apples.lock().unwrap() += 1;
        self.changed.notify_one();
    }
}

#[test]
fn those_who_wait_are_notified_in_order() {
    story(|| {
        let (shop, log) = (Rc::new(Shop::default()), Log::default());
        let pickers: Vec<_> = (0..3)
            .map(|n| {
                let (shop, log) = (Rc::clone(&shop), log.clone());
                thread::spawn(move || {
                    shop.pick();
                    log.say(n.to_string());
                })
            })
            .collect();
        thread::yield_now();
        (0..3).for_each(|_| shop.grow());
        pickers.into_iter().for_each(|picker| picker.join().unwrap());
        assert_eq!(log.take(), "0, 1, 2");
    });
}

#[test]
fn one_notification_is_for_one() {
    story(|| {
        let (shop, log) = (Rc::new(Shop::default()), Log::default());
        let waiters: Vec<_> = (0..3)
            .map(|n| {
                let (shop, log) = (Rc::clone(&shop), log.clone());
                thread::spawn(move || {
                    drop(shop.changed.wait(shop.apples.lock().unwrap()).unwrap());
                    log.say(n.to_string());
                })
            })
            .collect();
        thread::sleep(SECOND);
        shop.changed.notify_one();
        thread::sleep(SECOND);
        assert_eq!(log.take(), "0");
        shop.changed.notify_all();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(log.take(), "1, 2");
    });
}

#[test]
fn everybody_is_notified_at_once() {
    story(|| {
        let shop = Rc::new(Shop::default());
        let pickers: Vec<_> = (0..3)
            .map(|_| {
                let shop = Rc::clone(&shop);
                thread::spawn(move || shop.pick())
            })
            .collect();
        thread::yield_now();
        *shop.apples.lock().unwrap() = 3;
        shop.changed.notify_all();
        pickers.into_iter().for_each(|picker| picker.join().unwrap());
    });
}

#[test]
fn the_notification_of_a_killed_greenlet_goes_to_the_next() {
    story(|| {
        let shop = Rc::new(Shop::default());
        let pick = |shop: &Rc<Shop>| {
            let shop = Rc::clone(shop);
            thread::spawn(move || shop.pick()).into_greenlet()
        };
        let (first, second) = (pick(&shop), pick(&shop));
        thread::yield_now();
        let mut apples = shop.apples.lock().unwrap();
        *apples = 1;
        shop.changed.notify_one();
        thread::yield_now(); // the first was notified, and waits for the lock now
        first.cancel();
        drop(apples);
        greenlet::wait(second).unwrap();
        assert!(greenlet::wait(first).unwrap_err().is_cancelled());
        assert!(!shop.apples.is_poisoned(), "who was killed did not have the lock");
    });
}

#[test]
fn a_limit_ends_the_wait_and_the_lock_is_held_again() {
    story(|| {
        let shop = Shop::default();
        let (passed, (apples, result)) =
            seconds(|| shop.changed.wait_timeout(shop.apples.lock().unwrap(), SECOND).unwrap());
        assert_eq!(passed, 1);
        assert!(result.timed_out());
        assert!(shop.apples.try_lock().is_err());
        drop(apples);
        assert!(shop.apples.try_lock().is_ok());
    });
}

#[test]
fn a_limit_counts_across_notifications_that_change_nothing() {
    story(|| {
        let shop = Rc::new(Shop::default());
        let bell = thread::spawn({
            let shop = Rc::clone(&shop);
            move || {
                for _ in 0..10 {
                    thread::sleep(SECOND);
                    shop.changed.notify_one();
                }
            }
        });
        let (passed, result) = seconds(|| {
            let apples = shop.apples.lock().unwrap();
            shop.changed.wait_timeout_while(apples, 5 * SECOND / 2, |apples| *apples == 0).unwrap().1
        });
        assert_eq!(passed, 2);
        assert!(result.timed_out());
        let (apples, result) = shop
            .changed
            .wait_timeout_while(shop.apples.lock().unwrap(), SECOND, |apples| *apples > 0)
            .unwrap();
        assert_eq!((*apples, result.timed_out()), (0, false));
        drop(apples);
        bell.join().unwrap();
    });
}

#[test]
fn notified_in_time_is_not_timed_out() {
    story(|| {
        let shop = Rc::new(Shop::default());
        let apples = shop.apples.lock().unwrap();
        let bell = thread::spawn({
            let shop = Rc::clone(&shop);
            move || shop.grow()
        });
        let (apples, result) = shop.changed.wait_timeout(apples, SECOND).unwrap();
        assert_eq!((*apples, result.timed_out()), (1, false));
        bell.join().unwrap();
    });
}

#[test]
fn a_wait_finds_that_the_mutex_was_poisoned_meanwhile() {
    story(|| {
        let shop = Rc::new(Shop::default());
        let apples = shop.apples.lock().unwrap();
        let clumsy = thread::spawn({
            let shop = Rc::clone(&shop);
            move || {
                let _apples = shop.apples.lock().unwrap();
                shop.changed.notify_one();
                panic!("out of tea");
            }
        });
        assert!(shop.changed.wait(apples).is_err());
        assert!(clumsy.join().is_err());
    });
}

#[test]
fn threads_and_greenlets_notify_each_other() {
    story(|| {
        let shop = Arc::new(Shop::default());
        let grower = spawn_blocking({
            let shop = Arc::clone(&shop);
            move || {
                shop.grow();
                shop.changed
                    .wait_while(shop.apples.lock().unwrap(), |apples| *apples != 7)
                    .map(drop)
                    .unwrap();
            }
        });
        shop.pick();
        *shop.apples.lock().unwrap() = 7;
        shop.changed.notify_all();
        greenlet::wait(grower).unwrap();
    });
}

#[test]
fn a_task_cannot_wait_for_a_notification() {
    runtime::run(async {
        let shop = Shop::default();
        let message = message_of_panic(|| shop.pick());
        assert!(message.contains("`Condvar::wait` would have to wait here"), "{message}");
    });
}

#[test]
fn a_barrier_lets_pass_round_by_round_with_one_leader_each() {
    story(|| {
        static MEETING: Barrier = Barrier::new(3);
        let log = Log::default();
        let walkers: Vec<_> = (0..3)
            .map(|n| {
                let log = log.clone();
                thread::spawn(move || {
                    let mut led = 0;
                    for round in 0..4 {
                        thread::sleep(n * SECOND);
                        led += u32::from(MEETING.wait().is_leader());
                        log.say(round.to_string());
                    }
                    led
                })
            })
            .collect();
        let led: Vec<_> = walkers.into_iter().map(|walker| walker.join().unwrap()).collect();
        assert_eq!(led, [0, 0, 4], "whoever comes last leads");
        assert_eq!(log.take(), "0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3");
    });
}

#[test]
fn who_is_killed_at_a_barrier_has_not_arrived() {
    story(|| {
        let meeting = Rc::new(Barrier::new(2));
        let victim = {
            let meeting = Rc::clone(&meeting);
            thread::spawn(move || meeting.wait()).into_greenlet()
        };
        thread::yield_now();
        victim.cancel();
        assert!(greenlet::wait(victim).is_err());
        let waiter = {
            let meeting = Rc::clone(&meeting);
            thread::spawn(move || meeting.wait().is_leader())
        };
        thread::sleep(SECOND);
        assert!(!waiter.is_finished());
        assert!(meeting.wait().is_leader());
        assert!(!waiter.join().unwrap());
    });
}

#[test]
fn a_barrier_for_nobody_is_for_one() {
    assert!(Barrier::new(0).wait().is_leader());
    assert!(Barrier::new(1).wait().is_leader());
}
