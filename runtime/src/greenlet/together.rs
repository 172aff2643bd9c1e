//! Several greenlets at once, in blocking style: gevent's `joinall`, `wait`, `iwait` and `killall`.

use super::{handle::JoinHandle, wait::wait};
use crate::{
    join_all as all,
    task::{AsCompleted, JoinError, Until, as_completed},
    time::{Elapsed, timeout},
};
use std::{fmt, time::Duration};

/// Waits until all have ended, and gives their outputs, in the order of the input (`gevent.joinall`). A task awaits
/// [`join_all`](crate::join_all()) instead.
///
/// ```
/// use runtime::greenlet;
///
/// #[runtime::main]
/// async fn main() {
///     let squares = greenlet::run(|| greenlet::join_all((1..=3).map(|n| greenlet::spawn(move || n * n))));
///     let squares: Vec<_> = squares.await.into_iter().map(|joined| joined.unwrap()).collect();
///     assert_eq!(squares, [1, 4, 9]);
/// }
/// ```
///
/// # Cancel safety
/// If the caller is killed, they go on.
///
/// # Panics
/// If there is no greenlet to suspend, as [`greenlet::wait`](super::wait()).
#[track_caller]
pub fn join_all<I, T>(greenlets: I) -> Vec<Result<T, JoinError>>
where
    I: IntoIterator<Item = JoinHandle<T>>,
    T: 'static,
{
    wait(all(greenlets))
}

/// Waits until so many have ended as `until` says, and gives those that were waited for, in the order in which they ended
/// (`gevent.joinall` with `count`). Their outputs stay where they are.
///
/// ```
/// use runtime::{greenlet, task::Until};
/// use std::time::Duration;
///
/// #[runtime::main]
/// async fn main() {
///     # runtime::time::pause();
///     let outer = greenlet::spawn(|| {
///         let sleepers = [3, 1, 2].map(|n| {
///             greenlet::spawn(move || {
///                 greenlet::sleep(Duration::from_secs(n));
///                 n
///             })
///         });
///         assert_eq!(greenlet::join_until(&sleepers, Until::Count(2)).len(), 2);
///         assert_eq!(sleepers.each_ref().map(|sleeper| sleeper.is_dead()), [false, true, true]);
///     });
///     outer.await.unwrap();
/// }
/// ```
///
/// # Panics
/// As [`join_all`].
#[track_caller]
pub fn join_until<'a, I, T>(greenlets: I, until: Until) -> Vec<&'a JoinHandle<T>>
where
    I: IntoIterator<Item = &'a JoinHandle<T>>,
    T: 'static,
{
    join_until_timeout(greenlets, until, Duration::MAX)
}

/// Waits as [`join_until`] does, but no longer than `limit`: those that it gives have ended in time.
///
/// # Panics
/// As [`join_all`].
#[track_caller]
pub fn join_until_timeout<'a, I, T>(greenlets: I, until: Until, limit: Duration) -> Vec<&'a JoinHandle<T>>
where
    I: IntoIterator<Item = &'a JoinHandle<T>>,
    T: 'static,
{
    let greenlets: Vec<_> = greenlets.into_iter().collect();
    let mut done = Vec::new();
    if until == Until::Count(0) {
        return done;
    }
    let enough = |done: &[&JoinHandle<T>], last: &JoinHandle<T>| match until {
        Until::First => true,
        Until::Count(count) => done.len() >= count,
        Until::FirstError => !last.is_successful(),
        Until::All => false,
    };
    let mut ends = as_completed(greenlets.iter().map(|greenlet| greenlet.ended()));
    let all = async {
        while let Some((index, ())) = ends.next().await {
            done.push(greenlets[index]);
            if enough(&done, greenlets[index]) {
                break;
            }
        }
    };
    // If the time is over first, that shows in what is missing.
    let _ = wait(timeout(limit, all));
    done
}

/// Kills all of them, and waits until all their stacks are empty (`gevent.killall`). See [`JoinHandle::kill`]; if the
/// caller is among them it is the last.
///
/// # Panics
/// As [`join_all`].
#[track_caller]
pub fn kill_all<'a, I, T>(greenlets: I)
where
    I: IntoIterator<Item = &'a JoinHandle<T>>,
    T: 'static,
{
    // Without a limit it does not run out.
    let _ = kill_all_timeout(greenlets, Duration::MAX);
}

/// Kills all of them, and waits until all their stacks are empty, but no longer than `limit`. They are killed either way.
///
/// # Errors
/// [`Elapsed`] if the time ran out first.
///
/// # Panics
/// As [`join_all`].
#[track_caller]
pub fn kill_all_timeout<'a, I, T>(greenlets: I, limit: Duration) -> Result<(), Elapsed>
where
    I: IntoIterator<Item = &'a JoinHandle<T>>,
    T: 'static,
{
    let (own, others): (Vec<_>, Vec<_>) = greenlets.into_iter().partition(|greenlet| greenlet.is_own());
    for greenlet in &others {
        greenlet.cancel();
    }
    let ended = wait(timeout(limit, all(others.iter().map(|greenlet| greenlet.ended()))));
    own.first().map_or(Ok(()), |own| own.kill_timeout(limit))?;
    ended.map(|_| ())
}

/// Gives the outputs in the order in which they come, each with the number of its greenlet in the input (`gevent.iwait`). A
/// task uses [`as_completed`](crate::task::as_completed()) instead.
///
/// ```
/// use runtime::greenlet;
/// use std::time::Duration;
///
/// #[runtime::main]
/// async fn main() {
///     # runtime::time::pause();
///     let outer = greenlet::spawn(|| {
///         let sleepers = [3, 1, 2].map(|n| greenlet::spawn(move || greenlet::sleep(Duration::from_secs(n))));
///         let order: Vec<usize> = greenlet::iwait(sleepers).map(|(index, _)| index).collect();
///         assert_eq!(order, [1, 2, 0]);
///     });
///     outer.await.unwrap();
/// }
/// ```
pub fn iwait<I, T>(greenlets: I) -> Iwait<T>
where
    I: IntoIterator<Item = JoinHandle<T>>,
    T: 'static,
{
    Iwait { outputs: as_completed(greenlets) }
}

/// The iterator of [`iwait`]. Dropped, it leaves those that have not ended to themselves.
#[must_use = "iterators do nothing unless consumed"]
pub struct Iwait<T: 'static> {
    outputs: AsCompleted<JoinHandle<T>>,
}

impl<T: 'static> Iterator for Iwait<T> {
    type Item = (usize, Result<T, JoinError>);

    /// # Panics
    /// As [`join_all`].
    fn next(&mut self) -> Option<Self::Item> {
        wait(self.outputs.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.outputs.remaining(), Some(self.outputs.remaining()))
    }
}

impl<T> ExactSizeIterator for Iwait<T> {}

impl<T> fmt::Debug for Iwait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iwait").field("remaining", &self.outputs.remaining()).finish_non_exhaustive()
    }
}
