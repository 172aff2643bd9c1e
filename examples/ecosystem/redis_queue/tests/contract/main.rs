//! `Redis` keeps to the contract of every broker, and to what it promises beyond.

mod clusters;
mod states;
mod tls;

use runtime::{
    broker::{Broker, Counts, Error, Options, Redis},
    io::copy_bidirectional,
    join,
    net::{Server, TcpStream},
    race, random_u64, spawn,
    sync::Event,
    testing::broker::conformance,
    time::{Instant, sleep, timeout},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    pin::Pin,
    rc::Rc,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// Longer than anything here takes, on the slowest machine.
const LONG: Duration = Duration::from_secs(60);

fn url(server: &support::Redis) -> String {
    format!("redis://{}", server.address())
}

fn queue(server: &support::Redis) -> Redis {
    Redis::new(&url(server), "queue", Options::default()).unwrap()
}

/// A command of an administrator, whose answer matters to nobody.
fn administer(server: &support::Redis, command: &str) {
    let client = redis::Client::open(url(server)).unwrap();
    let mut words = command.split(' ');
    let mut request = redis::cmd(words.next().unwrap());
    request.arg(words.collect::<Vec<_>>()).exec(&mut client.get_connection().unwrap()).unwrap();
}

#[runtime::test]
async fn redis_keeps_to_the_contract() {
    let Some(server) = support::Redis::start() else { return };
    let by_many = conformance(async |name, options| Redis::new(&url(&server), name, options).unwrap());
    // The same over the other kind of socket, by one client for all.
    let address = format!("redis+unix://{}?db=1", server.socket().display());
    let queues = RefCell::new(HashMap::new());
    let by_one = conformance(async |name, options| {
        let open = || Redis::new(&address, name, options).unwrap();
        queues.borrow_mut().entry(name.to_owned()).or_insert_with(open).clone()
    });
    join!(by_many, by_one);
}

#[runtime::test]
async fn it_says_where_the_jobs_are() {
    let Some(server) = support::Redis::start() else { return };
    let jobs = Redis::new(&url(&server), "queue", Options::default().max_deliveries(1)).unwrap();
    for _ in 0..4 {
        jobs.push(b"job").await.unwrap();
    }
    jobs.push_after(LONG, b"later").await.unwrap();
    let some = jobs.pull(2, SECOND).await.unwrap();
    jobs.nack(&some[0], SECOND).await.unwrap();
    let counts = jobs.counts().await.unwrap();
    assert_eq!((counts.ready, counts.delayed, counts.leased, counts.dead), (2, 1, 1, 1));
}

/// Who waits sees nothing of it, and gets what is pushed when the server is back; what was pushed before is still there.
#[runtime::test]
async fn a_server_that_is_killed_and_restarted_loses_nothing_and_nobody() {
    let Some(mut server) = support::Redis::start() else { return };
    let (jobs, waiting) = (queue(&server).patience(LONG), queue(&server).patience(LONG));
    let before = jobs.push(b"before").await.unwrap();
    let first = jobs.pull(1, SECOND).await.unwrap().remove(0);
    assert_eq!(*first.id(), before);
    let waiter = spawn(async move { waiting.pull(1, LONG).await });
    sleep(SECOND / 5).await;
    server.kill();
    sleep(SECOND / 5).await;
    server.restart();
    let pushed = loop {
        // Pushing is the one thing that is not tried again by itself.
        match jobs.push(b"after").await {
            Ok(id) => break id,
            Err(Error::Unreachable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(*waiter.await.unwrap().unwrap()[0].id(), pushed);
    jobs.extend(&first).await.unwrap(); // the lease, too, has survived
    jobs.ack(&first).await.unwrap();
}

#[runtime::test]
async fn a_server_that_is_away_is_unreachable_in_time_and_found_again() {
    let Some(mut server) = support::Redis::start() else { return };
    let jobs = queue(&server).patience(SECOND / 2);
    jobs.push(b"job").await.unwrap();
    server.kill();
    let start = Instant::now();
    let absent = jobs.pull(1, Duration::ZERO).await;
    assert!(matches!(absent, Err(Error::Unreachable(_))), "{absent:?}");
    assert!(start.elapsed() < LONG / 2);
    let absent = jobs.push(b"job").await;
    assert!(matches!(absent, Err(Error::Unreachable(_))), "{absent:?}");
    server.restart();
    assert_eq!(jobs.pull(1, LONG).await.unwrap().len(), 1);
}

/// It accepts connections, and says nothing: a machine that hangs, or a network that swallows everything.
#[runtime::test]
async fn a_server_that_hangs_is_unreachable_in_time() {
    let Some(server) = support::Redis::start() else { return };
    let jobs = queue(&server).patience(SECOND / 2);
    jobs.push(b"job").await.unwrap();
    let stopped = Stopped::new(server.pid());
    let start = Instant::now();
    for _ in 0..2 {
        let absent = jobs.push(b"another").await;
        assert!(matches!(absent, Err(Error::Unreachable(_))), "{absent:?}");
    }
    assert!(start.elapsed() < LONG / 2);
    drop(stopped);
    assert_eq!(jobs.patience(LONG).pull(1, LONG).await.unwrap()[0].body(), b"job");
}

/// A process that does nothing until this is dropped.
struct Stopped(u32);

impl Stopped {
    fn new(pid: u32) -> Self {
        Self::signal("-STOP", pid);
        Self(pid)
    }

    fn signal(signal: &str, pid: u32) {
        assert!(
            std::process::Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success()
        );
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        Self::signal("-CONT", self.0);
    }
}

/// Nobody says that it is gone: a firewall that forgot it, a cable that was pulled.
#[runtime::test]
async fn a_connection_that_swallows_everything_is_replaced() {
    let Some(server) = support::Redis::start() else { return };
    let proxy = Server::bind("127.0.0.1:0").await.unwrap();
    let address = format!("redis://{}", proxy.local_addr().unwrap());
    let (behind, hole) = (server.address(), Rc::new(Event::new()));
    let swallowing = hole.clone();
    let proxying = spawn(proxy.serve(async move |mut client: TcpStream, _| {
        let mut server = TcpStream::connect(behind).await?;
        let forward = async { drop(copy_bidirectional(&mut client, &mut server).await) };
        race([Box::pin(forward) as Pin<Box<dyn Future<Output = ()>>>, Box::pin(swallowing.wait())]).await;
        sleep(LONG).await;
        Ok(())
    }));
    let jobs = Redis::new(&address, "queue", Options::default()).unwrap().patience(SECOND / 2);
    jobs.push(b"before").await.unwrap();
    hole.set();
    let absent = jobs.push(b"into the hole").await;
    assert!(matches!(absent, Err(Error::Unreachable(_))), "{absent:?}");
    hole.clear();
    let after = jobs.clone().patience(LONG).push(b"after").await.unwrap();
    let came = jobs.patience(LONG).pull(10, LONG).await.unwrap();
    assert!(came.iter().any(|job| *job.id() == after), "{came:?}");
    proxying.cancel();
}

/// Connections break wherever they happen to be: in a greeting, a request, an answer. No job gets lost, and whose answers were lost
/// come again when their leases are over.
#[runtime::test]
async fn a_network_that_breaks_all_the_time_loses_no_job() {
    const JOBS: u8 = 100;
    let Some(server) = support::Redis::start() else { return };
    let proxy = Server::bind("127.0.0.1:0").await.unwrap();
    let address = format!("redis://{}", proxy.local_addr().unwrap());
    let behind = server.address();
    let breaking = spawn(proxy.serve(async move |mut client: TcpStream, _| {
        let mut server = TcpStream::connect(behind).await?;
        // Some do not get as far as the greeting, others live for hundreds of requests.
        let life = Duration::from_micros(1 << (8 + random_u64() % 11));
        let _ = timeout(life, copy_bidirectional(&mut client, &mut server)).await;
        Ok(())
    }));
    let options = Options::default().lease(SECOND).max_deliveries(100);
    let jobs = Redis::new(&address, "queue", options).unwrap().patience(LONG);
    let (done, pushes, names) = (RefCell::new(BTreeSet::new()), Cell::new(0), RefCell::new(BTreeSet::new()));
    let push = async {
        for number in 0..JOBS {
            pushes.set(pushes.get() + 1);
            while let Err(error) = jobs.push(&[number]).await {
                assert!(matches!(error, Error::Unreachable(_)), "{error}");
                pushes.set(pushes.get() + 1);
            }
        }
    };
    let work = async || {
        while done.borrow().len() < usize::from(JOBS) {
            for job in jobs.pull(3, SECOND).await.unwrap() {
                names.borrow_mut().insert(job.id().clone());
                sleep(Duration::from_millis(random_u64() % 10)).await;
                if random_u64() % 4 < 1
                    && jobs.nack(&job, Duration::from_millis(random_u64() % 20)).await.is_ok()
                {
                    continue;
                }
                jobs.ack(&job).await.unwrap();
                done.borrow_mut().insert(job.into_body());
            }
        }
    };
    timeout(LONG, async { join!(push, work(), work(), work()) }).await.expect("all jobs get done");
    assert!(jobs.dead(10).await.unwrap().is_empty());
    breaking.cancel();
    // What is left are jobs that were pushed twice, and those that were done when their answers were lost.
    let jobs = Redis::new(&url(&server), "queue", options).unwrap();
    while jobs.counts().await.unwrap() != Counts::default() {
        for job in jobs.pull(10, SECOND).await.unwrap() {
            assert!(done.borrow().contains(job.body()));
            names.borrow_mut().insert(job.id().clone());
            jobs.ack(&job).await.unwrap();
        }
    }
    assert!(names.borrow().len() <= pushes.get(), "what was pushed once is there twice");
}

/// Not when its lease is over, in half a minute.
#[runtime::test]
async fn what_came_for_a_pull_that_was_dropped_is_given_back() {
    let Some(server) = support::Redis::start() else { return };
    let (jobs, others) = (queue(&server), queue(&server));
    let start = Instant::now();
    for _ in 0..5 {
        assert!(timeout(SECOND / 10, jobs.pull(1, LONG)).await.is_err());
        others.push(b"job").await.unwrap(); // for whoever waits at the server, though nobody does here
        let job = others.pull(1, LONG).await.unwrap().remove(0);
        assert_eq!(job.attempt(), 1);
        others.ack(&job).await.unwrap();
    }
    assert!(start.elapsed() < Options::default().lease, "{:?}", start.elapsed());
    assert_eq!(others.counts().await.unwrap(), Counts::default());
}

/// Several wait by one client, and each is served.
#[runtime::test]
async fn those_who_wait_by_one_client_take_turns() {
    let Some(server) = support::Redis::start() else { return };
    let (jobs, producer) = (queue(&server), queue(&server));
    let pulls = (0..5).map(|_| {
        let jobs = jobs.clone();
        spawn(async move { jobs.pull(1, LONG).await.unwrap().len() })
    });
    let pulls: Vec<_> = pulls.collect();
    sleep(SECOND / 5).await;
    for _ in 0..5 {
        producer.push(b"job").await.unwrap();
    }
    for pull in pulls {
        assert_eq!(pull.await.unwrap(), 1);
    }
}

#[runtime::test]
async fn who_waits_survives_that_all_data_are_gone() {
    let Some(server) = support::Redis::start() else { return };
    let (jobs, producer) = (queue(&server), queue(&server));
    let (job, ()) = join!(jobs.pull(1, LONG), async {
        sleep(SECOND / 5).await;
        administer(&server, "FLUSHALL");
        producer.push(b"job").await.unwrap();
    });
    let job = job.unwrap().remove(0);
    administer(&server, "FLUSHALL");
    let lost = jobs.nack(&job, SECOND).await;
    assert!(matches!(lost, Err(Error::LeaseLost)), "{lost:?}");
    jobs.ack(&job).await.unwrap();
}

/// Nothing can be pushed; but what is there can be done, which is the way out.
#[runtime::test]
async fn a_server_without_memory_is_full_and_can_be_emptied() {
    let Some(server) = support::Redis::start() else { return };
    administer(&server, "CONFIG SET maxmemory-policy noeviction");
    let jobs = Redis::new(&url(&server), "queue", Options::default().lease(SECOND / 2)).unwrap();
    for _ in 0..5 {
        jobs.push(&[b'x'; 100_000]).await.unwrap();
    }
    jobs.push_after(SECOND / 10, b"delayed").await.unwrap();
    let lost = jobs.pull(1, SECOND).await.unwrap().remove(0);
    administer(&server, "CONFIG SET maxmemory 1mb");
    let full = jobs.push(b"one more").await;
    assert!(matches!(full, Err(Error::Full)), "{full:?}");
    let mut done = Vec::new();
    while done.len() < 6 {
        let job = jobs.pull(1, LONG).await.unwrap().remove(0);
        jobs.ack(&job).await.unwrap();
        done.push(job.id().clone());
    }
    assert!(done.contains(lost.id()));
    administer(&server, "CONFIG SET maxmemory 0");
    jobs.push(b"one more").await.unwrap();
}

#[runtime::test]
async fn whoever_has_the_wrong_password_is_refused_at_once() {
    let Some(server) = support::Redis::start() else { return };
    administer(&server, "CONFIG SET requirepass sesame");
    for user in ["", ":wrong@"] {
        let address = format!("redis://{user}{}", server.address());
        let jobs = Redis::new(&address, "queue", Options::default()).unwrap().patience(LONG);
        let refused = timeout(LONG / 2, jobs.push(b"job")).await.unwrap();
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    let address = format!("redis://:sesame@{}", server.address());
    Redis::new(&address, "queue", Options::default()).unwrap().push(b"job").await.unwrap();
}

/// The protocol's own lines within a body are bytes like any other.
#[runtime::test]
async fn a_queue_may_have_any_name_and_a_job_any_bytes() {
    let Some(server) = support::Redis::start() else { return };
    let jobs = Redis::new(&url(&server), "a queue}\r\n*{", Options::default()).unwrap();
    let other = queue(&server);
    for body in [&b" 1 2"[..], b"\0\xff\r\n+OK\r\n", &vec![b'*'; 3_000_000]] {
        jobs.push_after(SECOND / 100, body).await.unwrap();
        let job = jobs.pull(1, LONG).await.unwrap().remove(0);
        assert_eq!(job.body(), body);
        jobs.nack(&job, SECOND / 100).await.unwrap();
        let job = jobs.pull(1, LONG).await.unwrap().remove(0);
        assert_eq!((job.body(), job.attempt()), (body, 2));
        jobs.ack(&job).await.unwrap();
    }
    assert_eq!(other.counts().await.unwrap(), Counts::default());
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["", "http://127.0.0.1", "127.0.0.1:6379", "rediss://127.0.0.1"] {
        let refused = Redis::new(address, "queue", Options::default());
        assert!(matches!(refused, Err(Error::Refused(_))), "{address}: {refused:?}");
    }
}

/// Somebody else's program on that port.
#[runtime::test]
async fn whoever_is_no_redis_server_is_told_from_one_in_time() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let mail = spawn(server.serve(async |stream: TcpStream, _| {
        stream.write_all(b"220 mail.example ESMTP\r\n").await?;
        sleep(LONG).await;
        Ok(())
    }));
    let jobs =
        Redis::new(&format!("redis://{address}"), "queue", Options::default()).unwrap().patience(SECOND / 2);
    let start = Instant::now();
    let outcome = jobs.push(b"job").await;
    assert!(matches!(outcome, Err(Error::Unreachable(_) | Error::Refused(_))), "{outcome:?}");
    assert!(start.elapsed() < LONG / 2);
    mail.cancel();
}
