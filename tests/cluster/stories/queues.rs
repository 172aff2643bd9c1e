//! Connections that the kernel has taken and no worker yet: they outlive every worker.

use super::{
    protocol::{Command, Reply, Request},
    under_test::{UnderTest, send, state, until},
};
use crate::journal::Record;
use nix::sys::signal::Signal;
use runtime::net::TcpStream;

/// Fewer than any backlog has room for.
const CLIENTS: u64 = 100;

pub(crate) fn outlive_a_worker() {
    runtime::run(outlive("queue", "back_off_ms=0", 1));
}

pub(crate) fn outlive_a_worker_with_a_socket_of_its_own() {
    runtime::run(outlive("queue-reuseport", "back_off_ms=0 listeners=reuseport", 1));
}

pub(crate) fn outlive_all_workers() {
    runtime::run(async {
        outlive("queues", "back_off_ms=0", 2).await;
        outlive("queues-reuseport", "back_off_ms=0 listeners=reuseport", 2).await;
    });
}

/// Nobody accepts; clients come and ask; so many workers are killed, and the others go on.
async fn outlive(story: &str, settings: &str, kills: usize) {
    let cluster = UnderTest::start(story, settings).await;
    let workers = cluster.until_serving(2).await;
    for &worker in &workers {
        send(worker, Signal::SIGSTOP);
        until("it is stopped", || (state(worker) == Some('T')).then_some(())).await;
    }
    let mut streams = Vec::new();
    for id in 1..=CLIENTS {
        let stream = TcpStream::connect(cluster.address).await.expect("the kernel takes it");
        Request { id, command: Command::Echo, argument: 10 }.write(&stream).await.expect("it is connected");
        streams.push(stream);
    }
    for (index, &worker) in workers.iter().enumerate() {
        send(worker, if index < kills { Signal::SIGKILL } else { Signal::SIGCONT });
    }
    for (stream, id) in streams.iter().zip(1..) {
        let reply = Reply::read(stream).await.expect("nobody in the queue is reset");
        assert_eq!(reply.id, id);
    }
    let executed =
        cluster.journal().iter().filter(|(_, record)| matches!(record, Record::Executed(_))).count();
    assert_eq!(executed as u64, CLIENTS, "each request is carried out once");
    drop(streams);
    cluster.until_serving(2).await;
    assert!(cluster.stop().await.success());
}
