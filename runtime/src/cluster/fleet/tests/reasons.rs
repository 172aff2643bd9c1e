//! What the end of a worker is called.

use super::{Story, settings};
use crate::cluster::{
    exit_reason::{BootFailure, ExitReason},
    fleet::{Action, Ended, Event, Fleet, LifeId},
};
use std::time::Duration;

const LIFE: LifeId = LifeId(0);

/// What is said of a worker that these events befall, and that then ends so, with two open connections.
fn reason(events: &[Event], wait_ms: u64, how: Ended) -> ExitReason {
    let mut fleet = Fleet::new(Duration::ZERO, settings(), 1, 1);
    for event in events {
        fleet.handle(Duration::ZERO, event.clone());
    }
    let now = Duration::from_millis(wait_ms);
    fleet.tick(now);
    fleet.handle(now, Event::Exited { life: LIFE, how, open: 2 });
    let told = fleet.take_actions().into_iter().filter_map(|action| match action {
        Action::Ended { life: LIFE, reason, .. } => Some(reason),
        _ => None,
    });
    let told: Vec<ExitReason> = told.collect();
    assert_eq!(told.len(), 1, "an end is told once");
    told.into_iter().next().unwrap()
}

#[test]
fn an_end_that_nobody_asked_for() {
    let ready = [Event::Ready(LIFE)];
    let segv = Ended::Signal { signal: 11, core_dumped: true };
    assert_eq!(reason(&ready, 0, Ended::Code(3)), ExitReason::Code(3));
    assert_eq!(reason(&ready, 0, segv), ExitReason::Signal { signal: 11, core_dumped: true });
    assert_eq!(reason(&ready, 0, Ended::OutOfMemory), ExitReason::OutOfMemory);
    // It said that it ends, unasked: it did what it said.
    let ending = [Event::Ready(LIFE), Event::Ending { life: LIFE, forced: 1 }];
    assert_eq!(reason(&ending, 0, Ended::Code(0)), ExitReason::Code(0));
}

#[test]
fn an_end_before_it_was_ready() {
    let boot = |failure| ExitReason::BootFailure(failure);
    let abrt = Ended::Signal { signal: 6, core_dumped: false };
    assert_eq!(reason(&[], 0, Ended::Code(0)), boot(BootFailure::Code(0)));
    assert_eq!(reason(&[], 0, Ended::Code(78)), boot(BootFailure::SetUp));
    assert_eq!(reason(&[], 0, abrt), boot(BootFailure::Signal { signal: 6, core_dumped: false }));
    assert_eq!(reason(&[], 0, Ended::OutOfMemory), boot(BootFailure::OutOfMemory));
    let kill = Ended::Signal { signal: 9, core_dumped: false };
    assert_eq!(reason(&[], 30_000, kill), boot(BootFailure::TimedOut));
}

#[test]
fn an_end_that_was_asked_for() {
    let stop = [Event::Ready(LIFE), Event::Stop { fast: false }];
    let kill = Ended::Signal { signal: 9, core_dumped: false };
    assert_eq!(reason(&stop, 0, Ended::Code(0)), ExitReason::Stopped);
    // It could not say more, so what its counters say has to do.
    assert_eq!(reason(&stop, 30_200, kill), ExitReason::Forced { connections: 2 });
    // Somebody else killed it, within its time.
    assert_eq!(reason(&stop, 10_000, kill), ExitReason::Signal { signal: 9, core_dumped: false });
    assert_eq!(reason(&stop, 10_000, Ended::Code(101)), ExitReason::Code(101));
    // It counted itself, and was killed afterwards because it took too long to end.
    let told = |forced| [&stop[..], &[Event::Ending { life: LIFE, forced }]].concat();
    assert_eq!(reason(&told(7), 30_000, Ended::Code(0)), ExitReason::Forced { connections: 7 });
    assert_eq!(reason(&told(7), 30_200, kill), ExitReason::Forced { connections: 7 });
    assert_eq!(reason(&told(0), 30_000, Ended::Code(1)), ExitReason::Stopped);
}

#[test]
fn an_end_by_our_own_hand() {
    let kill = Ended::Signal { signal: 9, core_dumped: false };
    let protocol = [Event::Ready(LIFE), Event::Protocol(LIFE, "frame of 4 GiB".to_owned())];
    assert_eq!(reason(&protocol, 0, kill), ExitReason::Protocol("frame of 4 GiB".to_owned()));
    let unready = [Event::Stop { fast: false }];
    assert_eq!(reason(&unready, 0, kill), ExitReason::Stopped);
}

#[test]
fn one_that_says_it_ends_and_does_not_is_killed() {
    let mut story = Story::of_ready(2, settings());
    story.event(Event::Ending { life: LIFE, forced: 0 }).at(5_000).dies_of(0, 9).expect(
        "1.000 kill 0
         5.000 0 hung, and was killed
         5.000 launch 2 in slot 0, generation 0",
    );
}
