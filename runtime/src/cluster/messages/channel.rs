//! `channel`: typed messages between the members of a cluster.

use super::{
    errors::{RecvError, SendError},
    line::{Arrival, Line},
    office::{PostOffice, Unsent},
    peer::{Peer, WorkerId},
    post::{begin_broadcast, begin_direct},
};
use crate::{
    cluster::wire::{
        MAX_NAME_BYTES,
        frame::{Frame, finish},
    },
    guarded,
};
use runtime_executor::current;
use runtime_sync::Receiver;
use serde::{Serialize, de::DeserializeOwned};
use std::{any::TypeId, fmt, marker::PhantomData, rc::Rc};

/// Opens the channel of that name: messages of type `T` between the workers of this cluster, and between them and the
/// supervisor. Whoever opens a channel of the same name is on it.
///
/// ```no_run
/// use runtime::{cluster::{self, RecvError}, spawn};
///
/// # async fn worker() -> Result<(), cluster::SendError> {
/// let mut news = cluster::channel::<String>("news");
/// news.broadcast(&"worker started".to_owned()).await?;
/// spawn(async move {
///     loop {
///         match news.recv().await {
///             Ok((from, text)) => println!("{from}: {text}"),
///             Err(RecvError::Closed) => break,
///             Err(error) => eprintln!("{error}"), // some were missed, or one was not readable
///         }
///     }
/// });
/// # Ok(())
/// # }
/// ```
///
/// Opened more than once in one worker, it is one channel still: each message goes to one of them, to whoever has waited
/// longest. Messages to this worker alone are kept until it opens the channel; broadcasts are received from then on.
///
/// # What holds
/// - From one sender to one receiver, messages arrive in the order in which they were sent, each once or not at all: a
///   message is lost if the receiver ends before it has received it. Who must know that it arrived has it answered.
/// - Who has sent a message is written into it by the supervisor.
/// - A sender waits when its receiver has a mebibyte of its messages on this channel, or some thousand short ones, that
///   nobody there has received. So two workers whose only tasks send to each other and receive nothing wait for ever, as
///   with any bounded channel: let one task send and another receive. Others, and other channels, are not held up.
/// - A broadcast waits for nobody. Who is too slow for it misses some, and is told how many, where they are missing.
///
/// # Panics
/// Outside a cluster. If this worker has opened it with another type. If the name is empty or longer than 64 bytes, or
/// there are 64 channels already.
#[track_caller]
pub fn channel<T: Serialize + DeserializeOwned + 'static>(name: &str) -> Channel<T> {
    let Some(office) = current::with_extension(PostOffice::clone) else {
        panic!(
            "the channel {name:?} leads to the other members of a cluster, and this is none: call it in `main` of a \
             `runtime::cluster::Cluster`, or of `#[runtime::main(workers = …)]`; within one process use \
             `runtime::sync::channel`"
        )
    };
    Channel::open(&office, name)
}

/// A channel between the members of a cluster; [`channel`] opens it.
pub struct Channel<T> {
    name: Rc<str>,
    office: PostOffice,
    line: Rc<Line>,
    receiver: Receiver<Arrival>,
    kind: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned + 'static> Channel<T> {
    /// [`channel`], of that office.
    #[track_caller]
    pub(super) fn open(office: &PostOffice, name: &str) -> Self {
        let length = name.len();
        assert!(
            (1..=MAX_NAME_BYTES).contains(&length),
            "a channel needs a name of 1 to {MAX_NAME_BYTES} bytes, and {name:?} has {length}"
        );
        let Ok(line) = office.line(name) else {
            panic!(
                "{name:?} would be one channel too many: put several kinds of messages into one, as an enum"
            )
        };
        assert!(
            line.open(TypeId::of::<T>()),
            "the channel {name:?} is open already, for another type than {}",
            std::any::type_name::<T>()
        );
        let receiver = line.receiver();
        Self { name: name.into(), office: office.clone(), line, receiver, kind: PhantomData }
    }

