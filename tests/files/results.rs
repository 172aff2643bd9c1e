//! Results that callbacks append to `db.txt`, the crawler's way: one line for each, whole, in the order in which they came.

use crate::support::Folder;
use runtime::{
    fs::{self, File},
    join_all, spawn,
    sync::Queue,
    time::sleep,
};
use std::{rc::Rc, time::Duration};

const PAGES: [(&str, u64); 5] =
    [("http://a/", 30), ("http://b/", 10), ("http://c/", 50), ("http://d/", 20), ("http://e/", 40)];

/// Fetches a page of that size, which takes as long as it is large.
async fn fetch(url: &'static str, size: u64) -> String {
    sleep(Duration::from_millis(size)).await;
    format!("url:<{url}> size:[{size}]\n")
}

const EXPECTED: &str = "url:<http://b/> size:[10]\nurl:<http://d/> size:[20]\nurl:<http://a/> size:[30]\n\
                        url:<http://e/> size:[40]\nurl:<http://c/> size:[50]\n";

/// A callback does not wait, so it hands its line to a task that owns the file.
#[runtime::test(start_paused = true)]
async fn callbacks_hand_their_lines_to_the_one_who_has_the_file() {
    let folder = Folder::new();
    let path = folder.path("db.txt");
    let lines = Rc::new(Queue::unbounded());
    let writer = spawn({
        let (lines, path) = (Rc::clone(&lines), path.clone());
        async move {
            let mut file = File::options().append(true).create(true).open(path).await?;
            while let Ok(line) = lines.get().await {
                let line: String = line;
                file.write_all(line.as_bytes()).await?;
            }
            file.close().await
        }
    });
    let pages = PAGES.map(|(url, size)| {
        let page = spawn(fetch(url, size));
        let lines = Rc::clone(&lines);
        page.on_done(move |line| lines.try_put(line.as_ref().unwrap().clone()).unwrap());
        page
    });
    join_all(pages).await;
    lines.close();
    writer.await.unwrap().unwrap();
    assert_eq!(fs::read_to_string(&path).await.unwrap(), EXPECTED);
}

/// Each opens, appends one record, and closes: the system keeps them apart, also those of other processes.
#[runtime::test(start_paused = true)]
async fn each_appends_its_record_by_itself() {
    let folder = Folder::new();
    let path = folder.path("db.txt");
    let pages = PAGES.map(|(url, size)| {
        let path = path.clone();
        spawn(async move { fs::append(path, fetch(url, size).await).await })
    });
    for page in join_all(pages).await {
        page.unwrap().unwrap();
    }
    assert_eq!(fs::read_to_string(&path).await.unwrap(), EXPECTED);
}
