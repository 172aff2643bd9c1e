//! The program that the fault suite torments: this very test program, started anew with `FAULT_SERVER` set.
//!
//! Its workers write down what they do before the world can see it (`journal.rs`), and do on request what no worker
//! should. How they are to behave while they start is read from a file, so that it can change between two of them.

use super::{
    journal::{self, Journal, Record},
    protocol::{Command, Reply, Request},
};
use nix::{
    sys::{
        signal::{Signal, raise},
        socket::{MsgFlags, Shutdown, send, shutdown},
    },
    unistd::gettid,
};
use runtime::{
    cluster::{self, Cluster, Identity, Listeners, Mode},
    net::{Server, TcpListener},
    spawn,
    sync::Event,
    time::sleep,
};
use std::{
    env, fs,
    future::pending,
    hint, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{self, ExitCode, Termination},
    rc::Rc,
    time::{Duration, Instant},
};

/// Where the journals go. Whoever has it in its environment is the server.
pub(crate) const FOLDER: &str = "FAULT_SERVER";
/// How the cluster is to be built: words of the form `name=value`.
pub(crate) const SETTINGS: &str = "FAULT_SETTINGS";
/// In the folder: where the workers listen, once they do.
pub(crate) const ADDRESS: &str = "address";
/// In the folder: what a worker does before it listens, as a word of [`boot`].
pub(crate) const BOOT: &str = "boot";

pub(crate) fn main(folder: PathBuf) -> ExitCode {
    let settings = env::var(SETTINGS).unwrap_or_default();
    let mut cluster = Cluster::new().workers(2);
    let (mut is_plain, mut is_single, mut is_brief) = (false, false, false);
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    for (name, value) in settings.split_whitespace().filter_map(|word| word.split_once('=')) {
        let number = || value.parse::<u64>().expect("a number");
        let time = || Duration::from_millis(number());
        cluster = match name {
            "workers" => cluster.workers(number() as usize),
            "restarts" => cluster.restart_intensity(number() as usize, Duration::from_secs(10)),
            "back_off_ms" => cluster.back_off(time(), 10 * time()),
            "grace_ms" => cluster.grace(time()),
            "boot_timeout_ms" => cluster.boot_timeout(time()),
            // Twelve beats may be missed: on a loaded machine a story is not about that.
            "beat_ms" => cluster.heartbeat(time(), 12 * time()),
            "max_requests" => cluster.max_requests(number()),
            // An address and nobody's rights: the worker gives up all others.
            "identity" => cluster.run_as(Identity::new(number() as u32, number() as u32)),
            "listen" => cluster.listen(value.parse().expect("an address")),
            "bind" => {
                address = value.parse().expect("an address");
                cluster
            }
            "journal" if value == "brief" => {
                is_brief = true;
                cluster
            }
            "pin" => cluster.pin(number() == 1),
            // What a cluster is measured against.
            "mode" if value == "single" => {
                is_single = true;
                cluster
            }
            "listeners" if value == "reuseport" => cluster.listeners(Listeners::ReusePort),
            "mode" if value == "threads" => cluster.mode(Mode::Threads),
            "accept" if value == "plain" => {
                is_plain = true;
                cluster
            }
            _ => panic!("there is no setting {name}={value}"),
        };
    }
    if is_single {
        return runtime::run(async { serve(&folder, address, is_brief).await }).report();
    }
    cluster
        .run(move || {
            let folder = folder.clone();
            async move {
                boot(&folder).await;
                if is_plain {
                    accept_plainly(&folder, address, is_brief).await
                } else {
                    serve(&folder, address, is_brief).await
                }
            }
        })
        .report()
}

/// What a broken build, or one that takes its time, does.
async fn boot(folder: &Path) {
    let words = fs::read_to_string(folder.join(BOOT)).unwrap_or_default();
    match words.split_once('=').unwrap_or((words.trim(), "0")) {
        ("", _) => {}
        ("exit", code) => process::exit(code.trim().parse().expect("a code")),
        ("panic", _) => panic!("as asked for"),
        ("sleep_ms", time) => sleep(Duration::from_millis(time.trim().parse().expect("a time"))).await,
        (other, _) => panic!("there is no way to start called {other}"),
    }
}

async fn serve(folder: &Path, address: SocketAddr, is_brief: bool) -> io::Result<()> {
    let journal = Rc::new(Journal::open(folder, is_brief)?);
    let server = Server::bind(address).await?;
    announce(folder, &journal, server.local_addr()?)?;
    let control = server.clone();
    let panics = Rc::new(Event::new());
    let asked_to_panic = Rc::clone(&panics);
    let drained = server.serve(async move |stream, peer: SocketAddr| {
        journal.note(Record::Accepted(peer.port()));
        loop {
            // Between two requests a connection may be told to go, but only with its last reply.
            let Some(request) = Request::read(&stream).await? else { return Ok(stream) };
            if request.command == Command::Panic {
                asked_to_panic.set();
                pending::<()>().await;
            }
            if carry_out(&journal, request, || control.is_draining()).await.write(&stream).await? {
                return io::Result::Ok(stream);
            }
        }
    });
    // Panics in main if asked to: one in a handler ends its connection only.
    runtime::select! {
        drained = drained => drained.map(drop),
        () = panics.wait() => panic!("as asked for"),
    }
}

