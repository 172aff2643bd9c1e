//! Replacing workers without anybody noticing.

use super::{Story, ms, settings};
use crate::cluster::fleet::{Event, LifeId, State};

const RELOAD: Event = Event::Reload;
const OPENED: Event = Event::ProgramOpened(Ok(()));

#[test]
fn a_reload_waits_until_all_are_ready_before_anybody_goes() {
    let mut story = Story::of_ready(2, settings()).with_log();
    story.at(1_000).event(RELOAD).event(OPENED).at(1_500).ready(3).at(2_000).expect(
        "1.000 Info: reloading: generation 1 starts
         1.000 open 1
         1.000 launch 2 in slot 0, generation 1
         1.000 launch 3 in slot 1, generation 1
         1.500 Info: worker 1 is ready (generation 1)",
    );
    story.ready(2).at(2_500).exits(0, 0).exits(1, 0).dies_of(2, 11).expect(
        "2.000 Info: worker 0 is ready (generation 1)
         2.000 Info: reloaded: generation 1 serves
         2.000 stop 0 within 30 s
         2.000 stop 1 within 30 s
         2.000 close 0
         2.500 0 stopped as asked
         2.500 Info: worker 0 stopped as asked
         2.500 1 stopped as asked
         2.500 Info: worker 1 stopped as asked
         2.500 2 was killed by signal 11 (SIGSEGV)
         2.500 Warning: worker 0 was killed by signal 11 (SIGSEGV); it is restarted
         2.500 launch 4 in slot 0, generation 1",
    );
}

#[test]
fn a_new_program_that_ends_before_it_is_ready_changes_nothing() {
    let mut story = Story::of_ready(3, settings()).with_log();
    story.at(5_000).event(RELOAD).event(OPENED).ready(4);
    story.transcript.clear();
    // 4 is ready, and may have accepted something already; 5 is not.
    story.exits(3, 1).dies_of(5, 9).at(6_000).exits(4, 0).expect(
        "5.000 3 ended with exit code 1 before it was ready
         5.000 Warning: worker 0 ended with exit code 1 before it was ready
         5.000 Error: reload failed, the old workers keep serving: generation 1: worker 0 ended with exit code 1 \
         before it was ready
         5.000 kill 5
         5.000 close 1
         5.000 stop 4 within 30 s
         5.000 5 stopped as asked
         5.000 Info: worker 2 stopped as asked
         6.000 4 stopped as asked
         6.000 Info: worker 1 stopped as asked",
    );
    assert_eq!(story.states(), [(0, State::Serving), (1, State::Serving), (2, State::Serving)]);
    // The next attempt has a number of its own, and what failed is not held against the slots.
    story.exits(0, 1).expect(
        "6.000 0 ended with exit code 1
         6.000 Warning: worker 0 ended with exit code 1; it is restarted
         6.000 launch 6 in slot 0, generation 0",
    );
    story.event(RELOAD).expect(
        "6.000 Info: reloading: generation 2 starts
         6.000 open 2",
    );
}

#[test]
fn a_new_program_that_takes_too_long_changes_nothing_either() {
    let mut story = Story::of_ready(1, settings());
    story.event(RELOAD).event(OPENED).at(30_001).dies_of(1, 9).expect(
        "0.000 open 1
         0.000 launch 1 in slot 0, generation 1
         30.000 kill 1
         30.001 1 was not ready in time
         30.001 close 1",
    );
    assert_eq!(story.states(), [(0, State::Serving)]);
}

#[test]
fn a_program_that_is_not_there_or_cannot_be_started_changes_nothing_at_all() {
    let mut story = Story::of_ready(1, settings());
    story.event(RELOAD).event(Event::ProgramOpened(Err("no such file".to_owned()))).expect(
        "0.000 open 1
         0.000 close 1",
    );
    story.event(RELOAD).event(OPENED).event(Event::LaunchFailed(LifeId(1), "not executable".to_owned()));
    story.expect(
        "0.000 open 2
         0.000 launch 1 in slot 0, generation 2
         0.000 1 could not be started: not executable
         0.000 close 2",
    );
}

#[test]
fn a_second_reload_follows_the_first_and_a_third_is_the_second() {
    let mut story = Story::of_ready(1, settings());
    story.event(RELOAD).event(RELOAD).event(OPENED).event(RELOAD).expect(
        "0.000 open 1
         0.000 launch 1 in slot 0, generation 1",
    );
    story.ready(1).event(OPENED).expect(
        "0.000 stop 0 within 30 s
         0.000 close 0
         0.000 open 2
         0.000 launch 2 in slot 0, generation 2",
    );
    story.ready(2).expect(
        "0.000 stop 1 within 30 s
         0.000 close 1",
    );
    // It also follows one that failed.
    story.event(RELOAD).event(OPENED).event(RELOAD).exits(3, 1).expect(
        "0.000 open 3
         0.000 launch 3 in slot 0, generation 3
         0.000 3 ended with exit code 1 before it was ready
         0.000 close 3
         0.000 open 4",
    );
}

