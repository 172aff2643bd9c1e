//! The fault suite of the operating system's floor: each scenario runs again and again, and the n-th of its system calls
//! fails, n = 1, 2, …, in every way that its manual page lists, interruptions and short counts included.
//!
//! Each time the scenario succeeds, or says what went wrong: its error is the one that was injected, or tells of it. It
//! never hangs, panics, spins, leaks a descriptor, a thread or a child, nor loses or doubles a byte. What a caller cannot be
//! bothered with (`driver::must_succeed`) succeeds.
//!
//! `cargo test --test faults` runs the short form, `cargo test --test faults -- --nocapture` prints what was injected. Longer:
//!
//! ```text
//! FAULTS_SEEDS=100000 cargo test --release --test faults -- --nocapture
//! ```
//!
//! The way: this program defines the functions of libc itself (`interpose.rs`), as Linux's linkers allow. A scenario has a
//! process of its own, which is this program once more.
//!
//! # What proves what
//!
//! The failures of sockets and listeners that a runtime must survive, and the stories that provoke them. "Here" is this
//! suite; other names are files in `io/tests`, and the stories in them.
//!
//! | what goes wrong | what must come of it | proved by |
//! |---|---|---|
//! | D1 an event for nothing, at every call | it waits on, and does not spin | here (`Again`, also at every second call); descriptors: an_event_for_nothing_is_waited_over; traps: an_event_for_what_others_took_is_waited_over_without_spinning |
//! | D2 one byte at a time | the same bytes | here (`Short`, also at every second call); reading: one_byte_at_a_time_both_ways_arrives_whole |
//! | D3 an interruption, at every call | nobody notices | here (`EINTR`, also at every second call); `.ci/storm.sh`; signals: a_storm_of_signals_changes_nothing |
//! | D4 no memory to send | a stream waits, others tell the error | here (`send`, `sendmsg`, `recv`, `recvmsg`: ENOBUFS, ENOMEM); `starved.rs` in `io/src` |
//! | D5 a write to who is gone | an error, and no SIGPIPE | signals: writing_to_a_connection_that_is_gone_is_an_error_and_no_death; pipes: where_sigpipe_is_deadly_it_is_an_error_all_the_same |
//! | D6 a reset in the middle of a write | the write ends | writing: a_reset_in_the_middle_of_a_write_ends_the_write |
//! | D7 the peer has ended its side | ours goes on | writing: after_the_peer_has_ended_its_side_we_may_go_on_writing; reading: the_end_stays_the_end |
//! | D8 a side is ended twice | nothing | writing: ending_a_side_twice_is_no_mistake |
//! | D9 closed while others wait | they hear of it | descriptors: a_closed_handle_ends_its_waiters_and_its_next_operations; writing: a_connection_shut_down_by_another_task_ends_its_reader_and_writer |
//! | D10 a number used again within a batch of events | no event of its former owner | descriptors: a_number_used_again_within_one_batch_gets_no_event_of_its_former_owner; traps: the same of every kind of source |
//! | D11 somebody else holds the open file | ours is silent once closed | descriptors: a_socket_that_somebody_else_holds_too_goes_silent_when_ours_is_closed; forking; traps: the same of every kind of source |
//! | D12 two tasks read one socket | neither misses its wake | reading: two_tasks_that_read_one_socket_are_both_woken, of_two_readers_the_one_that_finds_nothing_waits_on; traps: of_three_tasks_that_read_one_source_none_misses_its_portion |
//! | D13 `connect` refused, late, dropped | the error, and no descriptor left | here (`tcp_connect_*`); connecting |
//! | D14 no port to come from | the error, and no descriptor left | networks: without_a_port_to_come_from_there_is_no_connection_and_no_descriptor |
//! | D15 a look-up that nobody waits for | its thread is free again | connecting: a_look_up_that_is_dropped_leaves_the_pool_to_others |
//! | D16 who sends, or reads, too slowly | is cut off, and told why | deadlines |
//! | D17 a datagram cut off, a refusal by ICMP | told, and the next is whole | datagrams: what_does_not_fit_is_cut_off_and_the_next_datagram_is_whole, a_refusal_is_told_to_whoever_comes_next_and_takes_its_datagram_with_it |
//! | D18 less is read than there is | the rest needs no event | traps: what_is_left_behind_needs_no_other_event, portions_behind_one_event_all_arrive |
//! | D19 a hang-up that nobody asked about | both sides wake | writing: a_reset_wakes_reader_and_writer; traps: a_peer_that_goes_away_wakes_who_reads_and_who_writes, the_two_ends_of_a_pipe_hear_that_the_other_is_gone |
//! | D20 a file, a closed descriptor | `EPERM`, `EBADF` | descriptors: a_regular_file_is_refused_by_name_and_a_closed_descriptor_too; here (`epoll_ctl`) |
//! | D21 a network that is away for a while | what was sent arrives | networks: a_network_that_was_away_loses_nothing_that_was_sent |
//! | E1 no descriptors left | nobody in the queue is lost | starving |
//! | E2 no memory to accept | the same | here (`accept4`: ENOBUFS, ENOMEM) |
//! | E3 a connection that is gone before it is accepted | the next one | here (`accept4`: ECONNABORTED, EPROTO, EPERM and the network's errors) |
//! | E4 a reset before `accept` | a connection without a peer | accepting: a_peer_that_has_reset_its_connection_does_not_fail_accept |
//! | E5 a storm of connections | others have their turns | accepting: a_thousand_connections_from_one_edge_are_all_accepted_and_others_run_between |
//! | E6 closed, or dropped, while it accepts | no descriptor left | starving: no_descriptor_is_lost_however_an_accept_ends |
//! | E7 a full queue | who waits is served when there is room | networks: whom_a_full_queue_makes_wait_is_served_when_there_is_room |
//! | E8 to E12 workers that die, stop, divide | nobody in the queue is lost | `tests/cluster` |
//! | E13 paths: left behind, in use, taken over | no living socket is removed | unix_listeners; unix_datagrams; unix_seqpackets |
//! | E14 sockets that were inherited | checked | inheriting |

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod driver;
#[cfg(target_os = "linux")]
mod interpose;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod scenarios;
#[cfg(target_os = "linux")]
mod symbols;

