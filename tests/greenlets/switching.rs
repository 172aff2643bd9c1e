//! Raw greenlets: who runs when one switches, and where results and panics go.

use crate::talk::{Talk, message};
use runtime::{
    Builder,
    greenlet::{self, Greenlet, Killed},
    task::yield_now,
    time::sleep,
};
use std::{
    cell::{OnceCell, RefCell},
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    time::Duration,
};

/// Places for greenlets that have to know each other.
type Place<T> = Rc<OnceCell<Greenlet<T>>>;

fn go(place: &Place<()>) {
    place.get().expect("all are there").switch(());
}

/// What a panic carried that came out of `f`.
fn panic_of<T>(f: impl FnOnce() -> T) -> Box<dyn std::any::Any + Send> {
    catch_unwind(AssertUnwindSafe(f)).map(drop).unwrap_err()
}

/// `greenlet(fn)`, `g.switch()`: no function is declared to be a generator, and the end leads back to main.
#[test]
fn a_finished_greenlet_returns_to_main() {
    let talk = Talk::default();
    let said = talk.clone();
    let greenlet = Greenlet::new(move |name: String| {
        let deep = |name| said.say(format!("hello {name}"));
        deep(name);
        deep(Greenlet::main().switch("first".to_owned()));
        "result".to_owned()
    });
    assert!(!greenlet.is_active() && !greenlet.is_dead());
    assert_eq!(greenlet.switch("one".to_owned()), "first");
    assert!(greenlet.is_active());
    assert_eq!(greenlet.switch("two".to_owned()), "result");
    assert!(greenlet.is_dead() && !greenlet.is_active());
    assert_eq!(talk.heard(), "hello one hello two");
    assert_eq!(greenlet.switch("to the dead".to_owned()), "to the dead", "it lands in main");
}

/// Two who hand over to each other. After 78 control is in main, and the first never goes on: it is torn down.
#[test]
fn ping_pong_of_two() {
    let talk = Talk::default();
    let second = Place::default();
    let first = Greenlet::new({
        let (talk, second) = (talk.clone(), second.clone());
        move |()| {
            let _farewell = talk.farewell("(locals dropped)");
            talk.say(12);
            go(&second);
            talk.say(34);
            go(&second);
            talk.say("not reached");
        }
    });
    let _ = second.set(Greenlet::new({
        let (talk, first) = (talk.clone(), first.clone());
        move |()| {
            talk.say(56);
            first.switch(());
            talk.say(78);
        }
    }));
    first.switch(());
    assert_eq!(talk.heard(), "12 56 34 78");
    assert!(second.get().unwrap().is_dead());
    assert!(!first.is_dead());
    drop(first);
    assert_eq!(talk.heard(), "12 56 34 78 (locals dropped)");
    drop(second);
    assert_eq!(talk.holders(), 1);
}

#[test]
fn round_of_three() {
    let talk = Talk::default();
    let places: [Place<()>; 3] = Default::default();
    for (me, (before, next, after)) in
        [(12, 1, Some(34)), (56, 2, Some(68)), (777, 0, None)].into_iter().enumerate()
    {
        let (talk, others) = (talk.clone(), places.clone());
        let _ = places[me].set(Greenlet::new(move |()| {
            talk.say(before);
            go(&others[next]);
            talk.say(after.expect("nobody goes back to the third"));
            if me == 0 {
                go(&others[1]);
            }
        }));
    }
    go(&places[0]);
    assert_eq!(talk.heard(), "12 56 777 34 68");
    let dead = places.each_ref().map(|place| place.get().unwrap().is_dead());
    assert_eq!(dead, [false, true, false]);
    // Each stack has handles of the others: somebody has to end it.
    for place in &places {
        place.get().unwrap().exit(());
    }
    drop(places);
    assert_eq!(talk.holders(), 1);
}

/// A child's result goes to the greenlet in which it was made, unless that was changed.
#[test]
fn results_go_to_the_parent() {
    let talk = Talk::default();
    let said = talk.clone();
    let parent = Greenlet::new(move |_| {
        let child = Greenlet::new(|number| number * 10);
        assert!(child.parent().unwrap() == Greenlet::current());
        let answer = child.switch(4);
        said.say(format!("parent: {answer}"));
        let other = Greenlet::new(|number| number * 100);
        other.set_parent(&Greenlet::main());
        let sent = other.switch(5);
        said.say(format!("parent: {sent}"));
        6
    });
    assert_eq!(parent.switch(0), 500, "the second child's parent is main");
    assert_eq!(parent.switch(7), 6);
    assert_eq!(talk.heard(), "parent: 40 parent: 7");
}

