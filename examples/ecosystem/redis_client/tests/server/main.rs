//! With a real server: what its clients may rely on, and what becomes of them when it restarts.

mod chat;

use redis::{AsyncCommands, RedisResult, cmd, pipe};
use redis_client::{Connection, Redis, Subscriber, connect};
use runtime::{
    join_all, spawn, spawn_blocking,
    sync::shared::broadcast::RecvError,
    time::{Duration, Instant, sleep, timeout},
};
use std::{cell::Cell, collections::HashSet, error::Error, rc::Rc};
use support::Redis as Server;

type Outcome = Result<(), Box<dyn Error>>;

fn by_tcp(server: &Server) -> String {
    format!("redis://{}", server.address())
}

fn by_path(server: &Server) -> String {
    format!("redis+unix://{}", server.socket().display())
}

/// How many connections there are, this one included.
async fn connections(redis: &mut Connection) -> RedisResult<usize> {
    Ok(cmd("CLIENT").arg("LIST").query_async::<String>(redis).await?.lines().count())
}

/// Asks again and again, where nobody tells when it is so.
async fn until(mut is_so: impl AsyncFnMut() -> RedisResult<bool>) -> RedisResult<()> {
    let asking = async {
        while !is_so().await? {
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    };
    timeout(Duration::from_secs(60), asking).await.expect("it never came to that")
}

#[runtime::test]
async fn tasks_share_a_connection() -> Outcome {
    let Some(server) = Server::start() else { return Ok(()) };
    for address in [by_tcp(&server), by_path(&server)] {
        let mut redis = connect(address).await?;
        redis.del::<_, ()>("counter").await?;
        let tasks = (0..50).map(|_| {
            let mut redis = redis.clone();
            spawn(async move {
                for _ in 0..100 {
                    redis.incr::<_, _, i64>("counter", 1).await?;
                }
                RedisResult::Ok(())
            })
        });
        for task in join_all(tasks).await {
            task??;
        }
        assert_eq!(redis.get::<_, i64>("counter").await?, 5000);
        assert_eq!(connections(&mut redis).await?, 1);
    }
    Ok(())
}

/// In one write, answered in one; and as a transaction, of which others see all or nothing.
#[runtime::test]
async fn pipelines_are_answered_in_order() -> Outcome {
    let Some(server) = Server::start() else { return Ok(()) };
    let mut redis = connect(by_tcp(&server)).await?;
    let mut pipeline = pipe();
    for n in 0..10_000 {
        pipeline.cmd("ECHO").arg(n);
    }
    let answers: Vec<i32> = pipeline.query_async(&mut redis).await?;
    assert!(answers.into_iter().eq(0..10_000));

    let transfer =
        pipe().atomic().decr("one", 5).incr("other", 5).query_async::<(i32, i32)>(&mut redis).await?;
    assert_eq!(transfer, (-5, 5));
    // A command that the server refuses fails alone.
    let refused = redis.incr::<_, _, i64>("one", "no number").await.unwrap_err();
    assert!(!refused.is_connection_dropped() && !redis.is_closed());
    Ok(())
}

/// More than all buffers hold, both ways.
#[runtime::test]
async fn values_may_be_large() -> Outcome {
    let Some(server) = Server::start() else { return Ok(()) };
    let value: Vec<u8> = (0..8 << 20).map(|at| (at % 251) as u8).collect();
    for address in [by_tcp(&server), by_path(&server)] {
        let mut redis = connect(address).await?;
        redis.set::<_, _, ()>("value", &value).await?;
        assert!(redis.get::<_, Vec<u8>>("value").await? == value);
    }
    Ok(())
}

#[runtime::test]
async fn messages_arrive_in_order_while_one_listens() -> Outcome {
    let Some(mut server) = Server::start() else { return Ok(()) };
    let mut redis = connect(by_tcp(&server)).await?;
    let mut subscriber = Subscriber::open(by_path(&server)).await?;
    subscriber.subscribe(&["news", "gossip"]).await?;
    subscriber.subscribe_pattern("weather.*").await?;
    for n in 0..1000 {
        redis.publish::<_, _, ()>("news", n).await?;
    }
    redis.publish::<_, _, ()>("weather.tomorrow", "rain").await?;
    for n in 0..1000 {
        let message = subscriber.recv().await?;
        assert_eq!((message.get_channel_name(), message.get_payload::<i32>()?), ("news", n));
    }
    let message = subscriber.recv().await?;
    assert_eq!(
        (message.get_pattern::<String>()?, message.get_payload::<String>()?),
        ("weather.*".into(), "rain".into())
    );

    subscriber.unsubscribe("news").await?;
    subscriber.unsubscribe_pattern("weather.*").await?;
    let mut news = pipe();
    news.publish("news", "").publish("weather.now", "").publish("gossip", "end");
    assert_eq!(news.query_async::<Vec<i32>>(&mut redis).await?, [0, 0, 1]);
    assert_eq!(subscriber.recv().await?.get_payload::<String>()?, "end");

    server.stop();
    assert_eq!(subscriber.recv().await.unwrap_err(), RecvError::Closed);
    Ok(())
}

/// Nothing waits for it, and it is told what it has lost.
#[runtime::test]
async fn a_slow_listener_loses_the_oldest_messages() -> Outcome {
    const MESSAGES: usize = 6000;
    let Some(server) = Server::start() else { return Ok(()) };
    let mut redis = connect(by_tcp(&server)).await?;
    let mut subscriber = Subscriber::open(by_tcp(&server)).await?;
    subscriber.subscribe("news").await?;
    let mut news = pipe();
    for n in 0..MESSAGES {
        news.publish("news", n);
    }
    news.query_async::<Vec<i32>>(&mut redis).await?;
    // What confirms this comes after all of them.
    subscriber.subscribe("other").await?;
    let Err(RecvError::Lagged(lost)) = subscriber.recv().await else { panic!("all of them were kept") };
    assert_eq!(subscriber.recv().await?.get_payload::<u64>()?, lost);
    Ok(())
}

/// Which blocks this connection and no other one.
#[runtime::test]
async fn a_command_that_blocks_needs_a_connection_of_its_own() -> Outcome {
    let Some(server) = Server::start() else { return Ok(()) };
    let mut redis = connect(by_tcp(&server)).await?;
    let mut blocked = connect(by_tcp(&server)).await?.response_timeout(Duration::MAX);
    let job = spawn(async move { blocked.blpop::<_, (String, String)>("jobs", 0.0).await });
    until(async || {
        let list: String = cmd("CLIENT").arg("LIST").query_async(&mut redis).await?;
        Ok(list.contains("cmd=blpop"))
    })
    .await?;
    redis.rpush::<_, _, ()>("jobs", "work").await?;
    assert_eq!(job.await??, ("jobs".into(), "work".into()));
    Ok(())
}

#[runtime::test]
async fn an_answer_that_takes_too_long_is_not_waited_for() -> Outcome {
    let Some(server) = Server::start() else { return Ok(()) };
    let mut patient = connect(by_tcp(&server)).await?;
    let mut hasty = patient.clone().response_timeout(Duration::from_millis(20));
    let start = Instant::now();
    let late = hasty.blpop::<_, Option<(String, String)>>("nothing", 0.3).await.unwrap_err();
    assert!(late.is_timeout() && start.elapsed() >= Duration::from_millis(20));
    // The server still waits, and with it this connection; the answer that comes in the end is not taken for this one.
    assert_eq!(cmd("ECHO").arg("next").query_async::<String>(&mut patient).await?, "next");
    assert!(start.elapsed() >= Duration::from_millis(300));
    Ok(())
}

/// Also while a command is under way that would block for ever.
#[runtime::test]
async fn a_connection_is_closed_with_its_last_clone() -> Outcome {
    let Some(server) = Server::start() else { return Ok(()) };
    let mut watcher = connect(by_tcp(&server)).await?;
    let one = connect(by_tcp(&server)).await?;
    let mut other = one.clone().response_timeout(Duration::MAX);
    drop(one);
    timeout(Duration::from_millis(20), other.blpop::<_, ()>("nothing", 0.0)).await.unwrap_err();
    assert_eq!(connections(&mut watcher).await?, 2);
    drop(other);
    until(async || Ok(connections(&mut watcher).await? == 1)).await?;
    Ok(())
}

/// The crate's wakers are ours, and may be woken from anywhere.
#[runtime::test]
async fn a_connection_is_asked_from_other_threads() -> Outcome {
    let Some(server) = Server::start() else { return Ok(()) };
    let mut redis = connect(by_tcp(&server)).await?;
    let mut far = redis.clone();
    let set =
        spawn_blocking(move || runtime::run(async move { far.set::<_, _, ()>("key", "from afar").await }));
    set.await??;
    assert_eq!(redis.get::<_, String>("key").await?, "from afar");
    Ok(())
}

#[runtime::test]
async fn whoever_is_not_let_in_is_told_why() -> Outcome {
    let Some(server) = Server::start() else { return Ok(()) };
    let mut redis = connect(by_tcp(&server)).await?;
    cmd("CONFIG").arg("SET").arg("requirepass").arg("secret").query_async::<()>(&mut redis).await?;
    let refused = connect(format!("redis://:guess@{}", server.address())).await.unwrap_err();
    assert_eq!(refused.kind(), redis::ErrorKind::AuthenticationFailed);
    connect(format!("redis://:secret@{}", server.address())).await?.get::<_, Option<String>>("key").await?;

    let nobody = format!("redis://{}", support::free_address());
    assert!(connect(nobody.as_str()).await.unwrap_err().is_connection_refusal());
    let start = Instant::now();
    Redis::new(nobody)?.patience(Duration::from_millis(50)).connection().await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5));
    Ok(())
}

