//! A long program is killed at every turn that it takes, and at every poll of every wait: each time all that it had is dropped,
//! once, and those whom it has met find everything in order.

use crate::support::{SECOND, inside};
use runtime::{
    greenlet::{self, JoinHandle},
    sync::{Condition, Event, Lock, Queue, RwLock, Semaphore},
};
use std::{
    cell::{Cell, OnceCell, RefCell},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
};

/// What the program has in common with its partners.
struct World {
    lock: Lock<u32>,
    table: RwLock<u32>,
    room: Semaphore,
    go: Event,
    queue: Queue<Item>,
    stock: Condition<u32>,
    /// How often each item was dropped.
    items: RefCell<Vec<u32>>,
    put: Cell<u32>,
    got: Cell<u32>,
    /// Polls of the program's waits, and at which of them it is killed.
    polls: Cell<u32>,
    fatal: u32,
    own: OnceCell<JoinHandle<u32>>,
}

/// Something to be dropped once.
struct Item(Rc<World>, usize);

impl Drop for Item {
    fn drop(&mut self) {
        self.0.items.borrow_mut()[self.1] += 1;
    }
}

/// An item that takes its time to go.
struct SlowItem(Item);

impl Drop for SlowItem {
    fn drop(&mut self) {
        self.0.0.clone().wait(runtime::time::sleep(SECOND));
    }
}

impl World {
    fn new(fatal: u32) -> Rc<Self> {
        Rc::new(Self {
            lock: Lock::new(0),
            table: RwLock::new(0),
            room: Semaphore::new(1),
            go: Event::new(),
            queue: Queue::bounded(1),
            stock: Condition::new(0),
            items: RefCell::default(),
            put: Cell::new(0),
            got: Cell::new(0),
            polls: Cell::new(0),
            fatal,
            own: OnceCell::new(),
        })
    }

    fn item(self: &Rc<Self>) -> Item {
        let mut items = self.items.borrow_mut();
        items.push(0);
        Item(self.clone(), items.len() - 1)
    }

    /// Waits, as the program.
    fn wait<F: Future>(&self, future: F) -> F::Output {
        greenlet::wait(Watched { world: self, future: pin!(future) })
    }

    fn count_poll(&self) {
        self.polls.set(self.polls.get() + 1);
        if self.polls.get() == self.fatal {
            self.own.get().unwrap().cancel();
        }
    }
}

/// Kills the program when it is polled, the fatal time.
struct Watched<'a, F> {
    world: &'a World,
    future: Pin<&'a mut F>,
}

impl<F: Future> Future for Watched<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.world.count_poll();
        self.future.as_mut().poll(context)
    }
}

fn program(world: &Rc<World>) -> u32 {
    let _first = world.item();
    let sum = {
        let _room = world.wait(world.room.acquire());
        let _item = world.item();
        let mut sum = world.wait(world.lock.acquire());
        let _slow = SlowItem(world.item());
        world.wait(runtime::task::yield_now());
        *sum += 1;
        world.wait(runtime::time::sleep(SECOND));
        *sum
    };
    world.wait(world.go.wait());
    *world.wait(world.table.write()) += *world.wait(world.lock.acquire());
    for _ in 0..3 {
        assert!(world.wait(world.queue.put(world.item())).is_ok());
        world.put.set(world.put.get() + 1);
    }
    let mut stock = world.wait(world.stock.lock());
    while *stock < 2 {
        stock = world.wait(world.stock.wait(stock));
    }
    drop(stock);
    let inner = greenlet::spawn({
        let item = SlowItem(world.item());
        move || drop(item)
    });
    world.wait(async {
        let _item = world.item();
        let _inside = world.item();
        // On the greenlet's stack again, in the middle of a poll.
        world.wait(inner).unwrap();
        runtime::task::yield_now().await;
    });
    // Its own stack inside of this one's turns.
    let nested = world.clone();
    sum + world.wait(greenlet::run(move || {
        let _item = nested.item();
        greenlet::yield_now();
        41
    }))
}

/// Whom the program meets.
fn partner(world: &Rc<World>) -> JoinHandle<()> {
    let world = world.clone();
    greenlet::spawn(move || {
        {
            let _room = greenlet::wait(world.room.acquire());
            let _lock = greenlet::wait(world.lock.acquire());
            greenlet::yield_now();
        }
        let table = greenlet::wait(world.table.read());
        world.go.set();
        greenlet::sleep(SECOND);
        drop(table);
        for _ in 0..2 {
            *greenlet::wait(world.stock.lock()) += 1;
            world.stock.notify(1);
            greenlet::yield_now();
        }
        while let Ok(item) = greenlet::wait(world.queue.get()) {
            world.got.set(world.got.get() + 1);
            drop(item);
        }
    })
}

/// Runs the program until it ends or is killed: by itself at a poll, or by `killer`. How many polls there were.
fn run(fatal: u32, killer: impl FnOnce(&JoinHandle<u32>) + 'static) -> u32 {
    inside(move || {
        let world = World::new(fatal);
        let partner = partner(&world);
        greenlet::yield_now();
        let own = world.clone();
        assert!(world.own.set(greenlet::spawn(move || program(&own))).is_ok());
        let handle = world.own.get().unwrap();
        killer(handle);
        handle.join();
        if handle.is_successful() {
            assert_eq!(world.put.get(), 3);
        }
        world.queue.close();
        assert!(partner.join_timeout(100 * SECOND).is_ok(), "the partner is kept, at {fatal}");
        greenlet::sleep(10 * SECOND);
        is_in_order(&world);
        world.polls.get()
    })
}

#[track_caller]
fn is_in_order(world: &World) {
    assert!(world.lock.try_acquire().is_some());
    assert!(world.table.try_write().is_some());
    assert_eq!(world.room.available_permits(), 1);
    assert!(world.stock.try_lock().is_some());
    // One that was taken over in the very turn counts as put, or not.
    let (put, got) = (world.put.get(), world.got.get());
    assert!(put == got || put + 1 == got, "{put} were put, {got} were got");
    let items = world.items.borrow();
    assert!(items.iter().all(|drops| *drops == 1), "each once: {items:?}");
}

#[test]
fn at_every_poll() {
    let polls = run(u32::MAX, |_| ());
    assert!(polls > 20, "{polls}");
    for fatal in 1..=polls {
        run(fatal, |_| ());
    }
}

/// From outside, after each step of a second and each turn in between.
#[test]
fn at_every_turn() {
    for turns in 0..40 {
        for seconds in 0..5 {
            run(u32::MAX, move |program| {
                greenlet::sleep(seconds * SECOND);
                (0..turns).for_each(|_| greenlet::yield_now());
                program.kill();
            });
        }
    }
}
