//! What the stories of the locks and their kin share: futures polled by hand, only when they were woken, so that a
//! wake-up that is lost fails the story; and a small executor's services, with a clock that stands still.

#![allow(dead_code, unused_imports, unused_macros, reason = "each program uses a part of it")]

use runtime_sync::{Board, Kind, Observer, Owner, Wait};
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    num::NonZeroU64,
    panic::Location,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, RawWakerVTable, Wake, Waker},
    time::Duration,
};

/// Tells each story, a function generic over the flavour, in both.
macro_rules! in_both_flavours {
    ($($story:ident),* $(,)?) => {
        mod local {
            $(#[test]
            fn $story() {
                super::$story::<runtime_sync::flavour::Local>();
            })*
        }
        mod shared {
            $(#[test]
            fn $story() {
                super::$story::<runtime_sync::flavour::Shared>();
            })*
        }
    };
}
pub(crate) use in_both_flavours;

/// Whether a type has an auto trait, as a constant.
macro_rules! is {
    ($type:ty: $trait:path) => {{
        #[allow(dead_code, reason = "one of the two constants is not asked for")]
        trait Otherwise {
            const IS: bool = false;
        }
        struct Question<T: ?Sized>(std::marker::PhantomData<T>);
        impl<T: ?Sized> Otherwise for Question<T> {}
        #[allow(dead_code, reason = "one of the two constants is not asked for")]
        impl<T: ?Sized + $trait> Question<T> {
            const IS: bool = true;
        }
        <Question<$type>>::IS
    }};
}
pub(crate) use is;

/// Counts the wakes.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whoever polls futures, with one waker.
#[derive(Clone, Default)]
pub(crate) struct Person(Arc<Bell>);

impl Person {
    pub(crate) fn waker(&self) -> Waker {
        Arc::clone(&self.0).into()
    }

    /// Somebody whom the [services](with_services) know.
    pub(crate) fn employed() -> Self {
        let person = Self::default();
        EMPLOYEES.with_borrow_mut(|employees| employees.push(person.waker()));
        person
    }

    /// The name that the services have for this person.
    pub(crate) fn owner(&self) -> Owner {
        name(&self.waker())
    }

    /// A future of this person's that was polled and has to wait.
    #[track_caller]
    pub(crate) fn waiting<'a, T>(&self, future: impl Future<Output = T> + 'a) -> Task<'a, T> {
        let mut task = Task { future: Box::pin(future), person: self.clone(), answered: 0 };
        task.goes_on_waiting();
        task
    }

    /// Polls once, for something that is there at once.
    #[track_caller]
    pub(crate) fn now<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = Box::pin(future);
        match poll(future.as_mut(), &self.waker()) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it had to wait"),
        }
    }
}

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>, waker: &Waker) -> Poll<T> {
    RUNNING.set(name(waker));
    let polled = future.poll(&mut Context::from_waker(waker));
    RUNNING.set(Owner::UNKNOWN);
    polled
}

/// A future on its way. Dropping it cancels.
pub(crate) struct Task<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    person: Person,
    /// Wakes that its last poll has answered.
    answered: usize,
}

impl<'a, T> Task<'a, T> {
    /// Somebody's who has nothing else to do.
    #[track_caller]
    pub(crate) fn waiting(future: impl Future<Output = T> + 'a) -> Self {
        Person::default().waiting(future)
    }

    fn poll(&mut self) -> Poll<T> {
        self.answered = self.person.0.0.load(Ordering::Relaxed);
        poll(self.future.as_mut(), &self.person.waker())
    }

    /// Polls it, and it has to wait.
    #[track_caller]
    pub(crate) fn goes_on_waiting(&mut self) {
        assert!(self.poll().is_pending(), "it did not wait");
    }

    /// Whether it was woken since it was polled.
    pub(crate) fn is_woken(&self) -> bool {
        self.person.0.0.load(Ordering::Relaxed) > self.answered
    }

    /// Polls it, because it was woken, and it has to wait for something else.
    #[track_caller]
    pub(crate) fn moves_on(&mut self) {
        assert!(self.is_woken(), "nobody woke it: it would sleep for ever");
        self.goes_on_waiting();
    }

    /// Polls it, because it was woken, and it ends.
    #[track_caller]
    pub(crate) fn ends(mut self) -> T {
        assert!(self.is_woken(), "nobody woke it: it would sleep for ever");
        let Poll::Ready(output) = self.poll() else { panic!("it was woken for nothing") };
        output
    }
}

/// Does it in a task that has used up its budget.
pub(crate) fn while_tired<T>(act: impl FnOnce() -> T) -> T {
    with_services();
    IS_TIRED.set(true);
    let result = act();
    IS_TIRED.set(false);
    result
}

/// Begins it over and over, in a task that has used up its budget, until it gives way although it need not wait.
#[track_caller]
pub(crate) fn tired<'a, T, W: Future<Output = T> + 'a>(mut begin: impl FnMut() -> W) -> Task<'a, T> {
    let task = while_tired(|| {
        (0..256).find_map(|_| {
            let mut task = Task { future: Box::pin(begin()), person: Person::default(), answered: 0 };
            task.poll().is_pending().then_some(task)
        })
    });
    let task = task.expect("it gives way now and then");
    assert!(task.is_woken(), "it goes on by itself");
    task
}

/// Notes in which order they are woken.
#[derive(Default)]
pub(crate) struct Order(Arc<Mutex<Vec<usize>>>);

