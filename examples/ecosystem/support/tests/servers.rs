//! Each server is started, dies and comes back; where it is not installed, a line says so.

use std::{io::ErrorKind, net::TcpStream, os::unix::net::UnixStream};
use support::{Nats, Postgres, Redis};

#[test]
fn redis_comes_back_where_it_was() {
    let Some(mut redis) = Redis::start() else { return };
    assert!(UnixStream::connect(redis.socket()).is_ok());
    redis.kill();
    assert_eq!(TcpStream::connect(redis.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    redis.restart();
    assert!(TcpStream::connect(redis.address()).is_ok());
    redis.stop();
    assert_eq!(TcpStream::connect(redis.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn postgres_comes_back_where_it_was() {
    let Some(mut postgres) = Postgres::start() else { return };
    assert!(UnixStream::connect(postgres.socket()).is_ok());
    postgres.kill();
    assert_eq!(TcpStream::connect(postgres.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    postgres.restart();
    assert!(TcpStream::connect(postgres.address()).is_ok());
}

#[test]
fn nats_comes_back_where_it_was() {
    let Some(mut nats) = Nats::start() else { return };
    nats.kill();
    assert_eq!(TcpStream::connect(nats.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    nats.restart();
    assert!(TcpStream::connect(nats.address()).is_ok());
    nats.stop();
}
