//! Memory, locks and signs that processes share.

use super::{Story, stories};
use crate::transcript::Transcript;

pub(super) const ALL: &[Story] = stories![
    five_processes_fill_one_array,
    values_keep_their_types_and_are_the_same_everywhere,
    a_number_that_is_kept_for_a_moment_needs_a_lock,
    lines_of_many_writes_come_out_whole,
    the_lock_of_a_killed_process_goes_to_the_next,
    a_gate_opens_for_all_who_wait,
    three_permits_are_for_three_processes,
    a_barrier_waits_for_all,
];

fn five_processes_fill_one_array() {
    assert_eq!(Transcript::of_success("an_array").lines, ["[0, 0, 0, 0, 0]", "[1, 1, 1, 1, 1]"]);
}

fn values_keep_their_types_and_are_the_same_everywhere() {
    let said = Transcript::of("values_of_types");
    assert!(said.status.success() && said.is_alone, "{said:#?}");
    assert_eq!(
        said.lines,
        [
            "-1 1.75 ß [0, 0, 0, 0, -2147483648]",
            "true 2147483646",
            "None of 5",
            "refused true",
            "[2147483647, 0, 0, 0, -1]",
        ]
    );
}

fn a_number_that_is_kept_for_a_moment_needs_a_lock() {
    let said = Transcript::of_success("a_counter");
    assert_eq!(said.number_after("true"), 100);
    let without = said.number_after("false");
    assert!((10..100).contains(&without), "{said:#?}");
}

fn lines_of_many_writes_come_out_whole() {
    let said = Transcript::of_success("whole_lines");
    assert_eq!(said.lines.len(), 11, "each ends with a space after the end of its line");
    for n in 0..10 {
        let whole = format!("hello world {n} {} end", "x".repeat(10_000));
        assert_eq!(said.lines.iter().filter(|line| line.trim_start() == whole).count(), 1, "{n}");
    }
}

fn the_lock_of_a_killed_process_goes_to_the_next() {
    assert_eq!(Transcript::of_success("holder_is_killed").lines, ["died true"]);
}

fn a_gate_opens_for_all_who_wait() {
    let said = Transcript::of_success("gate");
    assert_eq!(said.lines.first().map(String::as_str), Some("boss: false"));
    assert_eq!(said.lines.last().map(String::as_str), Some("boss: true"));
    assert_eq!(said.count_since(1, "worker: oh, what a life"), 5);
}

fn three_permits_are_for_three_processes() {
    let said = Transcript::of_success("so_many_at_once");
    assert_eq!(said.lines, ["inside 0", "most 3", "permits 3"]);
}

fn a_barrier_waits_for_all() {
    let said = Transcript::of_success("all_together");
    assert_eq!(said.lines, ["came [0, 1, 2, 3]", "leaders 1", "seen [4, 4, 4, 4]"]);
}
