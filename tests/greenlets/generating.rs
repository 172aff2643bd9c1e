//! Generators: what they hand out, what they are sent, and how they end.

use crate::talk::{Talk, message};
use runtime::{
    greenlet::{self, Generator, GeneratorState, Primed, Yielder},
    spawn, task,
    time::{Instant, sleep},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// `x = yield`: the first `next` runs as far as there, and `send(v)` goes on with `v`.
#[test]
fn a_generator_is_a_coroutine() {
    let talk = Talk::default();
    let said = talk.clone();
    let generator = Generator::new(move |yielder| {
        said.say("began");
        let sent: &str = yielder.yield_(1);
        said.say(sent);
        let sent: &str = yielder.yield_(2);
        said.say(sent);
        "end"
    });
    assert_eq!(talk.heard(), "", "it begins when it is asked to");
    let (mut generator, first) = generator.prime();
    assert_eq!(first, GeneratorState::Yielded(1));
    assert_eq!(generator.send("one"), GeneratorState::Yielded(2));
    assert_eq!(generator.send("two"), GeneratorState::Returned("end"));
    assert_eq!(talk.heard(), "began one two");
    assert!(generator.is_ended());
    let panic = catch_unwind(AssertUnwindSafe(|| generator.send("three"))).unwrap_err();
    assert!(message(&*panic).contains("has returned or panicked"));
}

fn consumer(name: &'static str, talk: &Talk) -> Primed<(), u32> {
    let talk = talk.clone();
    let (primed, state) = Generator::<(), u32>::new(move |yielder| {
        talk.say(format!("[{name}] is ready to eat\n"));
        loop {
            let baozi = yielder.yield_(());
            talk.say(format!("[{name}] is eating baozi {baozi}\n"));
        }
    })
    .prime();
    assert_eq!(state, GeneratorState::Yielded(()));
    primed
}

/// One producer drives two consumers, each second, inside a greenlet that sleeps in between.
#[runtime::test(start_paused = true)]
async fn one_producer_drives_two_consumers() {
    let start = Instant::now();
    let talk = Talk::default();
    let said = talk.clone();
    let producer = greenlet::spawn(move || {
        let (mut one, mut two) = (consumer("c1", &said), consumer("c2", &said));
        for round in 0..3 {
            greenlet::wait(sleep(SECOND));
            let (first, second) = (2 * round, 2 * round + 1);
            said.say(format!("[producer] is making baozi {first} and {second}\n"));
            let _ = one.send(first);
            let _ = two.send(second);
        }
    });
    producer.await.unwrap();
    assert_eq!(start.elapsed(), 3 * SECOND);
    let expected = "[c1] is ready to eat\n [c2] is ready to eat\n \
                    [producer] is making baozi 0 and 1\n [c1] is eating baozi 0\n [c2] is eating baozi 1\n \
                    [producer] is making baozi 2 and 3\n [c1] is eating baozi 2\n [c2] is eating baozi 3\n \
                    [producer] is making baozi 4 and 5\n [c1] is eating baozi 4\n [c2] is eating baozi 5\n";
    assert_eq!(talk.heard(), expected);
    assert_eq!(talk.holders(), 1, "the consumers are gone");
}

/// In a task, without greenlets: a generator is a value like any other.
#[runtime::test(start_paused = true)]
async fn a_task_drives_a_consumer_across_its_awaits() {
    let talk = Talk::default();
    let mut consumer = consumer("c", &talk);
    let _ = consumer.send(1);
    sleep(SECOND).await;
    let _ = consumer.send(2);
    assert!(talk.heard().ends_with("[c] is eating baozi 1\n [c] is eating baozi 2\n"));
}

/// Each level is a generator with a stack of its own, which asks the next one.
fn nested(rest: Vec<u8>) -> Generator<Vec<u8>> {
    Generator::new(move |yielder| {
        if rest.is_empty() {
            yielder.yield_(Vec::new());
        }
        for (index, &first) in rest.iter().enumerate() {
            let others = [&rest[..index], &rest[index + 1..]].concat();
            for tail in nested(others) {
                yielder.yield_([&[first][..], &tail].concat());
            }
        }
    })
}

/// Each level runs in place of the one that delegates to it.
fn delegated(done: Vec<u8>, rest: Vec<u8>) -> Generator<Vec<u8>> {
    Generator::new(move |yielder| {
        if rest.is_empty() {
            yielder.yield_(done.clone());
        }
        for (index, &next) in rest.iter().enumerate() {
            let others = [&rest[..index], &rest[index + 1..]].concat();
            yielder.delegate(delegated([&done[..], &[next]].concat(), others));
        }
    })
}

#[test]
fn nested_generators_give_the_permutations_of_four() {
    let permutations: Vec<_> = nested(vec![1, 2, 3, 4]).collect();
    assert_eq!(permutations.len(), 24);
    assert_eq!(permutations[..3], [[1, 2, 3, 4], [1, 2, 4, 3], [1, 3, 2, 4]]);
    assert!(permutations.is_sorted());
    let mut unique = permutations.clone();
    unique.dedup();
    assert_eq!(unique.len(), 24);
    assert!(delegated(vec![], vec![1, 2, 3, 4]).eq(permutations));
}

/// One that has begun keeps its own stack: what is sent and thrown passes through to it.
#[test]
fn a_generator_that_has_begun_can_be_delegated_to() {
    let talk = Talk::default();
    let said = talk.clone();
    let mut inner = Generator::<u32>::new(move |yielder| {
        let _farewell = said.farewell("inner");
        yielder.yield_(1);
        yielder.yield_(2);
        let caught = catch_unwind(AssertUnwindSafe(|| yielder.yield_(3))).unwrap_err();
        said.say(message(&*caught));
        yielder.yield_(4);
    });
    assert_eq!(inner.next(), Some(1));
    let outer = Generator::new(|yielder: &Yielder<u32>| {
        yielder.delegate(inner);
        yielder.yield_(5);
    });
    let (mut outer, first) = outer.prime();
    assert_eq!(first, GeneratorState::Yielded(2));
    assert_eq!(outer.send(()), GeneratorState::Yielded(3));
    assert_eq!(outer.throw("thrown"), GeneratorState::Yielded(4));
    assert_eq!(outer.next(), Some(5));
    assert_eq!((outer.next(), outer.next()), (None, None));
    assert_eq!(talk.heard(), "thrown inner");
}

#[test]
fn dropped_in_the_middle_it_unwinds() {
    let talk = Talk::default();
    let said = talk.clone();
    let mut outer = Generator::new(move |yielder| {
        let inner = said.clone();
        let _outer = said.farewell("outer");
        for number in Generator::new(move |yielder: &Yielder<u32>| {
            let _inner = inner.farewell("inner");
            yielder.yield_(1);
        }) {
            yielder.yield_(number);
        }
    });
    assert_eq!(outer.next(), Some(1));
    drop(outer);
    assert_eq!(talk.heard(), "inner outer");
    assert_eq!(talk.holders(), 1);
}

#[test]
fn one_that_was_never_asked_drops_its_function() {
    let talk = Talk::default();
    let farewell = talk.farewell("unused");
    drop(Generator::<u32>::new(move |yielder| {
        let _farewell = &farewell;
        yielder.yield_(1);
    }));
    assert_eq!(talk.heard(), "unused");
}

#[test]
fn closed_it_may_still_return_something() {
    let mut generator =
        Generator::new(|yielder: &Yielder<u32>| match catch_unwind(AssertUnwindSafe(|| yielder.yield_(1))) {
            Ok(()) => "went on",
            Err(panic) if panic.is::<greenlet::Killed>() => "tidied up",
            Err(_) => "panicked",
        });
    assert_eq!(generator.next(), Some(1));
    assert_eq!(generator.close(), Some("tidied up"));

    let mut simple = Generator::<u32>::new(|yielder| yielder.yield_(1));
    assert_eq!(simple.next(), Some(1));
    assert_eq!(simple.close(), None);
}

#[test]
fn a_panic_comes_to_who_asked() {
    let mut generator = Generator::<u32>::new(|yielder| {
        yielder.yield_(1);
        panic!("out of numbers");
    });
    assert_eq!(generator.next(), Some(1));
    let panic = catch_unwind(AssertUnwindSafe(|| generator.next())).unwrap_err();
    assert_eq!(message(&*panic), "out of numbers");
    assert_eq!(generator.next(), None);
}

/// The waits of a generator are those of the greenlet that asks it: others run meanwhile.
#[runtime::test(start_paused = true)]
async fn a_generator_may_wait_in_the_middle() {
    let talk = Talk::default();
    let said = talk.clone();
    let asking = greenlet::spawn(move || {
        let ticks = Generator::<u32>::new(|yielder| {
            for second in 1.. {
                greenlet::wait(sleep(SECOND));
                yielder.yield_(second);
            }
        });
        for second in ticks.take(2) {
            said.say(format!("tick {second}"));
        }
    });
    let other = talk.clone();
    spawn(async move {
        sleep(SECOND * 3 / 2).await;
        other.say("between");
    })
    .detach();
    asking.await.unwrap();
    assert_eq!(talk.heard(), "tick 1 between tick 2");
}

/// A greenlet that is killed while a generator of its waits unwinds both, the generator first.
#[runtime::test]
async fn killed_in_a_generator_both_unwind() {
    let talk = Talk::default();
    let said = talk.clone();
    let greenlet = greenlet::spawn(move || {
        let inner = said.clone();
        let _outer = said.farewell("greenlet");
        let mut waits = Generator::<u32>::new(move |yielder| {
            let _inner = inner.farewell("generator");
            greenlet::wait(std::future::pending::<()>());
            yielder.yield_(1);
        });
        waits.next();
        said.say("not reached");
    });
    task::yield_now().await;
    greenlet.cancel();
    assert!(greenlet.await.unwrap_err().is_cancelled());
    assert_eq!(talk.heard(), "generator greenlet");
}

/// On its stack a generator may enter a runtime; but it is not left from in there.
#[test]
fn a_runtime_on_top_is_not_left_in_the_middle() {
    let generator = Generator::<u32>::new(|yielder| {
        yielder.yield_(runtime::run(async { 1 }));
        let panic = catch_unwind(AssertUnwindSafe(|| runtime::run(async { yielder.yield_(2) }))).unwrap_err();
        assert!(message(&*panic).contains("a runtime or a greenlet runs on top of it"));
        yielder.yield_(3);
    });
    assert_eq!(generator.collect::<Vec<_>>(), [1, 3]);
}

/// A task-local that is bound on the generator's stack is nobody else's.
#[runtime::test]
async fn what_a_generator_binds_stays_on_its_stack() {
    runtime::task_local!(static USER: &'static str);
    USER.scope("adam", async {
        let mut generator = Generator::<&str>::new(|yielder| {
            USER.sync_scope("eve", || {
                yielder.yield_(USER.get());
                yielder.yield_(USER.get());
            });
            yielder.yield_(USER.get());
        });
        assert_eq!((generator.next(), USER.get()), (Some("eve"), "adam"));
        assert_eq!((generator.next(), USER.get()), (Some("eve"), "adam"));
        assert_eq!((generator.next(), USER.get()), (Some("adam"), "adam"));
    })
    .await;
}
