//! Ways to die, one by one, and what the cluster makes of each.

use super::{
    ledger::Ledger,
    load::{Load, Plan, ask},
    protocol::{Command, Reply, Request},
    server, times,
    under_test::{UnderTest, send, state, until},
};
use crate::journal;
use nix::{
    sys::signal::Signal,
    unistd::{Pid, getpgid},
};
use runtime::{
    net::TcpStream,
    time::{Instant, sleep},
};
use std::{fs, time::Duration};

/// Has a worker die in each way, and the cluster be whole again.
pub(crate) fn have_their_names() {
    runtime::run(async {
        let ways = [
            (Some((Command::Exit, 3)), "exit code 3"),
            (Some((Command::Exit, 0)), "exit code 0"),
            (Some((Command::Panic, 0)), "exit code 101"),
            (Some((Command::Abort, 0)), "SIGABRT"),
            (Some((Command::Segfault, 0)), "SIGSEGV"),
            (None, "SIGKILL"),
        ];
        for (way, name) in ways {
            // One each, as the log leaves lines out if there are many about one worker.
            let cluster = UnderTest::start("names", "").await;
            let before = cluster.until_serving(2).await;
            match way {
                Some((command, argument)) => {
                    let stream = TcpStream::connect(cluster.address).await.expect("somebody listens");
                    let answer = ask(&stream, Request { id: 1, command, argument }).await;
                    assert!(answer.is_err(), "who has died does not reply");
                }
                None => drop(send(before[0], Signal::SIGKILL)),
            }
            until(&format!("the log says {name}"), || cluster.log().contains(name).then_some(())).await;
            let after = cluster.until_serving(2).await;
            assert_eq!(before.iter().filter(|worker| after.contains(worker)).count(), 1);
            assert!(cluster.stop().await.success());
        }
    });
}

/// One slot cannot start any more: it is given up, and said to be; the other serves all along.
pub(crate) fn crash_loop() {
    runtime::run(loop_in_one_slot("loop", "restarts=3"));
}

/// The dead slot's own socket, with its queue, is served by the survivor.
pub(crate) fn crash_loop_with_a_socket_of_its_own() {
    runtime::run(loop_in_one_slot("loop-reuseport", "restarts=3 listeners=reuseport"));
}

async fn loop_in_one_slot(story: &str, settings: &str) {
    let cluster = UnderTest::start(story, settings).await;
    let victim = cluster.until_serving(2).await[0];
    fs::write(cluster.folder.join(server::BOOT), "exit=9").expect("the folder takes files");
    let load = Load::start(Plan {
        address: cluster.address,
        clients: 4,
        requests_per_connection: 5,
        body_bytes: 10,
        work: 0,
        think: 0,
    });
    let kills = [cluster.kill(victim).await];
    until("the slot is quarantined", || cluster.log().contains("quarantined").then_some(())).await;
    let survivors = cluster.workers();
    assert_eq!(survivors.len(), 1, "only the survivor is left");
    let before = load.acknowledged();
    until("the survivor replies", || (load.acknowledged() > before + 100).then_some(())).await;
    let seen = load.stop().await;
    let ledger = Ledger::draw_up(seen, &cluster.journal(), &kills);
    assert!(ledger.is_clean(), "a promise was broken:\n{ledger}\n{}", cluster.log());
    assert!(cluster.stop().await.success());
}

/// A worker that has been stopped accepts nothing; the other does. When it has not beaten for long enough, it is
/// killed and replaced.
pub(crate) fn sigstop() {
    runtime::run(async {
        let cluster = UnderTest::start("sigstop", "beat_ms=50").await;
        let workers = cluster.until_serving(2).await;
        send(workers[0], Signal::SIGSTOP);
        let began = Instant::now();
        for id in 1..=50 {
            let stream = TcpStream::connect(cluster.address).await.expect("somebody listens");
            let reply = ask(&stream, Request { id, command: Command::Echo, argument: 1 }).await;
            assert_eq!(reply.expect("the other one replies").pid, workers[1].as_raw() as u32);
        }
        assert!(began.elapsed() < Duration::from_secs(5), "nobody waits for the one that is stopped");
        until("it is replaced", || (!cluster.workers().contains(&workers[0])).then_some(())).await;
        let now = cluster.until_serving(2).await;
        assert!(now.contains(&workers[1]), "who beats is left alone");
        assert!(cluster.log().contains("hang"), "the log says why:\n{}", cluster.log());
        assert!(cluster.stop().await.success());
    });
}