#[test]
fn the_old_generation_is_restarted_while_the_new_one_starts() {
    let mut story = Story::of_ready(2, settings());
    story.event(RELOAD).event(OPENED).dies_of(0, 11).dies_of(1, 11).ready(4).ready(2).expect(
        "0.000 open 1
         0.000 launch 2 in slot 0, generation 1
         0.000 launch 3 in slot 1, generation 1
         0.000 0 was killed by signal 11 (SIGSEGV)
         0.000 launch 4 in slot 0, generation 0
         0.000 1 was killed by signal 11 (SIGSEGV)
         0.000 launch 5 in slot 1, generation 0",
    );
    // Then one of them is not needed any more, serving or not.
    story.ready(3).expect(
        "0.000 stop 4 within 30 s
         0.000 kill 5
         0.000 close 0",
    );
    story.dies_of(5, 9).expect("0.000 5 stopped as asked");
}

#[test]
fn new_ones_of_a_reload_that_failed_serve_as_long_as_no_old_one_does() {
    let mut story = Story::of_ready(2, settings());
    story.event(RELOAD).event(OPENED).ready(2).dies_of(0, 11).dies_of(1, 11).exits(3, 1);
    story.expect(
        "0.000 open 1
         0.000 launch 2 in slot 0, generation 1
         0.000 launch 3 in slot 1, generation 1
         0.000 0 was killed by signal 11 (SIGSEGV)
         0.000 launch 4 in slot 0, generation 0
         0.000 1 was killed by signal 11 (SIGSEGV)
         0.000 launch 5 in slot 1, generation 0
         0.000 3 ended with exit code 1 before it was ready
         0.000 close 1",
    );
    story.at(50).ready(5).expect("0.050 stop 2 within 30 s");
}

#[test]
fn a_slot_that_goes_leaves_its_stand_in_where_it_is_needed() {
    let mut story = Story::of_ready(2, settings());
    story.event(RELOAD).event(OPENED).ready(2).dies_of(0, 11).exits(4, 78).dies_of(1, 11).exits(3, 1);
    story.transcript.clear();
    // Slot 0 has been given up, and of slot 1 the next worker is not ready yet. All that serves is 2.
    story.event(Event::Shrink).expect("");
    story.at(50).ready(5).expect("0.050 stop 2 within 30 s");
}

#[test]
fn who_is_dismissed_with_one_that_is_left_behind_has_its_own_time_to_die() {
    let mut quick = settings();
    quick.boot_timeout = quick.reap_timeout;
    let mut story = Story::of_ready(2, quick);
    story.event(RELOAD).event(OPENED).event(Event::Protocol(LifeId(2), "nonsense".to_owned())).at(20_000);
    story.expect(
        "0.000 open 1
         0.000 launch 2 in slot 0, generation 1
         0.000 launch 3 in slot 1, generation 1
         0.000 kill 2
         5.000 2 broke the protocol, and was killed: nonsense
         5.000 kill 3
         5.000 close 1
         10.000 3 stopped as asked",
    );
}

#[test]
fn a_reload_brings_back_what_was_given_up() {
    let mut story = Story::of_ready(2, settings());
    for life in [0, 2, 3, 4, 5, 6] {
        story.at(story.now.as_millis() as u64 + 1_600).exits(life, 1);
    }
    story.at(60_000).transcript.clear();
    assert_eq!(story.states(), [(1, State::Serving)]);
    story.event(RELOAD).event(OPENED).ready(7).ready(8).expect(
        "60.000 open 1
         60.000 launch 7 in slot 0, generation 1
         60.000 launch 8 in slot 1, generation 1
         60.000 stop 1 within 30 s
         60.000 close 0",
    );
    // With a clean record: the first restart is immediate.
    story.exits(7, 1).expect(
        "60.000 7 ended with exit code 1
         60.000 launch 9 in slot 0, generation 1",
    );
}

#[test]
fn if_the_last_slot_is_given_up_during_a_reload_its_outcome_decides() {
    let mut strict = settings();
    strict.intensity.restarts = 0;
    let mut story = Story::of_ready(1, strict);
    story.event(RELOAD).event(OPENED).exits(0, 1);
    assert!(!story.fleet.is_stopping());
    story.exits(1, 1).expect(
        "0.000 open 1
         0.000 launch 1 in slot 0, generation 1
         0.000 0 ended with exit code 1
         0.000 1 ended with exit code 1 before it was ready
         0.000 close 1
         0.000 finish Failed, forced 0, killed 0, abandoned 0: exit code 1",
    );
}

