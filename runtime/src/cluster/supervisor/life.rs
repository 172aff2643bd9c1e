//! One life of a worker, as its supervisor sees it: what it is told, what it says, and when it is gone.
//!
//! ```text
//!  fleet ── Launch ──> begin ──┬── a task that reads what the worker says, and then waits for its end ──> News
//!                              └── a task that writes what it is told   <── Outbox <── tell
//! ```
//!
//! Nothing that a worker does can keep the supervisor waiting: what it is told is put into a bounded box, and a worker that
//! leaves that full is no worker any more; what it says waits in its socket until the supervisor comes to it.

use super::{
    body::{Body, MemoryWatch},
    fleet::{Ended, Event, Generation, LifeId, SlotId},
};
use crate::{
    JoinHandle,
    cluster::{
        hooks::Worker,
        messages::{Router, WorkerId},
        wire::{
            control::{Place, ToSupervisor, ToWorker},
            frame::{MAX_CONTROL_BYTES, ReadError, Reader},
            outbox::{Outbox, Refused, outbox},
        },
    },
    net::UnixStream,
    sync::Sender,
    task,
    time::{Instant, sleep_until, timeout},
};
use std::{future::poll_fn, os::fd::OwnedFd, pin::pin, rc::Rc, task::Poll, time::Duration};

/// What a worker may leave unread: room for a thousand control messages.
const UNREAD_BYTES: usize = 256 << 10;
/// How long a worker that has ended may be heard: its last words are in the socket by then. Longer only if a process of its
/// own making has the other end.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How long a worker that has hung up may take to end, before that is held against it.
const SILENCE: Duration = Duration::from_secs(1);

/// What happens in the life of a worker.
#[derive(Debug)]
pub(super) enum News {
    /// It says something.
    Said(LifeId, ToSupervisor),
    /// It says something that is no message.
    Nonsense(LifeId, String),
    /// It is gone, and reaped.
    Gone(LifeId, Ended),
    /// The supervisor itself is asked for something, by a signal.
    Asked(Event),
}

/// What an attendant waits for.
enum Turn {
    Ended(Ended),
    /// It says no more; what may be held against it.
    Silent(Option<String>),
    /// Nothing more comes for others.
    Routed(Result<(), ReadError>),
    /// A complaint has waited long enough.
    Due,
}

/// What is to be known of a worker when it starts.
#[derive(Debug)]
pub(super) struct Birth {
    pub(super) id: LifeId,
    pub(super) slot: SlotId,
    pub(super) generation: Generation,
    pub(super) max_requests: Option<u64>,
    /// Its seat in the counters.
    pub(super) seat: usize,
}

/// A worker that has been started.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) birth: Birth,
    pub(super) body: Rc<Body>,
    /// It has introduced itself and is taken in.
    pub(super) is_known: bool,
    pub(super) is_ready: bool,
    /// It is reaped.
    pub(super) is_gone: bool,
    /// Where it has asked to listen so far.
    pub(super) asked: Vec<Place>,
    outbox: Outbox,
    tasks: [JoinHandle<()>; 2],
}

impl Life {
    /// Attends to a worker that has just been started.
    pub(super) fn begin(
        birth: Birth,
        body: Body,
        (control, data): (UnixStream, UnixStream),
        router: &Router,
        memory: &Rc<MemoryWatch>,
        news: &Sender<News>,
    ) -> Self {
        let body = Rc::new(body);
        let control = Rc::new(control);
        let (outbox, outgoing) = outbox(UNREAD_BYTES);
        let ears = Ears {
            control: Rc::clone(&control),
            data,
            router: router.clone(),
            memory: Rc::clone(memory),
            news: news.clone(),
        };
        let attend = attend(birth.id, birth.slot, Rc::clone(&body), ears);
        let write = async move {
            // It fails when the worker is gone, which is noticed otherwise.
            let _ = outgoing.write_to(&control).await;
        };
        let name = format!("worker {}, life {}", birth.slot, birth.id);
        let daemon = |name: String| task::Builder::new().name(name).daemon(true);
        let tasks = [daemon(name.clone()).spawn(attend), daemon(name + ", told").spawn(write)];
        Self {
            birth,
            body,
            is_known: false,
            is_ready: false,
            is_gone: false,
            asked: Vec::new(),
            outbox,
            tasks,
        }
    }