/// Workers end when their supervisor is killed, having finished what they were at, and the address is free again.
pub(crate) fn supervisor() {
    runtime::run(async {
        for _ in 0..times("CLUSTER_ORPHANS", 3) {
            kill_supervisor().await;
        }
    });
}

async fn kill_supervisor() {
    let mut cluster = UnderTest::start("orphans", "grace_ms=3000").await;
    let workers = cluster.until_serving(2).await;
    let group = getpgid(Some(workers[0])).expect("it lives");
    let stream = TcpStream::connect(cluster.address).await.expect("somebody listens");
    let lingering = Request { id: 1, command: Command::Linger, argument: 500 };
    lingering.write(&stream).await.expect("it is connected");
    until("the request has arrived", || {
        cluster.journal().iter().any(|(_, record)| *record == journal::Record::Executed(1)).then_some(())
    })
    .await;
    cluster.signal(Signal::SIGKILL);
    let reply = Reply::read(&stream).await.expect("what was in flight is finished");
    assert_eq!(reply.id, 1);
    cluster.ended().await;
    let is_gone = |worker| getpgid(Some(worker)) != Ok(group);
    until("no worker is left", || workers.iter().copied().all(is_gone).then_some(())).await;
    let again = std::net::TcpListener::bind(cluster.address);
    again.expect("the address is free again");
}

/// A thread that never turns again ends too, a second after the grace period; the other worker finishes what it is at.
pub(crate) fn supervisor_of_one_that_hangs() {
    runtime::run(async {
        leave_one_that_hangs(UnderTest::start("hanging-orphan", "grace_ms=2000").await).await;
    });
}

/// The grace period is two seconds.
pub(crate) async fn leave_one_that_hangs(mut cluster: UnderTest) {
    let workers = cluster.until_serving(2).await;
    let group = getpgid(Some(workers[0])).expect("it lives");
    let mut streams = Vec::new();
    // Who hogs its thread accepts nothing more, so the second one goes to the other worker.
    for (id, command, argument) in [(1, Command::Hog, 120_000), (2, Command::Linger, 1_500)] {
        let stream = TcpStream::connect(cluster.address).await.expect("somebody listens");
        Request { id, command, argument }.write(&stream).await.expect("it is connected");
        streams.push(stream);
        until("the request has arrived", || {
            let is_it = |(_, record): &(u32, _)| *record == journal::Record::Executed(id);
            cluster.journal().iter().any(is_it).then_some(())
        })
        .await;
    }
    cluster.signal(Signal::SIGKILL);
    let began = Instant::now();
    let reply = Reply::read(&streams[1]).await;
    cluster.ended().await;
    let left = || -> Vec<Pid> {
        // Whoever has become their parent may take its time to reap them.
        let is_left = |&worker: &Pid| {
            getpgid(Some(worker)) == Ok(group) && state(worker).is_some_and(|state| state != 'Z')
        };
        workers.iter().copied().filter(is_left).collect()
    };
    while began.elapsed() < Duration::from_secs(4) && !left().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    let left = left();
    for &worker in &left {
        // Nobody else will.
        send(worker, Signal::SIGKILL);
    }
    assert_eq!(reply.expect("what was in flight is finished").id, 2);
    assert_eq!(left, [], "it still hangs");
}

/// A worker dies with requests in its hands: these are cut off, at once and to the last; those of the other one are not.
pub(crate) fn in_hand() {
    runtime::run(async {
        let cluster = UnderTest::start("in-hand", "").await;
        let workers = cluster.until_serving(2).await;
        let mut streams = Vec::new();
        for id in 1..=20 {
            let stream = TcpStream::connect(cluster.address).await.expect("somebody listens");
            let request = Request { id, command: Command::Linger, argument: 1_500 };
            request.write(&stream).await.expect("it is connected");
            streams.push((id, stream));
        }
        let executed = |worker: Pid| -> Vec<u64> {
            let of_worker = cluster.journal().into_iter().filter(|(pid, _)| *pid == worker.as_raw() as u32);
            of_worker
                .filter_map(|(_, record)| match record {
                    journal::Record::Executed(id) => Some(id),
                    _ => None,
                })
                .collect()
        };
        until("all are in somebody's hands", || {
            (workers.iter().map(|&worker| executed(worker).len()).sum::<usize>() == streams.len())
                .then_some(())
        })
        .await;
        let cut_off = executed(workers[0]);
        send(workers[0], Signal::SIGKILL);
        for (id, stream) in streams {
            let reply = Reply::read(&stream).await;
            assert_eq!(reply.is_err(), cut_off.contains(&id), "request {id}: {reply:?}");
        }
        cluster.until_serving(2).await;
        assert!(cluster.stop().await.success());
    });
}
