//! Waiting for a disk is waiting: other tasks go on meanwhile, and many files are waited for at once.
#![cfg_attr(not(target_os = "linux"), allow(unused_imports, reason = "some stories are of Linux only"))]

use crate::support::Folder;
use runtime::{fs, join_all, spawn, task::yield_now};
use std::io::Write;

#[runtime::test]
async fn many_files_are_written_and_read_at_once() {
    let folder = Folder::new();
    let content = |number: usize| format!("{number}\n").repeat(number * 100);
    let write = |number: usize| fs::write(folder.path(&number.to_string()), content(number));
    for written in join_all((0..20).map(write)).await {
        written.unwrap();
    }
    let read = |number: usize| fs::read_to_string(folder.path(&number.to_string()));
    let read = join_all((0..20).map(read)).await;
    for (number, text) in read.into_iter().enumerate() {
        assert_eq!(text.unwrap(), content(number));
    }
}

/// The slowest disk there is: a pipe in a file's place, into which nobody writes yet.
#[cfg(target_os = "linux")]
#[runtime::test]
async fn a_file_that_does_not_come_keeps_nobody_else_waiting() {
    let folder = Folder::new();
    fs::write(folder.path("file"), "quick").await.unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let slow = spawn(async move {
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let text = fs::read_to_string(path).await;
        drop(reader);
        text
    });
    for _ in 0..100 {
        assert_eq!(fs::read_to_string(folder.path("file")).await.unwrap(), "quick");
        yield_now().await;
    }
    assert!(!slow.is_finished());
    writer.write_all(b"slow").unwrap();
    drop(writer);
    assert_eq!(slow.await.unwrap().unwrap(), "slow");
}
