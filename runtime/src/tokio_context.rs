//! Libraries that know no other runtime than tokio, in our tasks (feature `tokio-context`).
//!
//! Clients such as `reqwest`, `async-nats` and `sqlx` ask tokio for their sockets, timers and tasks, and panic where there is
//! none ("there is no reactor running"). [`in_tokio`] gives them one: a thread of its own, on which tokio waits for their
//! sockets and runs the tasks that they spawn, while the future that you await stays where it is, in a task of ours.
//!
//! ```
//! use runtime::tokio_context::in_tokio;
//! use std::rc::Rc;
//!
//! # #[runtime::main]
//! # async fn main() {
//! let ours = Rc::new(6); // what is awaited need not be `Send`: it never leaves this thread
//! let answer = in_tokio(async move {
//!     let theirs = tokio::spawn(async { 7 }); // as deep down in a library
//!     *ours * theirs.await.unwrap()
//! });
//! assert_eq!(answer.await, 42);
//! # }
//! ```
//!
//! ```ignore (it takes reqwest, and a server)
//! let page = in_tokio(async { reqwest::get("http://localhost:8080/").await?.text().await }).await?;
//! ```
//!
//! ```text
//!  the thread of our runtime                  the thread `runtime-tokio`
//!  ┌──────────────────────────────┐           ┌───────────────────────────┐
//!  │ in_tokio(future): each poll, │ registers │ tokio waits for sockets   │
//!  │ and the drop, finds tokio    │ ────────▶ │ and timers, and runs what │
//!  │ as on a thread of its own    │ ◀──────── │ was given to tokio::spawn │
//!  └──────────────────────────────┘   wakes   └───────────────────────────┘
//! ```
//!
//! # Whose tokio
//!
//! * Each runtime has its own, from the first time that one is needed. It ends with the runtime: after the last task, and
//!   before the runtime is gone; see [`TokioContext`] for how.
//! * Where this thread is in a context of tokio already, that one is used, and no other is started. So a [`TokioContext`] that
//!   is [entered](TokioContext::enter) around a whole program spares it the rest of this page; several runtimes can share it;
//!   and who has a tokio of several threads beside us anyway enters that.
//! * In the workers of a cluster each has one, as each has a runtime. A child that was made by `fork`, without `exec`, has
//!   none of its parent's threads: there this panics, and nothing waits for what is not there.
//!
//! # What it costs
//!
//! That tokio is found costs a poll next to nothing; it is the way of a wake-up that is longer. The kernel tells tokio's thread,
//! which wakes ours: a system call, and a switch of threads, for each. Round trips of 64 bytes over loopback, beside the same on a
//! socket of ours (example `price` in `examples/ecosystem/tokio_context`; medians of interleaved rounds on a busy machine with two
//! cores):
//!
//! | | one connection | a hundred at once |
//! |---|---|---|
//! | processor time | 1.5 to 1.7 times | 1.3 to 1.6 times |
//! | system calls per round trip | 5.7 instead of 3.3 | 4.0 instead of 2.9 |
//! | instructions per round trip, without the kernel's | + 1,750 | + 1,500 |
//! | time from call to answer | 1.1 to 1.5 times | 1.1 to 1.6 times |
//!
//! So this is for what there is no other way to have: `hyper`, `tokio-postgres`, `redis` and others take a stream of ours as it is,
//! by the features `hyper` and `tokio-io`.
//!
//! # What is different in there
//!
//! * `tokio::spawn` starts tasks over there, which have to be `Send`; [`spawn`](crate::spawn) starts tasks of ours, which are
//!   not in tokio. From over there a [`Handle`](crate::Handle) leads back.
//! * What is done by tokio is not counted against the budget of a poll.
//! * In greenlets it is for `.await` alone: a call in there that blocks the greenlet switches stacks in the middle of the poll, and
//!   whoever runs meanwhile is in tokio too.
//! * While such a future waits, a paused clock stands still, as for a socket: tokio's clock is the real one.
//! * What a library made may want tokio when it is dropped too (a connection of `sqlx` goes back to its pool by way of a task).
//!   So let it go in there, or enter a [`TokioContext`] around everything.
//! * Of tokio this feature takes nothing but its scheduler. Sockets and timers come by the features that the libraries ask
//!   for; who uses `tokio::time` in person says so in his own manifest.

