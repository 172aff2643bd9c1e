//! Who hears the bell for tasks: one job of the blocking pool per runtime and board, as long as tasks of that runtime wait there.
//!
//! A thread per task would exhaust the pool, and the tasks that hold what the others wait for may need it.

use super::{
    Board,
    machine::{LOOK, Seat},
};
use runtime_executor::{RuntimeId, submit_blocking};
use std::{
    io, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

/// How long a listener with nobody left stays, as the next is mostly not far. A runtime that ends waits for it.
const LINGER: Duration = Duration::from_millis(5);

/// Those of one board.
#[derive(Debug, Default)]
pub(super) struct Listeners(Mutex<Vec<Arc<Listener>>>);

#[derive(Debug)]
struct Listener {
    runtime: RuntimeId,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    waiting: Vec<(Seat, Waker)>,
    /// Nobody listens any more.
    is_over: bool,
}

impl Listeners {
    /// Has the waker woken once something comes of the seat.
    pub(super) fn enlist(board: &Arc<Board>, seat: &Seat, waker: &Waker) -> io::Result<()> {
        let Some(runtime) = RuntimeId::current() else {
            return Err(io::Error::other(
                "to wait here takes a runtime of ours on this thread: use the form that blocks",
            ));
        };
        let waker = waker.clone();
        let listeners = lock(&board.listeners.0);
        let listener = listeners.iter().find(|listener| listener.runtime == runtime).cloned();
        let added = match listener {
            Some(listener) => listener.add(seat, waker),
            None => Err(waker),
        };
        match added {
            Ok(former) => {
                drop(listeners);
                drop(former);
                Ok(())
            }
            Err(waker) => Self::start(board, listeners, runtime, seat, waker),
        }
    }

    #[cold]
    fn start(
        board: &Arc<Board>,
        mut listeners: MutexGuard<'_, Vec<Arc<Listener>>>,
        runtime: RuntimeId,
        seat: &Seat,
        waker: Waker,
    ) -> io::Result<()> {
        let tasks = Tasks { waiting: vec![(seat.clone(), waker)], is_over: false };
        let listener = Arc::new(Listener { runtime, tasks: Mutex::new(tasks) });
        listeners.retain(|other| other.runtime != runtime);
        listeners.push(Arc::clone(&listener));
        drop(listeners);
        let duty = Duty { board: Arc::clone(board), listener };
        submit_blocking(Box::new(move || duty.listen()))
            .map_err(|refused| io::Error::other(refused.reason.to_string()))
    }

    /// Nobody waits at this seat any more.
    pub(super) fn forget(&self, seat: &Seat) {
        let listeners = lock(&self.0).clone();
        let former: Vec<_> = listeners.iter().filter_map(|listener| listener.remove(seat)).collect();
        drop(former);
    }
}

impl Listener {
    /// Gives the waker that it replaces; or the new one back, if nobody listens.
    fn add(&self, seat: &Seat, waker: Waker) -> Result<Option<Waker>, Waker> {
        let mut tasks = lock(&self.tasks);
        if tasks.is_over {
            return Err(waker);
        }
        match tasks.waiting.iter_mut().find(|(other, _)| other == seat) {
            Some((_, former)) => Ok(Some(mem::replace(former, waker))),
            None => {
                tasks.waiting.push((seat.clone(), waker));
                Ok(None)
            }
        }
    }

    fn remove(&self, seat: &Seat) -> Option<Waker> {
        let mut tasks = lock(&self.tasks);
        let at = tasks.waiting.iter().position(|(other, _)| other == seat)?;
        Some(tasks.waiting.swap_remove(at).1)
    }
}

/// Whoever listens; or would have, if the runtime had not ended.
struct Duty {
    board: Arc<Board>,
    listener: Arc<Listener>,
}

impl Duty {
    fn listen(&self) {
        let machine = &self.board.machine;
        let mut is_idle = false;
        loop {
            // Before the seats are looked at: what changes then rings, and the sleep ends at once.
            let rung = machine.rung();
            let ready: Vec<Waker> = {
                let mut tasks = lock(&self.listener.tasks);
                // A wait that somebody keeps beyond the end of its runtime is not waited for.
                if tasks.waiting.is_empty() && is_idle || self.listener.runtime.is_gone() {
                    tasks.is_over = true;
                    return;
                }
                is_idle = tasks.waiting.is_empty();
                tasks
                    .waiting
                    .extract_if(.., |(seat, _)| machine.is_over(seat))
                    .map(|(_, waker)| waker)
                    .collect()
            };
            if !ready.is_empty() {
                ready.into_iter().for_each(Waker::wake);
                continue;
            }
            if machine.sleep_until_rung(rung, if is_idle { LINGER } else { LOOK }) && !is_idle {
                machine.look_after();
            }
        }
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        let left = {
            let mut tasks = lock(&self.listener.tasks);
            tasks.is_over = true;
            mem::take(&mut tasks.waiting)
        };
        // They find somebody else, or that their runtime has ended.
        left.into_iter().for_each(|(_, waker)| waker.wake());
        lock(&self.board.listeners.0).retain(|other| !Arc::ptr_eq(other, &self.listener));
    }
}

/// Nothing that is locked here can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
