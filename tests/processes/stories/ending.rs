//! Who is waited for, and who is ended.

use super::{Story, stories};
use crate::transcript::Transcript;
use std::os::unix::process::ExitStatusExt;

pub(super) const ALL: &[Story] = stories![
    a_daemon_ends_with_main_and_the_program_with_the_other,
    a_daemon_of_a_main_that_ends_at_once_has_no_time,
    a_program_waits_for_children_that_nobody_joins,
    a_panic_of_main_is_an_end_of_main,
    an_error_of_main_is_told_when_all_have_ended,
    who_has_no_handle_any_more_is_a_daemon_all_the_same,
    a_daemon_that_listens_is_told_and_ends,
    a_daemon_that_does_not_end_is_killed,
    children_of_threads_are_the_programs,
    a_child_waits_for_its_own_children,
    children_of_a_daemon_end_with_it,
    daemons_notice_that_a_program_exits,
    daemons_notice_that_a_program_is_killed,
    a_greenlet_joins_and_ends_by_the_same_rules,
    a_worker_of_a_cluster_ends_by_the_same_rules,
    each_runtime_ends_what_was_started_in_it,
    a_runtime_may_leave_children_to_themselves,
    who_is_started_by_a_destructor_belongs_to_the_end,
    daemons_are_told_before_tasks_are_ended,
    of_many_nobody_is_forgotten,
];

/// What most of these programs say at the end of main's own code.
const END: &str = "main has ended";

impl Transcript {
    /// The daemon's word is heard no more once main has ended, but for what was under way.
    #[track_caller]
    fn assert_quiet_since(&self, line: &str) {
        let end = self.place_of(line);
        assert!(self.count_since(end, "666") <= 1, "the daemon goes on: {self:#?}");
    }

    #[track_caller]
    fn assert_last(&self, line: &str) {
        assert_eq!(self.lines.last().map(String::as_str), Some(line), "{self:#?}");
    }

    #[track_caller]
    fn assert_order(&self, lines: &[&str]) {
        let places: Vec<usize> = lines.iter().map(|line| self.place_of(line)).collect();
        assert!(places.is_sorted(), "{lines:?} is not the order of {self:#?}");
    }
}

fn a_daemon_ends_with_main_and_the_program_with_the_other() {
    let said = Transcript::of_success("daemon_beside_another");
    assert!(said.count_since(0, "666") >= 1, "main has time for six: {said:#?}");
    said.assert_quiet_since(END);
    said.assert_last("the other has ended");
}

fn a_daemon_of_a_main_that_ends_at_once_has_no_time() {
    let said = Transcript::of_success("daemon_that_has_no_time");
    assert!(said.count_since(0, "in func2") <= 1, "{said:#?}");
    assert_eq!(said.lines[0], "in main");
    said.assert_last("in func1");
}

fn a_program_waits_for_children_that_nobody_joins() {
    let said = Transcript::of_success("nobody_joins");
    assert_eq!(said.lines, [END, "child 2", "child 4"]);
}

fn a_panic_of_main_is_an_end_of_main() {
    let said = Transcript::of("main_panics");
    assert!(said.is_alone, "{said:#?}");
    assert_eq!(said.status.code(), Some(101));
    assert!(said.errors.contains("out of order"), "{said:#?}");
    said.assert_last("the other has ended");
    assert!(said.count_since(0, "666") <= 4, "main had time for four, and the other for ten: {said:#?}");
}

fn an_error_of_main_is_told_when_all_have_ended() {
    let said = Transcript::of("main_fails");
    assert!(said.is_alone, "{said:#?}");
    assert_eq!(said.status.code(), Some(1));
    assert_eq!(said.errors, "Error: \"no luck\"\n");
    assert!(said.count_since(0, "666") <= 1, "{said:#?}");
    said.assert_last("the other has ended");
}

fn who_has_no_handle_any_more_is_a_daemon_all_the_same() {
    let said = Transcript::of_success("dropped");
    // Two of them.
    let end = said.place_of(END);
    assert!(said.count_since(end, "666") <= 2, "{said:#?}");
    said.assert_last("the other has ended");
}

fn a_daemon_that_listens_is_told_and_ends() {
    let said = Transcript::of_success("daemon_that_listens");
    said.assert_order(&["daemon is ready", "daemon was told", "daemon has ended"]);
    said.assert_order(&[END, "daemon has ended"]);
    assert_eq!(said.lines.len(), 4);
}

