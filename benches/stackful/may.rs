//! `may`: stackful coroutines that move between threads, with one thread here.

use crate::peers::ECHO_BUFFER_BYTES;
use ::may::{
    config, coroutine, go,
    net::{TcpListener, TcpStream},
    sync::Semphore,
};
use std::{
    io::{Read, Write},
    sync::Arc,
};

/// Bytes; what our greenlets have.
const STACK_SIZE: usize = 64 << 10;

pub(super) fn run(row: &str, operations: u64) {
    // may counts stacks in words.
    config().set_workers(1).set_stack_size(STACK_SIZE / size_of::<usize>());
    match row {
        "yield" => {
            let two = [(); 2].map(|()| {
                start(move || {
                    for _ in 0..operations / 2 {
                        coroutine::yield_now();
                    }
                })
            });
            two.into_iter().for_each(|one| one.join().expect("no panic"));
        }
        "spawn" => start(move || {
            for _ in 0..operations {
                start(|| {}).join().expect("no panic");
            }
        })
        .join()
        .expect("no panic"),
        "idle" => {
            let never = Arc::new(Semphore::new(0));
            let begun = Arc::new(Semphore::new(0));
            for _ in 0..operations {
                let (never, begun) = (never.clone(), begun.clone());
                start(move || {
                    begun.post();
                    never.wait();
                });
            }
            (0..operations).for_each(|_| begun.wait());
            println!("ready");
            never.wait();
        }
        "echo" => serve(),
        other => panic!("{other} is not a row of may's"),
    }
}

/// The macro keeps the word `unsafe` to itself: no thread-local is used across a switch here, and nothing is deep.
fn start<F: FnOnce() + Send + 'static>(f: F) -> coroutine::JoinHandle<()> {
    go!(f)
}

fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    println!("{}", listener.local_addr().expect("bound"));
    loop {
        let (stream, _) = listener.accept().expect("accept");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        start(move || echo(stream));
    }
}

fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; ECHO_BUFFER_BYTES];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
}
