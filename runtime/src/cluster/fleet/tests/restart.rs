//! When a slot is filled again.

use super::{Story, ms, secs, settings};
use crate::cluster::{
    fleet::{Action, Event, Fleet, LifeId},
    settings::Restart,
};
use std::time::Duration;

#[test]
fn all_slots_start_at_once_and_a_crash_is_made_good_at_once() {
    let mut story = Story::new(2, settings());
    story.expect(
        "0.000 launch 0 in slot 0, generation 0
         0.000 launch 1 in slot 1, generation 0",
    );
    story.at(50).ready(0).ready(1).expect("");
    story.at(5_000).dies_of(0, 11).expect(
        "5.000 0 was killed by signal 11 (SIGSEGV)
         5.000 launch 2 in slot 0, generation 0",
    );
}

#[test]
fn each_restart_waits_twice_as_long_and_the_sixth_end_in_ten_seconds_is_one_too_many() {
    let mut story = Story::of_ready(2, settings());
    for life in [0, 2, 3, 4, 5, 6] {
        let now = story.now.as_millis() as u64;
        story.ready(life).exits(life, 1).at(now + 1_700);
    }
    // 0, 0.1, 0.2, 0.4 and 0.8 s after the end, and then no more; slot 1 is not concerned.
    story.expect(
        "0.000 0 ended with exit code 1
         0.000 launch 2 in slot 0, generation 0
         1.700 2 ended with exit code 1
         1.800 launch 3 in slot 0, generation 0
         3.400 3 ended with exit code 1
         3.600 launch 4 in slot 0, generation 0
         5.100 4 ended with exit code 1
         5.500 launch 5 in slot 0, generation 0
         6.800 5 ended with exit code 1
         7.600 launch 6 in slot 0, generation 0
         8.500 6 ended with exit code 1",
    );
    story.at(3_600_000).expect("");
}

#[test]
fn ends_that_are_far_enough_apart_never_are_too_many_and_the_wait_is_capped() {
    let mut story = Story::of_ready(1, settings());
    let mut waits = Vec::new();
    for life in 0..14 {
        // A little while after it is ready, so that no ten seconds see more than five.
        let end = story.now + ms(2_100);
        story.ready(life).at(end.as_millis() as u64).exits(life, 1);
        let restart = story.fleet.slots[0].restart_at.unwrap_or(end);
        waits.push((restart - end).as_millis() as u64);
        story.at(restart.as_millis() as u64);
    }
    let doubled =
        [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000, 30_000];
    assert_eq!(waits, doubled);
}

#[test]
fn after_a_minute_of_health_the_next_restart_is_immediate_again() {
    let mut story = Story::of_ready(1, settings());
    story.exits(0, 1).ready(1).exits(1, 1).at(100).ready(2).at(60_099).exits(2, 1).at(61_000);
    story.expect(
        "0.000 0 ended with exit code 1
         0.000 launch 1 in slot 0, generation 0
         0.000 1 ended with exit code 1
         0.100 launch 2 in slot 0, generation 0
         60.099 2 ended with exit code 1
         60.299 launch 3 in slot 0, generation 0",
    );
    story.ready(3).at(121_000).exits(3, 1).expect(
        "121.000 3 ended with exit code 1
         121.000 launch 4 in slot 0, generation 0",
    );
}

#[test]
fn the_jitter_stays_within_its_bounds_reaches_them_and_depends_on_the_seed_alone() {
    let third_start = |seed| {
        let mut jittered = settings();
        jittered.back_off.jitter_percent = 20;
        let mut fleet = Fleet::new(Duration::ZERO, jittered, 1, seed);
        for life in 0..2 {
            fleet.handle(Duration::ZERO, Event::Ready(LifeId(life)));
            let how = crate::cluster::fleet::Ended::Code(1);
            fleet.handle(Duration::ZERO, Event::Exited { life: LifeId(life), how, open: 0 });
        }
        fleet.next_deadline().unwrap()
    };
    let waits: Vec<Duration> = (0..500).map(third_start).collect();
    assert_eq!(waits, (0..500).map(third_start).collect::<Vec<_>>());
    let (least, most) = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
    assert!(least >= ms(80) && least < ms(82), "{least:?}");
    assert!(most <= ms(120) && most > ms(118), "{most:?}");
}

#[test]
fn a_program_that_is_never_ready_is_given_up_however_slow_it_is_at_that() {
    let mut story = Story::of_ready(2, settings());
    story.exits(0, 1).at(600_000).expect_kills_of_the_unready();
}

