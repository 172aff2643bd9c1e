//! Stories of files: what is read at once and what is not, what is written behind, and what becomes of it when somebody
//! gives up.
#![cfg_attr(not(target_os = "linux"), allow(unused_imports, reason = "some stories are of Linux only"))]

mod support;

use futures_lite::{AsyncReadExt, future::poll_once};
use runtime_executor::{Executor, submit_blocking, task::yield_now};
use runtime_io::fs::{self, File, OpenOptions};
use std::{
    error::Error,
    io::{ErrorKind, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
};
use support::{
    Folder, pattern,
    pool::{Busy, executor_of_one_thread},
    run,
};

/// What the buffer of a file takes.
const ROOM: usize = 256 * 1024;

#[test]
fn a_file_is_written_read_copied_renamed_and_removed() {
    let folder = Folder::new();
    run(async {
        let (one, two) = (folder.path("one"), folder.path("two"));
        fs::write(&one, "hello").await.unwrap();
        fs::append(&one, " world").await.unwrap();
        assert_eq!(fs::read(&one).await.unwrap(), b"hello world");
        assert_eq!(fs::read_to_string(&one).await.unwrap(), "hello world");
        assert_eq!(fs::copy(&one, &two).await.unwrap(), 11);
        fs::write(&one, "x").await.unwrap();
        assert_eq!(fs::read(&one).await.unwrap(), b"x", "it was emptied first");
        fs::rename(&two, &one).await.unwrap();
        assert_eq!(fs::metadata(&one).await.unwrap().len(), 11);
        assert!(!fs::try_exists(&two).await.unwrap());
        fs::symlink(&one, &two).await.unwrap();
        assert!(fs::symlink_metadata(&two).await.unwrap().is_symlink());
        assert_eq!(fs::read_link(&two).await.unwrap(), one);
        assert_eq!(fs::canonicalize(&two).await.unwrap(), fs::canonicalize(&one).await.unwrap());
        assert_eq!(fs::read(&two).await.unwrap(), b"hello world");
        fs::remove_file(&two).await.unwrap();
        fs::hard_link(&one, &two).await.unwrap();
        fs::set_permissions(&two, fs::Permissions::from_mode(0o600)).await.unwrap();
        assert_eq!(fs::metadata(&one).await.unwrap().permissions().mode() & 0o777, 0o600);
        let deep = folder.path("a/b/c");
        fs::create_dir_all(&deep).await.unwrap();
        fs::remove_dir(&deep).await.unwrap();
        fs::create_dir(&deep).await.unwrap();
        fs::remove_dir_all(folder.path("a")).await.unwrap();
        assert!(!fs::try_exists(folder.path("a")).await.unwrap());
    });
}

#[test]
fn an_error_names_the_path_and_has_the_systems_word_as_its_source() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("missing");
        let shown = path.display().to_string();
        let errors = [
            (fs::read(&path).await.unwrap_err(), "cannot read"),
            (File::open(&path).await.unwrap_err(), "cannot open"),
            (fs::remove_file(&path).await.unwrap_err(), "cannot remove"),
            (fs::rename(&path, folder.path("b")).await.unwrap_err(), "cannot rename"),
        ];
        for (error, action) in errors {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            let text = error.to_string();
            assert!(text.starts_with(&format!("{action} {shown}")), "{text}");
            let source = error.source().unwrap().downcast_ref::<std::io::Error>().unwrap();
            assert_eq!(source.raw_os_error(), Some(libc::ENOENT));
        }
        fs::write(&path, [0xff]).await.unwrap();
        assert_eq!(fs::read_to_string(&path).await.unwrap_err().kind(), ErrorKind::InvalidData);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_in_memory_is_read_without_the_pool() {
    let folder = Folder::new();
    executor_of_one_thread().block_on(async {
        let (small, large) = (folder.path("small"), folder.path("large"));
        let content = pattern(ROOM + 1);
        fs::write(&small, &content[..ROOM]).await.unwrap();
        fs::write(&large, &content).await.unwrap();
        // The first in a folder goes to the pool, which finds out what is mounted there.
        fs::read(&small).await.unwrap();

        let busy = Busy::new();
        let read = poll_once(fs::read(&small)).await.expect("at once").unwrap();
        assert!(read == content[..ROOM]);
        let mut file = poll_once(File::open(&large)).await.expect("at once").unwrap();
        let mut buf = vec![0; 2 * ROOM];
        assert_eq!(poll_once(file.read(&mut buf)).await.expect("at once").unwrap(), ROOM);
        assert_eq!(poll_once(file.read(&mut buf[ROOM..])).await.expect("at once").unwrap(), 1);
        assert_eq!(poll_once(file.read(&mut buf[..])).await.expect("at once").unwrap(), 0, "the end");
        assert!(buf[..=ROOM] == content[..]);
        assert_eq!(poll_once(file.read_at(&mut buf[..3], 5)).await.expect("at once").unwrap(), 3);
        assert_eq!(buf[..3], content[5..8]);

        let mut whole = Box::pin(fs::read(&large));
        assert!(poll_once(&mut whole).await.is_none(), "a larger one is for the pool");
        drop(busy);
        assert!(whole.await.unwrap() == content);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn reading_at_once_leaves_turns_to_others() {
    let folder = Folder::new();
    executor_of_one_thread().block_on(async {
        let path = folder.path("file");
        fs::write(&path, pattern(ROOM)).await.unwrap();
        fs::read(&path).await.unwrap();
        let _busy = Busy::new();
        let mut reads = 0;
        let reading = async {
            loop {
                fs::read(&path).await.unwrap();
                reads += 1;
            }
        };
        assert!(poll_once::<(), _>(reading).await.is_none());
        assert!((1..=8).contains(&reads), "{reads} times 256 KiB in one poll");
    });
}

#[test]
fn writes_are_accepted_at_once_and_done_in_order() {
    let folder = Folder::new();
    let path = folder.path("file");
    executor_of_one_thread().block_on(async {
        let mut file = File::create(&path).await.unwrap();
        let busy = Busy::new();
        for number in 0..100 {
            poll_once(file.write_all(format!("{number}\n").as_bytes())).await.expect("at once").unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"", "nobody can have written it");
        drop(busy);
        file.flush().await.unwrap();
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(file.position(), expected.len() as u64);
    });
}

#[test]
fn a_full_buffer_makes_the_writer_wait_and_a_write_that_is_dropped_has_not_happened() {
    let folder = Folder::new();
    let path = folder.path("file");
    let content = pattern(3 * ROOM);
    executor_of_one_thread().block_on(async {
        let mut file = File::create(&path).await.unwrap();
        let busy = Busy::new();
        assert!(poll_once(file.write_all(&content)).await.is_none());
        assert_eq!(file.position(), ROOM as u64);
        assert!(poll_once(file.write(&content)).await.is_none(), "there is no room");
        assert_eq!(file.position(), ROOM as u64, "and nothing was accepted");
        drop(busy);
        file.write_all(&content[ROOM..]).await.unwrap();
        file.close().await.unwrap();
        assert!(std::fs::read(&path).unwrap() == content, "bytes were lost, doubled or moved");
    });
}

#[test]
fn a_file_that_is_dropped_loses_nothing_that_it_accepted() {
    let folder = Folder::new();
    let path = folder.path("file");
    executor_of_one_thread().block_on(async {
        let mut file = File::create(&path).await.unwrap();
        let busy = Busy::new();
        poll_once(file.write_all(b"hello world")).await.expect("at once").unwrap();
        drop(file);
        drop(busy);
    });
    assert_eq!(std::fs::read(&path).unwrap(), b"hello world", "a runtime that ends waits for it");
}

#[test]
fn a_runtime_that_ends_before_the_write_had_its_turn_does_it_all_the_same() {
    let folder = Folder::new();
    let path = folder.path("file");
    let executor = executor_of_one_thread();
    executor.block_on(async {
        let mut file = File::create(&path).await.unwrap();
        let busy = Busy::new();
        poll_once(file.write_all(b"hello ")).await.expect("at once").unwrap();
        poll_once(file.write_all(b"world")).await.expect("at once").unwrap();
        // Behind the write in the queue: the thread is let go when the queue is thrown away.
        submit_blocking(Box::new(move || drop(busy))).unwrap();
    });
    drop(executor);
    assert_eq!(std::fs::read(&path).unwrap(), b"hello world");
}

#[test]
fn a_read_that_is_dropped_has_not_happened() {
    let folder = Folder::new();
    let path = folder.path("file");
    executor_of_one_thread().block_on(async {
        std::fs::write(&path, "abcdef").unwrap();
        let mut file = File::from_std(std::fs::File::open(&path).unwrap()).unwrap();
        let mut buf = [0; 3];
        let busy = Busy::new();
        // It may be done at once, where the system can; then there is nothing to drop.
        let done = poll_once(file.read(&mut buf)).await.is_some();
        drop(busy);
        assert_eq!(file.position(), if done { 3 } else { 0 });
        file.seek(SeekFrom::Start(0)).await.unwrap();
        assert_eq!(file.read(&mut buf).await.unwrap(), 3);
        assert_eq!(&buf, b"abc");
        assert_eq!(file.read(&mut buf).await.unwrap(), 3);
        assert_eq!(&buf, b"def");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn what_came_of_a_fifo_for_a_read_that_was_dropped_is_read_next() {
    let folder = Folder::new();
    run(async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut file = File::try_from(std::os::fd::OwnedFd::from(reader)).unwrap();
        let mut buf = [0; 4];
        assert!(poll_once(file.read(&mut buf)).await.is_none());
        writer.write_all(b"abcdef").unwrap();
        drop(writer);
        let mut all = Vec::new();
        file.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"abcdef");
        drop(folder);
    });
}

/// To open it at once is to let in who writes, who may be gone again before a thread comes to read.
#[cfg(target_os = "linux")]
#[test]
fn a_fifo_in_a_folder_that_is_known_loses_nothing_to_the_short_way() {
    let folder = Folder::new();
    executor_of_one_thread().block_on(async {
        fs::write(folder.path("file"), "x").await.unwrap();
        fs::read(folder.path("file")).await.unwrap();
        let path = folder.path("fifo");
        support::sys::make_fifo(&path);
        let write = |text: &str| {
            let mut writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        };

        let busy = Busy::new();
        let mut reading = Box::pin(fs::read(&path));
        assert!(poll_once(&mut reading).await.is_none());
        write("to read");
        drop(busy);
        assert_eq!(reading.await.unwrap(), b"to read");

        let busy = Busy::new();
        let mut opening = Box::pin(File::open(&path));
        assert!(poll_once(&mut opening).await.is_none());
        write("to open");
        drop(busy);
        let mut text = String::new();
        opening.await.unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "to open");
    });
}

#[test]
fn the_position_is_the_handles_own() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("file");
        let mut file = File::create_new(&path).await.unwrap();
        assert_eq!(File::create_new(&path).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        file.write_all(b"0123456789").await.unwrap();
        assert_eq!(file.seek(SeekFrom::Start(2)).await.unwrap(), 2);
        let mut clone = file.try_clone().await.unwrap();
        let mut two = [0; 2];
        clone.read_exact(&mut two).await.unwrap();
        assert_eq!((&two, clone.position(), file.position()), (b"23", 4, 2));
        assert_eq!(file.seek(SeekFrom::End(-1)).await.unwrap(), 9);
        assert_eq!(file.seek(SeekFrom::Current(-4)).await.unwrap(), 5);
        let error = file.seek(SeekFrom::Current(-6)).await.unwrap_err();
        assert_eq!((error.kind(), file.position()), (ErrorKind::InvalidInput, 5));
        file.write_all(b"xy").await.unwrap();
        clone.write_all_at(b"!", 0).await.unwrap();
        file.rewind().await.unwrap();
        let mut text = String::new();
        assert_eq!(file.read_to_string(&mut text).await.unwrap(), 10);
        assert_eq!(text, "!1234xy789");
        assert_eq!(file.read_exact(&mut two).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        file.seek(SeekFrom::Start(7)).await.unwrap();
        let mut std_file = file.into_std().await.unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut std_file, &mut rest).unwrap();
        assert_eq!(rest, "789");
        let mut again = File::from_std(std_file).unwrap();
        assert_eq!(again.position(), 10);
        assert_eq!(AsyncReadExt::read(&mut again, &mut two).await.unwrap(), 0);
    });
}

#[test]
fn what_appends_writes_at_the_end_whoever_wrote_there_before() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("db.txt");
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        let mut one = options.open(&path).await.unwrap();
        let mut two = options.open(&path).await.unwrap();
        for number in 0..3 {
            one.write_all(format!("one {number}\n").as_bytes()).await.unwrap();
            one.flush().await.unwrap();
            two.write_all(format!("two {number}\n").as_bytes()).await.unwrap();
            two.flush().await.unwrap();
        }
        let text = fs::read_to_string(&path).await.unwrap();
        assert_eq!(text, "one 0\ntwo 0\none 1\ntwo 1\none 2\ntwo 2\n");
    });
}