/// Of a line of ancestors some are dead.
#[test]
fn a_switch_to_the_dead_lands_in_the_nearest_ancestor_that_lives() {
    let talk = Talk::default();
    let said = talk.clone();
    let grandparent = Greenlet::new(move |_| {
        let inner = said.clone();
        let parent = Greenlet::new(move |number| {
            let child = Greenlet::new(|number| number);
            child.switch(number);
            let keep: Place<i32> = Place::default();
            let _ = keep.set(child);
            KEPT.with_borrow_mut(|kept| *kept = keep.get().cloned());
            inner.say("parent ends");
            number
        });
        parent.switch(1);
        loop {
            let got = Greenlet::main().switch(0);
            said.say(format!("grandparent: {got}"));
        }
    });
    thread_local!(static KEPT: RefCell<Option<Greenlet<i32>>> = const { RefCell::new(None) });
    grandparent.switch(0);
    let child = KEPT.take().unwrap();
    assert!(child.is_dead() && child.parent().unwrap().is_dead());
    child.switch(7);
    assert_eq!(talk.heard(), "parent ends grandparent: 7");
    assert_eq!(
        *panic_of(|| child.throw(8)).downcast::<i32>().unwrap(),
        8,
        "through the one that lives, out to main"
    );
    assert!(grandparent.is_dead());
    assert_eq!(child.switch(9), 9);
}

#[test]
fn a_panic_goes_to_the_parent() {
    let parent = Greenlet::new(|_| {
        let child = Greenlet::new(|_| resume_unwind(Box::new("out of tea")));
        match catch_unwind(AssertUnwindSafe(|| child.switch(String::new()))) {
            Ok(_) => unreachable!(),
            Err(panic) => {
                assert!(child.is_dead());
                Greenlet::main().switch(format!("caught: {}", message(&*panic)));
                resume_unwind(panic)
            }
        }
    });
    assert_eq!(parent.switch(String::new()), "caught: out of tea");
    assert_eq!(message(&*panic_of(|| parent.switch(String::new()))), "out of tea", "and from there to main");
    assert!(parent.is_dead());
}

#[test]
fn thrown_at_it_may_catch_that() {
    let greenlet = Greenlet::new(|_| {
        let caught = panic_of(|| Greenlet::main().switch(0));
        let caught = *caught.downcast::<i32>().unwrap();
        Greenlet::main().switch(caught + 1)
    });
    greenlet.switch(0);
    assert_eq!(greenlet.throw(41), 42);
    assert_eq!(message(&*panic_of(|| greenlet.throw("thrown"))), "thrown");
    assert!(greenlet.is_dead());
}

#[test]
fn thrown_at_before_it_begins_it_dies() {
    let talk = Talk::default();
    let farewell = talk.farewell("function dropped");
    let fresh = Greenlet::new(move |()| {
        let _farewell = &farewell;
        unreachable!("it never begins")
    });
    assert_eq!(message(&*panic_of(|| fresh.throw("thrown"))), "thrown");
    assert!(fresh.is_dead());
    assert_eq!(talk.heard(), "function dropped");

    let fresh = Greenlet::new(|_| unreachable!("it never begins"));
    assert_eq!(fresh.exit(5), 5);
    assert!(fresh.is_dead());
}

/// `throw(GreenletExit)`: it ends quietly, and its parent has the value.
#[test]
fn told_to_end_it_unwinds_quietly() {
    let talk = Talk::default();
    let said = talk.clone();
    let greenlet = Greenlet::new(move |_| {
        let _farewell = said.farewell("unwound");
        Greenlet::main().switch(1)
    });
    greenlet.switch(0);
    assert_eq!(greenlet.exit(2), 2);
    assert!(greenlet.is_dead());
    assert_eq!(talk.heard(), "unwound");
    assert_eq!(greenlet.exit(3), 3, "once is enough");

    let stubborn = Greenlet::new(|_| {
        let caught = panic_of(|| Greenlet::main().switch(1));
        assert!(caught.is::<Killed>());
        Greenlet::main().switch(2)
    });
    stubborn.switch(0);
    assert_eq!(stubborn.exit(9), 2, "it goes on");
    assert_eq!(stubborn.switch(3), 3);

    let by_itself = Greenlet::new(|_| Greenlet::current().exit(7));
    assert_eq!(by_itself.switch(0), 7);
    assert!(message(&*panic_of(|| Greenlet::main().exit(0))).contains("main is not a greenlet"));
}