impl Story {
    /// Six lives that time out, a wait between them, and nothing after that.
    #[track_caller]
    fn expect_kills_of_the_unready(&mut self) {
        // None of them is reaped, so each is left behind after 5 s.
        self.expect(
            "0.000 0 ended with exit code 1
             0.000 launch 2 in slot 0, generation 0
             30.000 kill 2
             35.000 2 was not ready in time
             35.100 launch 3 in slot 0, generation 0
             65.100 kill 3
             70.100 3 was not ready in time
             70.300 launch 4 in slot 0, generation 0
             100.300 kill 4
             105.300 4 was not ready in time
             105.700 launch 5 in slot 0, generation 0
             135.700 kill 5
             140.700 5 was not ready in time
             141.500 launch 6 in slot 0, generation 0
             171.500 kill 6
             176.500 6 was not ready in time
             178.100 launch 7 in slot 0, generation 0
             208.100 kill 7
             213.100 7 was not ready in time",
        );
    }
}

#[test]
fn one_that_has_been_ready_breaks_the_row_of_boot_failures() {
    let mut story = Story::of_ready(1, settings());
    story.exits(0, 1);
    for life in 1..40 {
        // Of three only the last is ever ready, and each ends 4 s after the one before, at the earliest.
        if life % 3 == 0 {
            story.ready(life);
        }
        let later = story.now.as_millis() as u64 + 4_000;
        story.at(later).exits(life, 1);
        if let Some(restart) = story.fleet.slots[0].restart_at {
            story.at(restart.as_millis() as u64);
        }
    }
    assert_eq!(story.states().len(), 1);
}

#[test]
fn what_could_not_be_started_is_tried_again_and_never_given_up() {
    let mut story = Story::of_ready(2, settings());
    story.exits(1, 1);
    for life in 2..9 {
        story.event(Event::LaunchFailed(LifeId(life), "no more processes".to_owned()));
        let restart = story.now.as_millis() as u64 + 6_400;
        story.at(restart);
    }
    story.expect(
        "0.000 1 ended with exit code 1
         0.000 launch 2 in slot 1, generation 0
         0.000 2 could not be started: no more processes
         0.100 launch 3 in slot 1, generation 0
         6.400 3 could not be started: no more processes
         6.600 launch 4 in slot 1, generation 0
         12.800 4 could not be started: no more processes
         13.200 launch 5 in slot 1, generation 0
         19.200 5 could not be started: no more processes
         20.000 launch 6 in slot 1, generation 0
         25.600 6 could not be started: no more processes
         27.200 launch 7 in slot 1, generation 0
         32.000 7 could not be started: no more processes
         35.200 launch 8 in slot 1, generation 0
         38.400 8 could not be started: no more processes
         44.800 launch 9 in slot 1, generation 0",
    );
}

#[test]
fn nobody_tries_again_what_cannot_be_set_up_and_the_exit_code_says_so() {
    let mut story = Story::new(2, settings()).with_log();
    story.ready(0).exits(1, 78).at(10_000);
    // 78 means that only from one that was not ready.
    story.exits(0, 78).exits(2, 78);
    story.expect(
        "0.000 launch 0 in slot 0, generation 0
         0.000 launch 1 in slot 1, generation 0
         0.000 Info: worker 0 is ready (generation 0)
         0.000 1 could not be set up (exit code 78)
         0.000 Error: worker 1 could not be set up (exit code 78); it is quarantined until a reload
         10.000 0 ended with exit code 78
         10.000 Warning: worker 0 ended with exit code 78; it is restarted
         10.000 launch 2 in slot 0, generation 0
         10.000 2 could not be set up (exit code 78)
         10.000 Error: worker 0 could not be set up (exit code 78); it is quarantined until a reload
         10.000 Error: no worker is left that could serve: stopping
         10.000 finish SetUpFailed, forced 0, killed 0, abandoned 0: exit code 78",
    );
}

#[test]
fn one_that_cannot_be_set_up_decides_the_exit_code_whatever_the_others_died_of() {
    let mut strict = settings();
    strict.intensity.restarts = 0;
    let mut story = Story::new(3, strict);
    story.exits(0, 1).exits(1, 78).exits(2, 1);
    let last = story.transcript.last().unwrap();
    assert_eq!(last, "0.000 finish SetUpFailed, forced 0, killed 0, abandoned 0: exit code 78");
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut story = Story::of_ready(1, settings());
    story.at(5_000).exits(0, 1).ready(1);
    story.now = ms(1_000);
    story.exits(1, 1);
    assert_eq!(story.fleet.next_deadline(), Some(ms(5_100)));
}

#[test]
fn workers_that_do_not_die_pile_up_only_so_far() {
    let mut story = Story::of_ready(2, settings()).with_log();
    let mut life = 0;
    for _ in 0..30 {
        let Some(&(newest, _)) = story.states().iter().find(|&&(id, _)| id != 1) else { break };
        life = newest;
        let left_behind = story.now.as_millis() as u64 + 5_000;
        story.ready(life).event(Event::Protocol(LifeId(life), "nonsense".to_owned())).at(left_behind);
        if let Some(restart) = story.fleet.slots[0].restart_at {
            story.at(restart.as_millis() as u64);
        }
    }
    // 0 and 2 to 17 are 17 that are left behind.
    assert_eq!(life, 17);
    assert!(story.transcript.last().unwrap().ends_with("it is quarantined until a reload"));
    // When they do die in the end, all is as it was.
    for life in (0..=17).filter(|&life| life != 1) {
        story.dies_of(life, 9);
    }
    story.event(Event::Stop { fast: false }).exits(1, 0);
    assert!(story.transcript.last().unwrap().ends_with("abandoned 0: exit code 0"));
}