struct Signer {
    number: usize,
    list: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Signer {
    fn wake(self: Arc<Self>) {
        self.list.lock().unwrap().push(self.number);
    }
}

impl Order {
    /// A future that was polled and has to wait.
    #[track_caller]
    pub(crate) fn waiting<T, W: Future<Output = T>>(&self, number: usize, future: W) -> Pin<Box<W>> {
        let mut future = Box::pin(future);
        let waker = Waker::from(Arc::new(Signer { number, list: Arc::clone(&self.0) }));
        assert!(poll(future.as_mut(), &waker).is_pending(), "it did not wait");
        future
    }

    pub(crate) fn woken(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }
}

/// Which of them were woken, by index.
pub(crate) fn woken<T>(tasks: &[Task<'_, T>]) -> Vec<usize> {
    (0..tasks.len()).filter(|index| tasks[*index].is_woken()).collect()
}

/// Polls once, for something that is there at once.
#[track_caller]
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    Person::default().now(future)
}

/// One sleep, until the clock says so much.
struct Sleeper {
    deadline: Duration,
    waker: Waker,
}

thread_local! {
    static RUNNING: Cell<Owner> = const { Cell::new(Owner::UNKNOWN) };
    static EMPLOYEES: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
    static CLOCK: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static SLEEPERS: RefCell<Vec<Sleeper>> = const { RefCell::new(Vec::new()) };
    static LAST_MINUTE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
    static BOARDS: RefCell<Vec<Arc<Board>>> = const { RefCell::new(Vec::new()) };
    static OPEN_WAITS: RefCell<Vec<(NonZeroU64, Wait)>> = const { RefCell::new(Vec::new()) };
    static TICKETS: Cell<u64> = const { Cell::new(0) };
    static HOLDS: RefCell<Vec<(Owner, Kind, i32)>> = const { RefCell::new(Vec::new()) };
    static IS_TIRED: Cell<bool> = const { Cell::new(false) };
}

fn name(waker: &Waker) -> Owner {
    let number = EMPLOYEES.with_borrow(|all| all.iter().position(|employee| employee.will_wake(waker)));
    number.map_or(Owner::UNKNOWN, |number| Owner { data: number, vtable: 8 })
}

/// The services of an executor, for the thread of one story.
struct Services;

/// Installs the services for this program; all are per thread, so stories do not meet.
pub(crate) fn with_services() {
    let _ = runtime_sync::install(&Services);
}

/// Moves the clock; sleeps that are over then wake their tasks.
pub(crate) fn advance(time: Duration) {
    let now = CLOCK.get() + time;
    CLOCK.set(now);
    let (due, rest) = SLEEPERS.take().into_iter().partition(|sleeper: &Sleeper| sleeper.deadline <= now);
    SLEEPERS.set(rest);
    let due: Vec<Sleeper> = due;
    due.into_iter().for_each(|sleeper| sleeper.waker.wake());
}

/// Does this in the very moment in which a sleep is found to be over.
pub(crate) fn when_time_is_over(act: impl FnOnce() + 'static) {
    LAST_MINUTE.set(Some(Box::new(act)));
}

/// Waits that have begun and not ended.
pub(crate) fn open_waits() -> Vec<Wait> {
    let alone = OPEN_WAITS.with_borrow(|waits| waits.iter().map(|(_, wait)| *wait).collect::<Vec<_>>());
    BOARDS.with_borrow_mut(|boards| boards.retain(|board| !Board::is_deserted(board)));
    let boards = BOARDS.with_borrow(Vec::clone);
    let queued = boards.iter().flat_map(|board| {
        let holder = board.holder();
        board.waiting().map(move |waiting| Wait {
            kind: waiting.kind,
            created: board.created(),
            asked: waiting.asked,
            address: board.address(),
            holder: holder.filter(|_| waiting.kind.has_holder()),
        })
    });
    queued.chain(alone).collect()
}

/// What was said about who holds what, since it was asked last.
pub(crate) fn holds() -> Vec<(Owner, Kind, i32)> {
    HOLDS.take()
}

impl Observer for Services {
    fn wakers(&self) -> Option<&'static RawWakerVTable> {
        None
    }

    fn wake(&self, _: usize) {
        unreachable!("no waker is known by its key");
    }

    fn enlist(&self, board: &Arc<Board>) {
        BOARDS.with_borrow_mut(|boards| boards.push(board.clone()));
    }

    fn begin(&self, _: &Waker, wait: &Wait, _: bool) -> Option<NonZeroU64> {
        TICKETS.set(TICKETS.get() + 1);
        let number = NonZeroU64::new(TICKETS.get())?;
        OPEN_WAITS.with_borrow_mut(|waits| waits.push((number, *wait)));
        Some(number)
    }

    fn end(&self, number: NonZeroU64) {
        OPEN_WAITS.with_borrow_mut(|waits| waits.retain(|(open, _)| *open != number));
    }

    fn owner(&self, waker: &Waker) -> Owner {
        name(waker)
    }

    fn current(&self) -> Owner {
        RUNNING.get()
    }

    fn holds(&self, owner: Owner, kind: Kind, _: &'static Location<'static>, change: i32) {
        HOLDS.with_borrow_mut(|holds| holds.push((owner, kind, change)));
    }

    fn take_budget(&self, _: u8) -> bool {
        !IS_TIRED.get()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let deadline = CLOCK.get() + duration;
        Box::pin(poll_fn(move |cx| {
            if CLOCK.get() >= deadline {
                if let Some(act) = LAST_MINUTE.take() {
                    act();
                }
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            SLEEPERS.with_borrow_mut(|sleepers| sleepers.push(Sleeper { deadline, waker }));
            Poll::Pending
        }))
    }
}