#[test]
fn only_so_many_predecessors_drain_at_once_and_the_oldest_is_hurried() {
    let mut few = settings();
    few.max_draining = 2;
    let mut story = Story::of_ready(1, few).with_log();
    for life in 1..=4 {
        story.at(life * 100).event(RELOAD).event(OPENED).ready(life);
    }
    story.transcript.retain(|line| line.contains("stop") || line.contains("hurry") || line.contains("many"));
    story.at(1_300).expect(
        "0.100 stop 0 within 30 s
         0.200 stop 1 within 30 s
         0.300 stop 2 within 30 s
         0.300 Warning: too many predecessors of worker 0 still drain: the oldest has to end now
         0.300 hurry 0
         0.400 stop 3 within 30 s
         0.400 Warning: too many predecessors of worker 0 still drain: the oldest has to end now
         0.400 hurry 1
         1.300 kill 0",
    );
}

#[test]
fn only_so_many_generations_drain_at_once() {
    let mut few = settings();
    few.max_draining = 1;
    let mut story = Story::of_ready(2, few);
    // Of generation 0 worker 1 is left, of generation 1 worker 2: no slot has more than one.
    story.event(RELOAD).event(OPENED).ready(2).ready(3).exits(0, 0).exits(3, 0);
    story.transcript.clear();
    story.event(RELOAD).event(OPENED).ready(5).expect(
        "0.000 open 2
         0.000 launch 5 in slot 0, generation 2
         0.000 launch 6 in slot 1, generation 2",
    );
    story.ready(6).expect(
        "0.000 stop 2 within 30 s
         0.000 hurry 1
         0.000 kill 4
         0.000 close 1",
    );
}

#[test]
fn the_oldest_generation_is_hurried_also_if_its_last_worker_is_the_younger_one() {
    let mut few = settings();
    few.max_draining = 1;
    let mut story = Story::of_ready(2, few);
    // 4 is of generation 0, and younger than 2 and 3 of generation 1.
    story.event(RELOAD).event(OPENED).exits(1, 1).ready(4).ready(2).ready(3).exits(0, 0);
    story.at(1_000).event(RELOAD).event(OPENED).ready(5).transcript.clear();
    story.ready(6).expect(
        "1.000 stop 2 within 30 s
         1.000 hurry 4
         1.000 stop 3 within 30 s
         1.000 close 1",
    );
}

#[test]
fn of_one_slot_whoever_has_drained_longest_is_hurried() {
    let mut few = settings();
    few.max_draining = 1;
    let mut story = Story::of_ready(1, few);
    story
        .event(Event::Recycle(LifeId(0)))
        .ready(1)
        .at(1_000)
        .event(Event::Recycle(LifeId(1)))
        .ready(2)
        .expect(
            "0.000 launch 1 in slot 0, generation 0
         0.000 stop 0 within 30 s
         1.000 launch 2 in slot 0, generation 0
         1.000 stop 1 within 30 s
         1.000 hurry 0",
        );
    // 4 is younger than 3, but drains before it.
    story.exits(0, 0).exits(1, 0).event(RELOAD).event(OPENED).exits(2, 1).ready(4).ready(3).at(2_000);
    story.transcript.clear();
    story.event(Event::Recycle(LifeId(3))).ready(5).expect(
        "2.000 launch 5 in slot 0, generation 1
         2.000 stop 3 within 30 s
         2.000 hurry 4",
    );
}

#[test]
fn whoever_has_served_its_share_goes_when_its_replacement_is_ready_one_at_a_time() {
    let mut story = Story::of_ready(3, settings()).with_log();
    story
        .at(1_000)
        .event(Event::Recycle(LifeId(2)))
        .event(Event::Recycle(LifeId(0)))
        .at(1_200)
        .ready(3)
        .expect(
            "1.000 launch 3 in slot 2, generation 0
         1.000 Info: worker 2 has served its share and is replaced
         1.200 Info: worker 2 is ready (generation 0)
         1.200 stop 2 within 30 s
         1.200 launch 4 in slot 0, generation 0
         1.200 Info: worker 0 has served its share and is replaced",
        );
    story.ready(4).expect(
        "1.200 Info: worker 0 is ready (generation 0)
         1.200 stop 0 within 30 s",
    );
}

#[test]
fn a_replacement_that_fails_is_tried_again_without_hurry_and_the_old_one_serves() {
    let mut story = Story::of_ready(2, settings());
    story.event(Event::Recycle(LifeId(0))).exits(2, 1).exits(3, 1).at(250).exits(4, 1).at(300);
    story.event(Event::Recycle(LifeId(1))).ready(5).at(500).expect(
        "0.000 launch 2 in slot 0, generation 0
         0.000 2 ended with exit code 1 before it was ready
         0.000 launch 3 in slot 0, generation 0
         0.000 3 ended with exit code 1 before it was ready
         0.100 launch 4 in slot 0, generation 0
         0.250 4 ended with exit code 1 before it was ready
         0.300 launch 5 in slot 1, generation 0
         0.300 stop 1 within 30 s
         0.450 launch 6 in slot 0, generation 0",
    );
    assert!(story.states().contains(&(0, State::Serving)));
}

