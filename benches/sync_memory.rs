//! Memory of locks, semaphores, events and channels: bytes of the value itself, of what it has allocated, and of a future
//! that waits. Counted exactly, by an allocator that would slow the rows about time: hence a program of its own.

#[cfg(target_os = "linux")]
#[path = "../executor/tests/common/allocator.rs"]
mod allocator;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod common;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by two programs; each uses its part")]
mod coordination;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared by all programs; each uses its part")]
mod peers;

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the benchmarks read /proc and pin cores: Linux only");
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::env;
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use crate::allocator::live_bytes;
    use crate::common::child;
    use crate::common::options::Options;
    use crate::common::report::Table;
    use crate::common::rows::Figure;
    use crate::coordination::{
        self, Bounded, CAPACITY, Event, LIBRARIES, Library, Lock, Oneshot, Outcome, Semaphore, Unbounded,
        Visit,
    };
    use crate::peers::Peer;

    pub(crate) fn main() {
        let arguments: Vec<String> = env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["--child", library, host] => {
                child::hand_over(&coordination::with_library(library, host, Weigh));
            }
            _ => compare(&Options::parse(arguments.into_iter())),
        }
    }

    /// One round on one runtime: the figures are exact.
    fn compare(options: &Options) {
        let columns = options.wanted_peers(LIBRARIES.iter().map(|(name, _)| *name));
        let mut table = Table::with_ratios(&columns, coordination::ratios());
        for (library, hosts) in LIBRARIES.iter().filter(|(library, _)| columns.contains(library)) {
            match child::figures(&["--child", library, hosts[0]]) {
                Ok(figures) => figures
                    .iter()
                    .filter(|(title, _)| options.wants_row(title))
                    .for_each(|(title, bytes)| table.record(title, library, *bytes)),
                Err(reason) => eprintln!("sync_memory: {library}: {reason}"),
            }
        }
        table.print();
    }

    struct Weigh;

    impl Visit for Weigh {
        type Output = Vec<Figure>;
        fn visit<L: Library, P: Peer>(self) -> Vec<Figure> {
            P::run(async {
                // What is made once for all, with the first use, is not counted.
                weigh::<L>().await;
                weigh::<L>().await
            })
        }
    }

    async fn weigh<L: Library>() -> Vec<Figure> {
        let mut figures = Vec::new();
        if L::Lock::IS_OFFERED {
            figures.extend(lock::<L::Lock>().await);
        }
        if L::Semaphore::IS_OFFERED {
            figures.extend(semaphore::<L::Semaphore>().await);
        }
        if L::Event::IS_OFFERED {
            figures.extend(event::<L::Event>().await);
        }
        if L::Oneshot::IS_OFFERED {
            figures.extend(oneshot::<L::Oneshot>().await);
        }
        if <L::Bounded as Bounded<CAPACITY>>::IS_OFFERED {
            figures.extend(bounded::<L::Bounded>().await);
        }
        if L::Unbounded::IS_OFFERED {
            figures.extend(unbounded::<L::Unbounded>().await);
        }
        figures
    }

    /// Bytes of the primitive itself and of what has been allocated since `before`.
    fn weight<T>(before: usize) -> f64 {
        (size_of::<T>() + live_bytes() - before) as f64
    }

    /// Bytes that one more future needs, in itself and in what is allocated, once it waits.
    async fn waiting<F: Future>(future: F) -> f64 {
        let before = live_bytes();
        let mut future = pin!(future);
        poll_fn(|cx| {
            assert!(future.as_mut().poll(cx).is_pending(), "there was nothing to wait for");
            Poll::Ready(())
        })
        .await;
        (size_of::<F>() + live_bytes() - before) as f64
    }

    async fn lock<L: Lock>() -> [Figure; 2] {
        let before = live_bytes();
        let lock = L::new();
        let free = weight::<L>(before) - size_of::<u64>() as f64;
        let _held = lock.acquire().await;
        [("lock, without its value (B)", free), ("lock: one that waits (B)", waiting(lock.acquire()).await)]
    }

    async fn semaphore<S: Semaphore>() -> [Figure; 2] {
        let before = live_bytes();
        let semaphore = S::new(1);
        let free = weight::<S>(before);
        let _held = semaphore.acquire().await;
        [("semaphore (B)", free), ("semaphore: one that waits (B)", waiting(semaphore.acquire()).await)]
    }

    async fn event<E: Event>() -> [Figure; 2] {
        let before = live_bytes();
        let event = E::new();
        [("event (B)", weight::<E>(before)), ("event: one that waits (B)", waiting(event.wait()).await)]
    }

    async fn oneshot<O: Oneshot>() -> [Figure; 2] {
        let before = live_bytes();
        let (_sender, receiver) = O::channel::<u64>();
        let both = weight::<(O::Sender<u64>, O::Receiver<u64>)>(before);
        let more = waiting(O::receive(receiver)).await - size_of::<O::Receiver<u64>>() as f64;
        [("oneshot, both ends (B)", both), ("oneshot: waiting for it, besides (B)", more)]
    }

    async fn bounded<C: Bounded<CAPACITY>>() -> [Figure; 3] {
        let before = live_bytes();
        let (mut sender, mut receiver) = C::channel();
        let both = weight::<(C::Sender, C::Receiver)>(before);
        let waits = waiting(C::receive(&mut receiver)).await;
        C::send(&mut sender, 1).await.value().expect("receiver lives");
        let one = weight::<(C::Sender, C::Receiver)>(before);
        [
            ("channel of capacity 1,024, both ends (B)", both),
            ("channel of capacity 1,024: one that waits (B)", waits),
            ("channel of capacity 1,024 that holds one item (B)", one),
        ]
    }

    async fn unbounded<C: Unbounded>() -> [Figure; 3] {
        let before = live_bytes();
        let (sender, mut receiver) = C::channel();
        let both = weight::<(C::Sender, C::Receiver)>(before);
        let waits = waiting(C::receive(&mut receiver)).await;
        C::send(&sender, 1);
        let one = weight::<(C::Sender, C::Receiver)>(before);
        [
            ("unbounded channel, both ends (B)", both),
            ("unbounded channel: one that waits (B)", waits),
            ("unbounded channel that holds one item (B)", one),
        ]
    }
}
