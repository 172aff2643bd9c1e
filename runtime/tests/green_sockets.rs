//! Stories of sockets in blocking style: in greenlets, in tasks, on threads without a runtime, and across them.
#![cfg(all(feature = "greenlet", not(miri)))]

use runtime::{
    green::{
        io::{BufRead, BufReader, ErrorKind, IoSlice, IoSliceMut, Read, Write},
        net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket},
        os::unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
    greenlet::{self, wait},
    spawn,
    task::yield_now,
    testing::settle,
    time::{self, sleep},
};
use std::{
    cell::{Cell, RefCell},
    fs, io, net,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::PathBuf,
    rc::Rc,
    thread,
    time::Duration,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Both ends of a connection, made in a greenlet.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

fn in_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    #[expect(clippy::disallowed_methods, reason = "the stranger is an ordinary thread, outside any runtime")]
    thread::spawn(f)
}

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("green-sockets-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What any program for `std::net` might have: it knows nothing of greenlets.
fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}

fn serve_echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    greenlet::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            greenlet::spawn(move || echo(stream)).detach();
        }
    })
    .detach();
    address
}

#[runtime::test]
fn an_echo_server_in_blocking_style_serves_many_clients_at_once() {
    let address = serve_echo();
    // Nobody goes on before all have got their first echo: one after the other would hang.
    let all = Rc::new(runtime::sync::Barrier::new(50));
    let clients: Vec<_> = (0..50)
        .map(|n| {
            let all = Rc::clone(&all);
            greenlet::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                for round in 0..3 {
                    let text = format!("{n} in round {round}\n");
                    stream.write_all(text.as_bytes()).unwrap();
                    let mut heard = String::new();
                    BufReader::new(&stream).read_line(&mut heard).unwrap();
                    assert_eq!(heard, text);
                    wait(all.wait()).unwrap();
                }
            })
        })
        .collect();
    for client in clients {
        wait(client).unwrap();
    }
}

#[runtime::test]
fn one_greenlet_reads_while_another_writes_by_a_clone() {
    let (client, server) = pair();
    let mut writing = client.try_clone().unwrap();
    assert_ne!(writing.as_raw_fd(), client.as_raw_fd());
    let reader = greenlet::spawn(move || {
        let mut text = String::new();
        (&client).read_to_string(&mut text).unwrap();
        text
    });
    let echoing = greenlet::spawn(move || echo(server));
    // More than both sides have room for: whoever writes has to wait for whoever reads.
    let text = "0123456789".repeat(1_000_000);
    writing.write_all(text.as_bytes()).unwrap();
    writing.shutdown(Shutdown::Write).unwrap();
    wait(echoing).unwrap().unwrap();
    assert!(wait(reader).unwrap() == text);
}

#[runtime::test(start_paused = true)]
fn a_timeout_ends_a_read_and_holds_for_clones_and_is_taken_back() {
    let (client, mut server) = pair();
    assert_eq!(client.set_read_timeout(Some(Duration::ZERO)).unwrap_err().kind(), ErrorKind::InvalidInput);
    let clone = client.try_clone().unwrap();
    client.set_read_timeout(Some(HOUR)).unwrap();
    assert_eq!(clone.read_timeout().unwrap(), Some(HOUR));
    assert_eq!(clone.write_timeout().unwrap(), None);

    let start = time::Instant::now();
    let reading = greenlet::spawn(move || (&clone).read(&mut [0; 8]).unwrap_err().kind());
    wait(settle());
    wait(time::advance(HOUR - Duration::from_nanos(1)));
    wait(settle());
    assert!(!reading.is_finished(), "not before its time");
    wait(time::advance(Duration::from_nanos(1)));
    assert_eq!(wait(reading).unwrap(), ErrorKind::WouldBlock);
    assert_eq!(start.elapsed(), HOUR);

    client.set_read_timeout(None).unwrap();
    assert_eq!(client.read_timeout().unwrap(), None);
    let reading = greenlet::spawn(move || (&client).read(&mut [0; 8]).unwrap());
    wait(settle());
    wait(time::advance(2 * HOUR));
    server.write_all(b"late").unwrap();
    assert_eq!(wait(reading).unwrap(), 4);
}

#[runtime::test(start_paused = true)]
fn a_timeout_ends_a_write_that_nobody_reads() {
    let (mut client, _server) = pair();
    client.set_write_timeout(Some(HOUR)).unwrap();
    let writing = greenlet::spawn(move || {
        let full = vec![0; 1 << 20];
        loop {
            if let Err(error) = client.write(&full) {
                return error.kind();
            }
        }
    });
    wait(settle());
    wait(time::advance(HOUR));
    assert_eq!(wait(writing).unwrap(), ErrorKind::WouldBlock);
}

