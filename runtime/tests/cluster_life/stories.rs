//! What is promised of clusters, one story each.

use super::stage::{Client, Program, client_of_each, is_alive, signal, this_program, until};
use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    net::TcpStream,
    process::Command,
    time::Instant,
};

type Story = fn();

macro_rules! stories {
    ($($name:ident)*) => {
        pub(crate) const ALL: &[(&str, Story)] = &[$((stringify!($name), $name)),*];
    };
}

stories! {
    workers_share_a_port_and_stop_when_asked
    a_killed_worker_is_replaced_and_nobody_is_refused
    a_request_under_way_is_answered_when_the_cluster_stops
    who_stays_past_the_grace_period_is_cut_and_counted
    a_second_signal_hurries
    a_server_has_a_last_moment_to_name_whom_it_cuts
    who_is_cut_is_counted_even_if_the_worker_does_not_live_to_tell
    nobody_is_accepted_in_the_last_moment
    signals_to_the_whole_group_are_the_supervisors_business
    a_reload_cuts_nobody
    a_worker_that_hangs_is_killed
    a_thread_that_hangs_is_left_behind
    workers_end_when_their_supervisor_is_killed
    who_cannot_start_is_given_up
    a_worker_with_a_sigterm_of_its_own_is_replaced_first
    figures_of_all_workers_add_up
    workers_are_replaced_after_so_many_requests
    with_reuseport_a_survivor_serves_the_dead_ones_socket
    a_child_of_a_worker_gets_nothing
    main_may_take_its_time_to_stop
    hooks_tell_what_happens
    threads_share_memory_and_a_panic_ends_one
    the_macro_runs_a_cluster_too
    more_and_fewer_workers
    workers_give_up_privileges
    workers_without_privileges_listen_where_it_was_declared
    inherited_sockets_are_used
    orphans_are_reaped
}

fn workers_share_a_port_and_stop_when_asked() {
    for words in ["", "threads", "reuseport", "pin"] {
        let (program, place) = Program::serving(format!("serve {words}").trim(), 2);
        let mut clients = client_of_each(place, 2);
        let processes: BTreeSet<_> = clients.iter_mut().map(|client| client.server().1).collect();
        assert_eq!(processes.len(), if words == "threads" { 1 } else { 2 }, "{words}");
        drop(clients);
        program.signal("TERM");
        let end = program.end();
        assert_eq!(end.status.code(), Some(0), "{words}: {end:?}");
        assert_eq!(end.stdout, "ended: 0 cut, 0 killed\n");
        TcpStream::connect(place).expect_err("nobody listens any more");
    }
}

fn a_killed_worker_is_replaced_and_nobody_is_refused() {
    let (program, place) = Program::serving("serve", 2);
    let mut victim = Client::of(place);
    let (slot, pid, _) = victim.server();
    for round in 0..20 {
        let queued: Vec<_> = (0..10).map(|_| Client::of(place)).collect();
        if round == 10 {
            signal("KILL", pid);
        }
        // Who had been accepted by the victim is lost with it; the kernel's queue is not.
        let heard = queued.into_iter().filter_map(|mut client| {
            client.say("life");
            client.hear().ok()
        });
        assert!(heard.count() > 0 || round == 10);
    }
    until("the slot has another worker", || program.line().starts_with("at "));
    let mut clients = client_of_each(place, 2);
    let (_, replacement, _) = clients[slot].server();
    assert_ne!(replacement, pid);
    assert!(victim.hear().is_err());
}

fn a_request_under_way_is_answered_when_the_cluster_stops() {
    for words in ["serve", "serve threads", "plain"] {
        let (program, place) = Program::serving(words, 2);
        let mut clients = client_of_each(place, 2);
        clients.iter_mut().for_each(|client| client.say("slow"));
        // Both have been heard when both have answered what came before it; these come after.
        program.signal("TERM");
        until("it is stopping", || program.has_said("stopping") > 0);
        for client in &mut clients {
            assert_eq!(client.hear().expect("it may finish"), "at last");
        }
        drop(clients);
        let end = program.end();
        assert_eq!(end.status.code(), Some(0), "{end:?}");
    }
}