    /// Sends `message` to one member, as soon as that has room for it. `Ok`: it is on its way.
    ///
    /// ```no_run
    /// use runtime::cluster::{self, SendError};
    ///
    /// # async fn worker() {
    /// let mut questions = cluster::channel::<u64>("squares");
    /// while let Ok((from, number)) = questions.recv().await {
    ///     match questions.send_to(from, &(number * number)).await {
    ///         Err(SendError::Gone(who)) => println!("{who} no longer wants to know"),
    ///         sent => sent.unwrap(),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SendError`]; in particular `Gone` if the receiver was known to be gone before there was room.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was sent.
    pub async fn send_to(&self, to: impl Into<Peer>, message: &T) -> Result<(), SendError> {
        let to = to.into();
        let (frame, payload) = self.frame(begin_direct(to, &self.name), message)?;
        self.office.send(to, &self.line, frame, payload).await.map_err(|unsent| failure(unsent, to))
    }

    /// [`send_to`](Self::send_to) the supervisor.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn send_to_supervisor(&self, message: &T) -> Result<(), SendError> {
        self.send_to(Peer::Supervisor, message).await
    }

    /// Sends `message` to all other members that have opened this channel. It waits for none of them, only for its turn to
    /// leave this one.
    ///
    /// # Errors
    /// [`SendError`], but not for receivers that are gone or too slow.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was sent.
    pub async fn broadcast(&self, message: &T) -> Result<(), SendError> {
        let (frame, _) = self.frame(begin_broadcast(&self.name), message)?;
        self.office.post(frame).await.map_err(|unsent| failure(unsent, Peer::Supervisor))
    }

    /// Waits for the next message, and says who has sent it.
    ///
    /// # Errors
    /// [`RecvError`]. After all but `Closed` it goes on with the next call.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was received.
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = Result<(Peer, T), RecvError>> {
        let Self { receiver, office, name, .. } = self;
        let arrival = receiver.recv();
        async move { arrival.await.map_or(Err(RecvError::Closed), |arrival| open(arrival, office, name)) }
    }

    /// The next message, if there is one that nobody else waits for.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Option<Result<(Peer, T), RecvError>> {
        match self.receiver.try_recv() {
            Ok(arrival) => Some(open(arrival, &self.office, &self.name)),
            Err(runtime_sync::channel::TryRecvError::Empty) => None,
            Err(runtime_sync::channel::TryRecvError::Closed) => Some(Err(RecvError::Closed)),
        }
    }

    /// The workers that are there, without this one. Every one of them can be sent to, until it is gone.
    pub fn workers(&self) -> Vec<WorkerId> {
        self.office.workers()
    }

    /// Which worker this is: by that others send to it. `None` in the supervisor, and in a worker that is not connected yet.
    pub fn own_id(&self) -> Option<WorkerId> {
        self.office.own()
    }

    /// Under what name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends the message to the beginning of its frame; and how many bytes it has.
    fn frame(&self, frame: Vec<u8>, message: &T) -> Result<(Frame, usize), SendError> {
        let begun = frame.len();
        let frame = postcard::to_extend(message, frame);
        let frame = frame.map_err(|error| SendError::Unserialisable(error.to_string()))?;
        let (bytes, most) = (frame.len() - begun, self.office.limits().message);
        if bytes <= most { Ok((finish(frame), bytes)) } else { Err(SendError::TooLong { bytes, most }) }
    }
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Self {
        Self {
            name: Rc::clone(&self.name),
            office: self.office.clone(),
            line: Rc::clone(&self.line),
            receiver: self.receiver.clone(),
            kind: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).finish_non_exhaustive()
    }
}

fn failure(unsent: Unsent, to: Peer) -> SendError {
    match unsent {
        Unsent::Gone => SendError::Gone(to),
        Unsent::Closed => SendError::Disconnected,
    }
}

/// What an arrival says; if it is a message, its sender learns that there is room again.
fn open<T: DeserializeOwned>(
    arrival: Arrival,
    office: &PostOffice,
    channel: &str,
) -> Result<(Peer, T), RecvError> {
    let (from, payload) = match arrival {
        Arrival::Missed(lag) => return Err(RecvError::Lagged(lag.read())),
        Arrival::Broadcast { from, payload, .. } => (from, payload),
        Arrival::Direct { from, payload, inflow, room } => {
            if let Some(count) = inflow.take(room, office.limits().window) {
                office.took(from, channel, count);
            }
            (from, payload)
        }
    };
    match guarded::from_bytes(&payload) {
        Ok(message) => Ok((from, message)),
        Err(why) => Err(RecvError::Unreadable { from, why }),
    }
}