fn a_daemon_that_does_not_end_is_killed() {
    let said = Transcript::of_success("daemon_that_is_deaf");
    said.assert_order(&["daemon is ready", "daemon was told"]);
    assert_eq!(said.lines.len(), 3, "{said:#?}");
}

fn children_of_threads_are_the_programs() {
    let said = Transcript::of_success("started_by_threads");
    said.assert_order(&["by a thread", "joined", END, "by a thread, later"]);
    said.assert_order(&[END, "by the pool"]);
    said.assert_quiet_since(END);
}

fn a_child_waits_for_its_own_children() {
    let said = Transcript::of_success("grandchildren");
    said.assert_order(&["child has ended", "grandchild", "joined Process-1 Process-1:3"]);
    said.assert_order(&["plain child has ended", "plain grandchild", END]);
    // Each of the two daemons has its parent's time.
    let plain = said.place_of("plain child has ended");
    let between = said.count_since(said.place_of("child has ended"), "666") - said.count_since(plain, "666");
    assert!(between <= 2, "{said:#?}");
    said.assert_quiet_since("plain child has ended");
}

fn children_of_a_daemon_end_with_it() {
    let said = Transcript::of_success("daemons_of_daemons");
    assert_eq!(said.count_since(0, "daemon true"), 1);
    said.assert_quiet_since(END);
    assert!(said.count_since(0, "777") >= 1, "{said:#?}");
    assert!(said.count_since(said.place_of(END), "777") <= 1, "{said:#?}");
    said.assert_last("the other has ended");
}

fn daemons_notice_that_a_program_exits() {
    let said = Transcript::of("exits_at_once");
    assert!(!said.is_alone, "{said:#?}");
    assert_eq!(said.status.code(), Some(3));
    said.assert_quiet_since(END);
    said.assert_last("the other has ended");
}

fn daemons_notice_that_a_program_is_killed() {
    let said = Transcript::of("is_killed");
    assert_eq!(said.status.signal(), Some(9));
    // That this has been heard to its end is the proof that nobody spins.
    said.assert_quiet_since(END);
    said.assert_last("the other has ended");
}

fn a_greenlet_joins_and_ends_by_the_same_rules() {
    let said = Transcript::of_success("blocking_style");
    said.assert_order(&["tick", "child", END]);
    said.assert_quiet_since(END);
    said.assert_last("the other has ended");
}

fn a_worker_of_a_cluster_ends_by_the_same_rules() {
    let said = Transcript::of("in_a_worker");
    assert!(said.status.success(), "{said:#?}");
    said.assert_quiet_since(END);
    said.assert_last("child of the worker");
}

fn each_runtime_ends_what_was_started_in_it() {
    let said = Transcript::of_success("several_runtimes");
    said.assert_order(&[
        "the first has ended",
        "started in the first",
        "the second has ended",
        "started in the second",
        END,
        "started outside",
    ]);
    said.assert_quiet_since("the first has ended");
}

fn a_runtime_may_leave_children_to_themselves() {
    let said = Transcript::of("a_deadline_for_the_end");
    assert!(said.status.success() && !said.is_alone, "{said:#?}");
    assert_eq!(said.lines, [END, "left to itself"]);
}

fn who_is_started_by_a_destructor_belongs_to_the_end() {
    let said = Transcript::of_success("destructors");
    said.assert_order(&[END, "dropped", "the heir"]);
    assert!(said.count_since(0, "666") <= 1, "{said:#?}");
    said.assert_last("the heir");
}

fn daemons_are_told_before_tasks_are_ended() {
    let said = Transcript::of_success("slow_end");
    said.assert_order(&[END, "dropped"]);
    said.assert_quiet_since(END);
}

fn of_many_nobody_is_forgotten() {
    let said = Transcript::of_success("many");
    assert_eq!(said.lines.len(), 41);
    let end = said.place_of(END);
    assert!((0..20).all(|n| said.place_of(&format!("joined {n}")) < end));
    assert!(
        (0..3).all(|n| said.place_of(&format!("dropped {n}")) > end),
        "else nothing is proved: {said:#?}"
    );
    assert!((0..20).all(|n| said.count_since(0, &format!("dropped {n}")) == 1));
}
