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
        /// [`rlock::RLock`](crate::rlock::RLock) of this flavour.
        pub type RLock<T> = crate::rlock::RLock<T, crate::flavour::$flavour>;
        /// [`rlock::RLockGuard`](crate::rlock::RLockGuard) of this flavour.
        pub type RLockGuard<'a, T> = crate::rlock::RLockGuard<'a, T, crate::flavour::$flavour>;
        /// [`rwlock::RwLock`](crate::rwlock::RwLock) of this flavour.
        pub type RwLock<T> = crate::rwlock::RwLock<T, crate::flavour::$flavour>;
        /// [`rwlock::RwLockReadGuard`](crate::rwlock::RwLockReadGuard) of this flavour.
        pub type RwLockReadGuard<'a, T> = crate::rwlock::RwLockReadGuard<'a, T, crate::flavour::$flavour>;
        /// [`rwlock::RwLockWriteGuard`](crate::rwlock::RwLockWriteGuard) of this flavour.
        pub type RwLockWriteGuard<'a, T> = crate::rwlock::RwLockWriteGuard<'a, T, crate::flavour::$flavour>;
        /// [`rwlock::OwnedRwLockReadGuard`](crate::rwlock::OwnedRwLockReadGuard) of this flavour.
        pub type OwnedRwLockReadGuard<T> = crate::rwlock::OwnedRwLockReadGuard<T, crate::flavour::$flavour>;
        /// [`rwlock::OwnedRwLockWriteGuard`](crate::rwlock::OwnedRwLockWriteGuard) of this flavour.
        pub type OwnedRwLockWriteGuard<T> = crate::rwlock::OwnedRwLockWriteGuard<T, crate::flavour::$flavour>;
        /// [`condition::Condition`](crate::condition::Condition) of this flavour; its guards are [`LockGuard`]s.
        pub type Condition<T> = crate::condition::Condition<T, crate::flavour::$flavour>;
        /// [`barrier::Barrier`](crate::barrier::Barrier) of this flavour.
        pub type Barrier = crate::barrier::Barrier<crate::flavour::$flavour>;
        /// [`semaphore::Semaphore`](crate::semaphore::Semaphore) of this flavour.
        pub type Semaphore = crate::semaphore::Semaphore<crate::flavour::$flavour>;
        /// [`semaphore::BoundedSemaphore`](crate::semaphore::BoundedSemaphore) of this flavour.
        pub type BoundedSemaphore = crate::semaphore::BoundedSemaphore<crate::flavour::$flavour>;
        /// [`semaphore::Permit`](crate::semaphore::Permit) of this flavour.
        pub type Permit<'a> = crate::semaphore::Permit<'a, crate::flavour::$flavour>;
        /// [`semaphore::OwnedPermit`](crate::semaphore::OwnedPermit) of this flavour.
        pub type OwnedPermit = crate::semaphore::OwnedPermit<crate::flavour::$flavour>;
        /// [`once_cell::OnceCell`](crate::once_cell::OnceCell) of this flavour.
        pub type OnceCell<T> = crate::once_cell::OnceCell<T, crate::flavour::$flavour>;
        /// [`promise::Promise`](crate::promise::Promise) of this flavour.
        pub type Promise<T> = crate::promise::Promise<T, crate::flavour::$flavour>;
        /// [`event::Event`](crate::event::Event) of this flavour.
        pub type Event = crate::event::Event<crate::flavour::$flavour>;
        /// First in, first out: a [`queue::Queue`](crate::queue::Queue) of this flavour.
        pub type Queue<T> = crate::queue::Queue<crate::queue::Fifo<T>, crate::flavour::$flavour>;
        /// Last in, first out: a [`queue::Queue`](crate::queue::Queue) of this flavour.
        pub type LifoQueue<T> = crate::queue::Queue<crate::queue::Lifo<T>, crate::flavour::$flavour>;
        /// The lowest first: a [`queue::Queue`](crate::queue::Queue) of this flavour.
        pub type PriorityQueue<T> = crate::queue::Queue<crate::queue::Priority<T>, crate::flavour::$flavour>;
        /// [`channel::Sender`](crate::channel::Sender) of this flavour.
        pub type Sender<T> = crate::channel::Sender<T, crate::flavour::$flavour>;
        /// [`channel::WeakSender`](crate::channel::WeakSender) of this flavour.
        pub type WeakSender<T> = crate::channel::WeakSender<T, crate::flavour::$flavour>;
        /// [`channel::Receiver`](crate::channel::Receiver) of this flavour.
        pub type Receiver<T> = crate::channel::Receiver<T, crate::flavour::$flavour>;

        /// Opens a channel in which up to `capacity` items may wait for a receiver. With 0 it is a rendezvous: an
        /// item is sent when a receiver is there to take it.
        ///
        /// # Panics
        /// With a capacity of more than 4,294,967,294.
        #[track_caller]
        pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
            crate::channel::bounded(capacity, ::std::panic::Location::caller())
        }

        /// Opens a channel in which any number of items may wait: sending never does. A sender that is faster than its
        /// receiver for long uses up the memory.
        #[track_caller]
        pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
            crate::channel::unbounded(::std::panic::Location::caller())
        }

        /// Opens a channel on which every receiver gets every value that is sent while it is there; up to `capacity`
        /// values are kept for those who are slow.
        ///
        /// # Panics
        /// With a capacity of 0: a value must be kept somewhere until it is received.
        #[track_caller]
        pub fn broadcast<T>(capacity: usize) -> (broadcast::Sender<T>, broadcast::Receiver<T>) {
            crate::broadcast::open(capacity, ::std::panic::Location::caller())
        }

        /// Opens a channel that holds one value, at first `initial`, and tells its receivers of changes.
        #[track_caller]
        pub fn watch<T>(initial: T) -> (watch::Sender<T>, watch::Receiver<T>) {
            crate::watch::open(initial, ::std::panic::Location::caller())
        }
    };
}
pub(crate) use names;
