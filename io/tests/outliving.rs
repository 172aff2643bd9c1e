//! The story of a child that outlives its runtime. Whoever launches one reaps it, so it is alone in its process.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use runtime_io::process::Launch;
use std::{io, path::Path};
use support::{run, sys::until_ended};

#[test]
fn it_is_reaped_when_the_next_is_started() {
    let (stop, held) = io::pipe().unwrap();
    let mut launch = Launch::new("/bin/sh");
    let stop = launch.descriptor(stop.into());
    let launch = launch.args(["-c".into(), format!("read line </dev/fd/{stop}")]);
    // Dropped while it runs: a task of this runtime would have reaped it.
    let pid = run(async { launch.spawn().unwrap().id() });
    drop(held);
    until_ended(pid);
    let has_number = || Path::new(&format!("/proc/{pid}")).exists();
    assert!(has_number(), "nobody has reaped it");
    run(async { Launch::new("/bin/true").spawn().unwrap().wait().await.unwrap() });
    assert!(!has_number());
}
