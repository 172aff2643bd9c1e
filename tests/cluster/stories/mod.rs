//! The stories, by what befalls the cluster.

mod bars;
mod deaths;
mod hostile;
mod kills;
mod queues;
mod reloads;
mod sizes;
mod starved;
mod stops;
mod surroundings;
mod threads;

use super::{ledger, load, protocol, server, under_test};
use std::env;

/// By name; each runs to its end on a runtime of its own.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("kills_lose_nothing_that_was_acknowledged", kills::lose_nothing),
    ("kills_lose_nothing_with_a_socket_per_worker", kills::lose_nothing_with_a_socket_per_worker),
    ("many_quick_deaths_leave_nothing_behind", kills::leave_nothing_behind),
    ("every_way_to_die_has_its_name", deaths::have_their_names),
    ("a_crash_loop_is_quarantined_while_the_others_serve", deaths::crash_loop),
    ("a_crash_loop_leaves_its_own_socket_to_the_survivor", deaths::crash_loop_with_a_socket_of_its_own),
    ("what_a_dead_worker_had_in_hand_is_cut_off_and_nothing_else", deaths::in_hand),
    ("a_worker_that_is_stopped_holds_nobody_up_and_is_replaced", deaths::sigstop),
    ("nobody_outlives_a_killed_supervisor", deaths::supervisor),
    ("who_hangs_does_not_outlive_a_killed_supervisor_either", deaths::supervisor_of_one_that_hangs),
    ("reloads_fail_nobody", reloads::fail_nobody),
    ("a_reload_that_cannot_start_changes_nothing", reloads::broken_start),
    ("a_reload_takes_the_new_program_and_keeps_the_old_one_if_that_is_broken", reloads::new_program),
    ("impatient_reloads_are_two", reloads::two_at_once),
    ("a_slow_new_generation_is_waited_for", reloads::slow_start),
    ("a_graceful_stop_waits_for_the_requests_in_flight", stops::in_flight),
    ("a_stop_that_runs_out_of_time_counts_whom_it_cut", stops::deadline),
    ("a_second_signal_hurries", stops::second_signal),
    ("a_signal_to_the_whole_group_is_one_stop", stops::group),
    ("a_queue_outlives_a_killed_worker", queues::outlive_a_worker),
    ("a_queue_outlives_its_own_worker", queues::outlive_a_worker_with_a_socket_of_its_own),
    ("a_queue_outlives_all_workers", queues::outlive_all_workers),
    ("whoever_has_served_its_share_is_replaced_unnoticed", sizes::recycled),
    ("more_workers_and_fewer_fail_nobody", sizes::more_and_fewer),
    ("the_workers_share_the_connections", sizes::shares),
    ("a_machine_without_time_kills_nobody", starved::kills_nobody),
    ("whoever_lies_to_the_supervisor_is_killed_alone", hostile::lies),
    ("a_worker_has_in_its_hands_what_it_needs", hostile::hands),
    ("a_socket_of_systemd_is_served_and_outlives_the_cluster", surroundings::socket_unit),
    ("process_1_of_a_container_reaps_everybody", surroundings::process_1),
    ("running_out_of_memory_is_told_from_other_kills", surroundings::out_of_memory),
    ("workers_give_up_privileges", surroundings::privileges),
    ("who_hangs_and_has_no_privileges_does_not_outlive_a_killed_supervisor", surroundings::hanging_orphan),
    ("workers_that_cannot_give_up_privileges_do_not_serve", surroundings::no_privileges),
    ("a_thread_that_panics_ends_alone", threads::panic),
    ("an_idle_cluster_wakes_up_for_its_heartbeat_alone", bars::idle),
    ("two_workers_beside_one", bars::two_workers_beside_one),
    ("the_cost_of_a_request", bars::cost_of_a_request),
];

/// How often the long form wants it, or as often as fits into everyday's tests.
fn times(variable: &str, short: usize) -> usize {
    env::var(variable).ok().and_then(|times| times.parse().ok()).unwrap_or(short)
}
