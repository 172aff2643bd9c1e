//! Processes beside threads and tasks.

use super::{Story, stories};
use crate::transcript::Transcript;
use std::collections::HashSet;

pub(super) const ALL: &[Story] = stories![
    tasks_and_threads_are_in_the_process_and_processes_are_not,
    a_task_is_cheaper_than_a_thread_and_that_than_a_process,
    a_process_changes_its_own_copy_of_a_global,
    fifty_processes_compute_what_fifty_threads_do,
    three_processes_take_the_time_of_one_and_are_joined_before_the_end,
    a_method_of_a_struct_runs_in_a_process_with_the_struct,
    a_child_has_its_parents_number_and_a_name,
    a_killed_process_is_not_alive,
    a_process_is_asked_for_its_attributes_before_and_after,
    results_become_arguments,
];

fn tasks_and_threads_are_in_the_process_and_processes_are_not() {
    let said = Transcript::of_success("whose_number");
    let main = u64::from(said.pid);
    for inside in ["main", "task-1", "task-2", "thread-1", "thread-2"] {
        assert_eq!(said.number_after(inside), main, "{inside}");
    }
    let numbers: HashSet<u64> = [main, said.number_after("process-1"), said.number_after("process-2")].into();
    assert_eq!(numbers.len(), 3);
    assert_eq!(said.lines.len(), 7);
}

fn a_task_is_cheaper_than_a_thread_and_that_than_a_process() {
    let said = Transcript::of_success("what_it_costs");
    let [task, thread, process] = ["task", "thread", "process"].map(|what| said.number_after(what));
    println!("start and join: a task {task} ns, a thread {thread} ns, a process {process} ns");
    assert!(task < thread, "{said:#?}");
    assert!(thread < process, "{said:#?}");
}

fn a_process_changes_its_own_copy_of_a_global() {
    let said = Transcript::of_success("a_global");
    assert_eq!(said.lines, ["process 0", "main 100", "task 0", "main-then 0"]);
}

fn fifty_processes_compute_what_fifty_threads_do() {
    let said = Transcript::of_success("fifty");
    let [processes, threads] = ["processes", "threads"].map(|what| said.number_after(what));
    println!("fifty: processes {processes} ns, threads {threads} ns");
    assert!(threads < processes, "{said:#?}");
    assert_eq!(
        said.lines[2..],
        ["equal true".to_owned(), format!("last {}", (0..49).fold(1_u64, |n, _| n.wrapping_mul(49)))]
    );
}

fn three_processes_take_the_time_of_one_and_are_joined_before_the_end() {
    let said = Transcript::of_success("three_at_once");
    assert_eq!(said.lines.len(), 5);
    let mut greetings = said.lines[..3].to_vec();
    greetings.sort_unstable();
    assert_eq!(greetings, ["hello a", "hello b", "hello c"]);
    assert_eq!(said.lines[3], "end");
    // One after the other they would take 1,500.
    let took = said.number_after("took");
    assert!((500..1_400).contains(&took), "{said:#?}");
}

fn a_method_of_a_struct_runs_in_a_process_with_the_struct() {
    let said = Transcript::of_success("with_a_struct");
    let expected = [
        "end",
        "hello MyProcess-1 from number 1",
        "hello MyProcess-2 from number 2",
        "hello MyProcess-3 from number 3",
    ];
    assert_eq!(said.sorted(), expected);
    assert_eq!(said.place_of("end"), 3);
}

fn a_child_has_its_parents_number_and_a_name() {
    let said = Transcript::of_success("parents");
    let (main, starter) = (said.pid, std::process::id());
    let child = said.number_after("it was");
    let expected = [
        format!("main MainProcess {starter} {main} None"),
        format!("child Process-1 {main} {child} Some({main})"),
        format!("it was {child}"),
    ];
    assert_eq!(said.lines, expected);
}

fn a_killed_process_is_not_alive() {
    let said = Transcript::of_success("killed");
    let error = "error process N was killed by signal 9 (SIGKILL): by somebody, or by the system for want of memory: see the \
                 system's log";
    let expected = ["alive true", "status None", error, "alive false", "status signal: 9 (SIGKILL)"];
    assert_eq!(said.lines, expected);
}

fn a_process_is_asked_for_its_attributes_before_and_after() {
    let said = Transcript::of_success("attributes");
    let expected = [
        "Process-1 false true",
        "worker false true",
        "Process-3 true true",
        r#"("Process-1", false) false"#,
        r#"("worker", false) false"#,
        r#"("Process-3", true) false"#,
    ];
    assert_eq!(said.lines, expected);
}

fn results_become_arguments() {
    assert_eq!(Transcript::of_success("in_turn").lines, ["243"]);
}
