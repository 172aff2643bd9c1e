//! Workers that somebody has taken over: what they can do to the others, and what they hold in their hands.

use super::{
    load::ask,
    protocol::{Command, Request},
    server,
    under_test::{UnderTest, until},
};
use nix::unistd::Pid;
use runtime::net::TcpStream;
use std::{collections::BTreeSet, fs, process, process::Stdio};

/// Whoever lies to the supervisor is killed, and nobody else. A cluster for each lie, as the log leaves lines out if there are
/// many about one worker.
pub(crate) fn lies() {
    runtime::run(async {
        for &(way, lie) in server::LIES {
            let cluster = UnderTest::start("lies", "").await;
            let before = cluster.until_serving(2).await;
            let stream = TcpStream::connect(cluster.address).await.expect("somebody listens");
            // It may be killed before it replies.
            let _ = ask(&stream, Request { id: 1, command: Command::Lie, argument: way }).await;
            until(&format!("{lie} is held against it"), || {
                cluster.log().contains("broke the protocol").then_some(())
            })
            .await;
            let after = cluster.until_serving(2).await;
            let stayed = before.iter().filter(|worker| after.contains(worker)).count();
            assert_eq!(stayed, 1, "{lie}: one is killed, the other stays");
            assert!(cluster.stop().await.success());
        }
    });
}

/// What a worker has: nothing of its supervisor's, nothing of its neighbour's, and nothing with a name.
pub(crate) fn hands() {
    runtime::run(async {
        // The supervisor has a descriptor of somebody who forgot to close it.
        let with_zero = |program| {
            let mut shell = process::Command::new("/bin/sh");
            shell.args(["-c", "exec 9</dev/zero; exec \"$0\""]).arg(program).stdin(Stdio::null());
            shell
        };
        let cluster = UnderTest::start_by("hands", "", with_zero).await;
        let workers = cluster.until_serving(2).await;
        assert!(held(cluster.supervisor()).contains("/dev/zero"), "or the story tells nothing");
        let [one, other] = [held(workers[0]), held(workers[1])];
        for held in [&one, &other] {
            for it in held {
                let is_known = ["socket:", "anon_inode:", "/memfd:", "pipe:", "/dev/null"];
                let is_known = is_known.iter().any(|kind| it.starts_with(kind));
                let is_ours = it.starts_with(cluster.folder.to_str().expect("a name"));
                assert!(is_known || is_ours, "a worker has {it}");
            }
        }
        let shared: Vec<&String> = one
            .intersection(&other)
            .filter(|it| it.starts_with("socket:") || it.starts_with("pipe:"))
            .collect();
        assert_eq!(shared.len(), 2, "the listener and the life-line are of both, no more: {shared:?}");
        let unix = fs::read_to_string("/proc/net/unix").expect("Linux has it");
        for socket in held(cluster.supervisor()).iter().chain(&one).chain(&other) {
            let Some(inode) = socket.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) else {
                continue;
            };
            for line in unix.lines().filter(|line| line.split_whitespace().nth(6) == Some(inode)) {
                assert_eq!(line.split_whitespace().count(), 7, "a socket with a name: {line}");
            }
        }
        assert!(cluster.stop().await.success());
    });
}

/// What the process has open, but for the standard three.
fn held(pid: Pid) -> BTreeSet<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives");
    let of_entry = |entry: fs::DirEntry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        let target = fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
        (number > 2).then_some(target)
    };
    entries.filter_map(|entry| of_entry(entry.ok()?)).collect()
}
