//! The story of other people's children. It reaps whatever it finds, so it is alone in its process.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use runtime_io::{
    host::become_subreaper,
    process::{Launch, reap_unknown},
};
use std::{
    io::{self, BufRead, BufReader},
    path::Path,
    process::Command,
};
use support::{run, sys::until_ended};

#[test]
fn orphans_are_reaped_and_whoever_has_a_parent_here_is_left_to_it() {
    become_subreaper().unwrap();
    let (stop, held) = io::pipe().unwrap();
    let (told, telling) = io::pipe().unwrap();
    // A child that leaves a child of its own behind, which waits until we let it end.
    let script = "read line </dev/fd/$IN & echo $! >/dev/fd/$OUT; exit 5";
    let mut launch = Launch::new("/bin/sh").args(["-c", script]);
    let (stop, telling) = (launch.descriptor(stop.into()), launch.descriptor(telling.into()));
    let ours = launch.env("IN", stop.to_string()).env("OUT", telling.to_string()).spawn().unwrap();
    let mut orphan = String::new();
    BufReader::new(told).read_line(&mut orphan).unwrap();
    let orphan: u32 = orphan.trim().parse().unwrap();
    until_ended(ours.id());
    assert_eq!(reap_unknown(|_| true).unwrap(), 0, "the orphan runs, and who has ended is ours");
    let ended = ours.try_wait().unwrap().unwrap();
    assert_eq!(ended.code(), Some(5), "told to whom it belongs");

    // Started otherwise, and first in line of those that have ended.
    let mut theirs = Command::new("/bin/sh").args(["-c", "exit 6"]).spawn().unwrap();
    until_ended(theirs.id());
    drop(held);
    until_ended(orphan);
    let another = Launch::new("/bin/sh").args(["-c", "exit 7"]).spawn().unwrap();
    until_ended(another.id());
    let mut asked = Vec::new();
    let reaped = reap_unknown(|pid| {
        asked.push(pid);
        pid == theirs.id()
    });
    assert_eq!(reaped.unwrap(), 1);
    assert!(!Path::new(&format!("/proc/{orphan}")).exists());
    assert!(!asked.contains(&another.id()), "we know our own");
    assert_eq!(theirs.wait().unwrap().code(), Some(6));
    assert_eq!(run(async { another.ended().await.unwrap().code() }), Some(7));
    assert_eq!(reap_unknown(|_| unreachable!()).unwrap(), 0);
}