use pin_project_lite::pin_project;
use runtime_executor::{OutsideWork, current};
use runtime_sync::shared::oneshot;
use std::{
    cell::RefCell,
    convert::Infallible,
    fmt, io, mem,
    pin::Pin,
    process,
    rc::Rc,
    sync::mpsc,
    task::{Context, Poll},
    thread,
    time::Duration,
};
use tokio::runtime::{Builder, EnterGuard, Handle};

/// Polls `future`, and drops it, where it finds tokio. See the [module](self).
///
/// What makes the future belongs inside as well: in `in_tokio(request.send())`, `send` is called before anything is in tokio, and
/// some libraries want it there already. So write
///
/// ```ignore (it takes reqwest, and a server)
/// let response = in_tokio(async { request.send().await }).await?;
/// ```
///
/// Everything else is as without it: it may hold what is not `Send`, can be cancelled, and panics on its own account.
///
/// # Panics
/// When it is first polled, if this thread is in no tokio and in no runtime that could start one (that of a simulation has no
/// threads), if the system gives no thread for it, or in a child made by `fork`.
///
/// # Cancel safety
/// That of `future`, which is dropped in tokio as well.
pub fn in_tokio<F: Future>(future: F) -> InTokio<F> {
    InTokio { future: Some(future), tokio: None, outside: None }
}

/// The tokio that [`in_tokio`] would use here, for what is done without waiting: to make a client that spawns, to hand over work.
///
/// ```
/// # #[runtime::main]
/// # async fn main() {
/// let tokio = runtime::tokio_context::handle();
/// let squares = tokio.spawn(async { (1..=3).map(|n| n * n).collect::<Vec<_>>() });
/// assert_eq!(squares.await.unwrap(), [1, 4, 9]); // to wait for a task takes no context
/// # }
/// ```
///
/// # Panics
/// As [`in_tokio`] when it is polled.
#[track_caller]
pub fn handle() -> Handle {
    if let Ok(entered) = Handle::try_current() {
        return entered;
    }
    match current::with_extension(Place::handle) {
        Some(Ok(handle)) => handle,
        Some(Err(error)) => panic!("tokio's thread could not be started: {error}"),
        None => panic!(
            "there is no tokio here: call it inside a runtime made by `runtime::Builder`, which starts one, or enter a \
             `TokioContext` first; a simulation has none, as it could not be replayed"
        ),
    }
}

pin_project! {
    /// The future of [`in_tokio`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct InTokio<F> {
        // `None`: it is done. It was dropped by then, as it may want tokio for that too.
        #[pin]
        future: Option<F>,
        // Since the first poll.
        tokio: Option<Handle>,
        // While it waits, so that our runtime knows that somebody may wake it.
        outside: Option<OutsideWork>,
    }

    impl<F> PinnedDrop for InTokio<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                // Of one that was never polled the parts were perhaps made in tokio.
                let tokio = this.tokio.take().or_else(started);
                let _entered = tokio.as_ref().and_then(enter_if_possible);
                this.future.set(None);
            }
        }
    }
}

impl<F: Future> Future for InTokio<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let entered = this.tokio.get_or_insert_with(handle).enter();
        let future = this
            .future
            .as_mut()
            .as_pin_mut()
            .expect("an `in_tokio` future is polled again after it was done");
        let polled = future.poll(context);
        if polled.is_ready() {
            this.future.set(None);
            *this.outside = None;
        } else if this.outside.is_none() {
            *this.outside = OutsideWork::begin();
        }
        drop(entered);
        polled
    }
}

