//! The names of one flavour, stamped out alike for both, so that they cannot drift apart.

/// Declares the public names of a flavour.
macro_rules! names {
    ($flavour:ident) => {
        /// [`lock::Lock`](crate::lock::Lock) of this flavour.
        pub type Lock<T> = crate::lock::Lock<T, crate::flavour::$flavour>;
        /// [`lock::LockGuard`](crate::lock::LockGuard) of this flavour.
        pub type LockGuard<'a, T> = crate::lock::LockGuard<'a, T, crate::flavour::$flavour>;
        /// [`lock::OwnedLockGuard`](crate::lock::OwnedLockGuard) of this flavour.
        pub type OwnedLockGuard<T> = crate::lock::OwnedLockGuard<T, crate::flavour::$flavour>;
        /// [`semaphore::Semaphore`](crate::semaphore::Semaphore) of this flavour.
        pub type Semaphore = crate::semaphore::Semaphore<crate::flavour::$flavour>;
        /// [`semaphore::BoundedSemaphore`](crate::semaphore::BoundedSemaphore) of this flavour.
        pub type BoundedSemaphore = crate::semaphore::BoundedSemaphore<crate::flavour::$flavour>;
        /// [`semaphore::Permit`](crate::semaphore::Permit) of this flavour.
        pub type Permit<'a> = crate::semaphore::Permit<'a, crate::flavour::$flavour>;
        /// [`semaphore::OwnedPermit`](crate::semaphore::OwnedPermit) of this flavour.
        pub type OwnedPermit = crate::semaphore::OwnedPermit<crate::flavour::$flavour>;
        /// [`event::Event`](crate::event::Event) of this flavour.
        pub type Event = crate::event::Event<crate::flavour::$flavour>;
    };
}
pub(crate) use names;
