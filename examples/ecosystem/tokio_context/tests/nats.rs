//! `async-nats` in tasks of ours, and jobs on JetStream: the contract of brokers, and a server that is killed under those who work.

use async_nats::{Client, ConnectOptions};
use futures_util::StreamExt;
use runtime::{
    broker::{Broker, Error, JobId, Options},
    join, join_all,
    process::{Command, Stdio},
    spawn, spawn_blocking,
    testing::broker::conformance,
    time::{sleep, timeout},
    tokio_context::in_tokio,
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    env,
    rc::Rc,
    time::Duration,
};
use support::Nats as Server;
use tokio_context::Nats;

const PATIENCE: Duration = Duration::from_secs(60);

async fn connect(server: &Server) -> Client {
    let options = ConnectOptions::new().reconnect_delay_callback(|_| Duration::from_millis(20));
    in_tokio(options.connect(server.address().to_string())).await.unwrap()
}

#[runtime::test]
async fn who_subscribes_is_told_and_who_asks_is_answered() {
    let Some(server) = Server::start() else { return };
    let client = connect(&server).await;
    let mut questions = in_tokio(client.subscribe("square")).await.unwrap();
    let answers = client.clone();
    let service = spawn(in_tokio(async move {
        while let Some(question) = questions.next().await {
            let n: u64 = str::from_utf8(&question.payload).unwrap().parse().unwrap();
            answers.publish(question.reply.unwrap(), (n * n).to_string().into()).await.unwrap();
        }
    }));
    let squares =
        join_all((0..50_u64).map(|n| in_tokio(client.request("square", n.to_string().into())))).await;
    for (n, square) in (0..50_u64).zip(squares) {
        assert_eq!(square.unwrap().payload, (n * n).to_string());
    }
    service.cancel_and_wait().await.unwrap_err();
    // Nobody answers any more, which is told at once; the subscription went with the task.
    in_tokio(client.flush()).await.unwrap();
    assert!(in_tokio(client.request("square", "3".into())).await.is_err());
}

#[runtime::test]
async fn jetstream_keeps_the_contract_of_brokers() {
    let Some(server) = Server::start() else { return };
    let client = connect(&server).await;
    let open = async |queue: &str, options| Nats::open(client.clone(), queue, options).await.unwrap();
    timeout(PATIENCE, conformance(open)).await.unwrap();
}

#[runtime::test]
async fn what_cannot_be_is_refused() {
    let Some(server) = Server::start() else { return };
    let client = connect(&server).await;
    let open = async |queue: &str, options| Nats::open(client.clone(), queue, options).await;
    for name in ["", "with.dots", "with spaces", "*"] {
        assert!(matches!(open(name, Options::default()).await, Err(Error::Refused(_))), "{name:?}");
    }
    let jobs = open("jobs", Options::default()).await.unwrap();
    let other = open("jobs", Options::default().capacity(5)).await;
    assert!(matches!(other, Err(Error::Refused(_))), "{other:?}");
    // More than the server takes at once, and not the end.
    let long = vec![0; 2 << 20];
    assert!(matches!(jobs.push(&long).await, Err(Error::Refused(_))));
    jobs.push(b"short").await.unwrap();
}

/// A delayed job that many come for too early is no older for it.
#[runtime::test]
async fn early_visits_do_not_count() {
    let Some(server) = Server::start() else { return };
    let client = connect(&server).await;
    let jobs = Nats::open(client, "jobs", Options::default().max_deliveries(2)).await.unwrap();
    jobs.push_after(Duration::from_millis(300), b"later").await.unwrap();
    assert!(jobs.pull(1, Duration::ZERO).await.unwrap().is_empty());
    let first = &jobs.pull(1, PATIENCE).await.unwrap()[0];
    assert_eq!(first.attempt(), 1);
    jobs.nack(first, Duration::ZERO).await.unwrap();
    let second = &jobs.pull(1, PATIENCE).await.unwrap()[0];
    assert_eq!((second.attempt(), second.id()), (2, first.id()));
    jobs.nack(second, Duration::ZERO).await.unwrap();
    assert!(jobs.pull(1, Duration::ZERO).await.unwrap().is_empty());
    assert_eq!(jobs.dead(9).await.unwrap()[0].attempts(), 2);
    // Nobody came too early for this one.
    jobs.push_after(Duration::from_millis(50), b"slept past").await.unwrap();
    sleep(Duration::from_millis(60)).await;
    let first = &jobs.pull(1, PATIENCE).await.unwrap()[0];
    assert_eq!((first.attempt(), first.body()), (1, &b"slept past"[..]));
    jobs.nack(first, Duration::ZERO).await.unwrap();
    assert_eq!(jobs.pull(1, PATIENCE).await.unwrap()[0].attempt(), 2);
}