impl<F> fmt::Debug for InTokio<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTokio")
            .field("is_done", &self.future.is_none())
            .field("tokio", &self.tokio.as_ref().map(Handle::id))
            .finish_non_exhaustive()
    }
}

/// The tokio that is used here, if it has been started. Our runtime may be ending, and this thread too.
fn started() -> Option<Handle> {
    Handle::try_current().ok().or_else(|| current::with_extension(Place::started).flatten())
}

/// Not while this thread's locals are destroyed: then it is in nobody's context any more.
fn enter_if_possible(tokio: &Handle) -> Option<EnterGuard<'_>> {
    let is_too_late = Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed());
    (!is_too_late).then(|| tokio.enter())
}

/// A tokio on a thread of its own, for whoever enters it.
///
/// A runtime makes one by itself when [`in_tokio`] needs it. One's own is for a whole program (or thread) that uses such
/// libraries everywhere, for several runtimes that share their clients, and for who would rather have an error than a panic:
///
/// ```
/// use runtime::tokio_context::TokioContext;
///
/// fn main() -> std::io::Result<()> {
///     let tokio = TokioContext::new()?;
///     let _entered = tokio.enter(); // this thread, whatever it runs, is in tokio until the end of `main`
///     runtime::run(async {
///         assert_eq!(tokio::spawn(async { 6 * 7 }).await.unwrap(), 42);
///     });
///     Ok(())
/// }
/// ```
///
/// Dropping it ends the tasks that were spawned in it, and waits for its thread; and for calls of `tokio::task::spawn_blocking`
/// that have begun, as a runtime of ours does for those of its own [`spawn_blocking`](crate::spawn_blocking).
/// [`shutdown_timeout`](Self::shutdown_timeout) waits no longer than it is told. Dropped by what runs in it, it ends a little
/// later.
pub struct TokioContext {
    handle: Handle,
    /// `None`: told to end.
    background: Option<Background>,
    /// The process that has the thread.
    process: u32,
}

/// The thread.
struct Background {
    /// Dropped, or told how long it may wait for blocking calls, it ends.
    stop: oneshot::Sender<Duration>,
    thread: thread::JoinHandle<()>,
    /// Closed when it has ended.
    ended: mpsc::Receiver<Infallible>,
}

impl TokioContext {
    /// Starts a tokio, with one thread.
    ///
    /// # Errors
    /// What the system said when it refused the thread, or descriptors.
    pub fn new() -> io::Result<Self> {
        // With what of it is compiled: which libraries there are decides that.
        let tokio = Builder::new_current_thread().enable_all().thread_name("runtime-tokio-job").build()?;
        let handle = tokio.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let (alive, ended) = mpsc::channel();
        let life = move || {
            match tokio.block_on(stopped) {
                Ok(limit) => tokio.shutdown_timeout(limit),
                // Dropped: it waits as long as it takes.
                Err(oneshot::RecvError) => drop(tokio),
            }
            drop(alive);
        };
        let thread = thread::Builder::new().name("runtime-tokio".into()).spawn(life)?;
        let background = Some(Background { stop, thread, ended });
        Ok(Self { handle, background, process: process::id() })
    }