#[test]
fn when_every_slot_is_given_up_those_that_drain_are_waited_for_and_the_end_is_a_failure() {
    let mut hasty = settings();
    hasty.intensity.restarts = 0;
    let mut story = Story::of_ready(2, hasty);
    story.event(Event::Recycle(LifeId(0))).ready(2).at(1_000).exits(1, 1).exits(2, 1);
    assert!(story.fleet.is_stopping());
    story.at(2_000).exits(0, 0).expect(
        "0.000 launch 2 in slot 0, generation 0
         0.000 stop 0 within 30 s
         1.000 1 ended with exit code 1
         1.000 2 ended with exit code 1
         2.000 0 stopped as asked
         2.000 finish Failed, forced 0, killed 0, abandoned 0: exit code 1",
    );
}

#[test]
fn on_failure_a_clean_end_is_final_and_the_last_one_ends_the_cluster_well() {
    let mut policy = settings();
    policy.restart = Restart::OnFailure;
    let mut story = Story::of_ready(2, policy);
    story.exits(0, 0).exits(1, 1).ready(2).at(5_000).exits(2, 0).expect(
        "0.000 0 ended with exit code 0
         0.000 1 ended with exit code 1
         0.000 launch 2 in slot 1, generation 0
         5.000 2 ended with exit code 0
         5.000 finish Done, forced 0, killed 0, abandoned 0: exit code 0",
    );
}

#[test]
fn always_restarts_a_clean_end_too_and_never_restarts_nothing() {
    let mut story = Story::of_ready(1, settings());
    story.exits(0, 0).expect(
        "0.000 0 ended with exit code 0
         0.000 launch 1 in slot 0, generation 0",
    );
    let mut policy = settings();
    policy.restart = Restart::Never;
    let mut story = Story::of_ready(2, policy);
    story.dies_of(0, 9).at(5_000).exits(1, 0).expect(
        "0.000 0 was killed by signal 9 (SIGKILL)
         5.000 1 ended with exit code 0
         5.000 finish Failed, forced 0, killed 0, abandoned 0: exit code 1",
    );
}

#[test]
fn a_crash_loop_writes_ten_lines_then_one_a_second_and_says_how_many_it_left_out() {
    let mut lax = settings();
    lax.intensity.restarts = 1_000;
    lax.back_off.first = ms(50);
    lax.back_off.cap = ms(50);
    let mut story = Story::of_ready(2, lax).with_log();
    let mut life = 0;
    while story.now < secs(10) {
        story.ready(life).exits(life, 1);
        let later = story.now.as_millis() as u64 + 50;
        story.at(later);
        life = story.states().iter().map(|&(life, _)| life).find(|&life| life != 1).unwrap();
    }
    let lines: Vec<&String> = story.transcript.iter().filter(|line| line.contains("worker 0")).collect();
    // Each of 200 lives is told of twice. The first line of this story is that the slot's first one was ready.
    assert_eq!(lines.len(), 9 + 9, "{lines:#?}");
    assert!(lines[..9].iter().all(|line| line.starts_with("0.") && !line.contains("left out")), "{lines:#?}");
    assert!(lines[9].starts_with("1.000 ") && lines[10].starts_with("2.000 "), "{lines:#?}");
    assert!(lines[9..].iter().all(|line| line.contains("left out before: ")));
}

#[test]
fn what_a_worker_says_neither_fills_the_log_nor_reaches_the_terminal() {
    let mut story = Story::of_ready(1, settings());
    let evil = format!("\u{1b}[2J{}", "ä".repeat(5_000));
    story.event(Event::Protocol(LifeId(0), evil)).dies_of(0, 9);
    let line = story.transcript.iter().find(|line| line.contains("broke the protocol")).unwrap();
    assert!(line.contains(r"\u{1b}[2J") && line.ends_with("ä …") && line.len() < 300, "{line}");
    let launches = story.transcript.iter().filter(|line| line.contains("launch")).count();
    assert_eq!(launches, 1, "it is restarted like any other");
}

#[test]
fn max_requests_are_drawn_for_each_life() {
    let mut limited = settings();
    limited.max_requests = Some(crate::cluster::settings::MaxRequests { limit: 100, jitter: 10 });
    let mut fleet = Fleet::new(Duration::ZERO, limited, 200, 7);
    let drawn: Vec<u64> = fleet
        .take_actions()
        .iter()
        .map(|action| match action {
            Action::Launch { max_requests, .. } => max_requests.unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&100), Some(&110)));
}