fn who_stays_past_the_grace_period_is_cut_and_counted() {
    for words in ["serve grace=100", "serve grace=100 threads", "serve grace=100 wait"] {
        let (program, place) = Program::serving(words, 2);
        let mut clients = client_of_each(place, 2);
        let open = clients.len();
        program.signal("TERM");
        for client in &mut clients {
            client.hear().expect_err("it is cut");
        }
        let end = program.end();
        assert_eq!(end.status.code(), Some(124), "{words}: {end:?}");
        assert_eq!(end.stdout, format!("ended: {open} cut, 0 killed\n"), "{words}: {end:?}");
    }
}

fn a_second_signal_hurries() {
    for (first, second) in [("TERM", Some("TERM")), ("INT", None), ("QUIT", None)] {
        let (program, place) = Program::serving("serve", 2);
        let mut client = Client::of(place);
        client.server();
        program.signal(first);
        if let Some(second) = second {
            until("it is stopping", || program.has_said("stopping") > 0);
            program.signal(second);
        }
        client.hear().expect_err("it is cut");
        let end = program.end();
        assert_eq!(end.status.code(), Some(0), "whoever hurries knows that clients are cut: {end:?}");
        assert_eq!(end.stdout, "ended: 1 cut, 0 killed\n");
    }
}

fn a_server_has_a_last_moment_to_name_whom_it_cuts() {
    let account = "account workers=1";
    for (words, signals, code) in [
        ("grace=100", ["TERM"].as_slice(), 124),
        ("grace=100 threads", &["TERM"], 124),
        ("grace=100 wait", &["TERM"], 124),
        ("", &["TERM", "TERM"], 0),
        ("", &["INT"], 0),
    ] {
        let (program, place) = Program::serving(format!("{account} {words}").trim(), 1);
        let mut clients = Vec::from([(); 3].map(|()| Client::of(place)));
        clients.iter_mut().for_each(|client| _ = client.server());
        for (sent, signal) in signals.iter().enumerate() {
            until("it is stopping", || sent == 0 || program.has_said("stopping") > 0);
            program.signal(signal);
        }
        clients.iter_mut().for_each(|client| drop(client.hear().expect_err("it is cut")));
        let end = program.end();
        assert_eq!(end.status.code(), Some(code), "{words}: {end:?}");
        let lines: Vec<_> = end.stdout.lines().collect();
        let [first, named @ .., last] = lines.as_slice() else { panic!("{words}: {end:?}") };
        assert_eq!(*first, "0 connections finished, 3 were cut", "{words}: {end:?}");
        assert_eq!(*last, "ended: 3 cut, 0 killed", "{words}: {end:?}");
        assert_eq!(named.len(), 3, "{words}: {end:?}");
        for client in &clients {
            let name = format!("  client {}, connected for ", client.address());
            assert!(named.iter().any(|line| line.starts_with(&name)), "{words}: {name}: {end:?}");
        }
    }
}

fn who_is_cut_is_counted_even_if_the_worker_does_not_live_to_tell() {
    let (program, place) = Program::serving("stuck workers=1 grace=100", 1);
    let mut clients = Vec::from([(); 3].map(|()| Client::of(place)));
    clients.iter_mut().for_each(|client| _ = client.server());
    program.signal("TERM");
    let end = program.end();
    assert_eq!(end.status.code(), Some(124), "{end:?}");
    assert!(end.stdout.ends_with("\nended: 3 cut, 1 killed\n"), "{end:?}");
}

fn nobody_is_accepted_in_the_last_moment() {
    let (program, place) = Program::serving("late workers=1", 1);
    let _queued = Client::of(place);
    program.signal("INT");
    let end = program.end();
    assert_eq!(end.stdout, "ended: 0 cut, 0 killed\n", "{end:?}");
}

