//! Stories of listing folders.

mod support;

use futures_lite::{StreamExt, future::poll_once};
use runtime_io::fs;
use std::{collections::BTreeSet, io::ErrorKind};
use support::{
    Folder,
    pool::{Busy, executor_of_one_thread},
    run,
};

/// As many entries as are read ahead.
const BATCH: usize = 128;

fn fill(folder: &Folder, count: usize) -> BTreeSet<String> {
    let names: BTreeSet<_> = (0..count).map(|number| format!("entry-{number}")).collect();
    for name in &names {
        std::fs::write(folder.path(name), "").unwrap();
    }
    names
}

#[test]
fn every_entry_comes_once_whatever_their_number() {
    for count in [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH] {
        let folder = Folder::new();
        let expected = fill(&folder, count);
        let found: Vec<String> = run(async {
            let entries = fs::read_dir(folder.path("")).await.unwrap();
            let name =
                |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
            entries.map(name).collect().await
        });
        assert_eq!(found.len(), count);
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn no_more_is_read_ahead_than_a_batch_and_a_wait_that_is_dropped_loses_nothing() {
    let folder = Folder::new();
    fill(&folder, 2 * BATCH);
    executor_of_one_thread().block_on(async {
        let mut entries = fs::read_dir(folder.path("")).await.unwrap();
        let busy = Busy::new();
        let mut count = 0;
        while let Some(entry) = poll_once(entries.next_entry()).await {
            assert!(entry.unwrap().is_some());
            count += 1;
            // Every poll has a budget; this is about the batch.
            runtime_executor::task::yield_now().await;
        }
        assert_eq!(count, BATCH);
        assert!(poll_once(entries.next_entry()).await.is_none());
        drop(busy);
        while entries.next_entry().await.unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, 2 * BATCH);
        assert!(entries.next_entry().await.unwrap().is_none(), "the end stays");
    });
}

#[test]
fn an_entry_says_what_it_is() {
    let folder = Folder::new();
    run(async {
        fs::write(folder.path("file"), "four").await.unwrap();
        fs::create_dir(folder.path("sub")).await.unwrap();
        fs::symlink("nowhere", folder.path("link")).await.unwrap();
        let mut entries: Vec<_> = fs::read_dir(folder.path("")).await.unwrap().collect().await;
        entries.sort_by_key(|entry| entry.as_ref().unwrap().file_name());
        let [file, link, sub] = entries.try_into().unwrap();
        let (file, link, sub) = (file.unwrap(), link.unwrap(), sub.unwrap());
        assert_eq!(file.path(), folder.path("file"));
        assert!(file.file_type().await.unwrap().is_file());
        assert_eq!(file.metadata().await.unwrap().len(), 4);
        assert!(link.file_type().await.unwrap().is_symlink());
        assert!(link.metadata().await.unwrap().is_symlink(), "it is not followed");
        assert!(sub.file_type().await.unwrap().is_dir());
        fs::remove_file(folder.path("file")).await.unwrap();
        let error = file.metadata().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("file"), "{error}");
    });
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = Folder::new();
    let error = run(fs::read_dir(folder.path("missing"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with("cannot list "), "{error}");
}
