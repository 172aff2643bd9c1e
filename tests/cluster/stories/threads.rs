//! Workers that are threads: one that panics ends alone.

use super::{
    load::ask,
    protocol::{Command, Request},
    under_test::{UnderTest, until},
};
use runtime::net::TcpStream;
use std::{cell::Cell, collections::BTreeSet};

pub(crate) fn panic() {
    runtime::run(async {
        let cluster = UnderTest::start("threads", "mode=threads").await;
        let id = Cell::new(0);
        let request = |command| {
            id.set(id.get() + 1);
            Request { id: id.get(), command, argument: 1 }
        };
        let connect = async || {
            let stream = TcpStream::connect(cluster.address).await.expect("somebody listens");
            let thread = ask(&stream, request(Command::Echo)).await.expect("it replies").pid;
            (stream, thread)
        };
        let (first, panicking) = connect().await;
        let survivor = loop {
            let (stream, thread) = connect().await;
            if thread != panicking {
                break stream;
            }
        };
        assert!(ask(&first, request(Command::Panic)).await.is_err(), "who has panicked does not reply");
        until("it is told", || cluster.log().contains("exit code 101").then_some(())).await;
        ask(&survivor, request(Command::Echo)).await.expect("the other one knows nothing of it");
        let mut threads = BTreeSet::new();
        while threads.len() < 2 {
            threads.insert(connect().await.1);
        }
        assert!(!threads.contains(&panicking), "another thread has taken its place");
        drop((first, survivor));
        assert!(cluster.stop().await.success());
    });
}