#[runtime::test]
fn what_is_set_to_non_blocking_never_waits_and_neither_do_its_clones() {
    let (client, mut server) = pair();
    let clone = client.try_clone().unwrap();
    client.set_nonblocking(true).unwrap();
    let mut buffer = [0; 8];
    for stream in [&client, &clone] {
        assert_eq!((&*stream).read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(stream.peek(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    server.write_all(b"x").unwrap();
    // Without a turn of the loop: it asks the system, not what the reactor knows.
    assert_eq!((&clone).read(&mut buffer).unwrap(), 1);
    clone.set_nonblocking(false).unwrap();
    let reading = greenlet::spawn(move || (&client).read(&mut [0; 8]).unwrap());
    wait(settle());
    assert!(!reading.is_finished());
    server.write_all(b"yz").unwrap();
    assert_eq!(wait(reading).unwrap(), 2);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = listener.try_clone().unwrap();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(other.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let _client = net::TcpStream::connect(other.local_addr().unwrap()).unwrap();
    other.accept().unwrap();
}

#[runtime::test]
fn peeking_takes_nothing_and_slices_are_filled_in_turn() {
    let (client, mut server) = pair();
    let n = server.write_vectored(&[IoSlice::new(b"one"), IoSlice::new(b"two")]).unwrap();
    assert_eq!(n, 6);
    let mut seen = [0; 3];
    assert_eq!(client.peek(&mut seen).unwrap(), 3);
    let (mut one, mut two) = ([0; 2], [0; 8]);
    let n = (&client).read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).unwrap();
    assert_eq!((n, &one, &two[..4]), (6, b"on", &b"etwo"[..]));
    assert_eq!(&seen, b"one");
}

#[runtime::test]
fn a_shutdown_of_ones_own_side_ends_a_read_that_waits() {
    let (client, server) = pair();
    let clone = client.try_clone().unwrap();
    let reading = greenlet::spawn(move || (&clone).read(&mut [0; 8]));
    wait(settle());
    client.shutdown(Shutdown::Both).unwrap();
    assert_eq!(wait(reading).unwrap().unwrap(), 0);
    assert_eq!((&server).read(&mut [0; 8]).unwrap(), 0);
}

#[runtime::test]
fn a_greenlet_killed_while_it_reads_lets_go_of_its_socket() {
    let (client, server) = pair();
    let reading = greenlet::spawn(move || (&client).read(&mut [0; 8]).map(drop));
    wait(settle());
    assert!(wait(reading.cancel_and_wait()).unwrap_err().is_cancelled());
    assert_eq!((&server).read(&mut [0; 8]).unwrap(), 0, "it was closed");
}

#[runtime::test]
fn two_who_wait_for_one_socket_are_both_served() {
    let (client, mut server) = pair();
    let client = Rc::new(client);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let client = Rc::clone(&client);
            greenlet::spawn(move || (&*client).read(&mut [0; 1]).unwrap())
        })
        .collect();
    wait(settle());
    server.write_all(b"ab").unwrap();
    for reader in readers {
        assert_eq!(wait(reader).unwrap(), 1);
    }
}

#[runtime::test]
fn a_socket_that_is_always_ready_does_not_keep_the_others_from_their_turns() {
    let (mut client, server) = pair();
    let turns = Rc::new(Cell::new(0));
    let other = {
        let turns = Rc::clone(&turns);
        spawn(async move {
            loop {
                turns.set(turns.get() + 1);
                yield_now().await;
            }
        })
    };
    client.write_all(&vec![0; 10_000]).unwrap();
    server.peek(&mut [0]).unwrap();
    let before = turns.get();
    for _ in 0..10_000 {
        (&server).read_exact(&mut [0]).unwrap();
    }
    assert!(turns.get() > before + 10, "{} turns", turns.get() - before);
    other.cancel();
}

#[test]
fn names_are_looked_up_while_others_go_on() {
    let runtime = runtime::Builder::new().blocking_threads(1).build().unwrap();
    runtime.block_on(greenlet::run(|| {
        // The one thread that could look something up has something else to do.
        let (release, released) = std::sync::mpsc::channel();
        let busy = runtime::spawn_blocking(move || released.recv().unwrap());
        let looking = greenlet::spawn(|| ("localhost", 80).to_socket_addrs().unwrap().collect::<Vec<_>>());
        wait(settle());
        assert!(!looking.is_finished(), "it was not left to the pool");
        release.send(()).unwrap();
        wait(busy).unwrap();
        let found = wait(looking).unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
    }));
}

#[runtime::test]
fn addresses_of_all_forms_will_do() {
    let listener = TcpListener::bind("localhost:0").unwrap();
    let address = listener.local_addr().unwrap();
    let port = address.port();
    TcpStream::connect(("localhost".to_owned(), port)).unwrap();
    TcpStream::connect((address.ip(), port)).unwrap();
    TcpStream::connect(&[address][..]).unwrap();
    TcpStream::connect(address.to_string()).unwrap();
    let unknown = TcpStream::connect("no-such-host.invalid:80").unwrap_err();
    assert!(unknown.to_string().contains("no-such-host.invalid"), "{unknown}");
    let portless = "localhost".to_socket_addrs().unwrap_err();
    assert_eq!(portless.kind(), ErrorKind::InvalidInput);
}

#[runtime::test]
fn errors_are_of_the_kinds_that_the_standard_library_has() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(listener);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let zero = TcpStream::connect_timeout(&address, Duration::ZERO).unwrap_err();
    assert_eq!(zero.kind(), ErrorKind::InvalidInput);
    let refused = TcpStream::connect_timeout(&address, HOUR).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let (client, server) = pair();
    drop(server);
    let ended = (&client).read_exact(&mut [0; 1]).unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn without_a_runtime_it_blocks_its_thread_as_in_the_standard_library() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = in_thread(move || echo(listener.accept().unwrap().0));
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    assert_eq!(client.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    client.set_read_timeout(None).unwrap();
    // More than there is room for in between, so both have to wait for each other.
    let mut writing = client.try_clone().unwrap();
    let text = vec![7; 4 << 20];
    let expected = text.clone();
    let writer = in_thread(move || {
        writing.write_all(&text).unwrap();
        writing.shutdown(Shutdown::Write).unwrap();
    });
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).unwrap();
    assert!(heard == expected);
    writer.join().unwrap();
    server.join().unwrap().unwrap();

    // Nothing comes back here that could be taken for room.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = in_thread(move || listener.accept().unwrap().0.read_to_end(&mut Vec::new()).unwrap());
    client.write_all(&expected).unwrap();
    drop(client);
    assert_eq!(server.join().unwrap(), expected.len());
}

#[test]
fn a_socket_that_one_runtime_has_used_is_used_elsewhere_too() {
    let (client, server) = runtime::run(greenlet::run(|| {
        let (client, server) = pair();
        // Both have waited, and so are registered.
        let reading = greenlet::spawn(move || ((&client).read(&mut [0; 1]).unwrap(), client));
        wait(settle());
        (&server).write_all(b"1").unwrap();
        let (n, client) = wait(reading).unwrap();
        assert_eq!(n, 1);
        (client, server)
    }));

    // The runtime has ended. First on no runtime at all:
    (&server).write_all(b"23").unwrap();
    assert_eq!((&client).read(&mut [0; 8]).unwrap(), 2);

    // Then in the greenlets of another, where two wait for it at the same time.
    runtime::run(greenlet::run(move || {
        let client = Rc::new(client);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let client = Rc::clone(&client);
                greenlet::spawn(move || (&*client).read(&mut [0; 1]).unwrap())
            })
            .collect();
        wait(settle());
        assert!(readers.iter().all(|reader| !reader.is_finished()));
        (&server).write_all(b"45").unwrap();
        for reader in readers {
            assert_eq!(wait(reader).unwrap(), 1);
        }
        client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!((&*client).read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }));
}

