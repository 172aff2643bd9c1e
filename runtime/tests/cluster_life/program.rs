//! The cluster that the stories are about: a server whose clients say what is to happen to its worker.

use futures_lite::future::or;
use runtime::{
    OnExit,
    cluster::{self, Cluster, Identity, Listeners, Mode},
    net::{Server, TcpListener, TcpStream},
    sync::Event,
    time::sleep,
};
use std::{
    env, io,
    process::{self, ExitCode},
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Where a process finds what it is to be, as words.
pub(crate) const VARIABLE: &str = "CLUSTER_LIFE";

/// Of this process.
static SERVED_HERE: AtomicU64 = AtomicU64::new(0);

/// Runs the program that these words describe.
pub(crate) fn run(words: &str) -> ExitCode {
    #[cfg(feature = "macros")]
    if words == "macro" {
        return by_macro();
    }
    let mut cluster = Cluster::new()
        .workers(2)
        .heartbeat(Duration::from_millis(100), Duration::from_secs(5))
        .grace(Duration::from_secs(20));
    let mut plot = "serve";
    for word in words.split(' ') {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || value.parse().expect("a number");
        let time = || Duration::from_millis(number());
        cluster = match name {
            "workers" => cluster.workers(number() as usize),
            "threads" => cluster.mode(Mode::Threads),
            "reuseport" => cluster.listeners(Listeners::ReusePort),
            "grace" => cluster.grace(time()),
            "heartbeat" => cluster.heartbeat(time(), 3 * time()),
            "max_requests" => cluster.max_requests(number()),
            "listen" => cluster.listen(value.parse().expect("an address")),
            "run_as" => cluster.run_as(Identity::new(number() as u32, number() as u32)),
            "orphans" => cluster.adopt_orphans(true),
            "pin" => cluster.pin(true),
            "wait" => cluster.on_exit(OnExit::Wait),
            "once" => cluster.restart(cluster::Restart::Never),
            "hooks" => cluster
                .before_start(|worker| println!("before start: {}", worker.slot))
                .on_ready(|worker| println!("ready: {}", worker.slot))
                .on_stopping(|worker| println!("stopping: {}", worker.slot))
                .on_exited(|worker, reason| println!("exited: {} {reason}", worker.slot)),
            _ => {
                plot = word;
                cluster
            }
        };
    }
    let plot = plot.to_owned();
    let ended = cluster.run(move || main(plot.clone()));
    if env::var_os("RUNTIME_WORKER").is_none() {
        println!("ended: {} cut, {} killed", ended.connections_cut(), ended.workers_killed());
    }
    ended.exit_code()
}

/// The short form.
#[cfg(feature = "macros")]
#[runtime::main(workers = 2, mode = "processes")]
async fn by_macro() -> io::Result<()> {
    serve("127.0.0.1:0").await;
    Ok(())
}

async fn main(plot: String) -> ExitCode {
    match plot.as_str() {
        "serve" => serve("127.0.0.1:0").await,
        "plain" => accept().await,
        "account" => account().await,
        "late" => accept_too_late().await,
        "stuck" => {
            account().await;
            loop {
                std::hint::spin_loop();
            }
        }
        // A plot may have an address.
        plot if plot.starts_with("at:") => serve(&plot[3..]).await,
        "elsewhere" => {
            let error = Server::bind("127.0.0.1:0").await.expect_err("only what is declared may be had");
            println!("{error}");
        }
        "code_3" => return ExitCode::from(3),
        "return" => {
            cluster::ready();
            return ExitCode::SUCCESS;
        }
        "tidy" => {
            cluster::ready();
            cluster::stopping().await;
            println!("tidying up");
        }
        other => panic!("no plot is called {other}"),
    }
    ExitCode::SUCCESS
}

async fn serve(address: &str) {
    let server = Server::bind(address).await.expect("the supervisor has a listener");
    println!("at {}", server.local_addr().expect("it listens"));
    let is_enough = Rc::new(Event::new());
    let enough = Rc::clone(&is_enough);
    let serving = server.serve(async move |stream, _| talk(stream, &enough).await);
    let served = async { drop(serving.await.expect("it is a good listener")) };
    let asked = async {
        is_enough.wait().await;
        panic!("somebody has asked for it")
    };
    or(served, asked).await;
}

/// A server that tells how its end went.
async fn account() {
    let server = Server::bind("127.0.0.1:0").await.expect("the supervisor has a listener");
    println!("at {}", server.local_addr().expect("it listens"));
    let drained = server.serve(async |stream, _| talk(stream, &Event::new()).await).await;
    println!("{}", drained.expect("it is a good listener"));
}

/// Beside a server without clients, a listener that is not asked for any before it is time to stop.
async fn accept_too_late() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the supervisor has a listener");
    println!("at {}", listener.local_addr().expect("it listens"));
    let server = Server::bind("127.0.0.1:0").await.expect("the supervisor has a listener");
    runtime::spawn(server.serve(async |stream, _| talk(stream, &Event::new()).await)).detach();
    cluster::stopping().await;
    sleep(Duration::from_millis(5)).await;
    let (_stream, _) = listener.accept().await.expect("it is a good listener");
    println!("accepted");
    std::future::pending::<()>().await;
}

