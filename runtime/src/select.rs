//! `select!`: the first of several futures of different types.

/// Waits for the first of several futures, drops the others, and then runs the handler of the one that was ready.
///
/// ```
/// use runtime::{select, sync::unbounded, time::{sleep, Duration}};
///
/// #[runtime::main]
/// async fn main() {
///     let (sender, mut orders) = unbounded();
///     sender.try_send("tea").unwrap();
///     let mut served = 0;
///     loop {
///         select! {
///             Some(order) = orders.recv() => {
///                 assert_eq!(order, "tea");
///                 served += 1;
///             }
///             _ = sleep(Duration::from_millis(5)), if served > 0 => break,
///         }
///     }
///     assert_eq!(served, 1);
/// }
/// ```
///
/// # Branches
///
/// | | |
/// |---|---|
/// | `pattern = future => handler,` | anything that can be awaited; a handler that is a block needs no comma |
/// | `pattern = future, if guard => handler,` | the branch takes part if the guard, a `bool`, is true |
/// | `else => handler` | runs when every branch is disabled; the last one |
/// | `biased;` | at the beginning: branches are polled in the order of the source |
///
/// Up to 64 branches. First all guards are evaluated, then the futures of the branches that take part, each in the order
/// of the source. A branch whose output does not match its pattern is disabled, its future dropped, and the others are
/// waited for, as with tokio's `select!`. Unlike there a future behind a guard that is false is not even made.
/// Handlers may use `.await`, `?`, `break`, `continue` and `return`, and all have the same type, that of the `select!`.
///
/// # Fairness
///
/// When several are ready at once, chance decides: each poll begins with another branch, drawn from the seed of the
/// runtime (`#[runtime::test(seed = 7)]`), so that a run can be replayed. With `biased;` the first in the source wins; see
/// to it that it is not always ready, or the others never have their turn.
///
/// # Losers
///
/// The futures belong to the `select!`. When one is ready, all are dropped, the last branch first, *before* the handler
/// runs. So the handler may use what they borrowed, and none of them can be granted a lock that it then sits on while
/// nobody polls it (a "futurelock"). There is one way back into that trap: a branch on `&mut future` drops only the
/// borrow. That is how a future is kept from one `select!` to the next, and is fine for a timer or a handle. If the
/// future may queue for something, a lock, a permit, room in a channel, do not await in the handler what needs the same
/// thing. The runtime [reports](crate::Report) a grant that nobody takes.
///
/// ```
/// use runtime::{select, time::{self, sleep}};
/// use std::time::Duration;
///
/// #[runtime::main]
/// async fn main() {
///     time::pause(); // a virtual clock: no tick is late
///     let mut deadline = sleep(Duration::from_millis(25)); // one for all turns of the loop
///     let mut ticks = 0;
///     loop {
///         select! {
///             _ = &mut deadline => break,
///             _ = sleep(Duration::from_millis(10)) => ticks += 1,
///         }
///     }
///     assert_eq!(ticks, 2);
/// }
/// ```
///
/// # Cancel safety
///
/// Losing is being dropped. For the futures of this crate that means that the operation did not happen, unless their
/// documentation says otherwise: `recv`, `acquire`, `sleep`, `accept` may lose as often as they like. A future that has
/// done half of its work, such as an `async` block with several steps, loses that half: spawn it and select on
/// `&mut handle`. Dropping the `select!` itself drops all its futures.
///
/// # Panics
///
/// If every branch is disabled and there is no `else`. A branch or handler that panics does so through the `select!`;
/// the other futures are dropped.
///
/// # For many futures
///
/// A `select!` polls every branch each time it wakes. For a list of futures of one type use [`race`](crate::race()) or
/// [`task::as_completed`](crate::task::as_completed()), which poll only what woke.
#[macro_export]
macro_rules! select {
    ($($branches:tt)*) => {
        $crate::__private::select! { ($crate) $($branches)* }
    };
}
