//! A worker: runs the user's `main` on a runtime of its own, and does what its supervisor asks.
//!
//! | file | |
//! |---|---|
//! | `seat.rs` | what it is born with |
//! | `duties.rs` | the tasks that run beside `main`: they listen, beat, watch the life-line |
//! | `doors.rs` | its listeners, which the supervisor gives to it |
//! | `stopping.rs` | how it comes to its end |
//! | `here.rs` | what `main` can ask: who am I, am I to stop |
//!
//! ```text
//! seat ──> handshake ──> privileges, core ──> main ──> (drain) ──> Ending ──> exit
//! ```

mod doors;
mod duties;
mod here;
mod seat;
mod stopping;

pub use self::here::{Me, is_stopping, me, ready, recycle, served, stopping};
pub(super) use self::seat::{Memory, Seat};

use self::{
    doors::{Doors, Source},
    stopping::Stopping,
};
use super::{
    counters::{self, Counters, Layout},
    messages::{Limits, PostOffice},
    settings::Mode,
    wire::{
        control::{ToSupervisor, ToWorker},
        frame::{MAX_CONTROL_BYTES, Reader},
        handshake::{self, BuildId},
        outbox::{Outbox, outbox},
    },
};
use crate::{Builder, Handle, OnExit, Runtime, net::UnixStream, time::timeout};
use futures_lite::future::or;
use runtime_io::{
    host::{self, SharedMemory},
    net::share,
    signal::SignalKind,
};
use std::{
    cell::{Cell, OnceCell},
    io,
    os::unix::net,
    pin::Pin,
    process::{self, ExitCode},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// The user's `main`, for each worker anew.
pub(super) type Main = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ExitCode>>> + Send + Sync>;
/// How a worker's runtime is made.
pub(super) type MakeRuntime = Arc<dyn Fn() -> Builder + Send + Sync>;

/// What a supervisor may leave unread of what a worker says.
const UNREAD_BYTES: usize = 256 << 10;
/// How long a supervisor may take to answer; it does nothing else than that.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the last word may take to be written.
const FAREWELL: Duration = Duration::from_secs(1);
/// `EX_CONFIG` of `sysexits.h`: says to the supervisor that another try would fail likewise.
const SET_UP_FAILED: u8 = 78;

/// What all workers of a cluster have in common.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) mode: Mode,
    pub(super) on_exit: OnExit,
    pub(super) make_runtime: Option<MakeRuntime>,
    pub(super) identity: Option<host::Identity>,
}

/// What the supervisor has said when it took this worker in.
#[derive(Debug, Clone)]
pub(super) struct Welcome {
    slot: u32,
    life: u64,
    generation: u64,
    workers: u32,
    heartbeat: Duration,
    grace: Duration,
    core: Option<u32>,
    max_requests: Option<u64>,
}

/// This worker. On the shelf of its runtime.
#[derive(Debug)]
pub(super) struct Worker {
    mode: Mode,
    welcome: OnceCell<Welcome>,
    outbox: Outbox,
    seat: counters::Seat,
    doors: Doors,
    stopping: Stopping,
    has_said_ready: Cell<bool>,
    has_asked_to_go: Cell<bool>,
    /// Requests that the user has counted.
    served: Cell<u64>,
    /// It waits for nothing any more.
    has_left: Cell<bool>,
    /// What `main` has returned.
    code: Cell<Option<ExitCode>>,
}

/// Why a worker did not begin.
enum Misfit {
    /// Another one may have more luck.
    Now(String),
    /// No other would.
    Ever(String),
}

impl From<io::Error> for Misfit {
    fn from(error: io::Error) -> Self {
        Self::Now(error.to_string())
    }
}

/// Lives a worker's life. `announce` gets to know its runtime.
pub(super) fn run(seat: Seat, plan: &Plan, main: &Main, announce: impl FnOnce(Handle)) -> ExitCode {
    let (why, code) = match live(seat, plan, main, announce) {
        Ok(code) => return code,
        Err(Misfit::Now(why)) => (why, ExitCode::FAILURE),
        Err(Misfit::Ever(why)) => (why, ExitCode::from(SET_UP_FAILED)),
    };
    // Without the macro, which panics: standard error may be closed.
    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("cluster: a worker cannot start: {why}\n"));
    code
}

fn live(seat: Seat, plan: &Plan, main: &Main, announce: impl FnOnce(Handle)) -> Result<ExitCode, Misfit> {
    let cells = match seat.counters {
        Memory::Here(cells) => cells,
        Memory::Elsewhere(fd, cells) => SharedMemory::from_fd(fd, cells)?.into_static().1,
    };
    let layout = Layout::open(cells).map_err(io::Error::other)?;
    let (outbox, outgoing) = outbox(UNREAD_BYTES);
    let asks = outbox.clone();
    let ask = move |name: &str| {
        // Refused, it counts for itself.
        let _ = asks.try_send(&ToSupervisor::Counter { name: name.to_owned() }, Vec::new());
    };
    let worker = Rc::new(Worker {
        mode: plan.mode,
        welcome: OnceCell::new(),
        seat: layout.seat(seat.number),
        doors: Doors::new(layout.seat(seat.number), outbox.clone()),
        outbox,
        stopping: Stopping::new(),
        has_said_ready: Cell::new(false),
        has_asked_to_go: Cell::new(false),
        served: Cell::new(0),
        has_left: Cell::new(false),
        code: Cell::new(None),
    });
    let office = PostOffice::new(Limits::default());
    let make = plan.make_runtime.as_ref().map_or_else(Builder::new, |make| make());
    let counters = Counters::of_worker(layout, seat.number, ask);
    let runtime = make
        .on_exit(plan.on_exit)
        .extension(counters)
        .extension(office.clone())
        .extension(Rc::clone(&worker))
        .build()?;
    announce(runtime.handle());

    let control: net::UnixStream = seat.control.into();
    let data: net::UnixStream = seat.data.into();
    let life_line: net::UnixStream = seat.life_line.into();
    runtime.block_on(async {
        let control = Rc::new(UnixStream::from_std(control)?);
        duties::write(outgoing, Rc::clone(&control));
        let mut reader = Reader::new(control, MAX_CONTROL_BYTES).with_descriptors();
        worker.introduce(&mut reader).await?;
        worker.settle(plan, seat.supervisor)?;
        duties::begin(&worker, reader, UnixStream::from_std(life_line)?)?;
        duties::deliver(office.clone(), UnixStream::from_std(data)?);
        share::install(Rc::new(Source(Rc::clone(&worker))));
        Ok::<_, Misfit>(())
    })?;
    Ok(worker.serve(runtime, &office, main))
}

