//! What the server may be told, and what may happen to it, while jobs are on it.

use super::{LONG, SECOND, administer, queue, url};
use redis::Script;
use runtime::{
    broker::{Broker, DeadJob, Error, Options, Redis},
    io::copy_bidirectional,
    join, join_all,
    net::{Server, TcpStream},
    spawn,
    time::{Instant, sleep, timeout},
};
use std::{
    cell::Cell,
    io::{Read, Write},
    net::{Shutdown, SocketAddr},
    rc::Rc,
    time::Duration,
};

/// What no client of ours would do to a key.
fn run(server: &support::Redis, script: &str, key: &str) {
    let mut connection = redis::Client::open(url(server)).unwrap().get_connection().unwrap();
    Script::new(script).key(key).invoke::<()>(&mut connection).unwrap();
}

/// Who has written down which jobs are done would take a new one for an old one.
#[runtime::test]
async fn no_two_jobs_have_one_name_even_if_all_data_are_lost() {
    let Some(server) = support::Redis::start() else { return };
    let jobs = queue(&server);
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(jobs.push_after(SECOND, b"job").await.unwrap());
        names.push(jobs.push(b"job").await.unwrap());
        administer(&server, "FLUSHALL");
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 6, "{names:?}");
}

#[runtime::test]
async fn delayed_jobs_of_one_millisecond_come_in_the_order_of_pushes() {
    let Some(server) = support::Redis::start() else { return };
    let jobs = queue(&server);
    let mut names = Vec::new();
    for _ in 0..25 {
        names.push(jobs.push_after(LONG, b"job").await.unwrap());
    }
    // That it is this millisecond, and is over, does not change their order.
    let script = "for _, job in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 1, job) end";
    run(&server, script, "{queue}:delayed");
    let came = jobs.pull(25, SECOND).await.unwrap();
    assert_eq!(came.iter().map(|job| job.id().clone()).collect::<Vec<_>>(), names);
}

#[runtime::test]
async fn of_the_dead_only_so_many_are_kept() {
    let Some(server) = support::Redis::start() else { return };
    let options = Options::default().capacity(2).max_deliveries(1).lease(SECOND / 10);
    let jobs = Redis::new(&url(&server), "queue", options).unwrap();
    for body in [b"a", b"b", b"c", b"d"] {
        jobs.push(body).await.unwrap();
        let job = jobs.pull(1, LONG).await.unwrap().remove(0);
        if body < b"c" {
            jobs.nack(&job, SECOND).await.unwrap();
        } else {
            while jobs.counts().await.unwrap().leased > 0 {
                assert!(jobs.pull(1, SECOND / 10).await.unwrap().is_empty());
            }
        }
    }
    let dead: Vec<_> = jobs.dead(9).await.unwrap().into_iter().map(DeadJob::into_body).collect();
    assert_eq!(dead, [b"c", b"d"]);
}

/// Numbers that the server does not count to.
#[runtime::test]
async fn there_may_be_no_limit_at_all() {
    let Some(server) = support::Redis::start() else { return };
    let options = Options::default().capacity(usize::MAX).max_deliveries(1);
    let jobs = Redis::new(&url(&server), "queue", options).unwrap();
    jobs.push(b"job").await.unwrap();
    let job = jobs.pull(usize::MAX, LONG).await.unwrap().remove(0);
    jobs.nack(&job, SECOND).await.unwrap();
    assert_eq!(jobs.dead(usize::MAX).await.unwrap().len(), 1);
}