#[test]
fn a_switch_to_oneself_gives_the_value_back() {
    assert_eq!(Greenlet::main().switch(3), 3);
    let greenlet = Greenlet::new(|number| Greenlet::current().switch(number) + 1);
    assert_eq!(greenlet.switch(1), 2);
    assert!(Greenlet::<i32>::current().is_main() && Greenlet::<i32>::main().is_active());
    assert!(Greenlet::<i32>::main().parent().is_none());
}

#[test]
fn parents_do_not_go_round_in_circles() {
    let grandparent = Greenlet::new(|number| number + 1);
    let parent = Greenlet::new(|number| number + 10);
    let child = Greenlet::new(|number| number + 100);
    parent.set_parent(&grandparent);
    child.set_parent(&parent);
    for descendant in [&grandparent, &parent, &child] {
        let panic = panic_of(|| grandparent.set_parent(descendant));
        assert!(message(&*panic).contains("cannot be its own ancestor"));
    }
    assert!(
        message(&*panic_of(|| Greenlet::<i32>::main().set_parent(&child))).contains("main has no parent")
    );
    assert_eq!(child.switch(0), 111, "each begins its parent with its result");
    assert!(grandparent.is_dead());
}

/// A long line of ancestors is let go one by one, on whatever stack.
#[test]
fn a_long_line_of_ancestors_is_dropped() {
    let youngest = Greenlet::new(|number: u32| number);
    let mut oldest = youngest.clone();
    for _ in 0..100_000 {
        let parent = Greenlet::new(|number| number);
        oldest.set_parent(&parent);
        oldest = parent;
    }
    drop(oldest);
    drop(youngest);
}

#[test]
fn dropped_on_the_stack_of_another_it_unwinds() {
    let talk = Talk::default();
    let said = talk.clone();
    let outer = Greenlet::new(move |()| {
        let inner = Greenlet::new({
            let said = said.clone();
            move |()| {
                let _farewell = said.farewell("inner");
                Greenlet::main().switch(());
            }
        });
        let _farewell = said.farewell("outer");
        inner.switch(());
    });
    outer.switch(());
    outer.switch(());
    assert_eq!(
        talk.heard(),
        "outer inner",
        "main's first switch ended the inner one's, so did its second the outer's"
    );
}

/// What becomes of one that is dropped is no business of its parent.
#[test]
fn the_parent_of_one_that_is_dropped_hears_nothing() {
    let slot: Rc<RefCell<Option<Greenlet<u32>>>> = Rc::default();
    let given = slot.clone();
    let parent = Greenlet::new(move |_| {
        given.replace(Some(Greenlet::new(|_| Greenlet::main().switch(2))));
        Greenlet::main().switch(1)
    });
    assert_eq!(parent.switch(0), 1);
    let child = slot.take().unwrap();
    assert!(child.parent().unwrap() == parent);
    assert_eq!(child.switch(0), 2);
    drop(child);
    assert!(parent.is_active());
    assert_eq!(parent.switch(3), 3);
}

/// Somebody panics, and its unwinding drops suspended ones: they unwind as well.
#[test]
fn dropped_while_its_owner_panics_it_unwinds() {
    let talk = Talk::default();
    let said = talk.clone();
    let panic = panic_of(|| {
        let greenlet = Greenlet::new(move |()| {
            let _farewell = said.farewell("unwound");
            Greenlet::main().switch(());
        });
        greenlet.switch(());
        resume_unwind(Box::new("out of tea"));
    });
    assert_eq!(message(&*panic), "out of tea");
    assert_eq!(talk.heard(), "unwound");
}

#[test]
fn a_destructor_that_panics_is_heard_of_where_it_was_dropped() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                return;
            }
            let _ = catch_unwind(|| resume_unwind(Box::new("inside")));
        }
    }
    let greenlet = Greenlet::new(|()| {
        let caught = panic_of(|| {
            let _panics = Panics;
            Greenlet::main().switch(());
        });
        assert!(caught.is::<Killed>());
        resume_unwind(Box::new("instead"));
    });
    greenlet.switch(());
    assert_eq!(message(&*panic_of(|| drop(greenlet))), "instead");
}

/// What switches when it is dropped.
struct Switches(Greenlet<()>, Talk);

impl Drop for Switches {
    fn drop(&mut self) {
        self.1.say("leaves");
        self.0.switch(());
        self.1.say("is back");
    }
}

