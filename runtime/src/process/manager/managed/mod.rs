//! The objects of a manager, as those who use them see them: a proxy each, with the verbs of its type.

mod array;
mod barrier;
mod condition;
mod dict;
mod event;
mod hold;
mod list;
mod lock;
mod namespace;
mod queue;
mod semaphore;
mod value;

pub use self::{
    array::ManagedArray,
    barrier::ManagedBarrier,
    condition::ManagedCondition,
    dict::ManagedDict,
    event::ManagedEvent,
    hold::{ManagedLockGuard, ManagedPermit},
    list::ManagedList,
    lock::{ManagedLock, ManagedRLock},
    namespace::ManagedNamespace,
    queue::ManagedQueue,
    semaphore::{ManagedBoundedSemaphore, ManagedSemaphore},
    value::ManagedValue,
};

pub(in crate::process::manager) use self::{dict::encode_entries, list::encode_all};

use super::{ManagedLockError, ManagerError, proxy::Reply, wire::Answer};

/// Declares a type with a proxy in it, that can be cloned, shown, and sent to other processes.
macro_rules! managed {
    ($(#[$meta:meta])* $name:ident $(<$($type:ident),+>)?) => {
        $(#[$meta])*
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(transparent, bound = "")]
        pub struct $name $(<$($type),+>)? {
            proxy: crate::process::manager::proxy::Proxy,
            $(
                #[serde(skip)]
                types: std::marker::PhantomData<fn() -> ($($type,)+)>,
            )?
        }

        impl $(<$($type),+>)? $name $(<$($type),+>)? {
            pub(in crate::process::manager) fn new(proxy: crate::process::manager::proxy::Proxy) -> Self {
                Self { proxy, $(types: std::marker::PhantomData::<fn() -> ($($type,)+)>)? }
            }
        }

        impl $(<$($type),+>)? Clone for $name $(<$($type),+>)? {
            fn clone(&self) -> Self {
                Self::new(self.proxy.clone())
            }
        }

        impl $(<$($type),+>)? std::fmt::Debug for $name $(<$($type),+>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("proxy", &self.proxy).finish()
            }
        }
    };
}

/// Declares verbs in both forms: what is asked, and what is made of the answer.
macro_rules! verbs {
    ($(
        $(#[$meta:meta])*
        $name:ident / $blocking:ident (&$self:ident $(, $argument:ident: $type:ty)*) -> $result:ty {
            $ask:expr => $read:expr
        }
    )*) => {$(
        $(#[$meta])*
        pub async fn $name(&$self $(, $argument: $type)*) -> Result<$result, ManagerError> {
            let packet = $ask;
            let read: fn(&mut crate::process::manager::proxy::Reply) -> Result<$result, ManagerError> = $read;
            read(&mut $self.proxy.call(packet).await?)
        }

        #[doc = concat!("[`", stringify!($name), "`](Self::", stringify!($name), ") that blocks the thread.")]
        ///
        /// # Errors
        /// As there.
        pub fn $blocking(&$self $(, $argument: $type)*) -> Result<$result, ManagerError> {
            let packet = $ask;
            let read: fn(&mut crate::process::manager::proxy::Reply) -> Result<$result, ManagerError> = $read;
            read(&mut $self.proxy.blocking_call(packet)?)
        }
    )*};
}

pub(in crate::process::manager) use {managed, verbs};

/// Of an answer that says no more than that it is done.
fn nothing(_: &mut Reply) -> Result<(), ManagerError> {
    Ok(())
}

fn done(reply: &mut Reply) -> Result<bool, ManagerError> {
    Ok(reply.is_done())
}

fn yes(reply: &mut Reply) -> Result<bool, ManagerError> {
    Ok(reply.answer == Answer::Is { yes: true })
}

fn number(reply: &mut Reply) -> Result<usize, ManagerError> {
    Ok(reply.number())
}

/// What there should be one of, and is.
fn must<T>(value: Option<T>) -> Result<T, ManagerError> {
    value.ok_or_else(|| ManagerError::Unreadable("nothing came where something should".to_owned()))
}
