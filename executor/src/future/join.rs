//! `join!`: a fixed number of futures side by side.

use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// A future, then its output: what [`join!`](crate::join) keeps for each branch.
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
