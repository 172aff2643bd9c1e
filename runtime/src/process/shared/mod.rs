//! What processes share: values in memory, and locks, semaphores, events, conditions and barriers that outlive who holds them.
//!
//! ```text
//! SharedValue ┐
//! SharedArray ┴─▶ Lock ─┬─▶ runtime_io::shared::Board: who holds, who waits, who is dead
//! RLock, Condition ─────┤
//! Semaphore, Event, Barrier ┘
//! ```
//!
//! Here they get their faces: names, guards, how they wait, how they go to other processes. What a death at any instruction
//! leaves behind is the board's affair.

mod array;
mod barrier;
mod bounded;
mod condition;
mod event;
mod lock;
mod plain;
mod rlock;
mod semaphore;
mod value;

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests;

pub use array::SharedArray;
pub use barrier::{Barrier, BarrierError};
pub use bounded::BoundedSemaphore;
pub use condition::Condition;
pub use event::Event;
pub use lock::{Lock, LockError, LockGuard};
pub use plain::{Number, Plain};
pub use rlock::{RLock, RLockGuard};
pub use semaphore::{Permit, Semaphore};
pub use value::SharedValue;

use super::luggage::{self, Descriptor};
use crate::time::timeout;
use runtime_io::shared::{Answer, Board, Kind, Want};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{io, sync::Arc, time::Duration};

/// Waits in a task; `None`: `limit` was over before. To drop it is to drop the board's `Wait`, also before it was polled.
fn wait(
    board: &Arc<Board>,
    want: Want,
    limit: Option<Duration>,
) -> impl Future<Output = io::Result<Option<Answer>>> {
    let mut wait = board.wait(want);
    async move {
        let Some(limit) = limit else { return wait.await.map(Some) };
        if let Ok(answer) = timeout(limit, &mut wait).await {
            return answer.map(Some);
        }
        if wait.give_up() { Ok(None) } else { wait.await.map(Some) }
    }
}

/// Waits with the thread, or with the greenlet that runs on it.
fn block(board: &Arc<Board>, want: Want, limit: Option<Duration>) -> io::Result<Option<Answer>> {
    #[cfg(feature = "greenlet")]
    if crate::greenlet::is_inside() {
        return crate::greenlet::wait(wait(board, want, limit));
    }
    board.wait(want).block(limit)
}

/// A board on its way to another process.
#[derive(Serialize, Deserialize)]
struct Crate {
    cells: u64,
    memory: Descriptor,
}

fn pack<S: Serializer>(board: &Board, serializer: S) -> Result<S::Ok, S::Error> {
    let memory = board.share().map_err(serde::ser::Error::custom)?;
    Crate { cells: board.cells().len() as u64, memory: memory.into() }.serialize(serializer)
}

fn unpack<'de, D: Deserializer<'de>>(kind: Kind, deserializer: D) -> Result<Arc<Board>, D::Error> {
    let Crate { cells, memory } = Crate::deserialize(deserializer)?;
    let cells = usize::try_from(cells).map_err(|error| luggage::refuse(&error))?;
    Board::open(memory.into(), kind, cells).map_err(|error| luggage::refuse(&error))
}

/// Goes to another process with whatever it is in, by the board in its field.
macro_rules! shared_by_board {
    ($name:ident, $kind:expr) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                super::pack(&self.board, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::unpack($kind, deserializer).map(Self::on)
            }
        }
    };
}
use shared_by_board;
