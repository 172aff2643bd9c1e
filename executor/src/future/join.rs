//! `join!` and `try_join!`: a fixed number of futures side by side.

use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// A future, then its output: what [`join!`](crate::join) and [`try_join!`](crate::try_join) keep for each branch.
    #[derive(Debug)]
    pub struct MaybeDone<F: Future> {
        // Until it is done.
        #[pin]
        future: Option<F>,
        // From then until it is taken.
        output: Option<F::Output>,
    }
}

impl<F: Future> MaybeDone<F> {
    /// Begins with the future.
    pub fn new(future: F) -> Self {
        Self { future: Some(future), output: None }
    }

    /// Polls the future unless it is done; true: it is.
    pub fn poll_done(self: Pin<&mut Self>, context: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return true };
        let Poll::Ready(output) = future.poll(context) else { return false };
        this.future.set(None);
        *this.output = Some(output);
        true
    }

    /// The output, once.
    pub fn take_output(self: Pin<&mut Self>) -> Option<F::Output> {
        self.project().output.take()
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> MaybeDone<F> {
    /// Polls the future unless it is done; `Ok(true)`: it is, and has succeeded.
    ///
    /// # Errors
    /// What the future gave, once.
    pub fn poll_ok(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Result<bool, E> {
        if !self.as_mut().poll_done(context) {
            return Ok(false);
        }
        match self.project().output.take_if(|output| output.is_err()) {
            Some(Err(error)) => Err(error),
            _ => Ok(true),
        }
    }
}

/// Waits for all of several futures of different types, side by side in this task, and gives the tuple of their
/// outputs. Dropping it drops those that are not done.
///
/// ```
/// use runtime_executor::{Executor, join, task::yield_now};
///
/// Executor::builder().build().block_on(async {
///     let (one, two) = join!(async { yield_now().await; 1 }, async { "two" });
///     assert_eq!((one, two), (1, "two"));
/// });
/// ```
///
/// For futures of one type in any number use [`join_all`](crate::join_all), which polls only those that woke.
#[macro_export]
macro_rules! join {
    ($($future:expr),+ $(,)?) => {
        $crate::join!(@bind () $($future,)+)
    };
    // Gives each future a name of its own: the same identifier, told apart by macro hygiene.
    (@bind ($($bound:ident)*) $future:expr, $($rest:tt)*) => {{
        let mut branch = ::std::pin::pin!($crate::future::MaybeDone::new($future));
        $crate::join!(@bind ($($bound)* branch) $($rest)*)
    }};
    (@bind ($($bound:ident)*)) => {{
        ::std::future::poll_fn(|context| {
            let mut all_done = true;
            $(all_done &= $bound.as_mut().poll_done(context);)*
            if all_done { ::std::task::Poll::Ready(()) } else { ::std::task::Poll::Pending }
        })
        .await;
        ($($bound.as_mut().take_output().expect("polled until done"),)*)
    }};
}

/// Waits for all of several futures as [`join!`] does, but no longer than until the first of them fails. Gives
/// `Ok` with the tuple of their values, or the first error; then the others are dropped before it is given.
///
/// ```
/// use runtime_executor::{Executor, time::{Clock, sleep}, try_join};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let both = try_join!(async { Ok::<_, String>(1) }, async { Ok("two") });
///     assert_eq!(both, Ok((1, "two")));
///
///     let slow = async {
///         sleep(Duration::from_secs(60)).await;
///         Ok(())
///     };
///     let failed = try_join!(slow, async { Err::<(), _>("no route to host") });
///     assert_eq!(failed, Err("no route to host"));
/// });
/// ```
///
/// All have the same type of error. For futures of one type in any number use [`try_join_all`](crate::try_join_all).
#[macro_export]
macro_rules! try_join {
    ($($future:expr),+ $(,)?) => {
        $crate::try_join!(@bind () $($future,)+)
    };
    (@bind ($($bound:ident)*) $future:expr, $($rest:tt)*) => {{
        let mut branch = ::std::pin::pin!($crate::future::MaybeDone::new($future));
        $crate::try_join!(@bind ($($bound)* branch) $($rest)*)
    }};
    (@bind ($($bound:ident)*)) => {{
        let joined = ::std::future::poll_fn(|context| {
            let mut all_done = true;
            $(match $bound.as_mut().poll_ok(context) {
                ::std::result::Result::Ok(is_done) => all_done &= is_done,
                ::std::result::Result::Err(error) => {
                    return ::std::task::Poll::Ready(::std::result::Result::Err(error));
                }
            })*
            if all_done {
                ::std::task::Poll::Ready(::std::result::Result::Ok(()))
            } else {
                ::std::task::Poll::Pending
            }
        })
        .await;
        joined.map(|()| ($($bound.as_mut().take_output().and_then(::std::result::Result::ok).expect("all have succeeded"),)*))
    }};
}
