//! One greenlet, and those who wait for it.

use crate::support::{Log, SECOND, inside, reports, text, wait_for_ever};
use runtime::{
    greenlet::{self, JoinHandle},
    task::JoinError,
    time::Instant,
};
use std::{
    cell::{OnceCell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

/// The table of `spawn`, `joinall`, `get`, `join`, `kill` and `dead`.
#[test]
fn spawn_joinall_get_join_kill_dead() {
    inside(|| {
        let double = |n: u32| greenlet::spawn(move || 2 * n);
        let listed = greenlet::join_all([double(1), double(2), double(3)]);
        assert_eq!(listed.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [2, 4, 6]);

        let one = double(21);
        assert!(!one.is_dead());
        one.join();
        one.join();
        assert!(one.is_dead() && one.is_successful());
        assert_eq!(one.get().unwrap(), 42);

        let two = greenlet::spawn(wait_for_ever);
        greenlet::yield_now();
        assert!(!two.is_dead());
        two.kill();
        assert!(two.is_dead() && !two.is_successful());
        let error: JoinError = two.get().unwrap_err();
        assert!(error.is_cancelled(), "{error}");
    });
}

#[test]
fn killed_before_it_starts_it_never_does() {
    inside(|| {
        let log = Log::default();
        let held = log.at_drop("dropped");
        let greenlet = greenlet::spawn(move || drop((held, unreachable_now())));
        greenlet.kill();
        assert!(greenlet.is_dead());
        assert_eq!(log.take(), ["dropped"]);
        assert!(greenlet.get().unwrap_err().is_cancelled());
    });
}

fn unreachable_now() {
    unreachable!("it was killed before");
}

#[test]
fn killed_twice_it_dies_once() {
    inside(|| {
        let log = Log::default();
        let said = log.clone();
        let greenlet = greenlet::spawn(move || {
            let _held = said.at_drop("dropped");
            wait_for_ever();
        });
        greenlet::yield_now();
        greenlet.kill();
        greenlet.kill();
        assert!(!greenlet.cancel(), "nothing to cancel any more");
        assert_eq!(log.take(), ["dropped"]);
    });
}

#[test]
fn killed_after_its_end_it_keeps_its_value() {
    inside(|| {
        let greenlet = greenlet::spawn(|| 42);
        greenlet.join();
        greenlet.kill();
        assert!(greenlet.is_successful());
        assert_eq!(greenlet.get().unwrap(), 42);
    });
}

#[test]
fn kill_waits_until_the_stack_is_empty() {
    inside(|| {
        let log = Log::default();
        let said = log.clone();
        let greenlet = greenlet::spawn(move || {
            let _slow = SlowToGo(said);
            wait_for_ever();
        });
        greenlet::yield_now();
        let start = Instant::now();
        assert!(greenlet.kill_timeout(SECOND).is_err());
        assert_eq!((start.elapsed(), greenlet.is_dead()), (SECOND, false));
        greenlet.kill();
        assert_eq!((start.elapsed(), greenlet.is_dead()), (2 * SECOND, true));
        assert_eq!(log.take(), ["gone"]);
    });
}

/// Takes two seconds to drop.
struct SlowToGo(Log);

impl Drop for SlowToGo {
    fn drop(&mut self) {
        greenlet::sleep(2 * SECOND);
        self.0.say("gone");
    }
}

#[test]
fn a_limit_of_time_leaves_the_greenlet_to_itself() {
    inside(|| {
        let mut greenlet = greenlet::spawn(|| {
            greenlet::sleep(3 * SECOND);
            42
        });
        let start = Instant::now();
        assert!(greenlet.join_timeout(SECOND).is_err());
        assert!(greenlet.get_timeout(SECOND).is_err());
        assert_eq!(start.elapsed(), 2 * SECOND);
        assert_eq!(greenlet.get_timeout(2 * SECOND).unwrap().unwrap(), 42);
        assert_eq!(start.elapsed(), 3 * SECOND);
        assert!(greenlet.is_successful(), "also when its value was given");

        let mut killed = greenlet::spawn(wait_for_ever);
        killed.kill();
        assert!(killed.get_timeout(SECOND).unwrap().is_err());
        assert!(!killed.is_successful(), "also when that was said");
    });
}

type Shelf<T> = Rc<OnceCell<JoinHandle<T>>>;

#[test]
fn who_kills_itself_unwinds_there_and_then() {
    inside(|| {
        let log = Log::default();
        let (own, said) = (Shelf::<()>::default(), log.clone());
        let handle = own.clone();
        let greenlet = greenlet::spawn(move || {
            let _held = said.at_drop("dropped");
            handle.get().unwrap().kill();
            said.say("not reached");
        });
        own.set(greenlet).unwrap();
        own.get().unwrap().join();
        assert_eq!(log.take(), ["dropped"]);
        assert!(!own.get().unwrap().is_successful());
        assert!(Rc::into_inner(own).unwrap().into_inner().unwrap().get().unwrap_err().is_cancelled());
    });
}

/// Kills its greenlet when it is dropped, and says that it came to the end of that.
struct KillsOwner(Shelf<()>, Log);

impl Drop for KillsOwner {
    fn drop(&mut self) {
        self.0.get().unwrap().kill();
        assert!(self.0.get().unwrap().kill_timeout(SECOND).is_ok());
        self.1.say("went on");
    }
}

#[test]
fn who_unwinds_already_can_kill_itself_and_goes_on() {
    inside(|| {
        let log = Log::default();
        let (own, said) = (Shelf::default(), log.clone());
        let handle = own.clone();
        let greenlet = greenlet::spawn(move || {
            let _held = said.at_drop("dropped");
            let _kills = KillsOwner(handle, said);
            panic!("out of tea");
        });
        own.set(greenlet).unwrap();
        own.get().unwrap().join();
        assert_eq!(log.take(), ["went on", "dropped"]);
        assert!(!own.get().unwrap().is_successful());
    });
}

#[test]
fn nobody_waits_for_its_own_end() {
    inside(|| {
        let own = Shelf::default();
        let handle = own.clone();
        let greenlet = greenlet::spawn(move || {
            let own: &JoinHandle<()> = handle.get().unwrap();
            let panic = catch_unwind(AssertUnwindSafe(|| own.join())).unwrap_err();
            assert!(text(&*panic).contains("its own end"));
        });
        own.set(greenlet).unwrap();
        own.get().unwrap().join();
        assert!(own.get().unwrap().is_successful());
    });
}

/// By one pointer to the handle: the first at the task itself, the others behind it, and each may leave.
#[test]
fn several_wait_for_the_same_one() {
    inside(|| {
        let log = Log::default();
        let slow = Rc::new(greenlet::spawn(|| greenlet::sleep(3 * SECOND)));
        let waiting = ["first", "second", "third", "fourth"].map(|name| {
            let (slow, log) = (slow.clone(), log.clone());
            greenlet::spawn(move || match name {
                "first" | "third" => assert!(slow.join_timeout(SECOND).is_err()),
                _ => {
                    slow.join();
                    log.say(name);
                }
            })
        });
        greenlet::sleep(2 * SECOND);
        assert_eq!(waiting.each_ref().map(|one| one.is_dead()), [true, false, true, false]);
        let start = Instant::now();
        slow.join();
        assert_eq!(start.elapsed(), SECOND);
        greenlet::join_all(waiting).into_iter().for_each(|joined| joined.unwrap());
        assert_eq!(log.take(), ["second", "fourth"]);
    });
}

#[test]
fn who_waits_for_another_is_killed_alone() {
    inside(|| {
        let slow = Rc::new(greenlet::spawn(|| greenlet::sleep(2 * SECOND)));
        let behind = [(), ()].map(|()| {
            let slow = slow.clone();
            greenlet::spawn(move || slow.join())
        });
        greenlet::sleep(SECOND);
        greenlet::kill_all(&behind);
        assert!(!slow.is_dead());
        slow.join();
        assert!(slow.is_successful());
    });
}

#[test]
fn links_are_called_in_their_order_and_a_panic_is_its_own() {
    inside(|| {
        let log = Log::default();
        let says = |what: &'static str| {
            let log = log.clone();
            move || log.say(what)
        };
        let greenlet = greenlet::spawn(|| 42);
        let (any, value, late) = (says("any"), says("value"), says("late"));
        greenlet.link(move |outcome| {
            assert_eq!(outcome.as_ref().unwrap(), &42);
            any();
        });
        greenlet.link_value(|_| panic!("a link that fails"));
        greenlet.link_exception(|_| unreachable!("it succeeds"));
        greenlet.link_value(move |n| {
            assert_eq!(*n, 42);
            value();
        });
        let said = log.clone();
        let joiner = greenlet::spawn(move || {
            let value = greenlet.get().unwrap();
            said.say("joined");
            value
        });
        assert_eq!(joiner.get().unwrap(), 42);
        assert_eq!(log.take(), ["any", "value", "joined"]);

        let greenlet = greenlet::spawn(|| ());
        greenlet.join();
        greenlet.link_value(move |()| late());
        assert_eq!(log.take(), ["late"], "at once, of one that is dead");
    });
}

#[test]
fn links_hear_of_panics_and_of_kills() {
    inside(|| {
        let log = Log::default();
        let linked = |greenlet: JoinHandle<()>| {
            let log = log.clone();
            greenlet.link_value(|()| unreachable!("it has none"));
            greenlet.link_exception(move |error| {
                log.say(if error.is_panic() { "panicked" } else { "killed" });
            });
            greenlet
        };
        let panics = linked(greenlet::spawn(|| panic!("out of tea")));
        let killed = linked(greenlet::spawn(wait_for_ever));
        panics.join();
        assert!(!panics.is_successful());
        killed.kill();
        assert_eq!(log.take(), ["panicked", "killed"]);
        assert!(panics.get().unwrap_err().is_panic());
    });
}

#[test]
fn a_link_sees_the_handle_as_it_is() {
    inside(|| {
        for succeeds in [true, false] {
            let (own, seen) = (Shelf::default(), Rc::new(OnceCell::new()));
            let greenlet = greenlet::spawn(move || assert!(succeeds, "out of tea"));
            let (handle, outcome): (Shelf<()>, _) = (own.clone(), seen.clone());
            greenlet.link(move |_| {
                let own = handle.get().unwrap();
                outcome.set((own.is_dead(), own.is_successful())).unwrap();
            });
            own.set(greenlet).unwrap();
            own.get().unwrap().join();
            assert_eq!(seen.get(), Some(&(true, succeeds)));
        }
    });
}

/// Between two turns there is no stack to leave.
#[test]
fn a_link_cannot_wait() {
    inside(|| {
        let seen = Rc::new(RefCell::new(None));
        let greenlet = greenlet::spawn(|| ());
        let outcome = seen.clone();
        greenlet.link(move |_| {
            assert!(!greenlet::is_inside());
            let panic = catch_unwind(greenlet::yield_now).unwrap_err();
            *outcome.borrow_mut() = Some(text(&*panic));
        });
        greenlet.join();
        assert!(seen.take().unwrap().contains("needs a greenlet that can be suspended"));
    });
}

#[test]
fn in_a_task_the_blocking_forms_say_what_to_do() {
    let runtime = runtime::Builder::new().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let greenlet = greenlet::spawn(wait_for_ever);
        let panic = catch_unwind(AssertUnwindSafe(|| greenlet.join())).unwrap_err();
        assert!(text(&*panic).contains("`.await` the future"));
        assert!(greenlet.cancel_and_wait().await.unwrap_err().is_cancelled());
    });
}

