//! Child processes, and work in processes of this program.
//!
//! [`Command`], [`Launch`] and [`Child`] are about any program: run, talked to, ended, and watched without a thread. What needs
//! feature `process-pool` is about this one, started again to do a part of its work.

#[cfg(feature = "process-pool")]
pub(crate) mod birth;
#[cfg(feature = "process-pool")]
pub(crate) mod child;
#[cfg(feature = "process-pool")]
mod connection;
#[cfg(feature = "process-pool")]
pub(crate) mod death;
#[cfg(feature = "process-pool")]
mod function;
#[cfg(all(test, feature = "process-pool"))]
pub(crate) mod fuzz;
#[cfg(feature = "process-pool")]
pub(crate) mod host;
#[cfg(feature = "process-pool")]
pub(crate) mod luggage;
#[cfg(feature = "process-pool")]
pub(crate) mod manager;
#[cfg(feature = "process-pool")]
pub(crate) mod packet;
#[cfg(feature = "process-pool")]
pub(crate) mod panic;
#[cfg(feature = "process-pool")]
mod pipe;
#[cfg(feature = "process-pool")]
mod queue;
#[cfg(feature = "process-pool")]
pub(crate) mod registry;
#[cfg(feature = "process-pool")]
mod shared;
#[cfg(feature = "process-pool")]
mod transfer;
#[cfg(feature = "process-pool")]
mod value;

pub use runtime_io::process::*;

#[cfg(feature = "process-pool")]
pub use {
    birth::{Init, StartError, init},
    child::{ChildError, Me, Process, ProcessBuilder, SpawnError, current},
    connection::{
        Address, Client, ClientBuilder, ConnectError, Connection, ConnectionError, InvalidAddress, Key,
        Listener, ListenerBuilder, Peer, ReceiveHalf, Refusal, SendHalf,
    },
    death::Death,
    function::{Data, Function},
    luggage::Descriptor,
    manager::{
        ManagedArray, ManagedBarrier, ManagedBoundedSemaphore, ManagedCondition, ManagedDict, ManagedEvent,
        ManagedList, ManagedLock, ManagedLockError, ManagedLockGuard, ManagedNamespace, ManagedPermit,
        ManagedPutError, ManagedQueue, ManagedRLock, ManagedSemaphore, ManagedValue, Manager, ManagerBuilder,
        ManagerError,
    },
    panic::RemotePanic,
    pipe::{Pipe, pipe},
    queue::Queue,
    shared::{
        Barrier, BarrierError, BoundedSemaphore, Condition, Event, Lock, LockError, LockGuard, Number,
        Permit, Plain, RLock, RLockGuard, Semaphore, SharedArray, SharedValue,
    },
    transfer::{PutError, RecvError, SendError},
    value::Value,
};

#[cfg(feature = "process-pool")]
pub(crate) use birth::{enter_main, enter_test};
