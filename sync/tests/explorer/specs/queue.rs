//! `Queue`, `LifoQueue`, `PriorityQueue`: the order of the items, and `join`, on top of what channels do.

use super::exchange::{Ended, Exchange, Item, Maker, Order, Polled};
use crate::spec::{DONE, Fut, Id, Model, Outcome, Spec, Then};
use runtime_sync::{
    LifoQueue, PriorityQueue, Queue,
    queue::{Fifo, Lifo, Priority, TryGetError, TryPutError},
};
use std::{
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What the three have in common.
pub(crate) trait Ordered: 'static {
    type Queue: 'static;
    const NAME: &'static str;
    const ORDER: Order;
    const CAPACITY: Option<usize>;
    fn new() -> Self::Queue;
    fn put(queue: &'static Self::Queue, item: Item) -> impl Future<Output = bool>;
    fn get(queue: &'static Self::Queue) -> impl Future<Output = Option<Item>> + 'static;
    fn join(queue: &'static Self::Queue) -> impl Future<Output = ()> + 'static;
    /// The error: whether it is closed.
    fn try_put(queue: &'static Self::Queue, item: Item) -> Result<(), bool>;
    fn try_get(queue: &'static Self::Queue) -> Result<Item, bool>;
    fn task_done(queue: &'static Self::Queue);
    fn close(queue: &'static Self::Queue, now: bool);
    /// Length, items that are not done with, whether it is full, whether it is closed.
    fn seen(queue: &'static Self::Queue) -> [i64; 4];
}

macro_rules! ordered {
    ($name:ident, $store:ty, $text:literal, $order:ident, $capacity:expr, $new:expr) => {
        pub(crate) struct $name;

        impl Ordered for $name {
            type Queue = runtime_sync::queue::Queue<$store>;
            const NAME: &'static str = $text;
            const ORDER: Order = Order::$order;
            const CAPACITY: Option<usize> = $capacity;
            fn new() -> Self::Queue {
                $new
            }
            async fn put(queue: &'static Self::Queue, item: Item) -> bool {
                queue.put(item).await.is_ok()
            }
            fn get(queue: &'static Self::Queue) -> impl Future<Output = Option<Item>> + 'static {
                let get = queue.get();
                async { get.await.ok() }
            }
            fn join(queue: &'static Self::Queue) -> impl Future<Output = ()> + 'static {
                queue.join()
            }
            fn try_put(queue: &'static Self::Queue, item: Item) -> Result<(), bool> {
                queue.try_put(item).map_err(|error| matches!(error, TryPutError::Closed(_)))
            }
            fn try_get(queue: &'static Self::Queue) -> Result<Item, bool> {
                queue.try_get().map_err(|error| error == TryGetError::Closed)
            }
            fn task_done(queue: &'static Self::Queue) {
                queue.task_done();
            }
            fn close(queue: &'static Self::Queue, now: bool) {
                if now { queue.close_now() } else { queue.close() }
            }
            fn seen(queue: &'static Self::Queue) -> [i64; 4] {
                let number = |count: usize| i64::try_from(count).expect("few");
                [
                    number(queue.len()),
                    number(queue.unfinished()),
                    i64::from(queue.is_full()),
                    i64::from(queue.is_closed()),
                ]
            }
        }
    };
}
ordered!(First, Fifo<Item>, "Queue(1)", Fifo, Some(1), Queue::bounded(1));
ordered!(Last, Lifo<Item>, "LifoQueue(2)", Lifo, Some(2), LifoQueue::bounded(2));
ordered!(Lowest, Priority<Item>, "PriorityQueue", Priority, None, PriorityQueue::unbounded());

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Put,
    Get,
    Join,
    TryPut,
    TryGet,
    TaskDone,
    /// When all is done already: it panics, and nothing else.
    TaskDoneTooOften,
    Close,
    CloseNow,
}

pub(crate) struct World<O: Ordered> {
    queue: O::Queue,
    maker: Maker,
}

pub(crate) struct Of<O>(PhantomData<O>);

impl<O: Ordered> Spec for Of<O> {
    const NAME: &'static str = O::NAME;
    type World = World<O>;
    type Held = ();
    type Act = Act;
    type Model = Reference<O>;
    const STARTS: &'static [Act] = &[Act::Put, Act::Get, Act::Join];
    const OPS: &'static [Act] =
        &[Act::TryPut, Act::TryGet, Act::TaskDone, Act::TaskDoneTooOften, Act::Close, Act::CloseNow];
    const AMID: &'static [Act] = &[Act::TryGet, Act::Close];
    const RARE: &'static [Act] = match O::ORDER {
        Order::Fifo => &[Act::TaskDoneTooOften],
        _ => &[Act::TryPut, Act::TryGet, Act::TaskDoneTooOften],
    };
    const IDLE: u8 = 1;
    const PLACES: usize = 2;

    fn world() -> World<O> {
        World { queue: O::new(), maker: Maker::default() }
    }

    fn start(world: &'static World<O>, _: Id, act: Act) -> Fut<Self> {
        match act {
            Act::Put => Box::pin(async {
                let is_put = O::put(&world.queue, world.maker.make()).await;
                (Outcome("put", i64::from(is_put)), None)
            }),
            Act::Get => {
                let get = O::get(&world.queue);
                Box::pin(async { (got(get.await.map(|item| item.number)), None) })
            }
            _ => {
                let join = O::join(&world.queue);
                Box::pin(async {
                    join.await;
                    (DONE, None)
                })
            }
        }
    }

    fn op(world: &'static World<O>, act: Act) -> Outcome {
        match act {
            Act::TryPut => match O::try_put(&world.queue, world.maker.make()) {
                Ok(()) => Outcome("put", 1),
                Err(is_closed) => Outcome(if is_closed { "closed" } else { "full" }, 0),
            },
            Act::TryGet => match O::try_get(&world.queue) {
                Ok(item) => got(Some(item.number)),
                Err(is_closed) => Outcome(if is_closed { "closed" } else { "empty" }, 0),
            },
            Act::TaskDone => {
                O::task_done(&world.queue);
                DONE
            }
            Act::TaskDoneTooOften => {
                let done = catch_unwind(AssertUnwindSafe(|| O::task_done(&world.queue)));
                Outcome("panicked", i64::from(done.is_err()))
            }
            _ => {
                O::close(&world.queue, act == Act::CloseNow);
                DONE
            }
        }
    }

    fn seen(world: &'static World<O>) -> Vec<i64> {
        let mut seen = O::seen(&world.queue).to_vec();
        seen.push(world.maker.alive());
        seen
    }
}

fn got(number: Option<i64>) -> Outcome {
    Outcome("got", number.unwrap_or_default())
}

#[derive(Debug)]
pub(crate) struct Reference<O> {
    exchange: Exchange,
    order: PhantomData<O>,
}

impl<O: Ordered> Model for Reference<O> {
    type Act = Act;

    fn new() -> Self {
        Self { exchange: Exchange::new(O::CAPACITY, O::ORDER), order: PhantomData }
    }

    fn allows(&self, act: Act, _: Option<Id>) -> bool {
        match act {
            // Who got an item says so afterwards.
            Act::TaskDone => self.exchange.unfinished > self.exchange.store.len(),
            Act::TaskDoneTooOften => self.exchange.unfinished == 0,
            _ => true,
        }
    }

    fn is_idle(&self, act: Act) -> bool {
        match act {
            Act::TryPut => !self.exchange.may_put(),
            Act::TryGet => !self.exchange.may_get(),
            Act::Close => self.exchange.is_closed,
            Act::TaskDoneTooOften => true,
            Act::CloseNow => self.exchange.is_closed && self.exchange.store.is_empty(),
            _ => false,
        }
    }

    fn poll(&mut self, id: Id, act: Act, is_first: bool) -> (Option<Outcome>, Then) {
        let polled = match act {
            Act::Put => match self.exchange.poll_put(id, is_first) {
                Polled::Waits => None,
                Polled::Ready(put) => Some(Outcome("put", i64::from(put.is_ok()))),
            },
            Act::Get => match self.exchange.poll_get(id, is_first) {
                Polled::Waits => None,
                Polled::Ready(item) => Some(got(item.ok())),
            },
            _ => {
                let joiners = &mut self.exchange.joiners;
                let passes = joiners.take(id).is_some() || is_first && self.exchange.unfinished == 0;
                if is_first && !passes {
                    joiners.join(id, ());
                }
                passes.then_some(DONE)
            }
        };
        (polled, Then::Gone)
    }

    fn is_ready(&self, id: Id) -> bool {
        let exchange = &self.exchange;
        exchange.is_putter_ready(id) || exchange.is_getter_ready(id) || exchange.joiners.is_granted(id)
    }

    fn cancel(&mut self, id: Id, _: Act, _: bool) {
        self.exchange.cancel_put(id);
        self.exchange.cancel_get(id);
        self.exchange.joiners.leave(id);
    }

    fn op(&mut self, act: Act) -> Outcome {
        match act {
            Act::TryPut => {
                if self.exchange.may_put() {
                    let _ = self.exchange.poll_put(Id::MAX, true);
                    return Outcome("put", 1);
                }
                self.exchange.make();
                Outcome(if self.exchange.is_closed { "closed" } else { "full" }, 0)
            }
            Act::TryGet => match self.exchange.try_get() {
                Some(Ok(item)) => got(Some(item)),
                Some(Err(Ended)) => Outcome("closed", 0),
                None => Outcome("empty", 0),
            },
            Act::TaskDone => {
                self.exchange.finish();
                DONE
            }
            Act::TaskDoneTooOften => Outcome("panicked", 1),
            Act::Close => {
                self.exchange.close();
                DONE
            }
            _ => {
                self.exchange.abandon();
                DONE
            }
        }
    }

    fn seen(&self) -> Vec<i64> {
        let number = |count: usize| i64::try_from(count).expect("few");
        vec![
            number(self.exchange.store.len()),
            number(self.exchange.unfinished),
            i64::from(self.exchange.is_full()),
            i64::from(self.exchange.is_closed),
            number(self.exchange.store.len() + self.exchange.carried.len()),
        ]
    }

    fn ends(&self) -> Vec<Act> {
        vec![Act::CloseNow, Act::TaskDone]
    }
}
