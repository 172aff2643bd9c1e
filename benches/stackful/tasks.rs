//! Our tasks.

use crate::peers::ECHO_BUFFER_BYTES;
use runtime::{
    net::{TcpListener, TcpStream},
    spawn,
    task::yield_now,
};
use std::future::pending;

pub(super) fn run(row: &str, operations: u64) {
    runtime::run(async move {
        match row {
            "yield" => {
                let two = [(); 2].map(|()| {
                    spawn(async move {
                        for _ in 0..operations / 2 {
                            yield_now().await;
                        }
                    })
                });
                runtime::join_all(two).await;
            }
            "spawn" => {
                for _ in 0..operations {
                    spawn(async {}).await.expect("no panic");
                }
            }
            "idle" => {
                for _ in 0..operations {
                    spawn(pending::<()>()).detach();
                }
                yield_now().await;
                println!("ready");
                pending::<()>().await;
            }
            "echo" => serve().await,
            other => panic!("{other} is not a row of tasks"),
        }
    });
}

async fn serve() {
    let (listener, address) = super::listener();
    listener.set_nonblocking(true).expect("O_NONBLOCK");
    let listener = TcpListener::from_std(listener).expect("listener registers");
    println!("{address}");
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        spawn(echo(stream)).detach();
    }
}

async fn echo(stream: TcpStream) {
    let mut buffer = vec![0; ECHO_BUFFER_BYTES];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}