/// A server without [`Server`]: what the cluster then does about its connections it does without being told of them.
async fn accept_plainly(folder: &Path, address: SocketAddr, is_brief: bool) -> io::Result<()> {
    let journal = Rc::new(Journal::open(folder, is_brief)?);
    let listener = TcpListener::bind(address).await?;
    announce(folder, &journal, listener.local_addr()?)?;
    loop {
        let (stream, peer) = listener.accept().await?;
        journal.note(Record::Accepted(peer.port()));
        let journal = Rc::clone(&journal);
        spawn(async move {
            while let Some(request) = Request::read(&stream).await? {
                if carry_out(&journal, request, cluster::is_stopping).await.write(&stream).await? {
                    break;
                }
            }
            stream.graceful_close().await.map(drop)
        })
        .detach();
    }
}

/// The address in one piece, then the moment from which on this worker accepts.
fn announce(folder: &Path, journal: &Journal, address: SocketAddr) -> io::Result<()> {
    let draft = folder.join(format!("address.{}", gettid()));
    fs::write(&draft, address.to_string())?;
    fs::rename(draft, folder.join(ADDRESS))?;
    journal.note(Record::Ready(journal::now()));
    Ok(())
}

/// `is_last` is asked when the reply is about to be written.
async fn carry_out(journal: &Journal, request: Request, is_last: impl Fn() -> bool) -> Reply {
    journal.note(Record::Executed(request.id));
    cluster::served(1);
    let mut body = Vec::new();
    let argument = request.argument;
    match request.command {
        Command::Echo => body.resize(argument as usize, request.id as u8),
        Command::Linger => sleep(Duration::from_millis(argument)).await,
        Command::Exit => process::exit(argument as i32),
        Command::Panic => unreachable!("main sees to it"),
        Command::Abort => process::abort(),
        Command::Segfault => {
            // Rust's own handler believes the first one to be a stack overflow that was none, and steps aside.
            let _ = raise(Signal::SIGSEGV);
            let _ = raise(Signal::SIGSEGV);
        }
        Command::Hog => {
            #[expect(clippy::disallowed_methods, reason = "the thread is really to be kept")]
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(argument) {
                hint::spin_loop();
            }
        }
        Command::Devour => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![1; 1 << 20]);
                hint::black_box(&eaten);
            }
        }
        Command::Lie => lie(argument),
        Command::Orphan => {
            let file = journal.folder().join("orphan");
            let script = format!("(sleep 0.05; echo gone > '{}') &", file.display());
            process::Command::new("/bin/sh").args(["-c", &script]).status().expect("there is a shell");
        }
        Command::Work => {
            let sum = (0..argument * 1_000)
                .fold(request.id, |sum, round| hint::black_box(sum ^ round).rotate_left(7));
            body.extend_from_slice(&sum.to_le_bytes());
        }
        Command::Stats => body = format!("{:?}", cluster::stats()).into_bytes(),
    }
    Reply { id: request.id, pid: gettid().as_raw() as u32, is_last: is_last(), body }
}

/// Ways in which a worker that somebody has taken over might try to take its supervisor along.
pub(crate) const LIES: &[(u64, &str)] = &[
    (0, "a message that is none"),
    (1, "a message of four gigabytes"),
    (2, "half a message, and the end"),
    (3, "an empty message"),
    (4, "noise, and more of it than is read"),
    (TO_OTHERS, "to other workers, a message that is none"),
    (TO_OTHERS + 1, "to other workers, a message of four gigabytes"),
    (TO_OTHERS + 3, "to other workers, an empty message"),
    (TO_OTHERS + 4, "to other workers, noise"),
];

/// From here on the lies are told on the socket for messages, which the supervisor passes on.
const TO_OTHERS: u64 = 10;

/// On a socket by which the runtime talks to the supervisor, behind its back.
fn lie(way: u64) {
    let value = env::var("RUNTIME_WORKER").expect("this is a worker process");
    // The supervisor's number stands first, then the sockets for control and for messages.
    let (socket, way) = (1 + (way / TO_OTHERS) as usize, way % TO_OTHERS);
    let socket: i32 =
        value.split(':').nth(socket).and_then(|number| number.parse().ok()).expect("a descriptor");
    let say = |bytes: &[u8]| {
        // What does not fit is left.
        let _ = send(socket, bytes, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT);
    };
    match way {
        0 => say(b"\x04\0\0\0\xff\xff\xff\xff"),
        1 => say(b"\xff\xff\xff\xff and so on"),
        2 => {
            say(b"\x40\0\0\0half");
            let _ = shutdown(socket, Shutdown::Write);
        }
        3 => say(b"\0\0\0\0"),
        _ => say(&vec![0x5a; 1 << 20]),
    }
}
