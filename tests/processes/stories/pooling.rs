//! Pools of processes.

use super::{Story, stories};
use crate::transcript::Transcript;

pub(super) const ALL: &[Story] = stories![
    callbacks_run_in_the_process_that_has_submitted,
    callbacks_may_write_a_file_that_nobody_shares,
    jobs_that_nobody_asks_about_are_done,
    apply_is_one_after_the_other,
    a_map_gives_results_in_the_order_of_its_input,
];

/// How long two waves of five took, in milliseconds: the jobs last 200 each.
fn assert_two_waves(said: &Transcript) {
    let took = said.number_after("took");
    assert!((400..2_000).contains(&took), "ten in a row take 2,000: {said:#?}");
}

fn callbacks_run_in_the_process_that_has_submitted() {
    let said = Transcript::of_success("callbacks");
    let (main, parent) = (said.pid, std::process::id());
    assert_eq!(said.lines[0], format!("main {main} child of {parent}"));
    let mut expected: Vec<_> =
        (100..110).map(|i| format!("in {main} child of {parent}: logger {i}")).collect();
    expected.sort_unstable();
    let mut logged = said.lines[1..11].to_vec();
    logged.sort_unstable();
    assert_eq!(logged, expected);
    assert_eq!(said.lines[11], "end");
    assert_two_waves(&said);
}

fn callbacks_may_write_a_file_that_nobody_shares() {
    let said = Transcript::of_success("a_file_of_results");
    assert_eq!(said.count_since(0, "by another true"), 5);
    let mut noted = said.lines[5..].to_vec();
    noted.sort_unstable();
    let expected = [("a", 9), ("bb", 10), ("ccc", 11), ("dddd", 12), ("eeeee", 13)];
    assert_eq!(noted, expected.map(|(name, length)| format!("url:<https://{name}> size:[{length}000]")));
}

fn jobs_that_nobody_asks_about_are_done() {
    assert_two_waves(&Transcript::of_success("without_callbacks"));
}

fn apply_is_one_after_the_other() {
    let said = Transcript::of_success("one_by_one");
    assert_eq!(said.lines[..5], ["100", "101", "102", "103", "104"]);
    assert!(said.number_after("took") >= 1_000);
}

fn a_map_gives_results_in_the_order_of_its_input() {
    let said = Transcript::of_success("the_map");
    assert_eq!(said.lines, ["[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]", "main process"]);
}
