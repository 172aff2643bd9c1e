//! On our runtime.

use std::future::Future;
use std::net::SocketAddr;

use runtime::net::TcpStream;

use super::Runtime;

pub(crate) struct Ours;

impl Runtime for Ours {
    type Stream = TcpStream;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        runtime::run(future)
    }

    async fn connect(server: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(server).await.expect("connect");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> {
        let task = runtime::spawn(task);
        async { task.await.expect("nobody panics") }
    }
}