fn signals_to_the_whole_group_are_the_supervisors_business() {
    let (program, place) = Program::serving("serve", 2);
    let mut old = client_of_each(place, 2);
    program.signal_all("HUP");
    until("it has reloaded", || program.has_said("reloaded: generation 1") > 0);
    assert!(old.iter_mut().all(|client| client.server().2 == 0), "nobody was cut");
    old.iter_mut().for_each(|client| client.say("slow"));
    program.signal_all("TERM");
    until("it is stopping", || program.has_said("stopping") > 0);
    for client in &mut old {
        assert_eq!(client.hear().expect("it may finish"), "at last");
    }
    drop(old);
    let end = program.end();
    assert_eq!(end.status.code(), Some(0), "{end:?}");

    let (program, place) = Program::serving("serve", 2);
    let mut client = Client::of(place);
    client.server();
    program.signal_all("INT");
    client.hear().expect_err("it is cut");
    let end = program.end();
    assert_eq!(end.stdout, "ended: 1 cut, 0 killed\n", "{end:?}");
}

fn a_reload_cuts_nobody() {
    for words in ["serve", "serve threads"] {
        let (program, place) = Program::serving(words, 2);
        let mut old = client_of_each(place, 2);
        program.signal("HUP");
        until("it has reloaded", || program.has_said("reloaded: generation 1") > 0);
        // The old ones hear of it no sooner than we do.
        until("new clients get new workers", || {
            client_of_each(place, 2).iter_mut().all(|client| client.server().2 == 1)
        });
        let new = client_of_each(place, 2);
        assert!(old.iter_mut().all(|client| client.server().2 == 0), "old clients keep theirs");
        let pids: Vec<_> = old.iter_mut().map(|client| client.server().1).collect();
        drop(old);
        if words == "serve" {
            until("the old ones have gone", || !pids.iter().any(|&pid| is_alive(pid)));
        }
        drop(new);
        program.signal("TERM");
        assert_eq!(program.end().status.code(), Some(0));
    }
}

fn a_worker_that_hangs_is_killed() {
    let (program, place) = Program::serving("serve heartbeat=100", 2);
    let mut client = Client::of(place);
    let (slot, pid, _) = client.server();
    client.say("hang");
    client.hear().expect_err("its worker is killed");
    until("it is gone", || !is_alive(pid));
    // It is aborted before that is told.
    until("that is told", || program.has_said(&format!("worker {slot} hangs")) == 1);
    let mut clients = client_of_each(place, 2);
    assert_ne!(clients[slot].server().1, pid);
}

fn a_thread_that_hangs_is_left_behind() {
    let (program, place) = Program::serving("serve threads heartbeat=100", 2);
    let mut clients = client_of_each(place, 2);
    let before = clients[0].ask("life");
    clients[0].say("hang");
    program.line();
    until("another thread serves", || client_of_each(place, 2)[0].ask("life") != before);
    clients.remove(1).server();
    program.signal("INT");
    assert_eq!(program.end().status.code(), Some(0), "nobody waits for it");
}

fn workers_end_when_their_supervisor_is_killed() {
    let (program, place) = Program::serving("serve", 2);
    let mut clients = client_of_each(place, 2);
    let pids: Vec<_> = clients.iter_mut().map(|client| client.server().1).collect();
    program.signal("KILL");
    // They are still served.
    for client in &mut clients {
        client.server();
    }
    drop(clients);
    until("no worker is left", || !pids.iter().any(|&pid| is_alive(pid)));
    std::net::TcpListener::bind(place).expect("the port is free");
}

fn who_cannot_start_is_given_up() {
    let began = Instant::now();
    let end = Program::start("code_3").end();
    assert_eq!(end.status.code(), Some(1), "{end:?}");
    assert!(end.stderr.contains("ended with exit code 3 before it was ready"), "{end:?}");
    assert!(end.stderr.contains("it is quarantined"), "{end:?}");
    assert!(began.elapsed().as_secs() < 25, "five restarts, with their waits");
    let end = Program::start("return once").end();
    assert_eq!(end.status.code(), Some(0), "{end:?}");
}

