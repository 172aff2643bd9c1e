//! What `hyper` wants of a runtime (feature `hyper`): an executor and a timer. Streams need nothing, they have its traits.
//!
//! HTTP/1 and HTTP/2, server and client, with services, bodies and connections that are not `Send`. Who wants to serve a
//! router finds it easier with `http`; this is the floor below.
//!
#![cfg_attr(feature = "http", doc = "```")]
#![cfg_attr(not(feature = "http"), doc = "```ignore")]
//! use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
//! use runtime::{hyper::Timer, net::{TcpListener, TcpStream}};
//! use std::{cell::Cell, convert::Infallible, rc::Rc};
//!
//! # #[runtime::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! runtime::spawn(async move {
//!     let (stream, _) = listener.accept().await?;
//!     let requests = Rc::new(Cell::new(0)); // as nothing here has to be `Send`
//!     let service = service_fn(move |_: Request<Incoming>| {
//!         requests.set(requests.get() + 1);
//!         let count = requests.get();
//!         async move { Ok::<_, Infallible>(Response::new(format!("request {count}"))) }
//!     });
//!     // Without a timer the limit on the time for headers would not hold, and nothing would say so.
//!     http1::Builder::new().timer(Timer).serve_connection(stream, service).await?;
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! }).detach();
//!
//! let stream = TcpStream::connect(address).await?;
//! stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
//! let mut answer = String::new();
//! runtime::io::AsyncReadExt::read_to_string(&mut &stream, &mut answer).await?;
//! assert!(answer.ends_with("request 1"));
//! # Ok(())
//! # }
//! ```

use crate::time::{self, Instant};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant as StdInstant},
};

/// Runs what `hyper` wants to have run as tasks of the runtime that it is used in.
///
/// # Panics
/// When it is used outside of one.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalExecutor;

impl<F> ::hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        crate::spawn(future).detach();
    }
}

/// The clock of the runtime, also where it is virtual: so limits of time can be tested without waiting for them.
///
/// A sleep that is moved, as for every request of a connection that is kept, allocates nothing.
///
/// # Panics
/// Its sleeps, when they are polled outside of a runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl ::hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep(time::sleep_until(Instant::now() + duration)))
    }

    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep(time::sleep_until(deadline.into())))
    }

    fn now(&self) -> StdInstant {
        Instant::now().into()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn ::hyper::rt::Sleep>>, deadline: StdInstant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(ours) => ours.get_mut().0.reset(deadline.into()),
            // Another timer made it.
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// A timer as `hyper` keeps it.
struct Sleep(time::Sleep);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl ::hyper::rt::Sleep for Sleep {}
