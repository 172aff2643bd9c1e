//! Panics and kills that meet: which of them comes out, what is dropped, and when there is nothing left but to abort.

use crate::support::{Log, SECOND, inside, reports, text, wait_for_ever};
use runtime::{
    greenlet::{self, Killed},
    task::JoinError,
};
use std::{
    cell::Cell,
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::Command,
    rc::Rc,
};

/// Calls a function when it is dropped.
struct Finally<F: FnMut()>(F);

impl<F: FnMut()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[track_caller]
fn said(error: JoinError) -> String {
    text(&*error.into_panic())
}

#[test]
fn a_destructor_that_panics_ends_the_greenlet_with_that() {
    inside(|| {
        let log = Log::default();
        let held = log.clone();
        let greenlet = greenlet::spawn(move || {
            let _held = held.at_drop("dropped");
            drop(Finally(|| panic!("in a destructor")));
        });
        assert_eq!(said(greenlet.get().unwrap_err()), "in a destructor");
        assert_eq!(log.take(), ["dropped"]);
    });
}

/// Killed in the middle of it a panic stays that panic, and its destructors still have their time.
#[test]
fn a_panic_is_not_replaced_by_a_kill() {
    inside(|| {
        let log = Log::default();
        let held = log.clone();
        let greenlet = greenlet::spawn(move || {
            let _slow = Finally(|| {
                greenlet::sleep(SECOND);
                held.say("after a second");
            });
            panic!("out of tea");
        });
        greenlet::sleep(SECOND / 2);
        greenlet.kill();
        assert_eq!(log.take(), ["after a second"]);
        assert_eq!(said(greenlet.get().unwrap_err()), "out of tea");
    });
}

/// Who catches the kill may fail in an own way.
#[test]
fn a_kill_that_is_answered_by_a_panic() {
    inside(|| {
        let greenlet = greenlet::spawn(|| {
            let panic = catch_unwind(wait_for_ever).unwrap_err();
            assert!(panic.is::<Killed>());
            panic!("not without my tea");
        });
        greenlet::yield_now();
        greenlet.kill();
        assert_eq!(said(greenlet.get().unwrap_err()), "not without my tea");
    });
}

/// What a destructor panics with is its own matter as long as it catches it.
#[test]
fn panics_that_stay_in_a_destructor() {
    inside(|| {
        let greenlet = greenlet::spawn(|| {
            let _guard = Finally(|| {
                let panic = catch_unwind(|| panic!("inside")).unwrap_err();
                assert_eq!(text(&*panic), "inside");
            });
            wait_for_ever();
        });
        greenlet::yield_now();
        greenlet.kill();
        assert!(greenlet.get().unwrap_err().is_cancelled());
        assert!(!std::thread::panicking());
    });
}

#[test]
fn destructors_of_a_killed_one_use_greenlets_like_anybody() {
    inside(|| {
        let log = Log::default();
        let said = log.clone();
        let greenlet = greenlet::spawn(move || {
            let other = greenlet::spawn(wait_for_ever);
            let _guard = Finally(|| {
                let value = greenlet::spawn(|| {
                    greenlet::sleep(SECOND);
                    42
                })
                .get();
                other.kill();
                said.say(format!("{}, {}", value.unwrap(), other.is_dead()));
            });
            wait_for_ever();
        });
        greenlet::yield_now();
        greenlet.kill();
        assert_eq!(log.take(), ["42, true"]);
    });
}

/// A kill while it waits in a destructor, several times, changes nothing: it is thrown at once.
#[test]
fn killed_again_in_its_destructor() {
    inside(|| {
        let ends = Rc::new(Cell::new(0));
        let count = ends.clone();
        let greenlet = greenlet::spawn(move || {
            let _last = Finally(|| count.set(count.get() + 1));
            let _slow = Finally(|| {
                (0..3).for_each(|_| greenlet::sleep(SECOND));
                count.set(count.get() + 10);
            });
            wait_for_ever();
        });
        greenlet::yield_now();
        for _ in 0..3 {
            assert!(greenlet.kill_timeout(SECOND / 2).is_err());
        }
        greenlet.kill();
        assert_eq!(ends.get(), 11);
        assert!(greenlet.get().unwrap_err().is_cancelled());
    });
}

/// A loop that catches all panics, as servers have them: it ends as it lets this one pass.
#[test]
fn a_loop_that_catches_panics_and_lets_kills_pass() {
    inside(|| {
        let rounds = Rc::new(Cell::new(0));
        let count = rounds.clone();
        let server = greenlet::spawn(move || {
            loop {
                let handled = catch_unwind(AssertUnwindSafe(|| {
                    greenlet::sleep(SECOND);
                    count.set(count.get() + 1);
                    panic!("a bad request");
                }));
                let Err(panic) = handled;
                if panic.is::<Killed>() {
                    resume_unwind(panic);
                }
            }
        });
        greenlet::sleep(SECOND * 5 / 2);
        server.kill();
        assert_eq!(rounds.get(), 2);
        assert!(server.get().unwrap_err().is_cancelled());
    });
}

/// Many unwind at once, each waiting in its destructors, and come out in any order with what they panicked with.
#[test]
fn panics_of_many_stacks_are_not_mixed_up() {
    let ((), reports) = reports(|| {
        let greenlets = [2, 3, 1, 0].map(|seconds| {
            greenlet::spawn(move || {
                let _slow = Finally(|| greenlet::sleep(seconds * SECOND));
                if seconds == 2 {
                    wait_for_ever();
                }
                panic!("{seconds}");
            })
        });
        greenlet::yield_now();
        greenlets[0].cancel();
        let order: Vec<_> = greenlet::iwait(greenlets)
            .map(|(index, outcome)| {
                let error = outcome.unwrap_err();
                (index, if error.is_cancelled() { "killed".into() } else { said(error) })
            })
            .collect();
        let order: Vec<_> = order.iter().map(|(index, text)| (*index, &**text)).collect();
        assert_eq!(order, [(3, "0"), (2, "1"), (0, "killed"), (1, "3")]);
        assert!(!std::thread::panicking());
    });
    assert_eq!(reports, [""; 0]);
}

/// Says to the program of these stories that it is a child, which dies of one.
const IN_CHILD: &str = "RUNTIME_GEVENT_PANICS";

/// A destructor that panics while its stack unwinds ends the process, in Rust; a kill is no exception.
#[test]
#[cfg(unix)]
fn a_destructor_that_panics_while_it_is_killed_aborts() {
    use std::os::unix::process::ExitStatusExt;
    const SIGABRT: i32 = 6;
    if env::var_os(IN_CHILD).is_some() {
        inside(|| {
            let greenlet = greenlet::spawn(|| {
                let _guard = Finally(|| panic!("in a destructor"));
                wait_for_ever();
            });
            greenlet::yield_now();
            greenlet.kill();
        });
        return;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "panics::a_destructor_that_panics_while_it_is_killed_aborts", "--nocapture"]);
    let output = child.env(IN_CHILD, "").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(SIGABRT), "{stderr}");
    assert!(stderr.contains("panic in a destructor during cleanup"), "{stderr}");
}
