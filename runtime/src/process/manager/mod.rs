//! Managers: a process that keeps objects for others.
//!
//! ```text
//! process A: proxy ── line ──┐                                                 ┌── line ── proxy :process B
//!                            server: tells the keeper what came, and answers ──┤
//! process A: guard ── line ──┘                                                 └── line ── proxy :process C
//! ```
//!
//! | file | |
//! |---|---|
//! | `keeper/` | what the manager's process decides, as a machine of asks and answers |
//! | `wire.rs` | asks, answers, and what a line is |
//! | `server.rs` | the manager's process |
//! | `proxy.rs` | lines from the other side: one for each call, and what is left of them |
//! | `managed/` | the thirteen types |

mod errors;
mod keeper;
mod managed;
mod proxy;
mod server;
#[cfg(all(test, not(miri), feature = "macros"))]
mod tests;
mod wire;

pub(crate) use self::server::live;
pub use self::{
    errors::{ManagedLockError, ManagedPutError, ManagerError},
    managed::{
        ManagedArray, ManagedBarrier, ManagedBoundedSemaphore, ManagedCondition, ManagedDict, ManagedEvent,
        ManagedList, ManagedLock, ManagedLockGuard, ManagedNamespace, ManagedPermit, ManagedQueue,
        ManagedRLock, ManagedSemaphore, ManagedValue,
    },
};

use self::{
    managed::{encode_all, encode_entries, verbs},
    proxy::Proxy,
    server::Limits,
    wire::{Ask, Kind, ask},
};
use crate::{
    process::{
        Child, Data, StartError,
        birth::{Birth, Newborn, Role},
        death::Death,
        luggage::encode,
        packet::{DEFAULT_LIMIT_BYTES, Packet, Packets},
    },
    time::timeout,
};
use std::{fmt, io, process::ExitStatus, time::Duration};

/// Two descriptors for each proxy that is used: a thousand proxies in each of ten processes.
const DEFAULT_CONNECTIONS: usize = 20_000;

/// How long a manager may take to end that was told to; it has nothing to do but to exit.
const GRACE: Duration = Duration::from_secs(5);

/// A process that keeps objects for others (`multiprocessing.Manager`): lists, dicts, locks, queues and so on, of which any number
/// of processes may have proxies.
///
/// A proxy is made here, cloned, and sent to other processes as what it is: an argument, a result, an item of a queue, or a value
/// in another object of the manager. The manager keeps an object for as long as anybody has a proxy of it, or a message that is
/// under way has.
///
/// The objects belong to nobody's process: whoever dies leaves them as they are, and locks, permits and items that it held are
/// given back. When the manager's process ends, all questions to its objects fail at once, with
/// [`ManagerError::Gone`]. It ends when this is [shut down](Self::shutdown) or dropped, and with the process that has started it.
///
/// # Cost
/// Each verb goes to another process and back, some tens of microseconds. What is counted or locked a million times is better off in
/// shared memory ([`SharedValue`](super::SharedValue), [`Lock`](super::Lock)). Each proxy that is in use costs two descriptors
/// here and in its process, and another for each call that waits at the same time.
///
/// # Safety across processes
/// Each verb is done as a whole. From one verb to the next, others may come in between: `list.set(0, list.get(0) + 1)` loses
/// increments. Use the `update` of the type, or a lock.
///
/// ```
/// use runtime::process::{Manager, Process};
///
/// fn work(n: u32, list: runtime::process::ManagedList<u32>) {
///     list.blocking_push(n * n).unwrap();
/// }
///
/// #[runtime::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let manager = Manager::start().await?;
///     let squares = manager.list([0]).await?;
///     let worker = Process::spawn(work, (7, squares.clone()))?;
///     worker.join().await?;
///     assert_eq!(squares.to_vec().await?, [0, 49]);
///     manager.shutdown().await?;
///     Ok(())
/// }
/// ```
pub struct Manager {
    proxy: Proxy,
    limit_bytes: usize,
    child: Child,
}

/// A manager that is to be: its limits.
#[derive(Debug, Clone)]
#[must_use = "no manager is started until `start`"]
pub struct ManagerBuilder {
    name: String,
    limits: Limits,
}