#[runtime::test]
async fn in_a_task_what_is_there_is_read_and_what_is_not_stops_the_thread() {
    let (client, server) = greenlet::run(pair).await;
    (&server).write_all(b"here").unwrap();
    assert_eq!((&client).read(&mut [0; 8]).unwrap(), 4);
    let answering = in_thread({
        let server = server.try_clone().unwrap();
        move || (&server).write_all(b"from another thread").unwrap()
    });
    assert_eq!((&client).read(&mut [0; 4]).unwrap(), 4);
    answering.join().unwrap();
}

#[runtime::test]
fn a_connection_goes_from_async_code_to_a_greenlet_and_back_and_out() {
    let (client, server) = pair();
    let server = runtime::net::TcpStream::from(server);
    let answering = spawn(async move {
        let mut buffer = [0; 4];
        server.read_exact(&mut buffer).await?;
        server.write_all(&buffer).await?;
        io::Result::Ok(TcpStream::from(server))
    });
    (&client).write_all(b"ping").unwrap();
    (&client).read_exact(&mut [0; 4]).unwrap();
    let server = wait(answering).unwrap().unwrap();
    (&server).write_all(b"pong").unwrap();
    (&client).read_exact(&mut [0; 4]).unwrap();

    client.set_read_timeout(Some(HOUR)).unwrap();
    let fd = OwnedFd::from(client);
    let client = net::TcpStream::from(fd);
    client.set_read_timeout(Some(HOUR)).unwrap();
    let client = TcpStream::from_std(client).unwrap();
    assert_eq!(client.read_timeout().unwrap(), Some(HOUR), "it is still set");
    (&server).write_all(b"last").unwrap();
    (&client).read_exact(&mut [0; 4]).unwrap();
    assert!(client.as_fd().try_clone_to_owned().is_ok());
}

