//! How programs begin.

use super::{Story, stories};
use crate::transcript::Transcript;

pub(super) const ALL: &[Story] = stories![
    a_program_that_forgets_to_begin_is_told_and_starts_nobody,
    a_child_that_forgets_to_begin_is_told_and_starts_nobody,
    a_program_without_the_macro_begins_by_a_call,
    without_descriptors_nothing_is_started_and_nothing_is_left,
    without_room_for_a_process_nothing_is_started,
];

fn a_program_that_forgets_to_begin_is_told_and_starts_nobody() {
    let said = Transcript::of_success("forgetful");
    assert_eq!(said.lines.len(), 2, "{said:#?}");
    assert!(said.lines[0].contains("begin the program with `#[runtime::main]`"), "{said:#?}");
    assert_eq!(said.lines[1], "children 0");
}

fn a_child_that_forgets_to_begin_is_told_and_starts_nobody() {
    let said = Transcript::of_success("forgetful_child");
    assert_eq!(said.lines.len(), 2, "{said:#?}");
    assert!(said.lines[0].contains("runs the program's `main` instead"), "{said:#?}");
    assert_eq!(said.lines[1], "status exit status: 0", "it has done what its `main` does");
}

fn a_program_without_the_macro_begins_by_a_call() {
    assert_eq!(Transcript::of_success("with_init").lines, ["before 42"]);
}

fn without_descriptors_nothing_is_started_and_nothing_is_left() {
    let said = Transcript::of_limited("without_descriptors", "ulimit -n 40");
    assert!(said.status.success(), "{said:#?}");
    let after = said.number_after("after");
    assert!((2..20).contains(&after), "{said:#?}");
}

fn without_room_for_a_process_nothing_is_started() {
    let said = Transcript::of_success("without_room");
    assert_eq!(said.lines.len(), 2);
    assert!(said.lines[0].starts_with("no process was started: "), "{said:#?}");
    assert!(said.lines[0].contains("Resource temporarily unavailable"), "{said:#?}");
    assert_eq!(said.lines[1], "6");
}