/// A server without a `Server`: it knows nothing of stopping.
async fn accept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the supervisor has a listener");
    println!("at {}", listener.local_addr().expect("it listens"));
    loop {
        let (stream, _) = listener.accept().await.expect("it is a good listener");
        runtime::spawn(async move { talk(stream, &Event::new()).await }).detach();
    }
}

/// Answers each line with one, in the order of a conversation.
async fn talk(stream: TcpStream, enough: &Event) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        match stream.read(&mut byte).await? {
            0 => return Ok(()),
            _ if byte[0] != b'\n' => line.push(byte[0]),
            _ => {
                let request = String::from_utf8(std::mem::take(&mut line)).expect("text");
                if request == "panic" {
                    enough.set();
                }
                let answer = answer(&request).await;
                stream.write_all(format!("{answer}\n").as_bytes()).await?;
            }
        }
    }
}

async fn answer(request: &str) -> String {
    SERVED_HERE.fetch_add(1, Ordering::Relaxed);
    let me = cluster::me().expect("this is a worker");
    match request {
        "who" => format!("{} {} {}", me.slot, process::id(), me.generation),
        "life" => me.life.to_string(),
        "count" => {
            cluster::counter("counts").add(1);
            "counted".to_owned()
        }
        "stats" => {
            let stats = cluster::stats();
            let accepted: Vec<_> =
                stats.workers().iter().map(|worker| worker.accepted().to_string()).collect();
            format!("{} {} {}", accepted.join("+"), stats.accepted(), stats.counter("counts"))
        }
        "served here" => SERVED_HERE.load(Ordering::Relaxed).to_string(),
        "panic" => "as you like".to_owned(),
        "slow" => {
            sleep(Duration::from_millis(500)).await;
            "at last".to_owned()
        }
        "abort" => process::abort(),
        "exit" => process::exit(7),
        "hang" => loop {
            std::hint::spin_loop();
        },
        "recycle" => {
            cluster::recycle();
            "asked".to_owned()
        }
        "child" => child().await,
        "orphan" => {
            // Its parent, the shell, ends before it does.
            let script = "sleep 0.05 & echo $!";
            let shell =
                process::Command::new("sh").args(["-c", script]).stdout(process::Stdio::piped()).output();
            String::from_utf8(shell.expect("there is a shell").stdout).expect("a number").trim().to_owned()
        }
        "user" => {
            let status = std::fs::read_to_string("/proc/self/status").expect("there is a /proc");
            let lines = ["Uid:", "Gid:", "Groups:", "NoNewPrivs:", "CapEff:"]
                .map(|name| status.lines().find(|line| line.starts_with(name)).unwrap_or_default());
            lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).join("; ")
        }
        other => format!("no request is called {other}"),
    }
}

/// A child of a worker, with the worker's environment, is no worker: it gets neither seat nor sockets.
async fn child() -> String {
    let seen = runtime::spawn_blocking(|| {
        let listing = process::Command::new("sh").args(["-c", "ls /proc/self/fd | wc -l"]).output();
        String::from_utf8(listing.expect("there is a shell").stdout).expect("a number")
    });
    seen.await.expect("it does not panic").trim().to_owned()
}
