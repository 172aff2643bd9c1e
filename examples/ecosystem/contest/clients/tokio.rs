//! On tokio's `current_thread` runtime.

use std::future::Future;
use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::runtime::Builder;

use super::Runtime;

pub(crate) struct CurrentThread;

impl Runtime for CurrentThread {
    type Stream = TcpStream;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
    }

    async fn connect(server: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(server).await.expect("connect");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> {
        let task = tokio::spawn(task);
        async { task.await.expect("nobody panics") }
    }
}
