//! Echo within one runtime: server, clients and whatever else is going on share a thread and take turns.

use runtime::{
    join, join_all,
    net::{TcpListener, TcpStream},
    spawn,
    task::yield_now,
    time::{Instant, interval},
};
use std::{cell::Cell, env, io, net::SocketAddr, process::Command, rc::Rc, thread, time::Duration};

/// What a busy task does before it concludes that the others starve: far more than they need, and over in seconds.
const MANY_TURNS: u64 = 50_000_000;
const MANY_WRITES: u64 = 5_000_000;

/// Listens on a free port and echoes to everyone, in tasks that end with their clients.
async fn start_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            spawn(echo(stream)).detach();
        }
    })
    .detach();
    address
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}

async fn expect_echo(stream: &TcpStream, message: &str) {
    stream.write_all(message.as_bytes()).await.unwrap();
    let mut answer = vec![0; message.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), message);
}

#[runtime::test]
async fn a_task_that_always_wakes_itself_starves_neither_echo_nor_timer() {
    let turns = Rc::new(Cell::new(0));
    let busy = {
        let turns = Rc::clone(&turns);
        spawn(async move {
            while turns.get() < MANY_TURNS {
                turns.set(turns.get() + 1);
                yield_now().await;
            }
            panic!("the others starve");
        })
    };

    let client = TcpStream::connect(start_server().await).await.unwrap();
    let echoes = async {
        for number in 0..100 {
            let before = turns.get();
            expect_echo(&client, &format!("message {number}")).await;
            assert!(turns.get() > before, "the busy task has had no turn");
        }
    };
    let ticks = async {
        let start = Instant::now();
        let mut every_ms = interval(Duration::from_millis(1));
        for ms in 0..20 {
            every_ms.tick().await;
            assert!(start.elapsed() >= Duration::from_millis(ms), "tick {ms} came early");
        }
    };
    join!(echoes, ticks);

    assert!(!busy.is_finished());
    assert!(busy.cancel_and_wait().await.unwrap_err().is_cancelled());
}

#[runtime::test]
async fn a_connection_that_always_has_something_to_say_starves_no_quiet_one() {
    let address = start_server().await;
    let loud = Rc::new(TcpStream::connect(address).await.unwrap());
    let floods = [spawn(flood(Rc::clone(&loud))), spawn(drain(loud))];

    let quiet = TcpStream::connect(address).await.unwrap();
    for number in 0..20 {
        expect_echo(&quiet, &format!("message {number}")).await;
    }

    for flood in floods {
        assert!(!flood.is_finished());
        assert!(flood.cancel_and_wait().await.unwrap_err().is_cancelled());
    }
}

async fn flood(stream: Rc<TcpStream>) {
    for _ in 0..MANY_WRITES {
        stream.write_all(&[7; 1024]).await.unwrap();
    }
    panic!("the others starve");
}

async fn drain(stream: Rc<TcpStream>) {
    let mut buffer = [0; 1024];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

#[test]
fn a_thousand_connections_on_one_thread_get_their_own_echo_each() {
    const CONNECTIONS: usize = 1000;
    /// Two ends of each, and some for the rest of the process.
    const DESCRIPTORS: u64 = 2 * CONNECTIONS as u64 + 100;
    if repeat_with_descriptors(DESCRIPTORS, "a_thousand_connections_on_one_thread_get_their_own_echo_each") {
        return;
    }
    runtime::run(async {
        let this_thread = thread::current().id();
        let address = start_server().await;
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        // All are open at once; only now does any of them speak.
        let answered = clients.into_iter().enumerate().map(|(number, client)| {
            spawn(async move {
                for round in 0..3 {
                    expect_echo(&client, &format!("client {number}, round {round}")).await;
                }
                assert_eq!(thread::current().id(), this_thread);
                number
            })
        });
        let answered: Vec<_> = join_all(answered).await.into_iter().map(|done| done.unwrap()).collect();
        assert!(answered.into_iter().eq(0..CONNECTIONS));
    });
}

/// Runs one test of this program again in a process that may have so many descriptors, if this one may not: 1024
/// are usual, more are there for the asking. Whether it did.
fn repeat_with_descriptors(descriptors: u64, test: &str) -> bool {
    const MARK: &str = "REPEATED_WITH_DESCRIPTORS";
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(env::current_exe().unwrap());
        command
    };
    let limit = shell("ulimit -n").output().expect("there is a shell").stdout;
    let limit = String::from_utf8(limit).unwrap();
    if limit.trim() == "unlimited" || limit.trim().parse::<u64>().unwrap() >= descriptors {
        return false;
    }
    assert!(env::var_os(MARK).is_none(), "the limit was raised, and is {limit}");
    let script = format!("ulimit -n {descriptors} && exec \"$0\" --exact {test} --nocapture");
    let status = shell(&script).env(MARK, "1").status().expect("there is a shell");
    assert!(status.success(), "with {descriptors} descriptors, which the hard limit must allow: {status}");
    true
}
