//! The supervisor: does what the [`fleet`] decides.
//!
//! It is an ordinary runtime on one thread. A few tasks listen, to signals and to the workers, and put what they hear into
//! one channel; one loop takes it out, tells the fleet, and does what that wants done. Nothing in here decides anything, and
//! nothing waits for a worker.
//!
//! | file | |
//! |---|---|
//! | `life.rs` | one worker: what it is told, what it says, when it is gone |
//! | `body.rs` | what that worker is: a process or a thread |
//! | `doors.rs` | the listeners, kept for the supervisor's whole life |
//! | `program.rs` | what the workers of a generation run |
//! | `signals.rs` | what each signal asks for |
//! | `log.rs` | lines on standard error, without waiting for whoever reads them |

mod body;
mod doors;
mod life;
mod log;
mod program;
mod signals;

use self::{
    body::{Body, MemoryWatch},
    doors::Doors,
    life::{Birth, Life, News},
    log::Log,
    program::Program,
};
use super::{
    builder::Cluster,
    counters::{Counters, Fact, Layout},
    ended::Ended,
    exit_reason::ExitReason,
    fleet::{self, Action, Event, Fleet, Generation, LifeId, Outcome, SlotId, What},
    hooks::{Hooks, Worker},
    messages::{Limits, PostOffice, Router},
    settings::{Mode, Settings},
    wire::{
        control::{Place, ToSupervisor, ToWorker},
        frame::MAX_DATA_BYTES,
        handshake,
    },
    worker::{Main, Memory, Plan, Seat},
};
use crate::{
    Builder,
    net::UnixStream,
    sync::{Receiver, Sender, channel},
    task,
    time::{Instant, timeout_at},
};
use runtime_executor::current;
use runtime_io::{
    host::{self, SharedMemory},
    net::inherited,
};
use std::{
    collections::BTreeMap,
    io,
    os::{fd::OwnedFd, unix::net},
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// News that wait for the loop; whoever has more waits until there is room.
const NEWS: usize = 64;

/// Seats in the counters: a worker has one until it is reaped, and in a reload, or while one is slow to go, a slot has several
/// workers. One more than that waits for its start until somebody is gone.
const SEATS_PER_WORKER: usize = 4;
/// Room to grow, for a small cluster; half a kilobyte each.
const MIN_SEATS: usize = 64;

/// Runs the cluster to its end.
pub(super) fn run(cluster: Cluster, main: Main) -> Ended {
    match try_run(cluster, main) {
        Ok(outcome) => Ended::of(outcome),
        Err(error) => Ended::failed(&error),
    }
}

fn try_run(cluster: Cluster, main: Main) -> io::Result<Outcome> {
    let cores = host::allowed_cores()?;
    let workers = cluster.settings.workers.count(cores.len());
    let seats = MIN_SEATS.max(workers.saturating_mul(SEATS_PER_WORKER));
    let memory = SharedMemory::create(Layout::cells(seats))?.into_static();
    let layout = Layout::create(memory.1, seats);
    let office = PostOffice::new(Limits::default());
    let counters = Counters::of_supervisor(layout);
    let runtime = Builder::new().extension(counters).extension(office.clone()).build()?;
    let log = Log::default();
    let outcome = runtime.block_on(async {
        let outcome = match Supervisor::new(cluster, main, log.clone(), (layout, memory), (cores, workers)) {
            Ok(supervisor) => {
                let router = supervisor.router.clone();
                let hosting = async move { router.host(&office).await };
                task::Builder::new().name("cluster post").daemon(true).spawn(hosting).detach();
                Ok(supervisor.run().await)
            }
            Err(error) => Err(error),
        };
        log.flush().await;
        outcome
    });
    // A thread that writes to somebody who does not read must not keep this process.
    runtime.shutdown_timeout(Duration::ZERO);
    outcome
}

struct Supervisor {
    began: Instant,
    fleet: Fleet,
    lives: BTreeMap<LifeId, Life>,
    settings: Settings,
    doors: Doors,
    hooks: Hooks,
    log: Log,
    news: Receiver<News>,
    /// For the tasks of lives that begin.
    reporter: Sender<News>,
    /// Passes on what workers send each other.
    router: Router,
    memory: Rc<MemoryWatch>,
    counters: Layout,
    counters_memory: (OwnedFd, &'static [AtomicU64]),
    /// Seats in the counters that are free.
    seats: Vec<usize>,
    cores: Vec<usize>,
    programs: BTreeMap<Generation, Program>,
    /// Where the program lies.
    path: PathBuf,
    plan: Arc<Plan>,
    main: Main,
    /// Kept open: workers see it end when this process does.
    _life_line: net::UnixStream,
    workers_life_line: net::UnixStream,
    /// Who was buried last, and his process: the log names it next.
    last_gone: Option<(LifeId, u32)>,
    outcome: Option<Outcome>,
}

impl Supervisor {
    fn new(
        cluster: Cluster,
        main: Main,
        log: Log,
        (counters, counters_memory): (Layout, (OwnedFd, &'static [AtomicU64])),
        (cores, workers): (Vec<usize>, usize),
    ) -> io::Result<Self> {
        let Cluster { mut settings, plan, places, hooks, adopts_orphans } = cluster;
        settings.max_workers = settings.max_workers.min(counters.seats() / 2);
        let (reporter, news) = channel(NEWS);
        signals::listen(&reporter)?;
        // Where there is no such thing orphans are the system's.
        if adopts_orphans && host::become_subreaper().is_ok() || host::is_pid_1() {
            signals::reap_orphans()?;
        }
        let inherited = inherited::listeners()?;
        let only = plan.identity.is_some().then(|| places.clone());
        let mut doors = Doors::new(settings.listeners, inherited, only);
        doors.open_all(&places)?;
        let (life_line, workers_life_line) = net::UnixStream::pair()?;
        let began = Instant::now();
        let program = Program::of_this_process()?;
        Ok(Self {
            began,
            fleet: Fleet::new(Duration::ZERO, settings.clone(), workers, crate::random_u64()),
            lives: BTreeMap::new(),
            path: program.file.path().to_owned(),
            programs: BTreeMap::from([(Generation(0), program)]),
            settings,
            doors,
            hooks,
            log,
            news,
            reporter,
            router: Router::new(Limits::default()),
            memory: Rc::new(MemoryWatch::new()),
            seats: (0..counters.seats()).rev().collect(),
            counters,
            counters_memory,
            cores,
            plan: Arc::new(plan),
            main,
            _life_line: life_line,
            workers_life_line,
            last_gone: None,
            outcome: None,
        })
    }

    async fn run(mut self) -> Outcome {
        loop {
            self.perform_all();
            if let Some(outcome) = self.outcome {
                return outcome;
            }
            let news = match self.fleet.next_deadline() {
                Some(deadline) => {
                    timeout_at(self.began.saturating_add(deadline), self.news.recv()).await.ok()
                }
                None => Some(self.news.recv().await),
            };
            match news {
                Some(news) => self.hear(news.expect("the supervisor can always report to itself")),
                None => self.fleet.tick(self.began.elapsed()),
            }
        }
    }

    fn tell_fleet(&mut self, event: Event) {
        self.fleet.handle(self.began.elapsed(), event);
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Asked(event) => self.tell_fleet(event),
            News::Said(id, message) => self.hear_worker(id, message),
            News::Nonsense(id, what) => self.tell_fleet(Event::Protocol(id, what)),
            News::Gone(id, how) => {
                let Some(life) = self.lives.get_mut(&id) else { return };
                life.is_gone = true;
                let open = self.counters.seat(life.birth.seat).lost_connections();
                self.tell_fleet(Event::Exited { life: id, how, open });
            }
        }
    }

    fn hear_worker(&mut self, id: LifeId, message: ToSupervisor) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        if !life.is_known {
            return self.take_in(id, &message);
        }
        match message {
            ToSupervisor::Hello { .. } => {
                self.tell_fleet(Event::Protocol(id, "it has introduced itself twice".to_owned()));
            }
            ToSupervisor::Bind { request, place } => self.open_door(id, request, place),
            ToSupervisor::Ready => {
                let is_first = !std::mem::replace(&mut life.is_ready, true);
                let worker = life.worker();
                self.tell_fleet(Event::Ready(id));
                if is_first {
                    Hooks::call(&self.hooks.ready, worker);
                }
            }
            ToSupervisor::Recycle => self.tell_fleet(Event::Recycle(id)),
            ToSupervisor::Counter { name } => {
                let index = current::with_extension(|counters: &Counters| counters.register(&name)).flatten();
                self.tell(id, &ToWorker::CounterIs { name, index }, Vec::new());
            }
            ToSupervisor::Ending { forced } => self.tell_fleet(Event::Ending { life: id, forced }),
        }
    }

    /// The first word of a worker decides whether it is one.
    fn take_in(&mut self, id: LifeId, first: &ToSupervisor) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let Some(program) = self.programs.get(&life.birth.generation) else { return };
        match handshake::check(first, program.build, life.body.pid()) {
            Ok(version) => {
                life.is_known = true;
                let core = self.cores[life.birth.slot.0 as usize % self.cores.len()];
                let core = u32::try_from(core).ok().filter(|_| self.settings.is_pinned);
                let welcome = ToWorker::Welcome {
                    version,
                    slot: life.birth.slot.0,
                    life: id.0,
                    generation: life.birth.generation.0,
                    workers: u32::try_from(self.fleet.workers()).unwrap_or(u32::MAX),
                    heartbeat: self.settings.heartbeat.interval,
                    grace: self.settings.grace,
                    core,
                    max_requests: life.birth.max_requests,
                    max_message: MAX_DATA_BYTES as u32,
                };
                self.tell(id, &welcome, Vec::new());
            }
            Err(refusal) => {
                self.tell(id, &ToWorker::Refused { why: refusal.to_string() }, Vec::new());
                self.tell_fleet(Event::Protocol(id, refusal.to_string()));
            }
        }
    }

    /// A worker wants to listen.
    fn open_door(&mut self, id: LifeId, request: u32, place: Place) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let slot = life.birth.slot;
        let nth = life.asked.iter().filter(|&asked| *asked == place).count();
        let opened = self.doors.open(&place, nth, slot);
        // What could not be had may be asked for again.
        life.asked.extend(opened.is_ok().then_some(place));
        match opened {
            Ok(opened) => {
                self.tell(id, &ToWorker::Bound { request, result: Ok(opened.door) }, vec![opened.socket]);
                if opened.is_new_in_slot {
                    self.share_with_adopter(slot, opened.door);
                }
            }
            Err(error) => {
                let result = Err((&error).into());
                self.tell(id, &ToWorker::Bound { request, result }, Vec::new());
            }
        }
    }

    /// Whoever serves the slot's sockets serves this new one as well.
    fn share_with_adopter(&mut self, slot: SlotId, door: u32) {
        let Some(by) = self.fleet.adopter(slot) else { return };
        let new = self.doors.of_slot(slot).filter(|(index, _)| *index == door).collect();
        self.hand_over(slot, by, new);
    }

    fn hand_over(&mut self, slot: SlotId, by: LifeId, sockets: Vec<(u32, io::Result<OwnedFd>)>) {
        for (listener, socket) in sockets {
            match socket {
                Ok(socket) => {
                    self.tell(by, &ToWorker::Adopt { listener, key: u64::from(slot.0) }, vec![socket]);
                }
                Err(error) => self.log.say(format_args!("nobody serves a socket of worker {slot}: {error}")),
            }
        }
    }

    /// Tells a worker something, unless it is gone.
    fn tell(&mut self, id: LifeId, message: &ToWorker, descriptors: Vec<OwnedFd>) {
        if self.lives.get(&id).is_some_and(|life| !life.tell(message, descriptors)) {
            self.tell_fleet(Event::Protocol(id, "it does not read what it is told".to_owned()));
        }
    }

    fn perform_all(&mut self) {
        loop {
            let actions = self.fleet.take_actions();
            if actions.is_empty() {
                return;
            }
            actions.into_iter().for_each(|action| self.perform(action));
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Launch { life, slot, generation, max_requests } => {
                self.launch(life, slot, generation, max_requests);
            }
            Action::StopWorker { life, grace, last } => {
                if let Some(worker) = self.lives.get(&life).map(Life::worker) {
                    Hooks::call(&self.hooks.stopping, worker);
                }
                self.tell(life, &ToWorker::Stop { grace, last }, Vec::new());
            }
            Action::Hurry { life } => self.tell(life, &ToWorker::Hurry, Vec::new()),
            Action::Abort { life } => self.lives.get(&life).iter().for_each(|life| life.body.abort()),
            Action::Kill { life } => self.lives.get(&life).iter().for_each(|life| life.body.kill()),
            Action::Ended { life, slot, generation, reason } => self.bury(life, slot, generation, &reason),
            Action::Adopt { slot, by } => {
                let sockets = self.doors.of_slot(slot).collect();
                self.hand_over(slot, by, sockets);
            }
            Action::Release { slot, by } => {
                let doors: Vec<u32> = self.doors.of_slot(slot).map(|(door, _)| door).collect();
                for listener in doors {
                    self.tell(by, &ToWorker::Release { listener, key: u64::from(slot.0) }, Vec::new());
                }
            }
            Action::OpenProgram { generation } => self.open_program(generation),
            Action::CloseProgram { generation } => drop(self.programs.remove(&generation)),
            Action::ReadBeats => {
                let beats = |(&id, life): (&LifeId, &Life)| {
                    (id, self.counters.seat(life.birth.seat).beats().load(Ordering::Relaxed))
                };
                let beats = self.lives.iter().map(beats).collect();
                self.tell_fleet(Event::Beats(beats));
            }
            Action::Log(line) => {
                self.count(Fact::Reloads, u64::from(matches!(line.what, What::Reloaded { .. })));
                match self.process_of(&line.what) {
                    Some(pid) => self.log.say(format_args!("{line} [{pid}]")),
                    None => self.log.say(line),
                }
            }
            Action::Finish(outcome) => {
                self.log.say(outcome);
                self.outcome = Some(outcome);
            }
        }
    }

    fn launch(&mut self, id: LifeId, slot: SlotId, generation: Generation, max_requests: Option<u64>) {
        let Some(seat) = self.seats.pop() else {
            let why = "too many workers have not gone yet".to_owned();
            return self.tell_fleet(Event::LaunchFailed(id, why));
        };
        self.counters.take_seat(seat, id.0, slot.0);
        let birth = Birth { id, slot, generation, max_requests, seat };
        Hooks::call(&self.hooks.before_start, birth.worker());
        match self.start(&birth) {
            Ok((body, sockets)) => {
                self.count(Fact::Started, 1);
                let life = Life::begin(birth, body, sockets, &self.router, &self.memory, &self.reporter);
                self.lives.insert(id, life);
            }
            Err(error) => {
                self.free_seat(birth.seat);
                self.tell_fleet(Event::LaunchFailed(id, error.to_string()));
            }
        }
    }

    fn start(&self, birth: &Birth) -> io::Result<(Body, (UnixStream, UnixStream))> {
        let life_line = self.workers_life_line.try_clone()?.into();
        let &(ref fd, cells) = &self.counters_memory;
        let counters = match self.settings.mode {
            Mode::Processes => Memory::Elsewhere(fd.try_clone()?, cells.len()),
            Mode::Threads => Memory::Here(cells),
        };
        let (seat, control, data) = Seat::new(life_line, counters, birth.seat)?;
        let sockets = (UnixStream::from_std(control)?, UnixStream::from_std(data)?);
        let body = match self.settings.mode {
            Mode::Processes => {
                let program = self.programs.get(&birth.generation);
                Body::process(&program.ok_or(io::ErrorKind::NotFound)?.file, seat)?
            }
            Mode::Threads => {
                let name = format!("worker {}", birth.slot);
                Body::thread(name, seat, Arc::clone(&self.plan), Arc::clone(&self.main))?
            }
        };
        Ok((body, sockets))
    }

    /// Looks up the program anew: a reload runs what lies there now.
    fn open_program(&mut self, generation: Generation) {
        let program = match self.settings.mode {
            Mode::Processes => Program::anew(&self.path),
            Mode::Threads => Program::of_this_process(),
        };
        let opened = program.map(|program| drop(self.programs.insert(generation, program)));
        self.tell_fleet(Event::ProgramOpened(opened.map_err(|error| error.to_string())));
    }

    /// A life is over, or given up.
    fn bury(&mut self, id: LifeId, slot: SlotId, generation: Generation, reason: &ExitReason) {
        let worker = match self.lives.remove(&id) {
            Some(life) => {
                // Who was given up may still count.
                if life.is_gone {
                    self.free_seat(life.birth.seat);
                }
                self.last_gone = Some((id, life.body.pid()));
                life.worker()
            }
            // It has never begun.
            None => Worker { slot: slot.0 as usize, generation: generation.0, pid: None },
        };
        match reason {
            ExitReason::Stopped => {}
            ExitReason::Forced { connections } => self.count(Fact::Forced, *connections),
            ExitReason::Hung => {
                self.count(Fact::Died, 1);
                self.count(Fact::Hung, 1);
            }
            _ => self.count(Fact::Died, 1),
        }
        self.hooks.call_exited(worker, reason);
    }

    /// The process that a line is about.
    fn process_of(&self, what: &What) -> Option<u32> {
        let (What::Ready { life, .. }
        | What::Ended { life, .. }
        | What::Hangs { life, .. }
        | What::Abandoned { life, .. }
        | What::Recycling { life, .. }
        | What::Hurried { life, .. }) = what
        else {
            return None;
        };
        let gone = self.last_gone.filter(|(gone, _)| gone == life).map(|(_, pid)| pid);
        self.lives.get(life).map(|life| life.body.pid()).or(gone)
    }

    fn count(&self, fact: Fact, more: u64) {
        self.counters.fact(fact).fetch_add(more, Ordering::Relaxed);
    }

    fn free_seat(&mut self, seat: usize) {
        self.counters.leave_seat(seat);
        self.seats.push(seat);
    }
}
