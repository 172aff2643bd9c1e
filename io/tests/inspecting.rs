//! What a dump says of tasks that wait for descriptors.

mod support;

use runtime_executor::{inspect, spawn, task};
use std::os::fd::AsRawFd;
use support::{pair, run_with, until_waiting};

#[test]
fn a_dump_names_the_descriptor_and_the_direction_that_a_task_waits_for() {
    run_with(|reactor| async move {
        let (client, server) = pair().await;
        let number = server.as_raw_fd();
        let reader = spawn(async move { server.read(&mut [0; 8]).await });
        until_waiting(&reactor, 1).await;

        let [status] = &task::list()[..] else { panic!("one task") };
        let expected = [task::WaitsFor::Source(format!("descriptor {number} to be readable"))];
        assert_eq!(status.waits, expected);
        let text = inspect::dump().to_string();
        assert!(text.ends_with(&format!("\n       for descriptor {number} to be readable")), "{text}");
        let stats = inspect::stats();
        assert_eq!((stats.sources, stats.source_waiters), (reactor.registered(), 1));

        drop(client);
        assert_eq!(reader.await.unwrap().unwrap(), 0);
        assert!(task::list().is_empty());
    });
}