    /// Whom the user's hooks are told about.
    pub(super) fn worker(&self) -> Worker {
        Worker { pid: Some(self.body.pid()), ..self.birth.worker() }
    }

    /// Tells the worker something. `false`: it has left unread what it was told before, far too much of it.
    #[must_use]
    pub(super) fn tell(&self, message: &ToWorker, descriptors: Vec<OwnedFd>) -> bool {
        // Closed: it is gone, which is noticed otherwise.
        self.outbox.try_send(message, descriptors) != Err(Refused::Full)
    }
}

impl Birth {
    /// Whom the user's hooks are told about, before it has started.
    pub(super) fn worker(&self) -> Worker {
        Worker { slot: self.slot.0 as usize, generation: self.generation.0, pid: None }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.cancel();
        }
    }
}

/// What is heard of a worker, and by whom.
struct Ears {
    control: Rc<UnixStream>,
    data: UnixStream,
    router: Router,
    memory: Rc<MemoryWatch>,
    news: Sender<News>,
}

/// Hears what a worker says, and passes on what it writes to others, to its end and to the last word.
async fn attend(id: LifeId, slot: SlotId, body: Rc<Body>, ears: Ears) {
    let Ears { control, data, router, memory, news } = ears;
    let mut listening = pin!(listen(id, control, &news));
    let mut routing = pin!(router.serve(WorkerId::new(slot.0, id.0), data));
    let mut end = pin!(body.end(&memory));
    let (mut is_silent, mut is_routed) = (false, false);
    // What to say of its silence, and when: a process that is killed is silent before it is gone.
    let mut complaint = None;
    let ended = loop {
        let mut due = pin!(complaint.as_ref().map(|(due, _)| sleep_until(*due)));
        let turn = poll_fn(|context| {
            if let Poll::Ready(ended) = end.as_mut().poll(context) {
                return Poll::Ready(Turn::Ended(ended));
            }
            if !is_silent && let Poll::Ready(why) = listening.as_mut().poll(context) {
                return Poll::Ready(Turn::Silent(why));
            }
            if !is_routed && let Poll::Ready(routed) = routing.as_mut().poll(context) {
                return Poll::Ready(Turn::Routed(routed));
            }
            due.as_mut().as_pin_mut().map_or(Poll::Pending, |due| due.poll(context).map(|()| Turn::Due))
        });
        match turn.await {
            Turn::Ended(ended) => break ended,
            Turn::Silent(why) => {
                is_silent = true;
                complaint = why.map(|why| (Instant::now().saturating_add(SILENCE), why));
            }
            Turn::Routed(routed) => {
                is_routed = true;
                if let Err(error) = routed
                    && !may_be_death(&error)
                {
                    let _ = news.send(News::Nonsense(id, format!("to others: {error}"))).await;
                }
            }
            Turn::Due => {
                if let Some((_, why)) = complaint.take() {
                    let _ = news.send(News::Nonsense(id, why)).await;
                }
            }
        }
    };
    let _ = timeout(LAST_WORDS, async {
        if !is_silent {
            listening.await;
        }
        if !is_routed {
            // What it makes no sense of no longer matters.
            let _ = routing.await;
        }
    })
    .await;
    // Refused only if the supervisor has finished.
    let _ = news.send(News::Gone(id, ended)).await;
}

/// Whether that is also what is read from one who was killed: in the middle of a word, or with something unread.
fn may_be_death(error: &ReadError) -> bool {
    matches!(error, ReadError::Io(_) | ReadError::Truncated)
}

/// Hears what a worker says, until there is nothing more to be heard: if it had not said that it ends, gives why.
async fn listen(id: LifeId, control: Rc<UnixStream>, news: &Sender<News>) -> Option<String> {
    let mut reader = Reader::new(control, MAX_CONTROL_BYTES);
    let mut has_said_goodbye = false;
    loop {
        let heard = match reader.next_message().await {
            Ok(Some((message, _))) => {
                has_said_goodbye |= matches!(message, ToSupervisor::Ending { .. });
                News::Said(id, message)
            }
            Ok(None) if has_said_goodbye => return None,
            Ok(None) => return Some("it has hung up".to_owned()),
            Err(error) if may_be_death(&error) => return Some(error.to_string()),
            Err(error) => News::Nonsense(id, error.to_string()),
        };
        let is_last = matches!(heard, News::Nonsense(..));
        if news.send(heard).await.is_err() || is_last {
            return None;
        }
    }
}