#[test]
fn attributes_are_those_after_what_was_written() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("file");
        let mut file = OpenOptions::new().write(true).create(true).mode(0o640).open(&path).await.unwrap();
        file.write_all(b"hello world").await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 11);
        file.write_all(b"!").await.unwrap();
        file.set_len(5).await.unwrap();
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o600)).await.unwrap();
        let status = std::fs::metadata(&path).unwrap();
        assert_eq!((status.len(), status.permissions().mode() & 0o777), (5, 0o600));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_by_whatever_comes_next() {
    run(async {
        let full = || async {
            let mut file = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
            file.write_all(b"x").await.unwrap();
            file
        };
        let told = |error: std::io::Error| {
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            assert!(error.to_string().starts_with("cannot write to /dev/full: "), "{error}");
        };
        told(full().await.flush().await.unwrap_err());
        told(full().await.close().await.unwrap_err());
        told(full().await.sync_all().await.unwrap_err());
        told(full().await.metadata().await.unwrap_err());
        told(full().await.try_clone().await.unwrap_err());
        told(full().await.into_std().await.unwrap_err());
        told(full().await.read(&mut [0]).await.unwrap_err());
        told(full().await.seek(SeekFrom::Start(0)).await.unwrap_err());
        let mut file = full().await;
        let error = loop {
            yield_now().await;
            if let Err(error) = file.write(b"more").await {
                break error;
            }
        };
        told(error);
        file.flush().await.expect("it is told once");
        told(
            fs::write("/dev/full", "x")
                .await
                .map_err(|error| {
                    assert!(error.to_string().starts_with("cannot write /dev/full: "), "{error}");
                    std::io::Error::new(error.kind(), "cannot write to /dev/full: ")
                })
                .unwrap_err(),
        );
    });
}

