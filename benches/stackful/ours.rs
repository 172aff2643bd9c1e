//! Our greenlets.

use crate::peers::ECHO_BUFFER_BYTES;
use runtime::{green::net::TcpStream, greenlet, task::yield_now};
use std::{
    future::pending,
    io::{Read, Write},
};

pub(super) fn run(row: &str, operations: u64) {
    let row = row.to_owned();
    runtime::run(greenlet::run(move || match &*row {
        "switch" => {
            let counter = greenlet::Generator::<u64, u64>::new(|yielder| {
                let mut given = 0;
                loop {
                    given = yielder.yield_(given + 1);
                }
            });
            let mut counter = counter.prime().0;
            for value in 0..operations {
                assert_eq!(counter.send(value), greenlet::GeneratorState::Yielded(value + 1));
            }
        }
        "yield" => {
            let two = [(); 2].map(|()| {
                greenlet::spawn(move || {
                    for _ in 0..operations / 2 {
                        greenlet::wait(yield_now());
                    }
                })
            });
            greenlet::wait(runtime::join_all(two));
        }
        "spawn" => {
            for _ in 0..operations {
                greenlet::wait(greenlet::spawn(|| {})).expect("no panic");
            }
        }
        "idle" => {
            for _ in 0..operations {
                greenlet::spawn(|| greenlet::wait(pending::<()>())).detach();
            }
            greenlet::wait(yield_now());
            println!("ready");
            greenlet::wait(pending::<()>());
        }
        "echo" => serve(),
        other => panic!("{other} is not a row of greenlets"),
    }));
}

fn serve() {
    let (listener, address) = super::listener();
    let listener = runtime::green::net::TcpListener::from_std(listener).expect("a listener");
    println!("{address}");
    loop {
        let (stream, _) = listener.accept().expect("accept");
        greenlet::spawn(move || echo(stream)).detach();
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