impl ManagerBuilder {
    /// What the process is called, in reports and by `ps`. Otherwise "manager".
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many bytes a question or its answer may have; otherwise 64 MiB.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.limits.message_bytes = bytes;
        self
    }

    /// How many connections there may be: one for each proxy, and one for each call that is under way at the same time. Otherwise
    /// 20,000; never more than the limit of open files allows, which the manager raises for itself as far as it may.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.connections = connections;
        self
    }

    /// Starts the manager.
    ///
    /// # Errors
    /// [`StartError`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it ends the process.
    pub async fn start(self) -> Result<Manager, StartError> {
        let manager = self.begin()?;
        match manager.proxy.call(ask(Ask::Len, [])).await {
            Ok(_) => Ok(manager),
            Err(ManagerError::Gone) => {
                let (pid, status) = (manager.pid(), manager.wait().await?);
                Err(io::Error::other(Death::new(pid, status)).into())
            }
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    /// [`start`](Self::start) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_start(self) -> Result<Manager, StartError> {
        let manager = self.begin()?;
        match manager.proxy.blocking_call(ask(Ask::Len, [])) {
            Ok(_) => Ok(manager),
            Err(ManagerError::Gone) => {
                let (pid, status) = (manager.pid(), manager.blocking_wait()?);
                Err(io::Error::other(Death::new(pid, status)).into())
            }
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    fn begin(self) -> Result<Manager, StartError> {
        let Newborn { child, line } = Birth::new(Role::Manager, self.name).start()?;
        let limits = postcard::to_extend(&self.limits, Vec::new()).map_err(io::Error::other)?;
        // If it has ended already, it will be found out.
        let _ = line.try_send(Packet::from(limits));
        let limit_bytes = self.limits.message_bytes;
        Ok(Manager { proxy: Proxy::new(line, limit_bytes), limit_bytes, child })
    }
}

/// Declares what makes objects, in both forms.
macro_rules! makes {
    ($(
        $(#[$meta:meta])*
        $name:ident / $blocking:ident $([$($generics:tt)*])? ($($argument:ident: $type:ty),*) -> $result:ty {
            $kind:expr, $parcels:expr
        }
    )*) => {$(
        $(#[$meta])*
        ///
        /// # Errors
        /// [`ManagerError`].
        pub async fn $name $(<$($generics)*>)? (&self $(, $argument: $type)*) -> Result<$result, ManagerError> {
            let (packet, root) = new($kind, $parcels)?;
            self.proxy.call(packet).await?;
            Ok(<$result>::new(Proxy::new(root, self.limit_bytes)))
        }

        #[doc = concat!("[`", stringify!($name), "`](Self::", stringify!($name), ") that blocks the thread.")]
        ///
        /// # Errors
        /// As there.
        pub fn $blocking $(<$($generics)*>)? (&self $(, $argument: $type)*) -> Result<$result, ManagerError> {
            let (packet, root) = new($kind, $parcels)?;
            self.proxy.blocking_call(packet)?;
            Ok(<$result>::new(Proxy::new(root, self.limit_bytes)))
        }
    )*};
}

impl Manager {
    /// Starts a manager.
    ///
    /// # Errors
    /// [`StartError`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it ends the process.
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }

    /// [`start`](Self::start) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_start() -> Result<Self, StartError> {
        Self::builder().blocking_start()
    }

    /// A manager with other limits.
    ///
    /// ```no_run
    /// # async fn start() -> Result<(), runtime::process::StartError> {
    /// let manager = runtime::process::Manager::builder().max_message(1 << 30).start().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ManagerBuilder {
        let limits = Limits { message_bytes: DEFAULT_LIMIT_BYTES, connections: DEFAULT_CONNECTIONS };
        ManagerBuilder { name: "manager".to_owned(), limits }
    }

    makes! {
        /// Makes a list with these items in it.
        list / blocking_list[T: Data](items: impl IntoIterator<Item = T>) -> ManagedList<T> {
            Kind::List, encode_all(items)?
        }

        /// Makes a dict with these entries in it.
        dict / blocking_dict[K: Data, V: Data](entries: impl IntoIterator<Item = (K, V)>) -> ManagedDict<K, V> {
            Kind::Dict, encode_entries(entries)?
        }

        /// Makes a namespace without names.
        namespace / blocking_namespace() -> ManagedNamespace {
            Kind::Dict, Vec::new()
        }

        /// Makes an array of these values.
        array / blocking_array[T: Data](values: impl IntoIterator<Item = T>) -> ManagedArray<T> {
            Kind::List, encode_all(values)?
        }

        /// Makes a place for a value, with this one in it.
        value / blocking_value[T: Data](value: T) -> ManagedValue<T> {
            Kind::List, vec![encode(&value)?]
        }

        /// Makes a queue with room for so many items; with `None`, for as many as come.
        queue / blocking_queue[T: Data](capacity: Option<usize>) -> ManagedQueue<T> {
            Kind::Queue { most: capacity.map(|most| most as u64) }, Vec::new()
        }

        /// Makes a lock.
        lock / blocking_lock() -> ManagedLock {
            LOCK, Vec::new()
        }

        /// Makes a lock that lets the task that holds it in again.
        rlock / blocking_rlock() -> ManagedRLock {
            Kind::Permits { many: 1, most: Some(1), reentrant: true }, Vec::new()
        }

        /// Makes a semaphore with so many permits.
        semaphore / blocking_semaphore(permits: usize) -> ManagedSemaphore {
            Kind::Permits { many: permits as u64, most: None, reentrant: false }, Vec::new()
        }

        /// Makes a semaphore that never has more than so many permits, and begins with them.
        bounded_semaphore / blocking_bounded_semaphore(permits: usize) -> ManagedBoundedSemaphore {
            Kind::Permits { many: permits as u64, most: Some(permits as u64), reentrant: false }, Vec::new()
        }

        /// Makes a condition, and its lock.
        condition / blocking_condition() -> ManagedCondition {
            LOCK, Vec::new()
        }

        /// Makes an event that is not set.
        event / blocking_event() -> ManagedEvent {
            Kind::Event, Vec::new()
        }

        /// Makes a barrier for so many.
        ///
        /// # Panics
        /// With 0: nobody could ever arrive last.
        barrier / blocking_barrier(parties: usize) -> ManagedBarrier {
            barrier(parties), Vec::new()
        }
    }

    verbs! {
        /// How many objects it keeps: all that anybody has a proxy of.
        ///
        /// # Errors
        /// [`ManagerError`].
        objects / blocking_objects(&self) -> usize {
            ask(Ask::Len, []) => |reply| Ok(reply.number())
        }
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, and all its objects with it; gives how it ended, also if it had ended before. If it has not within five seconds, it
    /// is killed.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it kills the process.
    pub async fn shutdown(self) -> io::Result<ExitStatus> {
        // If it is gone, it is what is wanted.
        let _ = timeout(GRACE, self.proxy.call(ask(Ask::Shutdown, []))).await;
        self.wait().await
    }

    /// [`shutdown`](Self::shutdown) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_shutdown(self) -> io::Result<ExitStatus> {
        let _ = self.proxy.blocking_call_within(ask(Ask::Shutdown, []), GRACE);
        self.blocking_wait()
    }

    async fn wait(self) -> io::Result<ExitStatus> {
        if let Ok(ended) = timeout(GRACE, self.child.ended()).await {
            return ended;
        }
        self.child.kill()?;
        self.child.ended().await
    }

    fn blocking_wait(self) -> io::Result<ExitStatus> {
        let child = self.child.handle();
        if let Some(status) = child.blocking_ended(Some(GRACE))? {
            return Ok(status);
        }
        child.kill()?;
        loop {
            if let Some(status) = child.blocking_ended(None)? {
                return Ok(status);
            }
        }
    }
}

/// What has a lock, and nothing in it.
const LOCK: Kind = Kind::Permits { many: 1, most: Some(1), reentrant: false };

#[track_caller]
fn barrier(parties: usize) -> Kind {
    assert!(parties > 0, "a barrier is for at least one: with 0, nobody could ever arrive last");
    Kind::Barrier { parties: parties as u64 }
}

/// The packet that asks for an object, and the root that it will have.
fn new(kind: Kind, parcels: Vec<Packet>) -> Result<(Packet, Packets), ManagerError> {
    let (ours, theirs) = Packets::pair()?;
    let mut packet = ask(Ask::New { kind }, parcels);
    packet.descriptors.push(theirs.into_fd());
    Ok((packet, ours))
}

impl Drop for Manager {
    fn drop(&mut self) {
        // Its objects end with it one way or the other, and this way at once. Nothing, if it has ended.
        let _ = self.child.kill();
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("pid", &self.pid()).finish_non_exhaustive()
    }
}
