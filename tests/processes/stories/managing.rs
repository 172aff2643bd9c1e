//! Programs with a manager.

use super::{Story, stories};
use crate::transcript::Transcript;

pub(super) const ALL: &[Story] = stories![
    an_int_a_float_and_a_text_are_keys_of_one_dict,
    five_processes_append_to_a_list,
    a_managed_lock_keeps_a_file_whole,
    data_of_a_manager_that_is_read_and_written_needs_a_lock,
    one_of_each_type_is_used_by_two_processes,
];

fn an_int_a_float_and_a_text_are_keys_of_one_dict() {
    let said = Transcript::of_success("mixed_keys");
    let lines: Vec<&str> = said.lines.iter().map(String::as_str).collect();
    assert_eq!(
        lines,
        [
            "12 keys",
            "{0: '1', 1: '1', 2: '1', 3: '1', 4: '1', 5: '1', 6: '1', 7: '1', 8: '1', 9: '1', 0.25: None, '2': 2}",
            "[0, 1, 2, 3, 4]",
            "[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]",
        ]
    );
}

fn five_processes_append_to_a_list() {
    assert_eq!(Transcript::of_success("five_appends").lines, ["5"]);
}

fn a_managed_lock_keeps_a_file_whole() {
    assert_eq!(Transcript::of_success("pool_with_managed_lock").lines, ["200"]);
}

fn data_of_a_manager_that_is_read_and_written_needs_a_lock() {
    let said = Transcript::of_success("unsafe_data");
    assert_eq!(said.number_after("true"), 100);
    let without = said.number_after("false");
    assert!((10..100).contains(&without), "{said:#?}");
}

fn one_of_each_type_is_used_by_two_processes() {
    let said = Transcript::of_success("all_types");
    let lines: Vec<&str> = said.lines.iter().map(String::as_str).collect();
    assert_eq!(
        lines,
        [
            "held true true true true",
            "locked true true",
            "free 0 0",
            "[0, 1] [(1, 2)] [0, 4, 0]",
            "Some(Int(3)) 5 6",
            "objects 13",
        ]
    );
}