/// Where the dead should be there is something else: the one who dies must not be lost on the way.
#[runtime::test]
async fn what_the_server_cannot_do_leaves_a_job_where_it_was() {
    let Some(server) = support::Redis::start() else { return };
    let options = Options::default().max_deliveries(1).lease(SECOND / 2);
    let jobs = Redis::new(&url(&server), "queue", options).unwrap();
    jobs.push(b"job").await.unwrap();
    let job = jobs.pull(1, LONG).await.unwrap().remove(0);
    administer(&server, "SET {queue}:dead something");
    let refused = jobs.nack(&job, SECOND).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    let refused = jobs.pull(1, LONG).await; // when its lease is over
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    administer(&server, "DEL {queue}:dead");
    let start = Instant::now();
    while jobs.dead(1).await.unwrap().is_empty() {
        assert!(start.elapsed() < LONG, "it is nowhere");
        assert!(jobs.pull(1, SECOND / 10).await.unwrap().is_empty());
    }
}

/// By whoever takes care of that, behind an address that does not change: who asks must not stay with the old one.
#[runtime::test]
async fn another_server_may_take_over() {
    let Some((old, new)) = support::Redis::start().zip(support::Redis::start()) else { return };
    let master = Rc::new(Cell::new(old.address()));
    let proxy = Server::bind("127.0.0.1:0").await.unwrap();
    let address = format!("redis://{}", proxy.local_addr().unwrap());
    let target = master.clone();
    let proxying = spawn(proxy.serve(async move |mut client: TcpStream, _| {
        let mut server = TcpStream::connect(target.get()).await?;
        drop(copy_bidirectional(&mut client, &mut server).await);
        Ok(())
    }));
    let open = || Redis::new(&address, "queue", Options::default()).unwrap();
    let (producer, worker) = (open(), open());
    producer.push(b"before").await.unwrap();
    let before = worker.pull(1, LONG).await.unwrap().remove(0);
    let waiter = spawn({
        let worker = worker.clone();
        async move { worker.pull(1, LONG).await }
    });
    let replica_of = |server: SocketAddr| format!("REPLICAOF {} {}", server.ip(), server.port());
    administer(&new, &replica_of(old.address()));
    while !said_by(&new, "replication").contains("master_link_status:up") {
        sleep(SECOND / 100).await;
    }
    administer(&new, "REPLICAOF NO ONE");
    administer(&old, &replica_of(new.address()));
    master.set(new.address());
    let after = producer.push(b"after").await.unwrap();
    assert_eq!(*waiter.await.unwrap().unwrap()[0].id(), after);
    worker.extend(&before).await.unwrap();
    proxying.cancel();
}

/// On the other side of the world: a connection takes longer to make than anybody waits in one go.
#[runtime::test]
async fn who_waits_far_away_connects_once() {
    const WAY: Duration = Duration::from_millis(300);
    let Some(server) = support::Redis::start() else { return };
    let proxy = Server::bind("127.0.0.1:0").await.unwrap();
    let address = format!("redis://{}", proxy.local_addr().unwrap());
    let (behind, made) = (server.address(), Rc::new(Cell::new(0)));
    let count = made.clone();
    let proxying = spawn(proxy.serve(async move |client: TcpStream, _| {
        count.set(count.get() + 1);
        let server = TcpStream::connect(behind).await?;
        let carry = async |from: &TcpStream, to: &TcpStream| {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut bytes).await {
                sleep(WAY).await;
                to.write_all(&bytes[..length]).await?;
            }
            to.shutdown(Shutdown::Write)
        };
        join!(carry(&client, &server), carry(&server, &client)).0
    }));
    let jobs = Redis::new(&address, "queue", Options::default()).unwrap();
    assert!(jobs.pull(1, 8 * SECOND).await.unwrap().is_empty());
    assert_eq!(made.get(), 2);
    proxying.cancel();
}

/// An answer of the server about itself.
fn said_by(server: &support::Redis, section: &str) -> String {
    let mut connection = redis::Client::open(url(server)).unwrap().get_connection().unwrap();
    redis::cmd("INFO").arg(section).query(&mut connection).unwrap()
}