#[test]
fn one_that_is_to_start_later_costs_no_stack_until_then() {
    inside(|| {
        let start = Instant::now();
        let late = greenlet::spawn_later(2 * SECOND, move || start.elapsed());
        let never = greenlet::spawn_later(2 * SECOND, unreachable_now);
        let cut = greenlet::spawn_later(SECOND, wait_for_ever);
        greenlet::sleep(SECOND * 3 / 2);
        never.kill();
        cut.kill();
        assert!(!late.is_dead());
        assert_eq!(late.get().unwrap(), 2 * SECOND);
        assert!(never.get().unwrap_err().is_cancelled());
        assert!(cut.get().unwrap_err().is_cancelled());
    });
}

#[test]
fn idle_is_when_nobody_else_is_ready() {
    inside(|| {
        let log = Log::default();
        let said = log.clone();
        let busy = greenlet::spawn(move || {
            (0..3).for_each(|_| greenlet::yield_now());
            said.say("busy");
            greenlet::sleep(SECOND);
        });
        greenlet::idle();
        log.say("idle");
        busy.join();
        assert_eq!(log.take(), ["busy", "idle"]);
    });
}

/// A panic that nobody asks for is reported; that somebody was killed is not.
#[test]
fn what_nobody_hears_of_is_reported() {
    let ((), reports) = reports(|| {
        greenlet::Builder::new().name("boiler").spawn(|| panic!("out of tea")).detach();
        let killed = greenlet::spawn(wait_for_ever);
        greenlet::yield_now();
        killed.kill();
    });
    let [report] = &reports[..] else { panic!("one report, not {reports:?}") };
    assert!(report.contains("greenlet 1 'boiler'") && report.contains("out of tea"), "{report}");
}