#[runtime::test]
async fn who_waits_for_a_job_waits_on_when_the_server_was_away() {
    let Some(mut server) = Server::start() else { return };
    let jobs = Nats::open(connect(&server).await, "jobs", Options::default()).await.unwrap();
    let is_back = Cell::new(false);
    let wait = async {
        loop {
            match jobs.pull(1, PATIENCE).await {
                Ok(deliveries) => break deliveries,
                // On a slow machine it can be away for so long that this is told.
                Err(Error::Unreachable(_)) if !is_back.get() => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    let restart = async {
        sleep(Duration::from_millis(100)).await; // it lies with the server now, which forgets it
        let server = spawn_blocking(move || {
            server.kill();
            server.restart();
            server
        })
        .await
        .unwrap();
        while jobs.dead(1).await.is_err() {}
        is_back.set(true);
        sleep(Duration::from_secs(3)).await; // the round that was lost ends
        jobs.push(b"late").await.unwrap();
        server
    };
    let (deliveries, _server) = timeout(PATIENCE, async { join!(wait, restart) }).await.unwrap();
    assert_eq!(deliveries[0].body(), b"late");
}

/// In a process that is to be a worker: where the server is.
const WORKER: &str = "NATS_TEST_WORKER";

/// Workers are processes, this very test once more, and are killed in the middle of their work. What was pushed is done, at least
/// once.
#[runtime::test]
async fn no_job_is_lost_when_workers_are_killed() {
    const JOBS: usize = 200;
    if let Ok(address) = env::var(WORKER) {
        return work(&address).await;
    }
    let Some(server) = Server::start() else { return };
    let (jobs, done) = queues(connect(&server).await).await;
    for number in 0..JOBS {
        jobs.push(&number.to_be_bytes()).await.unwrap();
    }
    let start_worker = || {
        let mut worker = Command::new(env::current_exe().unwrap());
        worker.args(["--exact", "no_job_is_lost_when_workers_are_killed"]);
        worker.env(WORKER, server.address().to_string()).stdout(Stdio::null()).kill_on_drop(true);
        worker.spawn().unwrap()
    };
    let mut workers = [start_worker(), start_worker()];
    let (mut results, mut kills) = (BTreeSet::new(), 0);
    let all = async {
        while results.len() < JOBS {
            for result in done.pull(1, PATIENCE).await.unwrap() {
                results.insert(result.body().to_vec());
                done.ack(&result).await.unwrap();
            }
            if results.len() > 30 * (kills + 1) {
                let worker = &mut workers[kills % 2];
                worker.kill().unwrap();
                worker.wait().await.unwrap();
                *worker = start_worker();
                kills += 1;
            }
        }
    };
    timeout(PATIENCE, all).await.expect("all jobs are done");
    assert_eq!(results, (0..JOBS).map(|number| number.to_be_bytes().to_vec()).collect());
    assert!(kills >= 5);
}

async fn queues(client: Client) -> (Nats, Nats) {
    let options = Options::default().lease(Duration::from_secs(1)).max_deliveries(1000);
    let jobs = Nats::open(client.clone(), "jobs", options).await.unwrap();
    (jobs, Nats::open(client, "done", Options::default()).await.unwrap())
}

/// Does jobs until it is killed. Results first, then the word that they are there.
async fn work(address: &str) {
    let (jobs, done) = queues(in_tokio(async_nats::connect(address)).await.unwrap()).await;
    loop {
        for job in jobs.pull(10, PATIENCE).await.unwrap() {
            sleep(Duration::from_millis(2)).await;
            done.push(job.body()).await.unwrap();
            jobs.ack(&job).await.unwrap();
        }
    }
}

/// The server is killed twice in the middle of everything. What was pushed is done, at least once.
#[runtime::test]
async fn no_job_is_lost_when_the_server_is_killed() {
    const JOBS: u32 = 300;
    let Some(server) = Server::start() else { return };
    let client = connect(&server).await;
    let options = Options::default().lease(Duration::from_secs(2)).max_deliveries(1000);
    let jobs = Rc::new(Nats::open(client, "jobs", options).await.unwrap());

    let pushed: Rc<RefCell<BTreeMap<JobId, u32>>> = Rc::default();
    let done: Rc<RefCell<BTreeSet<u32>>> = Rc::default();
    let is_complete = Rc::new(Cell::new(false));
    let produce = async {
        for number in 0..JOBS {
            // Not known whether it is there: once more, as whoever works on it must bear that.
            let id = loop {
                match jobs.push(&number.to_be_bytes()).await {
                    Ok(id) => break id,
                    Err(Error::Unreachable(_)) => sleep(Duration::from_millis(20)).await,
                    Err(error) => panic!("{error}"),
                }
            };
            pushed.borrow_mut().insert(id, number);
        }
    };
    let consume = async |_| {
        while !is_complete.get() {
            let deliveries = match jobs.pull(10, Duration::from_millis(100)).await {
                Ok(deliveries) => deliveries,
                Err(Error::Unreachable(_)) => continue,
                Err(error) => panic!("{error}"),
            };
            for delivery in deliveries {
                let number = u32::from_be_bytes(delivery.body().try_into().unwrap());
                done.borrow_mut().insert(number);
                match jobs.ack(&delivery).await {
                    Ok(()) | Err(Error::Unreachable(_)) => {} // it comes again, and is done already
                    Err(error) => panic!("{error}"),
                }
            }
            is_complete.set(done.borrow().len() == JOBS as usize);
        }
    };
    let torment = async {
        let mut server = server;
        for progress in [JOBS / 4, JOBS / 2] {
            while done.borrow().len() < progress as usize {
                sleep(Duration::from_millis(1)).await;
            }
            server = spawn_blocking(move || {
                server.kill();
                server.restart();
                server
            })
            .await
            .unwrap();
        }
        server
    };
    let all = async { join!(produce, join_all((0..3).map(consume)), torment).2 };
    let _server = timeout(PATIENCE, all).await.expect("all jobs are done");
    let pushed: BTreeSet<u32> = pushed.borrow().values().copied().collect();
    assert_eq!(pushed.len(), JOBS as usize);
    assert_eq!(*done.borrow(), pushed);
}