#[test]
fn a_file_is_replaced_in_one_step_or_not_at_all() {
    let folder = Folder::new();
    run(async {
        let (path, link) = (folder.path("file"), folder.path("link"));
        fs::write_atomic(&path, "one").await.unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).await.unwrap();
        fs::symlink(&path, &link).await.unwrap();
        let mut former = File::open(&path).await.unwrap();
        fs::write_atomic(&link, "two").await.unwrap();
        assert_eq!(fs::read_to_string(&path).await.unwrap(), "two");
        assert!(fs::symlink_metadata(&link).await.unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).await.unwrap().permissions().mode() & 0o777, 0o640);
        let mut text = String::new();
        former.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "one", "whoever had it open has the former one");

        // A name that nothing can be renamed to.
        let error = fs::write_atomic(folder.path(&"x".repeat(300)), "three").await.unwrap_err();
        assert!(error.to_string().starts_with("cannot replace "), "{error}");
        assert_eq!(
            fs::write_atomic(folder.path("."), "x").await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        let mut names: Vec<_> =
            std::fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["file", "link"], "nothing temporary is left");
    });
}

#[test]
fn without_a_runtime_it_says_so() {
    let folder = Folder::new();
    let error = futures_lite::future::block_on(fs::write(folder.path("file"), "x")).unwrap_err();
    assert!(error.to_string().contains("no runtime runs on this thread"), "{error}");
}

#[test]
fn a_runtime_without_threads_waits_for_the_disk_itself() {
    let folder = Folder::new();
    Executor::builder().without_threads().build().block_on(async {
        let path = folder.path("file");
        let mut file = File::create_new(&path).await.unwrap();
        file.write_all(b"hello").await.unwrap();
        file.close().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"hello");
    });
}