/// A destructor may switch: it goes on when somebody switches back.
#[test]
fn a_destructor_may_switch_away_and_be_switched_back_to() {
    let talk = Talk::default();
    let said = talk.clone();
    let greenlet = Greenlet::new(move |()| {
        let _switches = Switches(Greenlet::main(), said);
        Greenlet::main().switch(());
    });
    greenlet.switch(());
    greenlet.exit(());
    assert_eq!(talk.heard(), "leaves");
    assert!(!greenlet.is_dead());
    greenlet.exit(());
    assert!(greenlet.is_dead());
    assert_eq!(talk.heard(), "leaves is back");
}

/// While the last handle is dropped the code that drops it is main; one that is left in a destructor then is left for good.
#[test]
fn dropped_it_may_switch_to_others_but_has_to_come_to_an_end() {
    let (builder, reports) = reporting();
    let talk = Talk::default();
    let said = talk.clone();
    builder.build().unwrap().block_on(async move {
        let helper = Greenlet::new({
            let talk = said.clone();
            move |()| {
                talk.say("helps");
                // Its parent is main: whoever drops.
            }
        });
        let greenlet = Greenlet::new({
            let (talk, helper) = (said.clone(), helper.clone());
            move |()| {
                let _switches = Switches(helper, talk);
                Greenlet::main().switch(());
            }
        });
        greenlet.switch(());
        drop(greenlet);
        said.say("goes on");
        assert!(helper.is_dead());
    });
    assert_eq!(talk.heard(), "leaves helps goes on");
    let [report] = &reports.borrow()[..] else { panic!("one report, not {reports:?}") };
    assert!(
        report.contains("a destructor on it has switched away while the last handle was dropped"),
        "{report}"
    );
}

fn reporting() -> (Builder, Rc<RefCell<Vec<String>>>) {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let seen = reports.clone();
    let builder = Builder::new().on_report(move |report| seen.borrow_mut().push(report.to_string()));
    (builder, reports)
}

/// One that is dropped switches to the very greenlet that drops it: that one goes on.
#[test]
fn a_destructor_may_switch_to_who_drops_it() {
    let (builder, reports) = reporting();
    let talk = Talk::default();
    let said = talk.clone();
    builder.build().unwrap().block_on(async move {
        let outer = Greenlet::new(move |()| {
            let me = Greenlet::current();
            let inner = Greenlet::new({
                let said = said.clone();
                move |()| {
                    let _switches = Switches(me.clone(), said);
                    me.switch(());
                }
            });
            inner.switch(());
            drop(inner);
            said.say("outer goes on");
        });
        outer.switch(());
        assert!(outer.is_dead());
    });
    assert_eq!(talk.heard(), "leaves outer goes on");
    assert!(reports.borrow()[0].contains("switched away while the last handle was dropped"));
}

/// Greenlets of different types are families of their own: to each, the code below is main.
#[test]
fn families_of_different_types_stand_on_each_other() {
    let words = Greenlet::new(|word: &'static str| {
        let numbers = Greenlet::new(|number: u32| {
            let doubled = Greenlet::main().switch(number * 2);
            doubled + 1
        });
        assert_eq!(numbers.switch(1), 2);
        let more = Greenlet::<&str>::main().switch(word);
        assert_eq!(numbers.switch(5), 6);
        more
    });
    assert_eq!(words.switch("one"), "one");
    assert_eq!(words.switch("two"), "two");
}

/// A generator on top of a greenlet is left with it, and gone back to with it.
#[test]
fn a_switch_inside_a_generator_leaves_both() {
    let talk = Talk::default();
    let said = talk.clone();
    let greenlet = Greenlet::new(move |first: u32| {
        let numbers = greenlet::Generator::new(move |yielder| {
            let mut number = first;
            loop {
                yielder.yield_(number);
                number = Greenlet::main().switch(number + 1);
            }
        });
        numbers.take(3).for_each(|number: u32| said.say(number));
        0
    });
    assert_eq!(greenlet.switch(10), 11);
    assert_eq!(greenlet.switch(20), 21);
    assert_eq!(greenlet.switch(30), 0);
    assert_eq!(talk.heard(), "10 20 30");
}

