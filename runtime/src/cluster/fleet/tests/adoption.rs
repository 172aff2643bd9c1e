//! Who serves the sockets of a slot that nobody serves.

use super::{Story, settings};
use crate::cluster::{
    fleet::{Event, LifeId, SlotId},
    settings::{Listeners, Settings},
};

fn reuseport() -> Settings {
    let mut settings = settings();
    settings.listeners = Listeners::ReusePort;
    settings
}

#[test]
fn a_survivor_serves_until_the_replacement_is_ready() {
    let mut story = Story::of_ready(2, reuseport());
    story.at(1_000).dies_of(0, 11).at(1_020);
    assert_eq!(story.fleet.adopter(SlotId(0)), Some(LifeId(1)));
    story.ready(2).expect(
        "1.000 0 was killed by signal 11 (SIGSEGV)
         1.000 launch 2 in slot 0, generation 0
         1.000 slot 0 to 1
         1.020 slot 0 from 1",
    );
    assert_eq!(story.fleet.adopter(SlotId(0)), None);
}

#[test]
fn a_shared_socket_needs_no_adoption() {
    let mut story = Story::of_ready(2, settings());
    story.dies_of(0, 11).ready(2).expect(
        "0.000 0 was killed by signal 11 (SIGSEGV)
         0.000 launch 2 in slot 0, generation 0",
    );
}

#[test]
fn orphans_are_spread_and_change_hands_when_their_adopter_dies_too() {
    let mut story = Story::of_ready(4, reuseport());
    story.dies_of(0, 9).dies_of(1, 9).dies_of(2, 9).expect(
        "0.000 0 was killed by signal 9 (SIGKILL)
         0.000 launch 4 in slot 0, generation 0
         0.000 slot 0 to 1
         0.000 1 was killed by signal 9 (SIGKILL)
         0.000 launch 5 in slot 1, generation 0
         0.000 slot 0 to 2
         0.000 slot 1 to 3
         0.000 2 was killed by signal 9 (SIGKILL)
         0.000 launch 6 in slot 2, generation 0
         0.000 slot 0 to 3
         0.000 slot 2 to 3",
    );
    story.ready(5).expect("0.000 slot 1 from 3");
}

#[test]
fn whoever_is_ready_first_serves_all_slots_and_gives_them_back_one_by_one() {
    let mut story = Story::new(3, reuseport());
    story.transcript.clear();
    story.ready(1).ready(0).ready(2).expect(
        "0.000 slot 0 to 1
         0.000 slot 2 to 1
         0.000 slot 0 from 1
         0.000 slot 2 from 1",
    );
}

#[test]
fn one_that_hangs_does_not_serve_from_the_moment_that_is_known() {
    let mut story = Story::of_ready(2, reuseport());
    story.falls_silent(0).at(10_500).expect(
        "10.000 abort 0
         10.000 slot 0 to 1",
    );
}

#[test]
fn a_hand_over_orphans_nobody_and_an_adopter_that_is_replaced_hands_on() {
    let mut story = Story::of_ready(2, reuseport());
    story.dies_of(0, 9).transcript.clear();
    story.event(Event::Recycle(LifeId(1))).ready(3).expect(
        "0.000 launch 3 in slot 1, generation 0
         0.000 stop 1 within 30 s
         0.000 slot 0 to 3",
    );
    story.ready(2).expect("0.000 slot 0 from 3");
}

#[test]
fn a_retired_slot_keeps_its_sockets_and_somebody_to_serve_them() {
    let mut story = Story::of_ready(2, reuseport());
    story.event(Event::Shrink).at(1_000).exits(1, 0).at(3_600_000).expect(
        "0.000 stop 1 within 30 s
         0.000 slot 1 to 0
         1.000 1 stopped as asked",
    );
    story.event(Event::Grow).ready(2).expect(
        "3600.000 launch 2 in slot 1, generation 0
         3600.000 slot 1 from 0",
    );
}

#[test]
fn when_all_stop_nobody_adopts() {
    let mut story = Story::of_ready(2, reuseport());
    story.event(Event::Stop { fast: false }).exits(0, 0).exits(1, 0).expect(
        "0.000 stop 0 within 30 s, all stop
         0.000 stop 1 within 30 s, all stop
         0.000 0 stopped as asked
         0.000 1 stopped as asked
         0.000 finish Stopped, forced 0, killed 0, abandoned 0: exit code 0",
    );
}