impl Worker {
    /// Says who it is, and hears what it is to be.
    async fn introduce(&self, reader: &mut Reader<Rc<UnixStream>>) -> Result<(), Misfit> {
        let hello = handshake::hello(BuildId::of_this_program()?, process::id());
        let gone = || Misfit::Now("the supervisor is gone".to_owned());
        self.outbox.send(&hello, Vec::new()).await.map_err(|_| gone())?;
        let answer = timeout(HANDSHAKE, reader.next_message()).await;
        match answer.map_err(|_| Misfit::Now("the supervisor does not answer".to_owned()))? {
            Ok(Some((ToWorker::Refused { why }, _))) => Err(Misfit::Now(why)),
            Ok(Some((
                ToWorker::Welcome {
                    slot,
                    life,
                    generation,
                    workers,
                    heartbeat,
                    grace,
                    core,
                    max_requests,
                    ..
                },
                _,
            ))) => {
                let welcome =
                    Welcome { slot, life, generation, workers, heartbeat, grace, core, max_requests };
                self.welcome.set(welcome).expect("it is welcomed once");
                Ok(())
            }
            Ok(Some((other, _))) => {
                Err(Misfit::Now(format!("the supervisor says {other:?} before anything else")))
            }
            Ok(None) => Err(gone()),
            Err(error) => Err(Misfit::Now(error.to_string())),
        }
    }

    /// Takes its core, gives up what it is not to have, and ties itself to its supervisor.
    fn settle(&self, plan: &Plan, supervisor: u32) -> Result<(), Misfit> {
        let ever = |what: &str, error: io::Error| Misfit::Ever(format!("{what}: {error}"));
        if let Some(core) = self.welcome().core {
            host::pin(core as usize).map_err(|error| ever("it cannot have its core", error))?;
        }
        if self.mode == Mode::Threads {
            return Ok(());
        }
        if let Some(identity) = &plan.identity {
            host::drop_privileges(identity)
                .map_err(|error| ever("it cannot give up its privileges", error))?;
            // Whoever changes who he is loses this.
            host::parent_death_signal(SignalKind::terminate(), supervisor)?;
        }
        // Before this worker listens to SIGTERM, which until then ends it.
        host::end_with_parent(supervisor, self.welcome().grace)?;
        Ok(())
    }

    fn welcome(&self) -> &Welcome {
        self.welcome.get().expect("a worker runs after it was taken in")
    }

    /// Runs `main` to its end, or to this worker's.
    fn serve(self: &Rc<Self>, runtime: Runtime, office: &PostOffice, main: &Main) -> ExitCode {
        let life = or(async { self.code.set(Some(main().await)) }, self.stopping.over());
        // Refused if the time was up while tasks were waited for.
        let _ = runtime.try_block_on(life);
        self.has_left.set(true);
        let forced = self.seat.lost_connections();
        let farewell = || async {
            // What was sent to others is on its way before this.
            let _ = office.flush().await;
            if self.outbox.send(&ToSupervisor::Ending { forced }, Vec::new()).await.is_ok() {
                let _ = self.outbox.flush().await;
            }
        };
        // A supervisor that is gone, or stuck, is not waited for. Stopped: that was meant for the run before.
        if runtime.try_block_on(timeout(FAREWELL, farewell())).is_err() {
            let _ = runtime.try_block_on(timeout(FAREWELL, farewell()));
        }
        match self.stopping.remaining() {
            Some(remaining) => drop(runtime.shutdown_timeout(remaining)),
            None => drop(runtime),
        }
        self.code.take().unwrap_or(ExitCode::SUCCESS)
    }

    /// What is open now is counted, and then cut. Nothing is accepted any more: it would be neither served nor counted.
    fn cut(&self) {
        self.doors.close(false);
        self.seat.count_cut();
        self.stopping.cut();
    }

    fn counters(&self, f: impl FnOnce(&Counters)) {
        runtime_executor::current::with_extension(f);
    }

    /// Says something to the supervisor. If that reads nothing any more, there is nobody to be told.
    fn say(&self, message: &ToSupervisor) {
        let _ = self.outbox.try_send(message, Vec::new());
    }

    /// Says that it serves; once.
    fn say_ready(&self) {
        if !self.has_said_ready.replace(true) {
            self.say(&ToSupervisor::Ready);
        }
    }

    /// Asks to be replaced; once.
    fn ask_to_go(&self) {
        if !self.has_asked_to_go.replace(true) {
            self.say(&ToSupervisor::Recycle);
        }
    }
}
