//! What may cross threads, type by type. A bound that is missing is a data race in safe code, and one too many is a
//! program that does not compile; both are found here, without running anything.
//!
//! Each type is asked with four kinds of contents: `Both` is `Send + Sync`, `Moved` is `Send` only, `Seen` is `Sync`
//! only, `Neither` is neither.

#![cfg(not(loom))]

use runtime_sync as local;
use runtime_sync::{
    flavour::{Local, Shared},
    shared,
};
use std::{cell::Cell, rc::Rc, sync::MutexGuard};

type Both = u8;
type Moved = Cell<u8>;
type Seen = MutexGuard<'static, u8>;
type Neither = Rc<u8>;

/// Whether a type has an auto trait: where the bound is met, the type's own constant comes before the trait's.
macro_rules! is {
    ($type:ty: $bound:ident) => {{
        #[allow(dead_code, reason = "one of the two constants is not used")]
        trait Otherwise {
            const IS: bool = false;
        }
        #[allow(dead_code, reason = "one of the two constants is not used")]
        struct Asked<T: ?Sized>(std::marker::PhantomData<T>);
        impl<T: ?Sized> Otherwise for Asked<T> {}
        #[allow(dead_code, reason = "one of the two constants is not used")]
        impl<T: ?Sized + $bound> Asked<T> {
            const IS: bool = true;
        }
        Asked::<$type>::IS
    }};
}

/// `Send` and `Sync` as a row of "SY": a letter for each that it is.
macro_rules! traits {
    ($type:ty) => {
        match (is!($type: Send), is!($type: Sync)) {
            (true, true) => "SY",
            (true, false) => "S-",
            (false, true) => "-Y",
            (false, false) => "--",
        }
    };
}

/// The rows of one generic type: with `Both`, `Moved`, `Seen` and `Neither` inside.
macro_rules! expect {
    ($([$($generic:tt)+] $rows:expr;)*) => {
        $({
            type With<T> = $($generic)+;
            let found = [traits!(With<Both>), traits!(With<Moved>), traits!(With<Seen>), traits!(With<Neither>)];
            assert_eq!(found.join(" "), $rows, "{}", stringify!($($generic)+));
        })*
    };
}

