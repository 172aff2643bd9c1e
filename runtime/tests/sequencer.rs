//! The sequencer: steps in order, and sentences for those who hold it wrong.
#![cfg(feature = "macros")]

use runtime::{
    spawn,
    sync::Event,
    testing::{Sequencer, Sim, settle},
};
use std::{cell::RefCell, rc::Rc};

#[test]
fn steps_follow_their_numbers_whatever_the_seed() {
    Sim::new().seeds(200).run(|| async {
        let (sequencer, log) = (Sequencer::new(), Rc::new(RefCell::new(Vec::new())));
        let tasks: Vec<_> = [[0, 4], [1, 3], [2, 5]]
            .into_iter()
            .map(|steps| {
                let (sequencer, log) = (sequencer.clone(), Rc::clone(&log));
                spawn(async move {
                    for number in steps {
                        let step = sequencer.step(number).await;
                        assert_eq!(step.number(), number);
                        log.borrow_mut().push(number);
                        runtime::task::yield_now().await;
                        log.borrow_mut().push(number);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*log.borrow(), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    });
}

#[runtime::test(start_paused = true)]
async fn a_step_lasts_until_it_is_dropped() {
    let sequencer = Sequencer::new();
    let first = sequencer.step(0).await;
    let second = spawn({
        let sequencer = sequencer.clone();
        async move { sequencer.step(1).await.number() }
    });
    settle().await;
    assert!(!second.is_finished());
    assert_eq!(format!("{sequencer:?}"), "Sequencer { next: 0, waiting: [1] }");
    drop(first);
    assert_eq!(second.await.unwrap(), 1);
}

#[runtime::test]
#[should_panic(expected = "step 1 is taken, at runtime/tests/sequencer.rs")]
async fn a_number_is_given_once() {
    let sequencer = Sequencer::new();
    let _waiting = sequencer.step(1);
    drop(sequencer.step(1));
}

#[runtime::test]
async fn a_step_given_up_breaks_those_behind_it_and_no_others() {
    let sequencer = Sequencer::new();
    let step = |number| {
        let sequencer = sequencer.clone();
        spawn(async move { sequencer.step(number).await.number() })
    };
    let gate = sequencer.step(0).await;
    let (before, given_up, behind) = (step(1), step(2), step(3));
    settle().await;
    given_up.cancel_and_wait().await.unwrap_err();
    settle().await;
    let error = behind.await.unwrap_err();
    assert!(error.to_string().contains("step 2 was given up"), "{error}");
    assert!(step(4).await.unwrap_err().to_string().contains("step 2 was given up"), "also later ones");
    drop(gate);
    assert_eq!(before.await.unwrap(), 1);
}

/// The wait is on record like every other, so a test that is stuck says where.
#[test]
fn a_missing_step_is_found() {
    let failure = Sim::new()
        .try_run(|| async {
            let _kept = Event::new();
            let step = Sequencer::new().step(1);
            drop(step.await);
        })
        .unwrap_err();
    assert!(failure.to_string().contains("runtime/tests/sequencer.rs"), "{failure}");
}