/// What is in the middle of a call cannot be switched to.
#[test]
fn who_has_called_what_runs_here_is_busy() {
    let greenlet = Greenlet::new(|number: u32| {
        let me = Greenlet::current();
        let words = Greenlet::new(move |word: String| {
            // It is below; that it runs is what this is a part of.
            assert_eq!(me.switch(5), 5, "to numbers, it is the current one");
            let apart = Greenlet::<u32>::new(move |_| me.switch(6));
            let panic = panic_of(|| runtime::run(async { apart.switch(0) }));
            assert!(message(&*panic).contains("it has not switched away"), "{}", message(&*panic));
            word
        });
        words.switch(String::new());
        number
    });
    assert_eq!(greenlet.switch(1), 1);
}

/// In a spawned greenlet a raw one waits: both are suspended as a tower, and nobody else can switch to it.
#[runtime::test(start_paused = true)]
async fn one_that_waits_in_a_tower_cannot_be_switched_to() {
    let talk = Talk::default();
    let said = talk.clone();
    let raw = Greenlet::new(move |number: u32| {
        greenlet::wait(sleep(Duration::from_secs(1)));
        said.say(format!("waited with {number}"));
        let sent = Greenlet::main().switch(number + 1);
        greenlet::wait(sleep(Duration::from_secs(1)));
        sent
    });
    let owner = greenlet::spawn({
        let raw = raw.clone();
        move || raw.switch(1)
    });
    yield_now().await;
    let panic = panic_of(|| raw.switch(5));
    assert!(
        message(&*panic).contains("It waits for something in a spawned greenlet"),
        "{}",
        message(&*panic)
    );
    let other = greenlet::spawn({
        let raw = raw.clone();
        move || message(&*panic_of(|| raw.throw(5))).contains("cannot be switched to now")
    });
    assert!(other.await.unwrap());
    assert_eq!(owner.await.unwrap(), 2);
    assert_eq!(talk.heard(), "waited with 1");
    // It has switched away: whoever likes may go on with it, and its waits are that one's then.
    let next = greenlet::spawn(move || raw.switch(7));
    assert_eq!(next.await.unwrap(), 7);
}

/// The result of one goes to a parent that waits elsewhere: main is told so.
#[runtime::test(start_paused = true)]
async fn a_result_for_one_that_waits_is_refused() {
    let parent = Greenlet::new(|number: u32| {
        greenlet::wait(sleep(Duration::from_secs(1)));
        number
    });
    let child = Greenlet::new(|number: u32| number);
    child.set_parent(&parent);
    let waiting = greenlet::spawn(move || parent.switch(1));
    yield_now().await;
    let panic = panic_of(|| child.switch(2));
    assert!(message(&*panic).contains("cannot be switched to now"));
    assert!(child.is_dead());
    assert_eq!(waiting.await.unwrap(), 1);
}

/// A spawned greenlet is killed while raw ones of its wait: all of them unwind, from the top.
#[runtime::test]
async fn killed_with_a_tower_all_unwind() {
    let talk = Talk::default();
    let said = talk.clone();
    let spawned = greenlet::spawn(move || {
        let _spawned = said.farewell("spawned");
        let parent = Greenlet::new(move |()| {
            let _parent = said.farewell("parent");
            let child = Greenlet::new(move |()| {
                let _child = said.farewell("child");
                greenlet::wait(pending::<()>());
            });
            child.switch(());
        });
        parent.switch(());
    });
    yield_now().await;
    spawned.cancel();
    assert!(spawned.await.unwrap_err().is_cancelled());
    assert_eq!(talk.heard(), "child parent spawned");
}

/// A stack that has run in a runtime is not gone on with elsewhere.
#[test]
fn a_greenlet_stays_with_its_runtime() {
    let inside = Builder::new().build().unwrap();
    let greenlet = Greenlet::new(|()| Greenlet::main().switch(()));
    inside.block_on(async { greenlet.switch(()) });
    assert!(message(&*panic_of(|| greenlet.switch(()))).contains("switch to it there"));
    inside.block_on(async { greenlet.switch(()) });
    assert!(greenlet.is_dead());
}

/// Each task is a main of its own: who switches gets control back, whoever has run that greenlet before.
#[runtime::test]
async fn tasks_share_a_greenlet() {
    let counter = Greenlet::new(|mut number: u32| {
        loop {
            number = Greenlet::main().switch(number + 1);
        }
    });
    let tasks = [10, 20, 30].map(|number| {
        let counter = counter.clone();
        runtime::spawn(async move {
            yield_now().await;
            counter.switch(number)
        })
    });
    let mut answers = Vec::new();
    for answer in runtime::join_all(tasks).await {
        answers.push(answer.unwrap());
    }
    assert_eq!(answers, [11, 21, 31]);
}