#[test]
fn the_macro_tells_types_apart() {
    expect! {
        [Box<T>] "SY S- -Y --";
        [&'static T] "SY -- SY --";
    }
}

#[test]
fn shared_locks() {
    expect! {
        [shared::Lock<T>] "SY SY -- --";
        [shared::LockGuard<'static, T>] "SY S- -- --";
        [shared::OwnedLockGuard<T>] "SY S- -- --";
        [local::lock::Acquire<'static, T, Shared>] "SY SY -- --";
        [shared::RwLock<T>] "SY S- -- --";
        [shared::RwLockReadGuard<'static, T>] "SY -- -- --";
        [shared::RwLockWriteGuard<'static, T>] "SY -- -- --";
        [shared::OwnedRwLockReadGuard<T>] "SY -- -- --";
        [shared::OwnedRwLockWriteGuard<T>] "SY -- -- --";
        [local::rwlock::Read<'static, T, Shared>] "SY -- -- --";
        [local::rwlock::Write<'static, T, Shared>] "SY -- -- --";
        [shared::Condition<T>] "SY SY -- --";
        // Several guards of one lock may be alive, and each gives a `&T`.
        [shared::RLock<T>] "SY S- -Y --";
        [shared::RLockGuard<'static, T>] "SY -- SY --";
        [local::rlock::Acquire<'static, T, Shared>] "SY -- SY --";
    }
}

#[test]
fn shared_channels_and_queues() {
    expect! {
        [shared::Sender<T>] "SY SY -- --";
        [shared::WeakSender<T>] "SY SY -- --";
        [shared::Receiver<T>] "SY SY -- --";
        [local::channel::Send<'static, T, Shared>] "SY S- -- --";
        [local::channel::Recv<'static, T, Shared>] "SY SY -- --";
        [local::channel::Reserve<'static, T, Shared>] "SY SY -- --";
        [local::channel::Reservation<'static, T, Shared>] "SY SY -- --";
        [shared::Queue<T>] "SY SY -- --";
        [shared::LifoQueue<T>] "SY SY -- --";
        [local::queue::Put<'static, local::queue::Fifo<T>, Shared>] "SY S- -- --";
        [local::queue::Get<'static, local::queue::Fifo<T>, Shared>] "SY SY -- --";
        [local::queue::Join<'static, local::queue::Fifo<T>, Shared>] "SY SY -- --";
    }
    assert_eq!(traits!(shared::PriorityQueue<Cell<u8>>), "SY");
    assert_eq!(traits!(shared::PriorityQueue<Rc<u8>>), "--");
}

#[test]
fn shared_cells_and_channels_whose_values_are_seen_by_several() {
    expect! {
        [shared::OnceCell<T>] "SY S- -- --";
        [shared::Promise<T>] "SY S- -- --";
        [shared::broadcast::Sender<T>] "SY -- -- --";
        [shared::broadcast::Receiver<T>] "SY -- -- --";
        [shared::watch::Sender<T>] "SY -- -- --";
        [shared::watch::Receiver<T>] "SY -- -- --";
        [shared::oneshot::Sender<T>] "SY SY -- --";
        [shared::oneshot::Receiver<T>] "SY SY -- --";
    }
}

#[test]
fn shared_primitives_without_contents() {
    assert_eq!(traits!(shared::Event), "SY");
    assert_eq!(traits!(local::event::WaitSet<'static, Shared>), "SY");
    assert_eq!(traits!(shared::Semaphore), "SY");
    assert_eq!(traits!(shared::BoundedSemaphore), "SY");
    assert_eq!(traits!(shared::Permit<'static>), "SY");
    assert_eq!(traits!(shared::OwnedPermit), "SY");
    assert_eq!(traits!(local::semaphore::Acquire<'static, Shared>), "SY");
    assert_eq!(traits!(shared::Barrier), "SY");
    assert_eq!(traits!(local::barrier::WaitAll<'static, Shared>), "SY");
}

#[test]
fn nothing_local_leaves_its_thread() {
    const NEVER: &str = "-- -- -- --";
    expect! {
        [local::Lock<T>] NEVER;
        [local::LockGuard<'static, T>] NEVER;
        [local::OwnedLockGuard<T>] NEVER;
        [local::lock::Acquire<'static, T>] NEVER;
        [local::RLock<T>] NEVER;
        [local::RLockGuard<'static, T>] NEVER;
        [local::RwLock<T>] NEVER;
        [local::RwLockReadGuard<'static, T>] NEVER;
        [local::RwLockWriteGuard<'static, T>] NEVER;
        [local::OwnedRwLockReadGuard<T>] NEVER;
        [local::OwnedRwLockWriteGuard<T>] NEVER;
        [local::Condition<T>] NEVER;
        [local::Sender<T>] NEVER;
        [local::WeakSender<T>] NEVER;
        [local::Receiver<T>] NEVER;
        [local::channel::Send<'static, T>] NEVER;
        [local::channel::Recv<'static, T>] NEVER;
        [local::channel::Reserve<'static, T>] NEVER;
        [local::channel::Reservation<'static, T>] NEVER;
        [local::Queue<T>] NEVER;
        [local::LifoQueue<T>] NEVER;
        [local::OnceCell<T>] NEVER;
        [local::Promise<T>] NEVER;
        [local::broadcast::Sender<T>] NEVER;
        [local::broadcast::Receiver<T>] NEVER;
        [local::watch::Sender<T>] NEVER;
        [local::watch::Receiver<T>] NEVER;
    }
    assert_eq!(traits!(local::PriorityQueue<u8>), "--");
    assert_eq!(traits!(local::Event), "--");
    assert_eq!(traits!(local::event::WaitSet<'static>), "--");
    assert_eq!(traits!(local::Semaphore), "--");
    assert_eq!(traits!(local::BoundedSemaphore), "--");
    assert_eq!(traits!(local::Permit<'static>), "--");
    assert_eq!(traits!(local::OwnedPermit), "--");
    assert_eq!(traits!(local::semaphore::Acquire<'static>), "--");
    assert_eq!(traits!(local::Barrier), "--");
    assert_eq!(traits!(local::barrier::WaitAll<'static>), "--");
    assert_eq!(traits!(Local), "--");
}

/// The waits that are `async` blocks: what they hold across an `await` decides.
#[test]
fn shared_waits_without_a_name_may_move_to_another_thread() {
    fn assert_send<T: Send>(_: T) {}
    let lock = std::sync::Arc::new(shared::Lock::new(Cell::new(0)));
    assert_send(lock.acquire_timeout(std::time::Duration::ZERO));
    assert_send(lock.acquire_owned());
    let rwlock = std::sync::Arc::new(shared::RwLock::new(0));
    assert_send(rwlock.clone().read_owned());
    assert_send(rwlock.write_owned());
    assert_send(std::sync::Arc::new(shared::Semaphore::new(1)).acquire_owned(1));
    let (sender, mut receiver) = shared::channel::<Cell<u8>>(1);
    assert_send(sender.send(Cell::new(1)));
    assert_send(receiver.recv_many(&mut Vec::new(), 2));
    let condition = shared::Condition::new(Cell::new(0));
    let guard = condition.try_lock().expect("nobody has it");
    assert_send(condition.wait(guard));
    assert_send(shared::OnceCell::new().get_or_init(async || 7));
}

/// Half of the recorded messages are rustc's own, which change with every version.
const RECORDED_WITH: &str = "rustc 1.95.";

/// The same as a user meets it. After a change of wording: `TRYBUILD=overwrite cargo test -p runtime-sync --test
/// auto_traits`, and read the difference.
#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn accepted_programs_run_and_refused_ones_say_why() {
    let programs = trybuild::TestCases::new();
    programs.pass("tests/ui/pass/*.rs");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = std::process::Command::new(rustc).arg("--version").output().expect("rustc runs");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if version.starts_with(RECORDED_WITH) {
        programs.compile_fail("tests/ui/fail/*.rs");
    } else {
        eprintln!("ui/fail is not compared: recorded with {RECORDED_WITH}x, this is {version}");
    }
}
