//! A server of HTTP in several processes: a reload under load, and an end with a request under way, lose nothing.
//!
//! This test is its own program: with [`ADDRESS`] in its environment it is the cluster, without it is the test.

use axum::{Router, routing::get};
use runtime::{
    cluster::Cluster,
    http,
    io::AsyncReadExt,
    join_all,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    signal::SignalKind,
    time::{Duration, sleep},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    env, io,
    net::SocketAddr,
    process::{ExitCode, Termination},
    rc::Rc,
};

/// Where the cluster is to listen.
const ADDRESS: &str = "HTTP_CLUSTER_ADDRESS";
/// Clients at once.
const CLIENTS: usize = 8;
/// Reloads under load.
const RELOADS: usize = 3;

fn main() -> ExitCode {
    if let Ok(address) = env::var(ADDRESS) {
        let serve = move || serve(address.clone());
        return Cluster::new().workers(2).run(serve).report();
    }
    runtime::run(nothing_is_lost()).expect("nothing is lost");
    println!("test nothing_is_lost ... ok\n\ntest result: ok. 1 passed; 0 failed");
    ExitCode::SUCCESS
}

/// What each worker does.
async fn serve(address: String) -> io::Result<()> {
    let app = Router::new().route("/", get(async || std::process::id().to_string())).route(
        "/slow",
        get(async || {
            sleep(Duration::from_secs(2)).await;
            "at last"
        }),
    );
    http::serve(TcpListener::bind(address).await?, app).await?;
    Ok(())
}

async fn nothing_is_lost() -> io::Result<()> {
    let address = support::free_address();
    let mut cluster = Command::new(env::current_exe()?).env(ADDRESS, address.to_string()).spawn()?;
    while ask(address, "/").await.is_err() {
        sleep(Duration::from_millis(20)).await;
    }

    let workers = Rc::new(RefCell::new(BTreeSet::new()));
    let is_over = Rc::new(Cell::new(false));
    let load = join_all((0..CLIENTS).map(|_| {
        let (workers, is_over) = (Rc::clone(&workers), Rc::clone(&is_over));
        async move {
            let mut answered = 0;
            while !is_over.get() {
                let worker = ask(address, "/").await?;
                workers.borrow_mut().insert(worker);
                answered += 1;
            }
            io::Result::Ok(answered)
        }
    }));
    let reloads = async {
        for _ in 0..RELOADS {
            let seen = workers.borrow().len();
            cluster.signal(SignalKind::hangup())?;
            // Both of the new generation have answered somebody.
            while workers.borrow().len() < seen + 2 {
                sleep(Duration::from_millis(10)).await;
            }
        }
        is_over.set(true);
        io::Result::Ok(())
    };
    let (answered, reloaded) = runtime::join!(load, reloads);
    reloaded?;
    let answered: Vec<u64> = answered.into_iter().collect::<io::Result<_>>()?;
    println!("{} requests were answered by {} workers", answered.iter().sum::<u64>(), workers.borrow().len());
    end_while_somebody_is_served(&mut cluster, address).await
}

async fn end_while_somebody_is_served(cluster: &mut Child, address: SocketAddr) -> io::Result<()> {
    let (reply, status) = runtime::join!(ask(address, "/slow"), async {
        sleep(Duration::from_millis(500)).await;
        cluster.signal(SignalKind::terminate())?;
        cluster.wait().await
    });
    assert_eq!(reply?, "at last");
    assert!(status?.success(), "nobody was cut");
    Ok(())
}

/// One request on a connection of its own; the body of the reply.
async fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    (&mut &stream).read_to_string(&mut reply).await?;
    let body = reply.strip_prefix("HTTP/1.1 200 OK\r\n").and_then(|rest| rest.split_once("\r\n\r\n"));
    let body = body.ok_or_else(|| io::Error::other(format!("no reply, but {reply:?}")))?;
    Ok(body.1.to_owned())
}
