//! Pools of processes.

use super::{Program, programs, sleep_seconds};
use runtime::{
    pool::{ProcessPool, Shutdown},
    time::Instant,
};
use std::{
    cell::RefCell,
    error::Error,
    fs::{self, File},
    io::Write,
    os::unix::process::parent_id,
    path::PathBuf,
    process::id,
    rc::Rc,
};

pub(super) const ALL: &[Program] =
    programs![callbacks, a_file_of_results, without_callbacks, one_by_one, the_map];

type Outcome = Result<(), Box<dyn Error>>;

fn foo(i: u32) -> u32 {
    sleep_seconds(2.0);
    i + 100
}

/// Ten jobs for five processes; what has come of each is told in the process that has asked.
#[runtime::main]
async fn callbacks() -> Outcome {
    let pool = ProcessPool::new(5)?;
    println!("main {} child of {}", id(), parent_id());
    let begin = Instant::now();
    for i in 0..10 {
        let job = pool.submit(foo, i);
        job.on_done(|done| {
            println!("in {} child of {}: logger {}", id(), parent_id(), done.as_ref().unwrap());
        });
        job.detach();
    }
    pool.shutdown(Shutdown::Wait).await;
    println!("end");
    println!("took {}", begin.elapsed().as_millis());
    Ok(())
}

/// The pages that are fetched by three processes are noted in one file, which only the parent writes.
#[runtime::main]
async fn a_file_of_results() -> Outcome {
    fn fetch(url: String) -> (String, u32, usize) {
        let size = 1_000 * url.len();
        (url, id(), "x".repeat(size).len())
    }
    let path: PathBuf = std::env::temp_dir().join(format!("db-{}.txt", id()));
    let file = Rc::new(RefCell::new(File::create(&path)?));
    let pool = ProcessPool::new(3)?;
    let urls = ["https://a", "https://bb", "https://ccc", "https://dddd", "https://eeeee"];
    for url in urls {
        let file = Rc::clone(&file);
        let job = pool.submit(fetch, url.to_owned());
        job.on_done(move |done| {
            let (url, worker, size) = done.as_ref().unwrap();
            println!("by another {}", *worker != id());
            // A callback belongs to the reactor of who has submitted, so it may have what is neither shared nor locked.
            writeln!(file.borrow_mut(), "url:<{url}> size:[{size}]").unwrap();
        });
        job.detach();
    }
    pool.shutdown(Shutdown::Wait).await;
    let noted = fs::read_to_string(&path)?;
    fs::remove_file(&path)?;
    print!("{noted}");
    Ok(())
}

/// The same jobs, and nobody asks what came of them.
#[runtime::main]
async fn without_callbacks() -> Outcome {
    let pool = ProcessPool::new(5)?;
    let begin = Instant::now();
    (0..10).for_each(|i| pool.submit(foo, i).detach());
    pool.shutdown(Shutdown::Wait).await;
    println!("took {}", begin.elapsed().as_millis());
    Ok(())
}

/// Each is waited for before the next is submitted.
#[runtime::main]
async fn one_by_one() -> Outcome {
    let pool = ProcessPool::new(5)?;
    let begin = Instant::now();
    for i in 0..5 {
        println!("{}", pool.apply(foo, i).await?);
    }
    println!("took {}", begin.elapsed().as_millis());
    Ok(())
}

/// In the order of the input, and then main goes on.
#[runtime::main]
async fn the_map() -> Outcome {
    fn square(n: u64) -> u64 {
        sleep_seconds((10 - n) as f64 / 10.0);
        n * n
    }
    let pool = ProcessPool::new(10)?;
    println!("{:?}", pool.map(0..10, square).collect().await?);
    println!("main process");
    Ok(())
}
