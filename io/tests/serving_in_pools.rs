//! Stories of servers whose handlers run in a pool.

mod support;

use runtime_executor::{
    Executor, JoinHandle, spawn,
    task::{self, TaskPool, yield_now},
    time::{Clock, advance},
};
use runtime_io::{
    Reactor,
    net::{Drained, Server, TcpStream},
};
use std::{
    io::{self, Read, Write},
    net,
    rc::Rc,
    time::Duration,
};
use support::{run_with, until_waiting};

type Serving = JoinHandle<io::Result<Drained>>;

async fn bind(pool: &Rc<TaskPool>) -> Server {
    Server::bind("127.0.0.1:0").await.unwrap().pool(Rc::clone(pool))
}

fn connect(server: &Server) -> net::TcpStream {
    net::TcpStream::connect(server.local_addr().unwrap()).unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// Answers one byte by the same.
fn serve_one_byte(server: &Server) -> Serving {
    spawn(server.serve(async |stream: TcpStream, _peer| {
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        stream.write_all(&byte).await
    }))
}

#[test]
fn while_the_pool_is_full_clients_are_left_in_the_kernels_queue() {
    run_with(|reactor| async move {
        let pool = Rc::new(TaskPool::new(2));
        let server = bind(&pool).await;
        let _serving = serve_one_byte(&server);
        let mut clients: Vec<_> = (0..5).map(|_| connect(&server)).collect();
        until_waiting(&reactor, 2).await; // two handlers; nobody waits for the listener
        assert_eq!((server.stats().accepted, pool.len()), (2, 2));
        for (served, client) in clients.iter_mut().enumerate() {
            client.write_all(b"x").unwrap();
            until(|| server.stats().finished == served as u64 + 1).await;
            client.read_exact(&mut [0]).unwrap();
            until(|| server.stats().accepted == (served as u64 + 3).min(5)).await;
            assert!(pool.len() <= 2);
        }
        // What runs there besides takes its part of the room.
        let _others: Vec<_> = (0..2).map(|_| pool.try_spawn(std::future::pending::<()>()).unwrap()).collect();
        let _waits = connect(&server);
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(server.connections(), 0);
        pool.cancel();
        until(|| server.connections() == 1).await;
    });
}

#[test]
fn servers_that_share_a_pool_hold_no_place_while_they_have_no_client() {
    run_with(|reactor| async move {
        let pool = Rc::new(TaskPool::new(1));
        let (idle, busy) = (bind(&pool).await, bind(&pool).await);
        let _serving = [serve_one_byte(&idle), serve_one_byte(&busy)];
        until_waiting(&reactor, 2).await;
        assert_eq!(pool.len(), 0);
        for _ in 0..3 {
            let mut client = connect(&busy);
            client.write_all(b"x").unwrap();
            let finished = busy.stats().finished;
            until(|| busy.stats().finished > finished).await;
            client.read_exact(&mut [0]).unwrap();
        }
        // Both have a client: one place goes from hand to hand.
        let (mut first, mut second) = (connect(&busy), connect(&idle));
        until(|| busy.connections() + idle.connections() == 1).await;
        first.write_all(b"1").unwrap();
        second.write_all(b"2").unwrap();
        until(|| busy.stats().finished == 4 && idle.stats().finished == 1).await;
        first.read_exact(&mut [0]).unwrap();
        second.read_exact(&mut [0]).unwrap();
    });
}

#[test]
fn a_handler_in_a_pool_has_its_name_and_place_all_the_same() {
    run_with(|_| async move {
        let pool = Rc::new(TaskPool::new(1));
        let server = bind(&pool).await.name("guest");
        let serving = spawn(server.serve(async |stream: TcpStream, peer| {
            let me = task::current();
            assert_eq!(me.name().unwrap(), format!("guest {peer}"));
            assert!(me.spawned_at().unwrap().file().ends_with("serving_in_pools.rs"));
            stream.write_all(b"x").await
        }));
        let mut client = connect(&server);
        until(|| server.stats().open() == 0 && server.stats().accepted == 1).await;
        client.read_exact(&mut [0]).unwrap();
        assert_eq!(server.drain(Duration::ZERO).await, Drained::default());
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_pool_that_is_closed_takes_nobody_in_and_the_server_drains() {
    run_with(|_| async move {
        let pool = Rc::new(TaskPool::new(1));
        let server = bind(&pool).await;
        let serving = serve_one_byte(&server);
        let mut served = connect(&server);
        until(|| server.connections() == 1).await;
        let mut queued = connect(&server);
        pool.close();
        until(|| server.is_draining()).await;
        assert!(!serving.is_finished());
        served.write_all(b"x").unwrap();
        let drained = serving.await.unwrap().unwrap();
        assert_eq!((drained.finished, drained.forced.len()), (1, 0));
        served.read_exact(&mut [0]).unwrap();
        assert!(queued.read(&mut [0]).is_err(), "its listener is gone");
    });
}

#[test]
fn the_last_sweep_waits_for_room_in_the_pool() {
    run_with(|_| async move {
        let pool = Rc::new(TaskPool::new(1));
        let server = bind(&pool).await;
        let _serving = serve_one_byte(&server);
        let mut clients: Vec<_> = (0..3).map(|_| connect(&server)).collect();
        until(|| server.connections() == 1).await;
        let draining = spawn({
            let server = server.clone();
            async move { server.drain(Duration::from_secs(60)).await }
        });
        until(|| server.is_draining()).await;
        for client in &mut clients {
            client.write_all(b"x").unwrap();
        }
        assert_eq!(draining.await.unwrap().finished, 3);
        assert!(pool.is_empty());
        for mut client in clients {
            client.read_exact(&mut [0]).unwrap();
        }
    });
}

#[test]
fn whom_the_pool_cancels_or_a_deadline_cuts_gives_the_place_back() {
    const IDLE: Duration = Duration::from_secs(8);
    let reactor = Reactor::new().unwrap();
    let executor =
        Executor::builder().park(reactor.clone()).extension(reactor).clock(Clock::paused()).build();
    executor.block_on(async {
        let pool = Rc::new(TaskPool::new(1));
        let server = bind(&pool).await.idle_timeout(IDLE);
        let _serving = serve_one_byte(&server);
        let _clients: Vec<_> = (0..3).map(|_| connect(&server)).collect();
        until(|| server.connections() == 1).await;
        pool.cancel();
        until(|| server.stats().accepted == 2).await;
        assert_eq!(server.stats().cancelled, 1);
        advance(IDLE + IDLE / 4).await;
        let stats = server.stats();
        assert_eq!((stats.idle_timeouts, stats.accepted, pool.len()), (1, 3, 1));
    });
}
