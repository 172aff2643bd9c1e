//! Each worker of a cluster has a tokio of its own, whether workers are threads or processes. A program of its own, since a worker
//! that is a process is the very program that was started.

use runtime::{
    cluster::{Cluster, Ended, Mode, Restart, me, ready},
    tokio_context::in_tokio,
};
use std::{env, process::Command, thread};

const MODES: [(&str, Mode); 2] = [("threads", Mode::Threads), ("processes", Mode::Processes)];

fn main() {
    let wanted = env::args().nth(1).unwrap_or_default();
    if let Some((_, mode)) = MODES.into_iter().find(|(name, _)| *name == wanted) {
        assert!(cluster(mode).is_success());
        return;
    }
    for (name, _) in MODES {
        let status = Command::new(env::current_exe().unwrap()).arg(name).status().unwrap();
        assert!(status.success(), "{name}: {status}");
        println!("workers that are {name}: each has its tokio");
    }
}

fn cluster(mode: Mode) -> Ended {
    Cluster::new().workers(3).mode(mode).restart(Restart::Never).run(async || {
        assert!(me().is_some());
        ready();
        let here = thread::current().id();
        let (ours, theirs) = in_tokio(async {
            let theirs = tokio::spawn(async { thread::current().name().map(str::to_owned) });
            (thread::current().id(), theirs.await.unwrap())
        })
        .await;
        assert_eq!(ours, here);
        assert_eq!(theirs.as_deref(), Some("runtime-tokio"));
    })
}