use std::process::ExitCode;
#[cfg(target_os = "linux")]
use {
    libtest_mimic::{Arguments, Failed, Trial},
    std::{env, process::Command},
};

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("SKIPPED: the fault suite knows the system calls of Linux");
    ExitCode::SUCCESS
}

/// The name of the scenario that this process is to run.
#[cfg(target_os = "linux")]
const SCENARIO: &str = "FAULTS_SCENARIO";

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    if let Ok(name) = env::var(SCENARIO) {
        let scenario = scenarios::ALL.iter().find(|scenario| scenario.name == name).expect("a scenario");
        interpose::prepare();
        return driver::torment(scenario);
    }
    let mut arguments = Arguments::from_args();
    // A sanitizer has to see threads begin, and here `pthread_create` is ours. Where it runs all is skipped, and nobody is
    // to start a thread for that.
    if arguments.skip.iter().any(|part| part == "faults::") {
        arguments.test_threads = Some(1);
    }
    // So that who runs all tests of the workspace can leave these out.
    let mut trials: Vec<_> = scenarios::ALL
        .iter()
        .map(|scenario| Trial::test(format!("faults::{}", scenario.name), || run(scenario.name)))
        .collect();
    trials.push(Trial::test("faults::every_call_of_this_program_is_known", || {
        symbols::all_are_known();
        Ok(())
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs a scenario in a process of its own.
#[cfg(target_os = "linux")]
fn run(name: &str) -> Result<(), Failed> {
    let program = env::current_exe()?;
    let ended = Command::new(program).env(SCENARIO, name).output()?;
    let said = String::from_utf8_lossy(&ended.stdout);
    print!("{said}");
    if ended.status.success() {
        return Ok(());
    }
    Err(format!("{}\n{said}{}", ended.status, String::from_utf8_lossy(&ended.stderr)).into())
}
