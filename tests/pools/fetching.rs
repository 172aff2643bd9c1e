//! Pages, fetched by a pool of three in blocking style, from a server on the reactor's own thread.
#![cfg(not(miri))]

use crate::support::{Lines, fetch, serve};
use runtime::pool::{Shutdown, ThreadPool};
use std::{cell::RefCell, rc::Rc, thread};

const PATHS: [&str; 5] = ["/python", "/openstack", "/rust", "/sina", "/baidu"];

#[runtime::test]
async fn results_in_the_order_of_the_urls() {
    let (address, lines) = (serve().await, Lines::default());
    let pool = ThreadPool::new(3);
    let jobs: Vec<_> = PATHS.iter().map(|path| pool.submit(fetch, (address, *path))).collect();
    for (path, job) in PATHS.iter().zip(jobs) {
        let (status, page) = job.await.unwrap();
        lines.say(format!("{path} {status} {page}"));
    }
    pool.shutdown(Shutdown::Wait).await;
    assert_eq!(lines.take(), PATHS.map(|path| format!("{path} 200 this is {path}")));
}

/// All of them share one callback, which is called on this thread and needs no lock for what it writes to.
#[runtime::test]
async fn one_callback_for_all() {
    let address = serve().await;
    let (file, main) = (Rc::new(RefCell::new(String::new())), thread::current().id());
    let pool = ThreadPool::new(3);
    for path in PATHS {
        let file = file.clone();
        let job = pool.submit(move || (path, fetch(address, path).1), ());
        job.on_done(move |result| {
            assert_eq!(thread::current().id(), main);
            let (path, page) = result.as_ref().unwrap();
            file.borrow_mut().push_str(&format!("url:<{path}> size:[{}]\n", page.len()));
        });
        job.detach();
    }
    pool.shutdown(Shutdown::Wait).await;
    let mut written: Vec<String> = file.borrow().lines().map(str::to_owned).collect();
    written.sort();
    let mut expected = PATHS.map(|path| format!("url:<{path}> size:[{}]", "this is ".len() + path.len()));
    expected.sort();
    assert_eq!(written, expected);
}

/// A callback of its own for each.
#[runtime::test]
async fn a_callback_for_each() {
    let (address, lines) = (serve().await, Lines::default());
    let pool = ThreadPool::new(3);
    let say = |who: &'static str| {
        let lines = lines.clone();
        move |result: &Result<(u16, String), _>| {
            lines.say(format!("{who} {}", result.as_ref().map_or(0, |(status, _)| *status)));
        }
    };
    let jobs = [("/github", say("f1")), ("/oschina", say("f2")), ("/baidu", say("f3"))];
    for (path, callback) in jobs {
        let job = pool.submit(fetch, (address, path));
        job.on_done(callback);
        job.detach();
    }
    pool.shutdown(Shutdown::Wait).await;
    assert_eq!(lines.take_sorted(), ["f1 200", "f2 200", "f3 200"]);
}

/// As they come, a few at a time, and no result waits for the slowest.
#[runtime::test]
async fn as_they_come() {
    let address = serve().await;
    let pool = ThreadPool::new(3);
    let mut pages = pool.imap_unordered(PATHS, move |path| fetch(address, path).1);
    let mut seen = Vec::new();
    while let Some(page) = pages.next().await {
        seen.push(page.unwrap());
    }
    seen.sort();
    let mut expected = PATHS.map(|path| format!("this is {path}"));
    expected.sort();
    assert_eq!(seen, expected);
    pool.shutdown(Shutdown::Wait).await;
}