/// Ten tasks write, the server is killed, and is back later. All commands fail or are done, none waits for ever; who repeats what
/// has failed has written everything in the end.
#[runtime::test]
async fn clients_outlive_a_restart_of_the_server() -> Outcome {
    const TASKS: usize = 10;
    const ITEMS: usize = 100;
    let Some(mut server) = Server::start() else { return Ok(()) };
    let redis = Rc::new(Redis::new(by_tcp(&server))?);
    let (written, failures) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (redis, written, failures) = (Rc::clone(&redis), Rc::clone(&written), Rc::clone(&failures));
            spawn(async move {
                for n in 0..ITEMS {
                    // It may be done twice, so it may be repeated.
                    let item = task * ITEMS + n;
                    while let Err(error) = redis.connection().await?.sadd::<_, _, ()>("items", item).await {
                        let is_expected = error.is_connection_dropped() || error.code() == Some("LOADING");
                        assert!(is_expected, "{error:?}");
                        failures.set(failures.get() + 1);
                    }
                    written.set(written.get() + 1);
                }
                RedisResult::Ok(())
            })
        })
        .collect();
    until(async || Ok(written.get() >= TASKS * ITEMS / 10)).await?;
    assert!(written.get() < TASKS * ITEMS, "it comes too late");
    let restart = move || {
        server.kill();
        server.restart();
        server
    };
    let _server = spawn_blocking(restart).await?;
    for task in join_all(tasks).await {
        task??;
    }
    assert!(failures.get() > 0, "nobody noticed");
    let items: HashSet<usize> = redis.connection().await?.smembers("items").await?;
    assert!((0..TASKS * ITEMS).all(|item| items.contains(&item)));
    Ok(())
}
