//! How all of it ends.

use super::{Story, settings};
use crate::cluster::fleet::{Ended, Event, LifeId};
use std::time::Duration;

const GRACEFUL: Event = Event::Stop { fast: false };
const FAST: Event = Event::Stop { fast: true };

#[test]
fn a_graceful_stop_waits_for_everybody_and_restarts_nobody() {
    let mut story = Story::of_ready(2, settings()).with_log();
    story.at(1_000).event(GRACEFUL).at(2_000).exits(0, 0).at(3_000).dies_of(1, 11).expect(
        "1.000 Info: stopping
         1.000 stop 0 within 30 s, all stop
         1.000 stop 1 within 30 s, all stop
         2.000 0 stopped as asked
         2.000 Info: worker 0 stopped as asked
         3.000 1 was killed by signal 11 (SIGSEGV)
         3.000 Warning: worker 1 was killed by signal 11 (SIGSEGV)
         3.000 finish Stopped, forced 0, killed 0, abandoned 0: exit code 0",
    );
}

#[test]
fn what_is_cut_at_the_deadline_is_counted_exactly() {
    let mut story = Story::of_ready(3, settings());
    story.event(GRACEFUL).at(10_000).event(Event::Ending { life: LifeId(0), forced: 0 }).exits(0, 0);
    story.at(30_000).event(Event::Ending { life: LifeId(1), forced: 3 }).exits(1, 0);
    // The last one does nothing of the kind; its counters say what was lost with it.
    let how = Ended::Signal { signal: 9, core_dumped: false };
    story.at(30_205).event(Event::Exited { life: LifeId(2), how, open: 4 }).expect(
        "0.000 stop 0 within 30 s, all stop
         0.000 stop 1 within 30 s, all stop
         0.000 stop 2 within 30 s, all stop
         10.000 0 stopped as asked
         30.000 1 was stopped at its deadline, with 3 open connections
         30.200 kill 2
         30.205 2 was stopped at its deadline, with 4 open connections
         30.205 finish Stopped, forced 7, killed 1, abandoned 0: exit code 124",
    );
}

#[test]
fn asked_again_it_hurries_and_once_more_it_kills() {
    let mut story = Story::of_ready(2, settings());
    story.event(GRACEFUL).at(5_000).event(GRACEFUL).at(5_100);
    story.event(Event::Ending { life: LifeId(0), forced: 9 }).exits(0, 0).at(5_200).event(GRACEFUL);
    story.at(5_300).dies_of(1, 9).expect(
        "0.000 stop 0 within 30 s, all stop
         0.000 stop 1 within 30 s, all stop
         5.000 hurry 0
         5.000 hurry 1
         5.100 0 was stopped at its deadline, with 9 open connections
         5.200 kill 1
         5.300 1 was stopped at its deadline, with 0 open connections
         5.300 finish Stopped, forced 9, killed 1, abandoned 0: exit code 0",
    );
}

#[test]
fn hurrying_never_gives_more_time_than_there_was() {
    let mut story = Story::of_ready(1, settings());
    story.event(GRACEFUL).at(29_900).event(GRACEFUL).at(30_200).expect(
        "0.000 stop 0 within 30 s, all stop
         29.900 hurry 0
         30.200 kill 0",
    );
}

#[test]
fn a_fast_stop_cuts_and_kills_after_a_second() {
    let mut story = Story::of_ready(2, settings());
    story.event(FAST).at(100).event(Event::Ending { life: LifeId(0), forced: 2 }).exits(0, 0);
    story.at(1_050).dies_of(1, 9).expect(
        "0.000 stop 0 within 0 s, all stop
         0.000 stop 1 within 0 s, all stop
         0.100 0 was stopped at its deadline, with 2 open connections
         1.000 kill 1
         1.050 1 was stopped at its deadline, with 0 open connections
         1.050 finish Stopped, forced 2, killed 1, abandoned 0: exit code 0",
    );
}

#[test]
fn a_fast_stop_has_no_patience_with_one_that_hangs() {
    let mut story = Story::of_ready(2, settings());
    story.falls_silent(0).at(10_500).event(FAST).expect(
        "10.000 abort 0
         10.500 kill 0
         10.500 stop 1 within 0 s, all stop",
    );
}

#[test]
fn each_line_about_connections_that_were_cut_is_written() {
    let mut story = Story::of_ready(1, settings());
    story.event(Event::Recycle(LifeId(0))).ready(1).event(Event::Recycle(LifeId(1))).ready(2).at(30_000);
    story.transcript.clear();
    story.tells_log = true;
    for life in 0..2 {
        story.event(Event::Ending { life: LifeId(life), forced: life + 1 }).exits(life, 0);
    }
    story.expect(
        "30.000 0 was stopped at its deadline, with 1 open connections
         30.000 Warning: worker 0 was stopped at its deadline, with 1 open connections
         30.000 1 was stopped at its deadline, with 2 open connections
         30.000 Warning: worker 0 was stopped at its deadline, with 2 open connections",
    );
}

