//! Pages, fetched by processes, from a server on the reactor of their parent: `ProcessPool` where `fetching` has `ThreadPool`.
#![cfg(not(miri))]

use crate::support::{Lines, fetch, serve};
use runtime::{
    pool::{Job, JobError, Pool, ProcessPool, Shutdown, ThreadPool},
    process,
};
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    env,
    fs::{self, File},
    io::Write,
    net::SocketAddr,
    rc::Rc,
    thread,
};

const PATHS: [&str; 5] = ["/python", "/openstack", "/rust", "/sina", "/baidu"];

#[derive(Serialize, Deserialize, Debug)]
struct Page {
    url: String,
    status: u16,
    text: String,
    /// Who has fetched it.
    by: u32,
}

fn get(address: SocketAddr, path: String) -> Page {
    let (status, text) = fetch(address, &path);
    Page { url: path, status, text, by: process::current().pid() }
}

/// S1:1594. Three processes fetch, and the callback writes what they bring into a file: in the parent, where it needs no lock.
#[runtime::test]
async fn callbacks_write_a_file_in_the_parent() {
    let address = serve().await;
    let path = env::temp_dir().join(format!("crawling-{}.txt", std::process::id()));
    let file = Rc::new(RefCell::new(File::create(&path).unwrap()));
    let (parent, main) = (process::current().pid(), thread::current().id());
    let fetched_by = Rc::new(RefCell::new(Vec::new()));
    let pool = ProcessPool::new(3).unwrap();
    for path in PATHS {
        let (file, fetched_by) = (Rc::clone(&file), Rc::clone(&fetched_by));
        let job = pool.submit(get, (address, path.to_owned()));
        job.on_done(move |page: &Result<Page, JobError>| {
            assert_eq!((process::current().pid(), thread::current().id()), (parent, main));
            let page = page.as_ref().unwrap();
            fetched_by.borrow_mut().push(page.by);
            writeln!(file.borrow_mut(), "url:<{}> size:[{}]", page.url, page.text.len()).unwrap();
        });
        job.detach();
    }
    let workers = pool.workers();
    pool.shutdown(Shutdown::Wait).await;
    let mut written: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    fs::remove_file(path).unwrap();
    written.sort();
    let mut expected = PATHS.map(|path| format!("url:<{path}> size:[{}]", "this is ".len() + path.len()));
    expected.sort();
    assert_eq!(written, expected);
    let fetched_by = fetched_by.borrow();
    assert!(fetched_by.len() == 5 && fetched_by.iter().all(|by| workers.contains(by) && *by != parent));
}

/// S3:577. Results in the order of the urls; and one line swaps threads for processes.
#[runtime::test]
async fn results_in_the_order_of_the_urls() {
    async fn pages(pool: impl Pool, address: SocketAddr) -> Vec<String> {
        let jobs: Vec<Job<Page>> =
            PATHS.iter().map(|path| pool.submit(get, (address, (*path).to_owned()))).collect();
        let mut pages = Vec::new();
        for job in jobs {
            let page = job.await.unwrap();
            pages.push(format!("{} {} {}", page.url, page.status, page.text));
        }
        pool.shutdown(Shutdown::Wait).await;
        pages
    }
    let address = serve().await;
    let expected = PATHS.map(|path| format!("{path} 200 this is {path}"));
    assert_eq!(pages(ProcessPool::new(3).unwrap(), address).await, expected);
    assert_eq!(pages(ThreadPool::new(3), address).await, expected);
}

/// S4:182, S4:206. A callback of its own for each url.
#[runtime::test]
async fn a_callback_for_each() {
    let (address, lines) = (serve().await, Lines::default());
    let pool = ProcessPool::new(3).unwrap();
    for (path, who) in [("/github", "f1"), ("/oschina", "f2"), ("/baidu", "f3")] {
        let lines = lines.clone();
        let job = pool.submit(get, (address, path.to_owned()));
        job.on_done(move |page: &Result<Page, JobError>| {
            lines.say(format!("{who} {}", page.as_ref().unwrap().status));
        });
        job.detach();
    }
    pool.shutdown(Shutdown::Wait).await;
    assert_eq!(lines.take_sorted(), ["f1 200", "f2 200", "f3 200"]);
}

/// A site that is not there is the end of its own job, and the panic says where.
#[runtime::test]
async fn a_page_that_cannot_be_fetched_is_the_failure_of_one_job() {
    let address = serve().await;
    let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let pool = ProcessPool::new(2).unwrap();
    let jobs = [nobody, address].map(|address| pool.submit(get, (address, "/rust".to_owned())));
    let [missing, there] = jobs;
    match missing.await {
        Err(JobError::Panicked(panic)) => assert!(panic.message().unwrap().contains("ConnectionRefused")),
        other => panic!("{other:?}"),
    }
    assert_eq!(there.await.unwrap().status, 200);
}
