//! Handlers that run in a pool: so many at once and no more, whoever's clients they serve.

use super::{
    Server,
    listener::{Listener, sealed::Accepted},
};
use futures_lite::future::poll_once;
use runtime_executor::task::{Place, TaskPool};
use std::{future::poll_fn, pin::pin, rc::Rc, task::Poll};

impl<L: Listener> Server<L> {
    /// Has the handlers run in `pool`: with those of other servers that share it, and whatever else runs there, at most as
    /// many at once as it has places. While it is full nothing is accepted, and clients wait in the kernel's queue; whoever
    /// waits for a place first has it first. gevent's `StreamServer(spawn=Pool(n))`. To be said before the server is served.
    ///
    /// A server holds no place while it waits for a client. If the pool is closed, it stops accepting, and drains without a
    /// last sweep of the queue.
    ///
    /// ```
    /// use runtime_io::net::{Server, TcpStream};
    /// use runtime_executor::{spawn, task::TaskPool};
    /// use std::rc::Rc;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let pool = Rc::new(TaskPool::new(100)); // for both together
    /// let public = Server::bind("127.0.0.1:0").await?.pool(pool.clone());
    /// let private = Server::bind("127.0.0.1:0").await?.pool(pool);
    /// # let mut serving = Vec::new();
    /// for server in [&public, &private] {
    ///     let serve = spawn(server.serve(async |stream, _peer| stream.write_all(b"hello").await));
    ///     # serving.push(serve);
    /// }
    /// # let client = TcpStream::connect(private.local_addr()?).await?;
    /// # client.read_exact(&mut [0; 5]).await?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pool(self, pool: impl Into<Rc<TaskPool>>) -> Self {
        let before = self.shared.pool.replace(Some(pool.into()));
        drop(before);
        self
    }
}

/// The next connection, and, if there is a pool, a place for its handler; `None` if the pool was closed. The place is held
/// while the listener is asked, and not while there is nobody: another server may have it then.
pub(super) async fn next_in<'p, L: Listener>(
    pool: Option<&'p TaskPool>,
    listener: &L,
) -> Option<(Accepted<L>, Option<Place<'p>>)> {
    let Some(pool) = pool else { return Some((listener.next().await, None)) };
    let mut accepting = pin!(listener.next());
    loop {
        let place = pool.reserve().await?;
        if let Some(accepted) = poll_once(&mut accepting).await {
            return Some((accepted, Some(place)));
        }
        drop(place);
        until_woken().await;
    }
}

/// Waits for the next wake, from whomever.
async fn until_woken() {
    let mut has_waited = false;
    poll_fn(|_| if std::mem::replace(&mut has_waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}