#[test]
fn whoever_is_not_ready_is_not_waited_for() {
    let mut story = Story::new(3, settings());
    story.ready(0).exits(1, 1).exits(3, 1);
    story.transcript.clear();
    // Slot 1 waits for its next restart, slot 2 has never been ready.
    story.event(GRACEFUL).exits(0, 0).dies_of(2, 9).expect(
        "0.000 stop 0 within 30 s, all stop
         0.000 kill 2
         0.000 0 stopped as asked
         0.000 2 stopped as asked
         0.000 finish Stopped, forced 0, killed 0, abandoned 0: exit code 0",
    );
}

#[test]
fn with_nobody_there_it_ends_at_once() {
    let mut story = Story::of_ready(1, settings());
    story.exits(0, 1).exits(1, 1).at(50).event(GRACEFUL).expect(
        "0.000 0 ended with exit code 1
         0.000 launch 1 in slot 0, generation 0
         0.000 1 ended with exit code 1 before it was ready
         0.050 finish Stopped, forced 0, killed 0, abandoned 0: exit code 0",
    );
}

#[test]
fn predecessors_keep_their_earlier_deadline_and_one_that_hangs_its_own_end() {
    let mut story = Story::of_ready(2, settings());
    story.falls_silent(1).at(9_000).event(Event::Recycle(LifeId(0))).ready(2).at(10_500).event(GRACEFUL);
    story.at(13_000).dies_of(1, 9).exits(2, 0).at(40_000).dies_of(0, 9).expect(
        "9.000 launch 2 in slot 0, generation 0
         9.000 stop 0 within 30 s
         10.000 abort 1
         10.500 stop 2 within 30 s, all stop
         12.000 kill 1
         13.000 1 hung, and was killed
         13.000 2 stopped as asked
         39.200 kill 0
         40.000 0 was stopped at its deadline, with 0 open connections
         40.000 finish Stopped, forced 0, killed 1, abandoned 0: exit code 124",
    );
}

#[test]
fn one_that_cannot_be_killed_does_not_keep_the_supervisor_and_is_reported() {
    let mut story = Story::of_ready(1, settings());
    story.event(FAST).at(60_000).expect(
        "0.000 stop 0 within 0 s, all stop
         1.000 kill 0
         6.000 0 was stopped at its deadline, with 0 open connections
         6.000 finish Stopped, forced 0, killed 1, abandoned 1: exit code 1",
    );
}

#[test]
fn a_stop_ends_a_reload() {
    let mut story = Story::of_ready(2, settings());
    story.event(Event::Reload).event(Event::ProgramOpened(Ok(()))).ready(2).event(Event::Reload);
    story.event(GRACEFUL).exits(0, 0).exits(1, 0).exits(2, 0).dies_of(3, 9).expect(
        "0.000 open 1
         0.000 launch 2 in slot 0, generation 1
         0.000 launch 3 in slot 1, generation 1
         0.000 stop 0 within 30 s, all stop
         0.000 stop 1 within 30 s, all stop
         0.000 stop 2 within 30 s, all stop
         0.000 kill 3
         0.000 0 stopped as asked
         0.000 1 stopped as asked
         0.000 2 stopped as asked
         0.000 3 stopped as asked
         0.000 finish Stopped, forced 0, killed 0, abandoned 0: exit code 0",
    );
}

#[test]
fn after_the_end_nothing_happens_whatever_is_said() {
    let mut story = Story::of_ready(1, settings());
    story.event(FAST).exits(0, 0).transcript.clear();
    let life = LifeId(0);
    for event in [FAST, Event::Reload, Event::Grow, Event::Shrink, Event::Ready(life), Event::Recycle(life)] {
        story.event(event);
    }
    story.exits(0, 1).asleep_until(1_000_000).expect("");
    assert_eq!(story.fleet.next_deadline(), None);
}

#[test]
fn all_the_time_in_the_world_is_no_deadline() {
    let mut patient = settings();
    patient.grace = Duration::MAX;
    let mut story = Story::of_ready(1, patient);
    story.event(GRACEFUL);
    assert_eq!(story.fleet.next_deadline(), None);
    story.at(1_000_000).event(GRACEFUL);
    story.at(1_001_000);
    assert_eq!(story.transcript.last().unwrap(), "1001.000 kill 0");
}
