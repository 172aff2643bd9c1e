//! Stories of `net::Server`.

#[path = "../../executor/tests/common/every_point.rs"]
#[allow(dead_code, reason = "these stories use a part of it")]
mod every_point;
mod support;

use every_point::{Point, at_every_point_on};
use futures_lite::future::{or, poll_once, zip};
use runtime_executor::{
    Executor, JoinHandle, spawn, task,
    task::yield_now,
    time::{Clock, Instant, advance, sleep},
};
use runtime_io::{
    HandleError, Reactor,
    net::{Drained, Server, TcpListener, TcpStream, UnixStream},
};
use std::{
    cell::{Cell, RefCell},
    future::pending,
    io::{self, ErrorKind, Read, Write},
    net,
    rc::Rc,
    time::Duration,
};
use support::{Folder, pattern, read_to_end, run, run_with, until_waiting};

type Serving = JoinHandle<io::Result<Drained>>;

/// An executor with a reactor, on the virtual clock.
fn paused() -> Executor {
    let reactor = Reactor::new().unwrap();
    Executor::builder().park(reactor.clone()).extension(reactor).clock(Clock::paused()).seed(7).build()
}

async fn bind() -> Server {
    Server::bind("127.0.0.1:0").await.unwrap()
}

/// A client that blocks: it is connected, which is to say queued, when this returns.
fn connect(server: &Server) -> net::TcpStream {
    net::TcpStream::connect(server.local_addr().unwrap()).unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// Serves with a handler that never ends by itself.
fn serve_for_ever(server: &Server) -> Serving {
    spawn(server.serve(async |_stream, _peer| pending::<()>().await))
}

/// Sends back one message.
async fn echo_once(stream: &TcpStream) -> io::Result<()> {
    let mut buf = [0; 16];
    let n = stream.read(&mut buf).await?;
    stream.write_all(&buf[..n]).await
}

#[test]
fn each_connection_has_a_task_of_its_own_with_a_name_and_the_place_of_the_server() {
    run(async {
        let server = bind().await.name("greeter");
        let serving = spawn(server.serve(async |stream, peer| {
            let me = task::current();
            stream.write_all(format!("{} {peer} {}", me.id(), me.name().unwrap()).as_bytes()).await?;
            assert!(me.spawned_at().unwrap().file().ends_with("serving.rs"), "{me:?}");
            assert!(me.spawned_at().unwrap().file().contains("tests"), "{me:?}");
            io::Result::Ok(())
        }));
        let mut said = Vec::new();
        for _ in 0..2 {
            let client = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
            let text = String::from_utf8(read_to_end(&client).await.unwrap()).unwrap();
            let me = client.local_addr().unwrap().to_string();
            let (task, rest) = text.split_once(&me).unwrap();
            assert_eq!(rest, format!(" greeter {me}"));
            said.push(task.to_owned());
        }
        assert_ne!(said[0], said[1]);
        server.stop_accepting();
        serving.await.unwrap().unwrap();
        let stats = server.stats();
        assert_eq!((stats.accepted, stats.finished, stats.open()), (2, 2, 0));
    });
}

#[test]
fn a_handler_may_be_a_function_or_a_closure_that_uses_what_it_has_captured() {
    async fn nothing(_stream: TcpStream, _peer: net::SocketAddr) {}
    run(async {
        let by_function = bind().await;
        let first = spawn(by_function.serve(nothing));
        let by_closure = bind().await;
        let served = Rc::new(Cell::new(0));
        let counter = Rc::clone(&served);
        let second = spawn(by_closure.serve(async move |stream: TcpStream, _| {
            counter.set(counter.get() + 1); // borrowed from the closure, across the await
            echo_once(&stream).await?;
            counter.set(counter.get() + 10);
            io::Result::Ok(())
        }));
        let by_future = bind().await;
        let third = spawn(by_future.serve(|stream: TcpStream, _| async move { echo_once(&stream).await }));

        for server in [&by_function, &by_closure, &by_future] {
            let client = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
            client.write_all(b"x").await.unwrap();
            let _ = read_to_end(&client).await;
            server.drain(Duration::from_secs(10)).await;
            assert_eq!(server.stats().finished, 1);
        }
        assert_eq!(served.get(), 11);
        for serving in [first, second, third] {
            serving.await.unwrap().unwrap();
        }
    });
}

#[test]
fn errors_and_panics_end_their_own_connection_and_are_counted() {
    run(async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&seen);
        let server = bind().await.on_error(move |peer, error| {
            log.borrow_mut().push((peer.copied(), error.to_string()));
        });
        let serving = spawn(server.serve(async |stream, _peer| {
            let mut order = [0];
            stream.read_exact(&mut order).await?;
            match order[0] {
                b'e' => Err(io::Error::other("an error")),
                b'p' => panic!("a panic"),
                _ => stream.write_all(b"fine").await,
            }
        }));
        let mut peers = Vec::new();
        for (order, reply) in [(b"p", &b""[..]), (b"e", b""), (b"x", b"fine")] {
            let client = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
            peers.push(client.local_addr().unwrap());
            client.write_all(order).await.unwrap();
            assert_eq!(read_to_end(&client).await.unwrap(), reply);
        }
        let drained = server.drain(Duration::from_secs(10)).await;
        assert!(drained.forced.is_empty());
        serving.await.unwrap().unwrap();
        let stats = server.stats();
        assert_eq!((stats.finished, stats.failed, stats.panicked, stats.cancelled), (1, 1, 1, 0));
        assert_eq!(*seen.borrow(), [(Some(peers[1]), "an error".to_owned())]);
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no SO_LINGER")]
fn a_peer_that_has_reset_its_connection_is_the_handlers_news() {
    run(async {
        let server = bind().await;
        let rude = connect(&server);
        socket2::SockRef::from(&rude).set_linger(Some(Duration::ZERO)).unwrap();
        drop(rude);
        let mut polite = connect(&server);
        polite.write_all(b"still there?").unwrap();
        let kinds = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&kinds);
        let serving = spawn(server.serve(async move |stream, _peer| {
            let outcome = echo_once(&stream).await.map_err(|error| error.kind());
            log.borrow_mut().push(outcome);
        }));
        until(|| kinds.borrow().len() == 2).await;
        assert_eq!(*kinds.borrow(), [Err(ErrorKind::ConnectionReset), Ok(())]);
        assert_eq!(server.stats().accept_errors, 0);
        assert!(!serving.is_finished());
    });
}

#[test]
fn at_its_limit_a_server_leaves_clients_in_the_kernels_queue() {
    run_with(|reactor| async move {
        let server = bind().await.max_connections(2);
        let _serving = spawn(server.serve(async |stream, _peer| echo_once(&stream).await));
        let mut clients: Vec<_> = (0..5).map(|_| connect(&server)).collect();
        until_waiting(&reactor, 2).await; // two handlers; nobody waits for the listener
        assert_eq!((server.connections(), server.stats().accepted), (2, 2));
        for (served, client) in clients.iter_mut().enumerate() {
            client.write_all(b"next").unwrap();
            until(|| server.stats().finished == served as u64 + 1).await;
            let mut reply = [0; 4];
            client.read_exact(&mut reply).unwrap();
            assert_eq!(&reply, b"next");
            until_waiting(&reactor, [2, 2, 2, 2, 1][served]).await;
            assert!(server.connections() <= 2);
        }
        assert_eq!(server.stats().accepted, 5);
    });
}

#[test]
fn the_limit_may_be_moved_while_the_server_runs() {
    run(async {
        let server = bind().await.max_connections(1);
        let _serving = serve_for_ever(&server);
        let _clients: Vec<_> = (0..3).map(|_| connect(&server)).collect();
        until(|| server.connections() == 1).await;
        let _ = server.clone().max_connections(2);
        until(|| server.connections() == 2).await;
        let _ = server.clone().max_connections(1);
        server.abort_clients();
        until(|| server.stats().cancelled == 2).await;
        until(|| server.connections() == 1).await;
        assert_eq!(server.stats().accepted, 3);
    });
}

#[test]
#[should_panic(expected = "a server for 0 connections serves nobody")]
fn a_limit_of_nothing_is_refused() {
    run(async {
        let _ = bind().await.max_connections(0);
    });
}

#[test]
#[cfg_attr(miri, ignore = "too many connections for Miri")]
fn in_a_storm_of_connections_others_have_their_turns() {
    const CONNECTIONS: u64 = 1000;
    support::sys::limit_descriptors(8192);
    run_with(|reactor| async move {
        let server = bind().await;
        let _serving = spawn(server.serve(async |_stream, _peer| pending::<()>().await));
        until_waiting(&reactor, 1).await;
        // All before the reactor's next turn.
        let _clients: Vec<_> = (0..CONNECTIONS).map(|_| connect(&server)).collect();
        let (mut before, mut most) = (0, 0);
        while before < CONNECTIONS {
            yield_now().await;
            let accepted = server.stats().accepted;
            most = most.max(accepted - before);
            before = accepted;
        }
        assert_eq!(most, 64);
    });
}

#[test]
fn drain_waits_for_the_handlers_and_tells_how_it_went() {
    paused().block_on(async {
        let server = bind().await;
        let start = Instant::now();
        let serving = spawn(server.serve(async |stream, _peer| {
            let mut seconds = [0];
            stream.read_exact(&mut seconds).await?;
            sleep(Duration::from_secs(seconds[0].into())).await;
            stream.write_all(b"done").await
        }));
        let mut clients: Vec<_> = (0..3).map(|_| connect(&server)).collect();
        for (seconds, client) in (1..).zip(&mut clients) {
            client.write_all(&[seconds]).unwrap();
        }
        until(|| server.connections() == 3).await;
        let draining = spawn({
            let server = server.clone();
            async move { (server.drain(Duration::from_secs(10)).await, Instant::now()) }
        });
        advance(Duration::from_secs(2)).await;
        assert!(!draining.is_finished() && !serving.is_finished());
        assert_eq!(server.connections(), 1);
        advance(Duration::from_secs(2)).await;
        let (drained, at) = draining.await.unwrap();
        assert_eq!((drained.finished, drained.forced.len()), (3, 0));
        assert_eq!(at - start, Duration::from_secs(3), "as soon as the last was done");
        assert_eq!(serving.await.unwrap().unwrap(), drained);
        for mut client in clients {
            let mut reply = String::new();
            client.read_to_string(&mut reply).unwrap();
            assert_eq!(reply, "done");
        }
    });
}

#[test]
fn whoever_is_left_at_the_deadline_is_cancelled_named_and_dropped() {
    struct Dropped(Rc<Cell<u32>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    paused().block_on(async {
        let server = bind().await.name("slow");
        let dropped = Rc::new(Cell::new(0));
        let count = Rc::clone(&dropped);
        let serving = spawn(server.serve(async move |stream, _peer| {
            let _dropped = Dropped(Rc::clone(&count));
            stream.read(&mut [0]).await?;
            io::Result::Ok(())
        }));
        let start = Instant::now();
        let mut quick = connect(&server);
        until(|| server.connections() == 1).await;
        advance(Duration::from_secs(5)).await;
        let stuck = connect(&server);
        until(|| server.connections() == 2).await;
        quick.write_all(b"!").unwrap();
        let draining = spawn({
            let (server, dropped) = (server.clone(), Rc::clone(&dropped));
            async move { (server.drain(Duration::from_secs(30)).await, dropped.get()) }
        });
        until(|| server.connections() == 1).await;
        advance(Duration::from_secs(29)).await;
        assert!(!draining.is_finished());
        advance(Duration::from_secs(1)).await;
        let (drained, dropped) = draining.await.unwrap();
        assert_eq!(dropped, 2, "the drops have run when drain returns");
        assert_eq!((drained.finished, drained.forced.len()), (1, 1));
        let straggler = &drained.forced[0];
        assert_eq!(straggler.peer, stuck.local_addr().unwrap());
        assert_eq!(straggler.name, format!("slow {}", straggler.peer));
        assert_eq!(straggler.since - start, Duration::from_secs(5));
        let text = drained.to_string();
        assert!(text.starts_with("1 connections finished, 1 were cut\n  slow 127.0.0.1:"), "{text}");
        assert_eq!(serving.await.unwrap().unwrap(), drained);
        assert_eq!(server.stats().cancelled, 1);
    });
}

#[test]
fn the_last_sweep_serves_those_who_are_queued_and_then_the_door_is_closed() {
    run_with(|reactor| async move {
        let server = bind().await;
        let serving = spawn(server.serve(async |stream, _peer| echo_once(&stream).await));
        until_waiting(&reactor, 1).await;
        // Before the reactor could know, and with no turn between.
        let mut queued: Vec<_> = (0..3).map(|_| connect(&server)).collect();
        let mut draining = Box::pin(server.drain(Duration::from_secs(60)));
        assert!(poll_once(&mut draining).await.is_none());
        assert!(server.is_draining());
        until(|| server.connections() == 3).await;
        let address = server.local_addr().unwrap();
        assert_eq!(net::TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        // Somebody else may have the address while the last clients are served.
        let successor = Server::bind(address).await.unwrap();
        for client in &mut queued {
            client.write_all(b"last").unwrap();
        }
        let drained = draining.await;
        assert_eq!((drained.finished, drained.forced.len()), (3, 0));
        for mut client in queued {
            let mut reply = String::new();
            client.read_to_string(&mut reply).unwrap();
            assert_eq!(reply, "last");
        }
        serving.await.unwrap().unwrap();
        drop(successor);
    });
}

#[test]
fn the_last_sweep_keeps_to_the_limit_and_waits_for_room() {
    run_with(|reactor| async move {
        let server = bind().await.max_connections(1);
        let _serving = spawn(server.serve(async |stream, _peer| echo_once(&stream).await));
        let mut clients: Vec<_> = (0..3).map(|_| connect(&server)).collect();
        until_waiting(&reactor, 1).await;
        let draining = spawn({
            let server = server.clone();
            async move { server.drain(Duration::from_secs(60)).await }
        });
        until(|| server.is_draining()).await;
        for client in &mut clients {
            until(|| server.connections() == 1).await;
            client.write_all(b"x").unwrap();
            until(|| server.connections() == 0).await;
            let mut reply = [0];
            client.read_exact(&mut reply).unwrap();
        }
        assert_eq!(draining.await.unwrap().finished, 3);
    });
}

#[test]
fn a_second_drain_hurries_the_first_and_never_delays_it() {
    paused().block_on(async {
        let server = bind().await;
        let _serving = serve_for_ever(&server);
        let _client = connect(&server);
        until(|| server.connections() == 1).await;
        let start = Instant::now();
        let mut drains = Vec::new();
        for seconds in [100, 4, 50] {
            let server = server.clone();
            drains.push(spawn(
                async move { (server.drain(Duration::from_secs(seconds)).await, Instant::now()) },
            ));
            // The deadline before is waited for by now.
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(server.connections(), 1);
        advance(Duration::from_secs(3)).await;
        let mut accounts = Vec::new();
        for drain in drains {
            let (drained, at) = drain.await.unwrap();
            assert_eq!(at - start, Duration::from_secs(5));
            accounts.push(drained);
        }
        assert_eq!(accounts[0].forced.len(), 1);
        assert!(accounts.iter().all(|account| *account == accounts[0]), "one account for all");
    });
}

#[test]
fn aborting_hurries_too_and_by_itself_stops_nothing() {
    paused().block_on(async {
        let server = bind().await;
        let _serving = serve_for_ever(&server);
        let _first = connect(&server);
        until(|| server.connections() == 1).await;
        assert_eq!(server.abort_clients(), 1);
        until(|| server.connections() == 0).await;
        let second = connect(&server);
        until(|| server.connections() == 1).await;

        server.stop_accepting();
        advance(Duration::from_secs(100_000)).await;
        assert_eq!(server.connections(), 1, "there is no deadline");
        assert_eq!(server.abort_clients(), 1);
        let drained = server.drain(Duration::MAX).await;
        assert_eq!(drained.finished, 0);
        assert_eq!(drained.forced.len(), 1, "who was cancelled before the end began is not in its account");
        assert_eq!(drained.forced[0].peer, second.local_addr().unwrap());
        assert_eq!(server.stats().cancelled, 2);
    });
}

#[test]
fn handlers_see_the_end_coming_and_close_after_the_next_reply() {
    run_with(|reactor| async move {
        let server = bind().await;
        let control = server.clone();
        let serving = spawn(server.serve(async move |stream, _peer| {
            while !control.is_draining() {
                let request = async { stream.readable().await.map(|()| true) };
                let stopped = async {
                    control.draining().await;
                    Ok(false)
                };
                if or(request, stopped).await? {
                    echo_once(&stream).await?;
                }
            }
            Ok(stream)
        }));
        let address = server.local_addr().unwrap();
        let busy = TcpStream::connect(address).await.unwrap();
        let idle = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"one").await.unwrap();
        busy.read_exact(&mut [0; 3]).await.unwrap();
        until_waiting(&reactor, 3).await; // two handlers and the server itself
        // This request is on its way when the end comes.
        busy.write_all(b"two").await.unwrap();
        reactor_turn(&reactor);
        server.stop_accepting();
        let clients = async {
            let last = read_to_end(&busy).await.unwrap();
            drop(busy);
            (last, read_to_end(&idle).await.unwrap(), drop(idle))
        };
        let (drained, said) = zip(server.drain(Duration::from_secs(60)), clients).await;
        assert_eq!((drained.finished, drained.forced.len()), (2, 0));
        assert_eq!(said, (b"two".to_vec(), Vec::new(), ()));
        serving.await.unwrap().unwrap();
    });
}

/// Has the reactor look at the kernel, so that what has happened there is known.
fn reactor_turn(reactor: &Reactor) {
    runtime_executor::Park::park(reactor, Some(Duration::from_secs(10))).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "too many bytes for Miri")]
fn a_stream_that_the_handler_hands_back_is_closed_gracefully() {
    run(async {
        const REPLY: usize = 200_000;
        let server = bind().await;
        let serving = spawn(server.serve(async |stream: TcpStream, _peer| {
            stream.readable().await?;
            stream.write_all(&pattern(REPLY)).await?;
            io::Result::Ok(stream) // and what the client has sent is unread
        }));
        let client = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        client.write_all(&[1; 50_000]).await.unwrap();
        assert!(read_to_end(&client).await.unwrap() == pattern(REPLY), "the reply is not whole");
        assert_eq!(server.connections(), 1, "the server waits for the client's end");
        drop(client);
        assert_eq!(server.drain(Duration::from_secs(60)).await.finished, 1);
        serving.await.unwrap().unwrap();
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no Unix sockets with paths")]
fn a_server_of_a_unix_socket_does_all_the_same_and_takes_its_path_along() {
    run(async {
        let folder = Folder::new();
        let path = folder.path("server");
        let server = Server::bind_unix(&path).await.unwrap().name("local");
        let serving = spawn(server.serve(async |stream: UnixStream, _peer| {
            stream.write_all(task::current().name().unwrap().as_bytes()).await?;
            io::Result::Ok(stream)
        }));
        let stuck = UnixStream::connect(&path).await.unwrap();
        let polite = UnixStream::connect(&path).await.unwrap();
        let mut name = [0; 15];
        polite.read_exact(&mut name).await.unwrap();
        assert_eq!(&name, b"local (unnamed)");
        drop(polite);
        until(|| server.connections() == 1).await;
        let drained = server.drain(Duration::ZERO).await;
        assert_eq!(drained.forced.len(), 1);
        assert!(drained.forced[0].peer.is_unnamed());
        assert!(!path.exists());
        serving.await.unwrap().unwrap();
        drop(stuck);
    });
}

#[test]
fn dropping_serve_ends_everything_it_has_accepted() {
    run(async {
        let server = bind().await;
        let mut serving = Box::pin(server.serve(async |_stream, _peer| pending::<()>().await));
        let mut clients: Vec<_> = (0..2).map(|_| connect(&server)).collect();
        while server.connections() < 2 {
            assert!(poll_once(&mut serving).await.is_none());
            yield_now().await;
        }
        let queued = connect(&server);
        drop(serving);
        assert_eq!(server.connections(), 2, "each is dropped at its own next turn");
        let drained = server.drain(Duration::from_secs(60)).await;
        assert_eq!((server.connections(), drained.forced.len()), (0, 2));
        for client in &mut clients {
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
        let address = server.local_addr().unwrap();
        assert_eq!(net::TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        drop(queued);
        // It is over for good.
        assert_eq!(server.serve(async |_stream, _peer| ()).await.unwrap(), drained);
    });
}

#[test]
fn a_server_that_is_stopped_before_it_is_served_serves_nobody() {
    run(async {
        let server = bind().await;
        let _client = connect(&server);
        assert_eq!(server.drain(Duration::from_secs(60)).await, Drained::default());
        let drained = server.serve(async |_stream, _peer| unreachable!("nobody is served")).await;
        assert_eq!(drained.unwrap(), Drained::default());
        server.draining().await;
    });
}

#[test]
#[should_panic(expected = "this server is served already")]
fn a_server_is_served_once() {
    run(async {
        let server = bind().await;
        let _serving = serve_for_ever(&server);
        yield_now().await;
        let _ = server.serve(async |_stream, _peer| ()).await;
    });
}

#[test]
fn a_listener_that_cannot_go_on_ends_serve_with_its_error() {
    let listener = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(poll_once(Box::pin(listener.accept())).await.is_none());
        listener
    });
    run(async {
        let server = Server::from_listener(listener);
        let error = server.serve(async |_stream, _peer| ()).await.unwrap_err();
        assert_eq!(error.downcast::<HandleError>().unwrap(), HandleError::RuntimeEnded);
        assert_eq!(server.drain(Duration::MAX).await, Drained::default());
    });
}

#[test]
fn a_server_whose_runtime_ends_takes_its_connections_along() {
    let dropped = Rc::new(Cell::new(0));
    let count = Rc::clone(&dropped);
    let server = run_with(|reactor| async move {
        let server = bind().await;
        let handler = async move |stream: TcpStream, _peer| {
            let _guard = OnDrop(Rc::clone(&count));
            stream.readable().await
        };
        spawn(server.serve(handler)).detach();
        let _client = connect(&server);
        until_waiting(&reactor, 2).await;
        server
    });
    assert_eq!((dropped.get(), server.connections()), (1, 0));
}

struct OnDrop(Rc<Cell<u32>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too many runs for Miri")]
fn serve_may_be_dropped_at_every_point_and_leaves_nobody_behind() {
    let points = at_every_point_on(paused, async |point: Point| {
        let dropped = Rc::new(Cell::new(0));
        let count = Rc::clone(&dropped);
        let server = bind().await.max_connections(1);
        let (mut first, second) = (connect(&server), connect(&server));
        first.write_all(b"a").unwrap();
        let stopping = spawn({
            let server = server.clone();
            async move {
                // The first is served, the second silent.
                until(|| server.stats().finished > 0 || server.is_draining()).await;
                let moving = spawn(advance(Duration::from_secs(6)));
                let drained = server.drain(Duration::from_secs(5)).await;
                moving.await.unwrap();
                drained
            }
        });
        let serving = server.serve(async move |stream, _peer| {
            let _guard = OnDrop(Rc::clone(&count));
            echo_once(&stream).await?;
            io::Result::Ok(())
        });
        let _ = point.run(serving).await;
        let drained = server.drain(Duration::MAX).await;
        assert_eq!(stopping.await.unwrap(), drained);
        let stats = server.stats();
        assert_eq!((server.connections(), stats.open()), (0, 0));
        assert_eq!(stats.finished + stats.cancelled, stats.accepted);
        // Who was cancelled before its first turn has never begun.
        let begun = u64::from(dropped.get());
        assert!(stats.finished <= begun && begun <= stats.accepted);
        drop((first, second));
    });
    assert!(points >= 3, "{points} points");
}

#[test]
#[cfg_attr(miri, ignore = "too many runs for Miri")]
fn drain_may_be_dropped_at_every_point_and_the_server_ends_in_time_all_the_same() {
    let points = at_every_point_on(paused, async |point: Point| {
        let server = bind().await;
        let serving = serve_for_ever(&server);
        let _client = connect(&server);
        until(|| server.connections() == 1).await;
        let moving = spawn(advance(Duration::from_secs(6)));
        let drained = point.run(server.drain(Duration::from_secs(5))).await;
        moving.await.unwrap();
        if server.is_draining() {
            let account = serving.await.unwrap().unwrap();
            assert_eq!(account.forced.len(), 1);
            assert!(drained.is_none_or(|drained| drained == account));
        } else {
            assert!(drained.is_none(), "it was dropped before its first poll");
            assert_eq!(server.connections(), 1);
        }
    });
    assert!(points >= 1, "{points} points");
}
