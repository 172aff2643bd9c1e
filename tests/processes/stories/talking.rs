//! What processes say to each other.

use super::{Story, stories};
use crate::transcript::Transcript;

pub(super) const ALL: &[Story] = stories![
    results_come_through_one_queue,
    a_pipe_carries_all_sorts_of_things_both_ways,
    the_end_of_a_pipe_arrives_without_anybody_closing_it,
    who_keeps_an_end_is_waited_for_and_who_is_killed_is_not,
    every_item_of_a_queue_is_done_once,
    a_queue_carries_any_type,
];

fn results_come_through_one_queue() {
    assert_eq!(Transcript::of_success("a_queue_of_squares").sorted(), ["1", "2", "5"]);
}

fn a_pipe_carries_all_sorts_of_things_both_ways() {
    let expected = [
        r#"the parent has received List([Number(12), Map({"name": Text("yuan")}), Text("hello")])"#,
        r#"the child has received Text("how are you, child?")"#,
    ];
    assert_eq!(Transcript::of_success("both_ways").lines, expected);
}

fn the_end_of_a_pipe_arrives_without_anybody_closing_it() {
    assert_eq!(Transcript::of_success("ends_of_pipes").lines, ["(3, true)", "3 Closed"]);
}

fn who_keeps_an_end_is_waited_for_and_who_is_killed_is_not() {
    assert_eq!(Transcript::of_success("ends_that_are_kept").lines, ["1", "Elapsed", "Closed"]);
}

fn every_item_of_a_queue_is_done_once() {
    assert_eq!(Transcript::of_success("producers_and_consumers").lines, ["600 true"]);
}

fn a_queue_carries_any_type() {
    assert_eq!(Transcript::of_success("any_type").lines, ["true"]);
}
