//! The story of many children and no trace. It counts descriptors and children, so it is alone in its process.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use runtime_executor::task::yield_now;
use runtime_io::process::Launch;
use std::{fs, io, os::unix::process::ExitStatusExt};
use support::{open_descriptors, run};

fn children() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let lists = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn children_that_are_killed_dropped_or_never_were_leave_nothing() {
    run(async {
        let before = open_descriptors();
        for round in 0..100 {
            let child = Launch::new("/bin/sleep").arg("60").spawn().unwrap();
            child.kill().unwrap();
            if round % 2 == 0 {
                assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
            }
            assert!(Launch::new("/no/such/program").spawn().is_err());
        }
        // No launch after this one will look.
        let (stop, held) = io::pipe().unwrap();
        let mut launch = Launch::new("/bin/sh");
        let stop = launch.descriptor(stop.into());
        drop(launch.args(["-c".into(), format!("read line </dev/fd/{stop}")]).spawn().unwrap());
        drop(held);
        while !children().is_empty() {
            yield_now().await;
        }
        while open_descriptors() != before {
            // The tasks that have reaped them still have to end.
            yield_now().await;
        }
    });
}
