//! What a worker's life is lived in: a process, or a thread of ours.

use super::fleet::Ended;
use crate::{
    Handle,
    cluster::worker::{self, Main, Plan, Seat},
    sync::{Event, shared},
};
use futures_lite::future::or;
use runtime_io::{
    host,
    process::{Child, Launch, ProgramFile},
    signal::SignalKind,
};
use std::{
    cell::Cell,
    env, io,
    os::unix::process::ExitStatusExt,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{self, ExitCode, ExitStatus},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI32, Ordering},
    },
    thread,
};

/// The exit code of a program that panicked.
const PANICKED: i32 = 101;

/// A worker that has been started.
#[derive(Debug)]
pub(super) enum Body {
    Process(Child),
    Thread {
        state: Arc<ThreadState>,
        /// It was to be killed, which no thread can be: it is taken for dead.
        is_forsaken: Event,
    },
}

/// What the thread of a worker leaves for the supervisor.
#[derive(Debug)]
pub(super) struct ThreadState {
    /// Its runtime, once it has one.
    handle: OnceLock<Handle>,
    has_ended: shared::Event,
    code: AtomicI32,
}

impl Body {
    /// Starts `program` as a process that will find its seat.
    pub(super) fn process(program: &ProgramFile, seat: Seat) -> io::Result<Self> {
        let mut arguments = env::args_os();
        let mut launch = Launch::new(program);
        if let Some(name) = arguments.next() {
            launch = launch.arg0(name);
        }
        let (name, value) = seat.hand_over(&mut launch);
        // The life-line says the same, to a worker that listens; this reaches one that does not.
        let launch = launch.args(arguments).env(name, value).parent_death_signal(SignalKind::terminate());
        launch.spawn().map(Self::Process)
    }

    /// Starts a thread that has its seat.
    pub(super) fn thread(name: String, seat: Seat, plan: Arc<Plan>, main: Main) -> io::Result<Self> {
        let state = Arc::new(ThreadState {
            handle: OnceLock::new(),
            has_ended: shared::Event::new(),
            code: AtomicI32::new(PANICKED),
        });
        let theirs = Arc::clone(&state);
        let live = move || {
            let announce = |handle| drop(theirs.handle.set(handle));
            // The panic hook has reported it.
            let ended = catch_unwind(AssertUnwindSafe(|| worker::run(seat, &plan, &main, announce)));
            if let Ok(code) = ended {
                theirs.code.store(number_of(code), Ordering::Relaxed);
            }
            theirs.has_ended.set();
        };
        thread::Builder::new().name(name).spawn(live)?;
        Ok(Self::Thread { state, is_forsaken: Event::new() })
    }

    /// The process that it is or is in.
    pub(super) fn pid(&self) -> u32 {
        match self {
            Self::Process(child) => child.id(),
            Self::Thread { .. } => process::id(),
        }
    }

    /// Waits for its end.
    pub(super) async fn end(&self, memory: &MemoryWatch) -> Ended {
        match self {
            Self::Process(child) => match child.ended().await {
                Ok(status) => memory.classify(status),
                // Somebody else has reaped it, so nobody knows any more.
                Err(_) => Ended::Code(PANICKED),
            },
            Self::Thread { state, is_forsaken } => {
                let ended = async {
                    state.has_ended.wait().await;
                    Ended::Code(state.code.load(Ordering::Relaxed))
                };
                let forsaken = async {
                    is_forsaken.wait().await;
                    Ended::Signal { signal: SignalKind::kill().as_raw_value(), core_dumped: false }
                };
                or(ended, forsaken).await
            }
        }
    }

    /// SIGABRT, which may leave a core. A thread is only asked to end.
    pub(super) fn abort(&self) {
        match self {
            // It fails for a process that is gone, whose end is reported anyway.
            Self::Process(child) => drop(child.signal(SignalKind::abort())),
            Self::Thread { state, .. } => state.handle.get().into_iter().for_each(Handle::stop),
        }
    }

    /// SIGKILL. A thread is asked to end, and left to itself.
    pub(super) fn kill(&self) {
        match self {
            Self::Process(child) => drop(child.kill()),
            Self::Thread { state, is_forsaken } => {
                state.handle.get().into_iter().for_each(Handle::stop);
                is_forsaken.set();
            }
        }
    }
}

/// Tells who was killed for want of memory from who was killed.
#[derive(Debug)]
pub(super) struct MemoryWatch {
    /// How many had been killed by the kernel when it was last asked.
    kills: Cell<Option<u64>>,
}

impl MemoryWatch {
    pub(super) fn new() -> Self {
        Self { kills: Cell::new(host::oom_kills()) }
    }

    fn classify(&self, status: ExitStatus) -> Ended {
        let Some(signal) = status.signal() else { return Ended::Code(status.code().unwrap_or(PANICKED)) };
        if signal == SignalKind::kill().as_raw_value() {
            let kills = host::oom_kills();
            if kills > self.kills.replace(kills) {
                return Ended::OutOfMemory;
            }
        }
        Ended::Signal { signal, core_dumped: status.core_dumped() }
    }
}

/// What an exit code is as a number: the standard library tells only whether two are the same.
fn number_of(code: ExitCode) -> i32 {
    (0..=u8::MAX).find(|&number| ExitCode::from(number) == code).map_or(PANICKED, i32::from)
}
