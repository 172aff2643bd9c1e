//! `select!` beside tokio's and the futures crate's: two branches that are ready, two that have to wait for one turn of
//! the loop, and two ready ones among two that never are. Fair ones against fair ones, biased ones against biased ones.

use std::future::pending;
use std::hint::black_box;
use std::pin::pin;

use futures_util::FutureExt;
use runtime::task::yield_now;

use super::{Contender, Contest, timed};

const fn contest(
    name: &'static str,
    title: &'static str,
    contenders: &'static [(&'static str, Contender)],
) -> Contest {
    Contest { name, title, operations: 5_000_000, quick: 200_000, contenders }
}

pub(super) const READY: Contest = contest(
    "select_ready",
    "select! of two ready (ns)",
    &[("ours", ours::ready), ("tokio", tokio::ready), ("futures", futures::ready)],
);
pub(super) const READY_BIASED: Contest = contest(
    "select_ready_biased",
    "select! of two ready, biased (ns)",
    &[("ours", ours::ready_biased), ("tokio", tokio::ready_biased), ("futures", futures::ready_biased)],
);
pub(super) const PENDING: Contest = contest(
    "select_pending",
    "select! of two pending, one ready a turn later (ns)",
    &[("ours", ours::pending), ("tokio", tokio::pending), ("futures", futures::pending)],
);
pub(super) const PENDING_BIASED: Contest = contest(
    "select_pending_biased",
    "select! of two pending, biased (ns)",
    &[("ours", ours::pending_biased), ("tokio", tokio::pending_biased), ("futures", futures::pending_biased)],
);
pub(super) const MIXED: Contest = contest(
    "select_mixed",
    "select! of two ready and two pending (ns)",
    &[("ours", ours::mixed), ("tokio", tokio::mixed), ("futures", futures::mixed)],
);
pub(super) const MIXED_BIASED: Contest = contest(
    "select_mixed_biased",
    "select! of two pending and two ready, biased (ns)",
    &[("ours", ours::mixed_biased), ("tokio", tokio::mixed_biased), ("futures", futures::mixed_biased)],
);

/// Ready, but the compiler does not know.
async fn at_once(number: u64) -> u64 {
    black_box(number)
}

/// Ready in the next turn.
async fn soon(number: u64) -> u64 {
    yield_now().await;
    black_box(number)
}

async fn never() -> u64 {
    pending().await
}

/// The six, by the names that a crate gives to its two macros and how it wants its futures.
macro_rules! contenders {
    ($make:ident, $select:ident, $select_biased:ident $(, $biased:ident)?) => {
        pub(super) fn ready(operations: u64) -> f64 {
            timed(operations, |operations| async move {
                for index in 0..operations {
                    $make!(one = at_once(index); two = at_once(index));
                    black_box($select! { n = one => n, n = two => n });
                }
            })
        }

        pub(super) fn ready_biased(operations: u64) -> f64 {
            timed(operations, |operations| async move {
                for index in 0..operations {
                    $make!(one = at_once(index); two = at_once(index));
                    black_box($select_biased! { $($biased;)? n = one => n, n = two => n });
                }
            })
        }

        pub(super) fn pending(operations: u64) -> f64 {
            timed(operations, |operations| async move {
                for index in 0..operations {
                    $make!(one = soon(index); two = never());
                    black_box($select! { n = one => n, n = two => n });
                }
            })
        }

        pub(super) fn pending_biased(operations: u64) -> f64 {
            timed(operations, |operations| async move {
                for index in 0..operations {
                    $make!(one = soon(index); two = never());
                    black_box($select_biased! { $($biased;)? n = one => n, n = two => n });
                }
            })
        }

        pub(super) fn mixed(operations: u64) -> f64 {
            timed(operations, |operations| async move {
                for index in 0..operations {
                    $make!(one = never(); two = at_once(index); three = never(); four = at_once(index));
                    black_box($select! { n = one => n, n = two => n, n = three => n, n = four => n });
                }
            })
        }

        pub(super) fn mixed_biased(operations: u64) -> f64 {
            timed(operations, |operations| async move {
                for index in 0..operations {
                    $make!(one = never(); two = never(); three = at_once(index); four = at_once(index));
                    black_box(
                        $select_biased! { $($biased;)? n = one => n, n = two => n, n = three => n, n = four => n },
                    );
                }
            })
        }
    };
}

/// Futures as they are: the macro takes them over.
macro_rules! owned {
    ($($name:ident = $future:expr);*) => { $(let $name = $future;)* };
}

/// Futures as the futures crate wants them, fused and pinned, in the way of its documentation.
macro_rules! fused {
    ($($name:ident = $future:expr);*) => { $(let mut $name = pin!($future.fuse());)* };
}

mod ours {
    use super::*;
    use ::runtime::select;
    contenders!(owned, select, select, biased);
}

mod tokio {
    use super::*;
    use ::tokio::select;
    contenders!(owned, select, select, biased);
}

mod futures {
    use super::*;
    use ::futures_util::{select, select_biased};
    contenders!(fused, select, select_biased);
}