#[test]
fn a_replacement_under_way_takes_the_place_of_one_that_dies() {
    let mut story = Story::of_ready(1, settings()).with_log();
    story.event(Event::Recycle(LifeId(0))).at(2_000).dies_of(0, 11).ready(1).at(5_000).exits(1, 1).expect(
        "0.000 launch 1 in slot 0, generation 0
         0.000 Info: worker 0 has served its share and is replaced
         2.000 0 was killed by signal 11 (SIGSEGV)
         2.000 Warning: worker 0 was killed by signal 11 (SIGSEGV); its replacement is under way
         2.000 Info: worker 0 is ready (generation 0)
         5.000 1 ended with exit code 1
         5.000 Warning: worker 0 ended with exit code 1; it is restarted in 0.1 s",
    );
}

#[test]
fn a_reload_replaces_replacements_and_if_it_fails_they_are_wanted_again() {
    let mut story = Story::of_ready(1, settings());
    story.event(Event::Recycle(LifeId(0))).event(RELOAD).event(OPENED).exits(2, 1).expect(
        "0.000 launch 1 in slot 0, generation 0
         0.000 open 1
         0.000 kill 1
         0.000 launch 2 in slot 0, generation 1
         0.000 2 ended with exit code 1 before it was ready
         0.000 close 1
         0.000 launch 3 in slot 0, generation 0",
    );
}

#[test]
fn one_slot_more_and_one_less() {
    let mut narrow = settings();
    narrow.max_workers = 3;
    let mut story = Story::of_ready(2, narrow).with_log();
    story.event(Event::Grow).event(Event::Grow).at(1_000).ready(2);
    story.event(Event::Shrink).event(Event::Shrink).event(Event::Shrink).expect(
        "0.000 launch 2 in slot 2, generation 0
         0.000 Info: one worker more: 2
         0.000 Warning: the number of workers stays: there are as many as there may be
         1.000 Info: worker 2 is ready (generation 0)
         1.000 stop 2 within 30 s
         1.000 Info: one worker less: 2
         1.000 stop 1 within 30 s
         1.000 Info: one worker less: 1
         1.000 Warning: the number of workers stays: there has to be at least one",
    );
    story.at(2_000).exits(2, 0).exits(1, 0).event(Event::Grow).expect(
        "2.000 2 stopped as asked
         2.000 Info: worker 2 stopped as asked
         2.000 1 stopped as asked
         2.000 Info: worker 1 stopped as asked
         2.000 launch 3 in slot 1, generation 0
         2.000 Info: one worker more: 1",
    );
}

#[test]
fn the_slot_that_goes_is_the_one_that_is_missed_least() {
    let mut story = Story::of_ready(4, settings());
    for life in [0, 4, 5, 6, 7, 8] {
        story.at(story.now.as_millis() as u64 + 1_600).exits(life, 1);
    }
    story.at(20_000).dies_of(1, 9).transcript.clear();
    // Slot 0 has been given up, slot 1 is not ready yet, and of the others the highest goes.
    story.event(Event::Shrink).expect("");
    story.event(Event::Shrink).expect("20.000 kill 9");
    story.event(Event::Shrink).expect("20.000 stop 3 within 30 s");
}

#[test]
fn during_a_reload_the_slots_stay_what_they_are_until_it_is_over() {
    let mut story = Story::of_ready(1, settings());
    story.event(RELOAD).event(OPENED).event(Event::Grow).event(Event::Grow).event(Event::Shrink).expect(
        "0.000 open 1
         0.000 launch 1 in slot 0, generation 1",
    );
    story.ready(1).expect(
        "0.000 stop 0 within 30 s
         0.000 close 0
         0.000 launch 2 in slot 1, generation 1",
    );
}

#[test]
fn one_that_hangs_while_its_replacement_starts_is_replaced_by_that() {
    let mut story = Story::of_ready(2, settings());
    story.falls_silent(0).at(9_900).event(Event::Recycle(LifeId(0))).at(10_000);
    assert_eq!(story.now, ms(10_000));
    story.ready(2).dies_of(0, 6).at(11_000).expect(
        "9.900 launch 2 in slot 0, generation 0
         10.000 abort 0
         10.000 0 hung, and was killed",
    );
    assert_eq!(story.states(), [(1, State::Serving), (2, State::Serving)]);
}