fn a_worker_with_a_sigterm_of_its_own_is_replaced_first() {
    for plot in ["serve", "plain"] {
        let (program, place) = Program::serving(&format!("{plot} workers=1"), 1);
        let mut client = Client::of(place);
        let (_, pid, _) = client.server();
        signal("TERM", pid);
        program.line();
        until("the replacement serves", || Client::of(place).server().1 != pid);
        until("it alone accepts", || (0..20).all(|_| Client::of(place).server().1 != pid));
        // The replacement rests, so whoever answers now is the old one; and it has had its turns.
        let replacement = Client::of(place).server().1;
        signal("STOP", replacement);
        let mut queued = Client::of(place);
        queued.say("who");
        for _ in 0..50 {
            assert_eq!(client.server().1, pid, "it serves whom it has");
        }
        signal("CONT", replacement);
        let answer = queued.hear().expect("somebody serves");
        assert!(answer.contains(&replacement.to_string()), "{pid} accepts nobody: {answer}");
        drop(client);
        until("it ends", || !is_alive(pid));
    }
}

fn figures_of_all_workers_add_up() {
    for words in ["serve", "serve threads"] {
        let (_program, place) = Program::serving(words, 2);
        let mut clients = client_of_each(place, 2);
        let accepted = clients[0].ask("stats");
        clients.iter_mut().for_each(|client| assert_eq!(client.ask("count"), "counted"));
        // What has no cell of its own yet is seen soon.
        until("both are seen", || Client::of(place).ask("stats").ends_with(" 2"));
        let shares: Vec<_> = accepted.split(' ').next().unwrap().split('+').collect();
        assert!(
            shares.len() == 2 && shares.iter().all(|share| share.parse::<u64>().unwrap() > 0),
            "{accepted}"
        );
    }
}

fn workers_are_replaced_after_so_many_requests() {
    let (program, place) = Program::serving("serve workers=1 max_requests=10", 1);
    let (_, first, _) = Client::of(place).server();
    for _ in 0..20 {
        Client::of(place).server();
    }
    program.line();
    until("another serves", || Client::of(place).server().1 != first);
    until("it ends", || !is_alive(first));
}

fn with_reuseport_a_survivor_serves_the_dead_ones_socket() {
    // Nobody takes the place of the dead one.
    let (_program, place) = Program::serving("serve reuseport once", 2);
    let mut victim = Client::of(place);
    let (_, pid, _) = victim.server();
    signal("STOP", pid);
    // Half of them are in the queue of a socket that nobody serves now.
    let mut queued: Vec<_> = (0..20).map(|_| Client::of(place)).collect();
    queued.iter_mut().for_each(|client| client.say("who"));
    signal("KILL", pid);
    for client in &mut queued {
        client.hear().expect("whoever was not accepted is served");
    }
    for _ in 0..20 {
        assert_ne!(Client::of(place).server().1, pid);
    }
}

fn a_child_of_a_worker_gets_nothing() {
    let (_program, place) = Program::serving("serve", 2);
    let descriptors: u32 = Client::of(place).ask("child").parse().unwrap();
    // Three standard ones, and that of the folder which is listed.
    assert!(descriptors <= 4, "a child has {descriptors} descriptors");
}

fn main_may_take_its_time_to_stop() {
    let program = Program::start("tidy");
    until("both are ready", || program.has_said("is ready") == 2);
    program.signal("TERM");
    let end = program.end();
    assert_eq!(end.status.code(), Some(0), "{end:?}");
    assert_eq!(end.stdout.matches("tidying up").count(), 2, "{end:?}");
}