#[runtime::test(start_paused = true)]
fn datagrams_are_waited_for() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let answering = greenlet::spawn(move || {
        let mut buffer = [0; 16];
        assert_eq!(server.peek_from(&mut buffer).unwrap().0, 4);
        let (n, peer) = server.recv_from(&mut buffer).unwrap();
        server.send_to(&buffer[..n], peer).unwrap();
        server
    });
    wait(settle());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(address).unwrap();
    client.send(b"ping").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(client.peek(&mut buffer).unwrap(), 4);
    assert_eq!(client.recv(&mut buffer).unwrap(), 4);
    let server = wait(answering).unwrap();

    server.set_read_timeout(Some(HOUR)).unwrap();
    let waiting = greenlet::spawn(move || server.recv(&mut [0; 1]).unwrap_err().kind());
    wait(settle());
    wait(time::advance(HOUR));
    assert_eq!(wait(waiting).unwrap(), ErrorKind::WouldBlock);

    let clone = client.try_clone().unwrap();
    client.set_nonblocking(true).unwrap();
    assert_eq!(clone.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    let nowhere: &[SocketAddr] = &[];
    assert_eq!(clone.send_to(b"x", nowhere).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[runtime::test]
fn unix_sockets_are_waited_for_and_their_paths_are_left_alone() {
    let folder = Folder::new("unix");
    let path = folder.0.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    let serving = greenlet::spawn(move || {
        let mut stream = listener.incoming().next().unwrap().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        stream.write_all(text.to_uppercase().as_bytes()).unwrap();
        drop(listener);
    });
    wait(settle());
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"loud").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut loud = String::new();
    client.try_clone().unwrap().read_to_string(&mut loud).unwrap();
    assert_eq!(loud, "LOUD");
    wait(serving).unwrap();
    // As in the standard library: gone is gone, and the path is whose it was.
    assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    fs::remove_file(&path).unwrap();

    let socket = UnixDatagram::bind(&path).unwrap();
    let receiving = greenlet::spawn(move || {
        let mut buffer = [0; 16];
        let (n, _) = socket.recv_from(&mut buffer).unwrap();
        buffer[..n].to_vec()
    });
    wait(settle());
    UnixDatagram::unbound().unwrap().send_to(b"hello", &path).unwrap();
    assert_eq!(wait(receiving).unwrap(), b"hello");

    let (one, other) = UnixDatagram::pair().unwrap();
    let receiving = greenlet::spawn(move || {
        let mut total = 0;
        for _ in 0..1000 {
            total += other.recv(&mut [0; 100]).unwrap();
        }
        total
    });
    for _ in 0..1000 {
        one.send(&[0; 100]).unwrap(); // waits while the other has no room
    }
    assert_eq!(wait(receiving).unwrap(), 100_000);
}

/// Fetching is as slow as the slowest, not as all together: the server gives nobody an answer before everybody has asked.
#[runtime::test]
fn blocking_style_clients_wait_side_by_side() {
    const CLIENTS: usize = 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    greenlet::spawn(move || {
        let asked: Vec<_> = listener.incoming().take(CLIENTS).map(|stream| stream.unwrap()).collect();
        for mut stream in asked {
            stream.write_all(b"answer").unwrap();
        }
    })
    .detach();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let heard = Rc::clone(&heard);
            greenlet::spawn(move || {
                let mut answer = String::new();
                TcpStream::connect(address).unwrap().read_to_string(&mut answer).unwrap();
                heard.borrow_mut().push((n, answer));
            })
        })
        .collect();
    for client in clients {
        wait(client).unwrap();
    }
    let mut heard = heard.take();
    heard.sort();
    assert!(heard.iter().map(|(n, _)| *n).eq(0..CLIENTS));
    assert!(heard.iter().all(|(_, answer)| answer == "answer"));
    wait(sleep(Duration::ZERO));
}
