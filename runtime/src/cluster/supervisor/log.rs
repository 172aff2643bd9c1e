//! What the supervisor has to say, on standard error, without ever waiting for whoever reads it.
//!
//! A terminal on hold or a full pipe blocks whoever writes. So lines are kept, a bounded number of them, and a thread of the
//! pool writes them; what finds no room is counted, and the count is said once there is room again.

use crate::{spawn_blocking, sync::Event, task};
use std::{
    cell::{Cell, RefCell},
    fmt,
    io::{self, Write},
    rc::Rc,
    time::Duration,
};

/// A supervisor that cannot write for long has more to say than anybody wants to read.
const MAX_LINES: usize = 256;
/// How long the end waits for the last lines.
const LAST_LINES: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    state: Rc<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: RefCell<Vec<String>>,
    dropped: Cell<u64>,
    is_writing: Cell<bool>,
    is_idle: Event,
}

impl Log {
    /// Notes one line, to be written soon.
    pub(super) fn say(&self, line: impl fmt::Display) {
        let state = &self.state;
        let mut waiting = state.waiting.borrow_mut();
        if waiting.len() >= MAX_LINES {
            state.dropped.set(state.dropped.get() + 1);
            return;
        }
        waiting.push(format!("cluster: {line}\n"));
        drop(waiting);
        if !state.is_writing.replace(true) {
            state.is_idle.clear();
            task::Builder::new().name("cluster log").daemon(true).spawn(self.clone().write()).detach();
        }
    }

    async fn write(self) {
        let state = &self.state;
        loop {
            let mut lines = state.waiting.take().concat();
            match state.dropped.take() {
                0 => {}
                n => lines += &format!("cluster: {n} lines were left out, as nobody read these\n"),
            }
            if lines.is_empty() {
                break;
            }
            // Standard error may be closed; then there is nobody to be told.
            let _ = spawn_blocking(move || io::stderr().write_all(lines.as_bytes())).await;
        }
        state.is_writing.set(false);
        state.is_idle.set();
    }

    /// Waits until all is written, but not for ever.
    pub(super) async fn flush(&self) {
        if self.state.is_writing.get() {
            self.state.is_idle.wait_timeout(LAST_LINES).await;
        }
    }
}