fn hooks_tell_what_happens() {
    let program = Program::start("tidy workers=1 hooks");
    assert_eq!([program.line(), program.line()], ["before start: 0", "ready: 0"]);
    program.signal("TERM");
    let end = program.end();
    let said: Vec<_> = end.stdout.lines().collect();
    let expected = ["stopping: 0", "tidying up", "exited: 0 stopped as asked", "ended: 0 cut, 0 killed"];
    assert_eq!(said, expected, "{end:?}");
}

fn threads_share_memory_and_a_panic_ends_one() {
    let (program, place) = Program::serving("serve threads", 2);
    let mut clients = client_of_each(place, 2);
    let served = |clients: &mut [Client]| clients[0].ask("served here").parse::<u64>().unwrap();
    let before = served(&mut clients);
    clients[1].server();
    assert_eq!(served(&mut clients), before + 2);

    let life = clients[1].ask("life");
    clients[1].say("panic");
    program.line();
    until("another thread serves", || client_of_each(place, 2)[1].ask("life") != life);
    assert!(served(&mut clients) > before, "the other one has not noticed");
}

fn the_macro_runs_a_cluster_too() {
    let (program, place) = Program::serving("macro", 2);
    drop(client_of_each(place, 2));
    program.signal("TERM");
    assert_eq!(program.end().status.code(), Some(0));
}

fn more_and_fewer_workers() {
    let (program, place) = Program::serving("serve workers=1", 1);
    program.signal("TTIN");
    program.line();
    let (_, second, _) = client_of_each(place, 2)[1].server();
    program.signal("TTOU");
    until("one has gone", || !is_alive(second));
    assert_eq!(Client::of(place).server().0, 0);
}

/// Whether this test may do what only root may; says so if not.
fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    if !is_root {
        let _ = writeln!(io::stderr(), "SKIPPED: only root can give up privileges");
    }
    is_root
}

fn workers_give_up_privileges() {
    if !is_root() {
        return;
    }
    let words = "at:127.0.0.1:0 listen=127.0.0.1:0 run_as=65534";
    let (program, place) = Program::start(words).serving_by(2);
    let user = Client::of(place).ask("user");
    let nobody = "65534 65534 65534 65534";
    let expected = format!("Uid: {nobody}; Gid: {nobody}; Groups:; NoNewPrivs: 1; CapEff: 0000000000000000");
    assert_eq!(user, expected);
    program.signal("TERM");
    assert_eq!(program.end().status.code(), Some(0));
}

fn workers_without_privileges_listen_where_it_was_declared() {
    if !is_root() {
        return;
    }
    let end = Program::start("elsewhere listen=127.0.0.2:0 run_as=65534 workers=1 once").end();
    assert!(end.stdout.contains("listens where `Cluster::listen` says, nowhere else"), "{end:?}");
}

fn inherited_sockets_are_used() {
    const STARTER: &str = r#"
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
os.environ["CLUSTER_LIFE"] = "at:127.0.0.1:%d" % listener.getsockname()[1]
if listener.fileno() != 3:
    os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="chat")
os.execv(sys.argv[1], sys.argv[1:2])
"#;
    let mut python = Command::new("python3");
    python.args(["-c", STARTER]).arg(this_program()).arg("0");
    if Command::new("python3").arg("--version").output().is_err() {
        let _ = writeln!(io::stderr(), "SKIPPED: there is no python3 on this machine");
        return;
    }
    let (program, place) = Program::start_by(python, "").serving_by(2);
    let mut clients = client_of_each(place, 2);
    assert!(clients.iter_mut().all(|client| client.server().2 == 0));
    drop(clients);
    program.signal("TERM");
    assert_eq!(program.end().status.code(), Some(0));
}

fn orphans_are_reaped() {
    let (program, place) = Program::serving("serve orphans", 2);
    let orphan: u32 = Client::of(place).ask("orphan").parse().unwrap();
    // Not even a zombie is left.
    until("it is reaped", || fs::metadata(format!("/proc/{orphan}")).is_err());
    program.signal("TERM");
    assert_eq!(program.end().status.code(), Some(0));
}
