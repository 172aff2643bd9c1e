//! Who hangs, and what becomes of him.

use super::{Story, ms, secs, settings};
use crate::cluster::fleet::{Action, Ended, Event, Fleet, LifeId, State};
use std::time::Duration;

#[test]
fn one_that_hangs_is_aborted_then_killed_then_replaced() {
    let mut story = Story::of_ready(2, settings()).with_log();
    story.at(2_500).falls_silent(1).at(20_000).dies_of(1, 9).expect(
        "12.000 abort 1
         12.000 Error: worker 1 hangs: no heartbeat for 10.0 s; it is aborted
         14.000 kill 1
         19.000 Error: worker 1 was killed and does not die: it is left behind
         19.000 1 hung, and was killed
         19.000 Warning: worker 1 hung, and was killed; it is restarted
         19.000 launch 2 in slot 1, generation 0",
    );
}

#[test]
fn one_that_dies_of_the_abort_is_not_killed_and_has_hung_all_the_same() {
    let mut story = Story::of_ready(2, settings());
    story.falls_silent(1).at(11_000).dies_of(1, 6).at(60_000).expect(
        "10.000 abort 1
         11.000 1 hung, and was killed
         11.000 launch 2 in slot 1, generation 0
         41.000 kill 2
         46.000 2 was not ready in time
         46.100 launch 3 in slot 1, generation 0",
    );
}

#[test]
fn of_several_that_hang_one_is_aborted_per_look_and_who_comes_back_is_spared() {
    let mut story = Story::of_ready(4, settings());
    story.falls_silent(1).falls_silent(2).at(2_500).falls_silent(0).at(10_500).expect("10.000 abort 1");
    story.dies_of(1, 6).at(11_500).expect(
        "10.500 1 hung, and was killed
         10.500 launch 4 in slot 1, generation 0
         11.000 abort 2",
    );
    // 0 would be next, but its heart beats again.
    story.silent.clear();
    story.dies_of(2, 6).at(20_000).expect(
        "11.500 2 hung, and was killed
         11.500 launch 5 in slot 2, generation 0",
    );
}

#[test]
fn if_every_single_one_hangs_nothing_is_lost_by_aborting_all() {
    let mut story = Story::of_ready(3, settings());
    story.falls_silent(0).falls_silent(1).falls_silent(2).at(10_500).expect(
        "10.000 abort 0
         10.000 abort 1
         10.000 abort 2",
    );
}

#[test]
fn a_supervisor_that_was_late_itself_blames_nobody() {
    let mut story = Story::of_ready(2, settings());
    story.falls_silent(0).at(9_500);
    // The whole machine stood still for 20 s; then everybody has the full time again.
    story.asleep_until(29_500).expect("");
    story.at(39_499).expect("");
    story.at(39_500).expect("39.500 abort 0");
}

#[test]
fn looks_that_are_answered_late_blame_nobody_either() {
    let mut fleet = Fleet::new(Duration::ZERO, settings(), 1, 1);
    fleet.handle(Duration::ZERO, Event::Ready(LifeId(0)));
    for second in 1..100 {
        fleet.tick(secs(second));
        // It was asked in time, and then not given the processor.
        fleet.handle(secs(second) + ms(501), Event::Beats(vec![(LifeId(0), 0)]));
        let aborted = fleet.take_actions().iter().any(|action| matches!(action, Action::Abort { .. }));
        assert!(!aborted, "after {second} s");
    }
}

#[test]
fn however_short_the_timeout_several_looks_in_a_row_have_to_agree() {
    let mut nervous = settings();
    nervous.heartbeat.timeout = nervous.heartbeat.interval;
    let mut story = Story::of_ready(2, nervous);
    story.falls_silent(0).at(2_900).expect("");
    story.at(3_000).expect("3.000 abort 0");
}

#[test]
fn looks_in_a_row_begin_anew_with_every_beat() {
    let mut nervous = settings();
    nervous.heartbeat.timeout = nervous.heartbeat.interval;
    let mut story = Story::of_ready(2, nervous);
    story.falls_silent(0).at(2_500).silent.clear();
    story.at(3_500).falls_silent(0).at(5_999).expect("");
    story.at(6_000).expect("6.000 abort 0");
}

#[test]
fn the_longest_silent_goes_first_not_the_oldest() {
    let mut story = Story::of_ready(4, settings());
    story.falls_silent(1).falls_silent(3).at(1_500).falls_silent(0).at(11_500).expect(
        "10.000 abort 1
         11.000 abort 3",
    );
    story.at(12_000).expect(
        "12.000 kill 1
         12.000 abort 0",
    );
}

#[test]
fn the_time_to_boot_is_no_silence_and_who_drains_has_a_deadline_anyway() {
    let mut story = Story::new(2, settings());
    story.ready(0).falls_silent(1).at(20_000).ready(1);
    story.at(29_900).event(Event::Recycle(LifeId(0))).ready(2).falls_silent(0).transcript.clear();
    story.at(29_999).expect("");
    story.at(30_000).expect("30.000 abort 1");
    story.at(40_000);
    assert!(story.states().contains(&(0, State::Stopping)));
    assert!(!story.transcript.iter().any(|line| line.contains("abort 0")));
}

#[test]
fn an_idle_fleet_has_nothing_to_do_but_to_look_once_an_interval_and_one_that_does_not_serve_not_even_that() {
    let mut fleet = Fleet::new(Duration::ZERO, settings(), 1, 1);
    assert_eq!(fleet.next_deadline(), Some(secs(30)), "the boot timeout alone");
    fleet.handle(ms(200), Event::Ready(LifeId(0)));
    fleet.take_actions();
    for look in 1..50 {
        let due = ms(200) + look * secs(1);
        assert_eq!(fleet.next_deadline(), Some(due));
        fleet.tick(due);
        assert_eq!(fleet.take_actions(), [Action::ReadBeats]);
        fleet.handle(due, Event::Beats(vec![(LifeId(0), u64::from(look))]));
        assert_eq!(fleet.take_actions(), []);
    }
    fleet.handle(secs(50), Event::Exited { life: LifeId(0), how: Ended::Code(1), open: 0 });
    fleet.take_actions();
    fleet.tick(secs(51));
    assert_eq!(fleet.take_actions(), [], "nobody serves");
    assert_eq!(fleet.next_deadline(), Some(secs(80)), "the boot timeout alone");
}
