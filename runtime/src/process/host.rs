//! The runtime that a process, or a thread of a pool, has for functions that are `async`.

use crate::{Builder, Runtime};
use std::cell::OnceCell;

/// Drives the futures of `async` functions, one at a time, on one runtime, which is made when it is needed first. One for all
/// of them, so that a socket that one function has used is still good in the next.
#[derive(Debug, Default)]
pub struct Host {
    runtime: OnceCell<Runtime>,
}

impl Host {
    pub(crate) const fn new() -> Self {
        Self { runtime: OnceCell::new() }
    }

    /// The result of a future. What it has spawned is cancelled when it is there, as at the end of `run`.
    ///
    /// # Panics
    /// With what the future panics, and if the system refuses a reactor.
    pub(crate) fn drive<F: Future>(&self, future: F) -> F::Output {
        let runtime = self.runtime.get_or_init(|| {
            let made = Builder::new().build();
            made.unwrap_or_else(|error| {
                panic!("an `async` function needs a runtime, and there is none: {error}")
            })
        });
        runtime.block_on(future)
    }
}