    /// Has this thread be in tokio as long as the guard lives: whatever runs on it meanwhile, all tasks of a runtime included.
    ///
    /// Guards on one thread are to be dropped in the reverse order of their making. So a guard belongs around a runtime, or in
    /// the main future; in tasks, whose ends come as they may, [`in_tokio`](Self::in_tokio) is the way.
    ///
    /// A paused clock knows nothing of what is waited for in this manner, and may go on meanwhile.
    ///
    /// # Panics
    /// In a child made by `fork`. The guard, when it is dropped out of order.
    #[track_caller]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle().enter()
    }

    /// As the [function](in_tokio), in this tokio, wherever it is polled.
    ///
    /// ```
    /// use runtime::tokio_context::TokioContext;
    /// # #[runtime::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let tokio = TokioContext::new()?;
    /// let id = tokio.in_tokio(async { tokio::runtime::Handle::current().id() });
    /// assert_eq!(id.await, tokio.handle().id());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// In a child made by `fork`.
    #[track_caller]
    pub fn in_tokio<F: Future>(&self, future: F) -> InTokio<F> {
        InTokio { future: Some(future), tokio: Some(self.handle().clone()), outside: None }
    }

    /// Tokio's own front for it.
    ///
    /// # Panics
    /// In a child made by `fork`.
    #[track_caller]
    pub fn handle(&self) -> &Handle {
        assert!(
            self.is_at_home(),
            "this process was forked from one that ran tokio, and a fork takes no threads along: nothing would ever wake who \
             waits here; start programs by `exec`, as `process::Command` and the workers of a cluster do"
        );
        &self.handle
    }

    /// Ends it as dropping it does, but waits no longer than `limit`. Says whether it has ended; if not, its threads are left
    /// to themselves.
    ///
    /// ```
    /// use runtime::tokio_context::TokioContext;
    /// use std::time::Duration;
    ///
    /// let tokio = TokioContext::new()?;
    /// tokio.handle().spawn(std::future::pending::<()>());
    /// assert!(tokio.shutdown_timeout(Duration::from_secs(60)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_timeout(mut self, limit: Duration) -> bool {
        self.end(Some(limit))
    }

    /// Whether the thread is in this process.
    fn is_at_home(&self) -> bool {
        self.process == process::id()
    }

    fn end(&mut self, limit: Option<Duration>) -> bool {
        let Some(background) = self.background.take() else { return true };
        if !self.is_at_home() {
            // Copies of the parent's: to touch them would be to wake, or to wait for, a thread over there.
            mem::forget(background);
            return true;
        }
        let Background { stop, thread, ended } = background;
        match limit {
            Some(limit) => drop(stop.send(limit)),
            None => drop(stop),
        }
        // What is waited for would be whoever waits.
        let is_inside = Handle::try_current().is_ok_and(|entered| entered.id() == self.handle.id());
        let is_over = match limit {
            _ if is_inside => false,
            Some(limit) => ended.recv_timeout(limit) != Err(mpsc::RecvTimeoutError::Timeout),
            None => true,
        };
        // A panic over there was told over there.
        is_over && thread.join().is_ok()
    }
}

impl Drop for TokioContext {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl fmt::Debug for TokioContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioContext").field("id", &self.handle.id()).finish_non_exhaustive()
    }
}

/// The tokio of a runtime, once there is one: on its shelf, and with the runtime itself, which ends it after its tasks.
#[derive(Debug, Default)]
pub(crate) struct Place(Rc<RefCell<Option<TokioContext>>>);

impl Place {
    /// Starts it if need be.
    #[track_caller]
    fn handle(&self) -> io::Result<Handle> {
        let mut place = self.0.borrow_mut();
        let tokio = match &mut *place {
            Some(started) => started,
            empty => empty.insert(TokioContext::new()?),
        };
        Ok(tokio.handle().clone())
    }

    fn started(&self) -> Option<Handle> {
        self.0.borrow().as_ref().map(|started| started.handle.clone())
    }
}

/// The end of a runtime's tokio: happens when it is dropped.
#[derive(Debug)]
pub(crate) struct End(Rc<RefCell<Option<TokioContext>>>);

impl End {
    /// Waits for at most so long.
    pub(crate) fn within(self, limit: Duration) {
        let started = self.0.take();
        started.map(|tokio| tokio.shutdown_timeout(limit));
    }
}

impl Drop for End {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

/// A place for the tokio of a new runtime, and its end.
pub(crate) fn place() -> (Place, End) {
    let place = Place::default();
    let end = End(Rc::clone(&place.0));
    (place, end)
}
