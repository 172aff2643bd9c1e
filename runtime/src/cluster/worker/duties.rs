//! What a worker does beside `main`: it hears its supervisor, beats, holds the life-line, and drains when it is told to.

use super::Worker;
use crate::{
    cluster::{
        messages::PostOffice,
        settings::Mode,
        wire::{control::ToWorker, frame::Reader, outbox::Outgoing},
    },
    net::UnixStream,
    task,
    time::{Instant, sleep},
};
use runtime_io::signal::{Signal, SignalKind, keep, signal};
use std::{io, rc::Rc, sync::atomic::Ordering, time::Duration};

/// How often it is looked whether all connections are closed, while they are waited for.
const LOOK: Duration = Duration::from_millis(10);
/// How long it is waited for that somebody takes what is in a queue: perhaps nobody accepts any more.
const LONGEST_SWEEP: Duration = Duration::from_millis(500);
/// What `main` has when a [`Server`](crate::net::Server) of it has nobody left, or has to cut whom it has left: it gets the
/// account of that, logs it, and returns. Ample for this even on a busy machine, and a part of what the supervisor waits
/// after the deadline (`kill_margin`).
const LAST_MOMENT: Duration = Duration::from_millis(50);

fn start(name: &str, duty: impl Future<Output = ()> + 'static) {
    task::Builder::new().name(name).daemon(true).spawn(duty).detach();
}

/// Writes what is said to the supervisor.
pub(super) fn write(outgoing: Outgoing, control: Rc<UnixStream>) {
    start("cluster: told", async move {
        // It fails when the supervisor is gone, which the life-line says too.
        let _ = outgoing.write_to(&control).await;
    });
}

/// Sends and receives messages of others.
pub(super) fn deliver(office: PostOffice, data: UnixStream) {
    start("cluster: post", async move {
        // Its end closes all channels, and who is on one is told.
        let _ = office.serve(data).await;
    });
}

/// Begins with all of it.
pub(super) fn begin(
    worker: &Rc<Worker>,
    reader: Reader<Rc<UnixStream>>,
    life_line: UnixStream,
) -> io::Result<()> {
    let serves = Rc::clone(worker);
    start("cluster: ready", async move {
        serves.doors.serve().await;
        serves.say_ready();
    });
    start("cluster: hears", hear(Rc::clone(worker), reader));
    start("cluster: beats", beat(Rc::clone(worker)));
    start("cluster: life-line", hold(Rc::clone(worker), life_line));
    if worker.mode == Mode::Processes {
        start("cluster: SIGTERM", be_asked_to_go(Rc::clone(worker))?);
        start("cluster: signals", leave_to_supervisor()?);
    }
    Ok(())
}

/// Does what the supervisor says.
async fn hear(worker: Rc<Worker>, mut reader: Reader<Rc<UnixStream>>) {
    while let Ok(Some((message, mut descriptors))) = reader.next_message().await {
        match message {
            ToWorker::Bound { request, result } => worker.doors.bound(request, result, descriptors.pop()),
            ToWorker::Stop { grace, last } => stop(&worker, grace, last),
            // Who drains looks at the time again and again.
            ToWorker::Hurry => stop(&worker, Duration::ZERO, false),
            ToWorker::Adopt { listener, key } => worker.doors.adopt(listener, key, descriptors.pop()),
            ToWorker::Release { listener, key } => worker.doors.release(listener, key),
            ToWorker::CounterIs { name, index } => worker.counters(|counters| counters.assign(&name, index)),
            // Said once, at the beginning.
            ToWorker::Welcome { .. } | ToWorker::Refused { .. } => {}
        }
    }
    worker.doors.forsake();
    be_left(&worker);
}

/// Stops accepting, and ends when everything is closed or the time is up.
fn stop(worker: &Rc<Worker>, grace: Duration, last: bool) {
    if !worker.stopping.begin(grace) {
        return;
    }
    worker.doors.close(last);
    start("cluster: drains", drain(Rc::clone(worker)));
}

async fn drain(worker: Rc<Worker>) {
    let began = Instant::now();
    while let Some(remaining) = worker.stopping.time_left() {
        sleep(remaining.min(LOOK)).await;
        let is_swept = worker.doors.are_swept() || began.elapsed() > LONGEST_SWEEP;
        if is_swept && worker.doors.are_quiet() && !worker.stopping.is_watched() {
            if worker.doors.has_server() {
                // It gives its account, and `main` returns by itself.
                sleep(remaining.min(LAST_MOMENT)).await;
            }
            break;
        }
    }
    worker.cut();
    if worker.doors.has_server() {
        sleep(LAST_MOMENT).await;
    }
    worker.stopping.end();
    while let Some(remaining) = worker.stopping.time_left() {
        sleep(remaining.min(LOOK)).await;
    }
    // Tasks that outlive `main` are waited for no longer.
    if !worker.has_left.get() {
        crate::Handle::current().stop();
    }
}

/// The supervisor is gone: nobody will replace this worker, so it finishes what it has and ends.
fn be_left(worker: &Rc<Worker>) {
    stop(worker, worker.welcome().grace, true);
}

async fn hold(worker: Rc<Worker>, life_line: UnixStream) {
    // Nobody writes to it; an error means that it is no line any more.
    let _ = life_line.read(&mut [0]).await;
    be_left(&worker);
}

/// One more in memory that the supervisor sees: no system call but that of the sleep.
async fn beat(worker: Rc<Worker>) {
    loop {
        worker.seat.beats().fetch_add(1, Ordering::Relaxed);
        let served = worker.served.get().max(worker.seat.accepted().load(Ordering::Relaxed));
        if worker.welcome().max_requests.is_some_and(|most| served >= most) {
            worker.ask_to_go();
        }
        sleep(worker.welcome().heartbeat).await;
    }
}

/// Listens to a signal that does nothing to the process at its last moment either.
fn lasting(kind: SignalKind) -> io::Result<Signal> {
    keep(kind)?;
    signal(kind)
}

/// A SIGTERM of its own means this worker alone: the supervisor sees to it that another takes its place.
fn be_asked_to_go(worker: Rc<Worker>) -> io::Result<impl Future<Output = ()>> {
    let mut asked = lasting(SignalKind::terminate())?;
    Ok(async move {
        while asked.recv().await.is_some() {
            worker.ask_to_go();
        }
    })
}

/// A terminal sends these to the whole group; the supervisor coordinates. They are heard and not ignored, as what is ignored
/// stays ignored in children.
fn leave_to_supervisor() -> io::Result<impl Future<Output = ()>> {
    let heard = [SignalKind::interrupt(), SignalKind::quit(), SignalKind::hangup()].map(lasting);
    let heard = heard.into_iter().collect::<io::Result<Vec<_>>>()?;
    Ok(async move {
        std::future::pending::<()>().await;
        drop(heard);
    })
}