/// It will have time for us, too: who is turned away asks again, whether or not he has said his password.
#[runtime::test]
async fn a_server_with_too_many_clients_is_waited_for() {
    let Some(server) = support::Redis::start() else { return };
    administer(&server, "CONFIG SET requirepass sesame");
    let connection = || std::net::TcpStream::connect(server.address()).unwrap();
    let first = timeout(LONG, async {
        loop {
            // Until the administrator's connection is seen to have gone.
            let mut stream = connection();
            let request = b"AUTH sesame\r\nCONFIG SET maxclients 1\r\nCLIENT LIST\r\n";
            stream.write_all(request).unwrap();
            sleep(SECOND / 20).await;
            let mut answer = [0; 4096];
            let count = stream.read(&mut answer).unwrap();
            if String::from_utf8_lossy(&answer[..count]).matches("laddr=").count() == 1 {
                return stream;
            }
        }
    });
    let first = first.await.unwrap();
    let address = format!("redis://:sesame@{}", server.address());
    let jobs = Redis::new(&address, "queue", Options::default()).unwrap();
    let impatient = jobs.clone().patience(SECOND / 5).push(b"job").await;
    assert!(matches!(impatient, Err(Error::Unreachable(_))), "{impatient:?}");
    drop(first);
    jobs.patience(LONG).push(b"job").await.unwrap();
}

/// By an hour, so that all that the server has noted was noted in the future.
#[runtime::test]
async fn a_clock_that_was_set_back_delays_no_job() {
    let Some(server) = support::Redis::start() else { return };
    let jobs = Redis::new(&url(&server), "queue", Options::default().lease(SECOND / 2)).unwrap();
    jobs.push(b"job").await.unwrap();
    assert_eq!(jobs.pull(1, LONG).await.unwrap()[0].attempt(), 1);
    let script = "redis.call('SET', KEYS[1], (redis.call('TIME')[1] + 3600) * 1000)";
    run(&server, script, "{queue}:swept");
    assert_eq!(jobs.pull(1, LONG / 3).await.unwrap()[0].attempt(), 2);
}

/// It would throw away what it has promised to keep.
#[runtime::test]
async fn a_server_that_forgets_is_refused() {
    let Some(server) = support::Redis::start() else { return };
    for (policy, maxmemory, is_refused) in [
        ("allkeys-lru", "100mb", true),
        ("allkeys-random", "100mb", true),
        ("allkeys-lru", "0", false),
        ("volatile-lru", "100mb", false),
        ("noeviction", "100mb", false),
    ] {
        administer(&server, &format!("CONFIG SET maxmemory-policy {policy} maxmemory {maxmemory}"));
        let outcome = queue(&server).push(b"job").await;
        let refused = matches!(&outcome, Err(Error::Refused(why)) if why.to_string().contains(policy));
        assert_eq!(refused, is_refused, "{policy}, {maxmemory}: {outcome:?}");
    }
}

#[runtime::test]
async fn a_job_that_no_server_takes_is_refused() {
    let Some(server) = support::Redis::start() else { return };
    let jobs = queue(&server);
    let refused = jobs.push(&vec![0; 512 << 20]).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    jobs.push(b"job").await.unwrap();
}

/// What was said to the server once need not be there any more: scripts, and connections on which nothing happens.
#[runtime::test]
async fn a_server_may_forget_scripts_and_who_is_idle() {
    let Some(server) = support::Redis::start() else { return };
    let jobs = queue(&server);
    for command in ["SCRIPT FLUSH", "CLIENT KILL TYPE normal SKIPME yes"] {
        jobs.push(b"job").await.unwrap();
        let job = jobs.pull(1, LONG).await.unwrap().remove(0);
        administer(&server, command);
        // So that the end of the connection is seen before anything is asked.
        sleep(SECOND / 5).await;
        let pushes = join_all((0..5).map(async |_| jobs.push(b"another").await)).await;
        assert!(pushes.iter().all(Result::is_ok), "{command}: {pushes:?}");
        jobs.ack(&job).await.unwrap();
        for job in jobs.pull(10, LONG).await.unwrap() {
            jobs.ack(&job).await.unwrap();
        }
    }
}
