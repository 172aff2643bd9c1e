//! Stories of queues: the three orders, work that is done or not, and how a queue ends. Both flavours, no executor.

mod drops;
mod stories;

use drops::Drops;
use runtime_sync::{
    Kind,
    flavour::Flavour,
    queue::{
        Fifo, GetError, GetTimeoutError, Lifo, Priority, PutError, PutTimeoutError, Queue, TryGetError,
        TryPutError,
    },
};
use std::{
    cell::RefCell,
    cmp::Ordering,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::{Rc, Weak},
    time::Duration,
};
use stories::{
    Task, advance, in_both_flavours, now, open_waits, tired, when_time_is_over, with_services, woken,
};

in_both_flavours! {
    three_orders,
    of_equal_ones_the_first_in_is_the_first_out,
    items_are_compared_and_nothing_else,
    putters_get_room_in_the_order_in_which_they_asked,
    getters_get_items_in_the_order_in_which_they_asked,
    a_getter_takes_what_is_best_when_it_takes,
    the_item_of_a_getter_that_gave_up_goes_to_the_next,
    the_room_of_a_putter_that_gave_up_goes_to_the_next,
    a_putter_that_gives_up_gets_its_item_back,
    with_capacity_0_a_getter_must_be_there,
    a_putter_whose_getter_went_away_waits_on_at_the_head,
    join_waits_until_everything_is_done,
    join_may_be_given_up,
    what_is_put_while_somebody_joins_is_waited_for_too,
    nobody_is_done_more_often_than_there_was_work,
    close_gives_putters_their_items_back_and_lets_getters_drain,
    room_that_was_granted_outlives_close,
    close_now_drops_what_is_there_and_lets_everybody_go,
    work_in_hand_is_waited_for_after_close_now,
    an_item_that_was_granted_is_dropped_by_close_now,
    nothing_is_put_by_a_putter_that_close_now_overtook,
    numbers_agree_with_what_is_there,
    every_item_is_dropped_once,
    an_item_may_use_the_queue_while_it_is_dropped,
    the_limit_has_a_limit,
    work_called_done_too_early_does_not_keep_close_now_from_letting_go,
    time_limits_give_back_what_they_interrupt,
    whoever_waits_is_known_to_wait,
    whoever_gives_way_has_done_nothing,
}

/// Puts items for which there is room.
macro_rules! put_all {
    ($queue:expr, $items:expr) => {
        $items.into_iter().for_each(|item| assert!(now($queue.put(item)).is_ok()))
    };
}

/// Takes whatever is there for a newcomer.
macro_rules! drain {
    ($queue:expr) => {
        std::iter::from_fn(|| $queue.try_get().ok()).collect::<Vec<_>>()
    };
}

fn three_orders<F: Flavour>() {
    let (fifo, lifo, lowest) = (
        Queue::<Fifo<_>, F>::unbounded(),
        Queue::<Lifo<_>, F>::unbounded(),
        Queue::<Priority<_>, F>::unbounded(),
    );
    put_all!(fifo, [3, 1, 2]);
    put_all!(lifo, [3, 1, 2]);
    put_all!(lowest, [3, 1, 2]);
    assert_eq!(drain!(fifo), [3, 1, 2]);
    assert_eq!(drain!(lifo), [2, 1, 3]);
    assert_eq!(drain!(lowest), [1, 2, 3]);
}

/// Ordered by its rank alone.
#[derive(Debug)]
struct Job(u32, &'static str);

impl Ord for Job {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Job {}

fn of_equal_ones_the_first_in_is_the_first_out<F: Flavour>() {
    let queue = Queue::<Priority<_>, F>::unbounded();
    put_all!(queue, [Job(5, "a"), Job(1, "b"), Job(5, "c"), Job(1, "d"), Job(5, "e")]);
    assert_eq!(queue.try_get().map(|job| job.1), Ok("b"));
    put_all!(queue, [Job(1, "f"), Job(5, "g")]); // also among those that come later
    let names: Vec<_> = drain!(queue).into_iter().map(|job| job.1).collect();
    assert_eq!(names, ["d", "f", "a", "c", "e", "g"]);
}

fn items_are_compared_and_nothing_else<F: Flavour>() {
    let queue = Queue::<Priority<_>, F>::unbounded();
    put_all!(queue, (0..100_u32).map(|n| n * 37 % 101));
    let items = drain!(queue);
    assert!(items.is_sorted() && items.len() == 100);
}

fn putters_get_room_in_the_order_in_which_they_asked<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(1);
    put_all!(queue, [0]);
    let mut waiting: Vec<_> = (1..=3).map(|item| Task::waiting(queue.put(item))).collect();
    assert_eq!(queue.try_get(), Ok(0));
    assert_eq!(woken(&waiting), [0]);
    assert_eq!(queue.try_put(9), Err(TryPutError::Full(9)), "that room is the first's already");
    assert!(queue.is_full());
    waiting[1].goes_on_waiting();
    for item in 1..=3 {
        assert_eq!(waiting.remove(0).ends(), Ok(()));
        assert_eq!(now(queue.get()), Ok(item));
    }
}

fn getters_get_items_in_the_order_in_which_they_asked<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    let mut waiting: Vec<_> = (0..3).map(|_| Task::waiting(queue.get())).collect();
    put_all!(queue, [1, 2]);
    assert_eq!(woken(&waiting), [0, 1]);
    assert_eq!(queue.try_get(), Err(TryGetError::Empty), "they are the first two's already");
    waiting[2].goes_on_waiting();
    assert_eq!(waiting.remove(0).ends(), Ok(1));
    put_all!(queue, [3]);
    assert_eq!(waiting.remove(0).ends(), Ok(2));
    assert_eq!(waiting.remove(0).ends(), Ok(3));
}

fn a_getter_takes_what_is_best_when_it_takes<F: Flavour>() {
    let queue = Queue::<Priority<_>, F>::unbounded();
    let waiting = Task::waiting(queue.get());
    put_all!(queue, [5, 1]);
    assert_eq!(waiting.ends(), Ok(1));
    assert_eq!(queue.try_get(), Ok(5));
}

fn the_item_of_a_getter_that_gave_up_goes_to_the_next<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(3);
    let (first, second) = (Task::waiting(queue.get()), Task::waiting(queue.get()));
    put_all!(queue, [1]);
    drop(first);
    assert_eq!(second.ends(), Ok(1));

    let (first, second) = (Task::waiting(queue.get()), Task::waiting(queue.get()));
    put_all!(queue, [2, 3, 4]);
    drop(first);
    assert_eq!(second.ends(), Ok(2), "and the order is kept");
    assert_eq!(drain!(queue), [3, 4]);
}

fn the_room_of_a_putter_that_gave_up_goes_to_the_next<F: Flavour>() {
    let queue = Queue::<Lifo<_>, F>::bounded(1);
    put_all!(queue, [0]);
    let (first, second) = (Task::waiting(queue.put(1)), Task::waiting(queue.put(2)));
    assert_eq!(queue.try_get(), Ok(0));
    drop(first);
    assert_eq!(second.ends(), Ok(()));
    assert_eq!(queue.try_get(), Ok(2));
    assert_eq!(queue.unfinished(), 2, "what was not put in is no work");
}

fn a_putter_that_gives_up_gets_its_item_back<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(1);
    put_all!(queue, [1]);
    let mut late = queue.put(2);
    assert!(now(futures_lite::future::poll_once(&mut late)).is_none());
    assert_eq!(late.into_inner(), 2);
    assert_eq!(drain!(queue), [1]);
}

fn with_capacity_0_a_getter_must_be_there<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(0);
    assert!(queue.is_full());
    assert_eq!(queue.try_put(1), Err(TryPutError::Full(1)));
    let putting = Task::waiting(queue.put(1));
    let getting = Task::waiting(queue.get());
    assert_eq!(putting.ends(), Ok(()));
    assert_eq!(getting.ends(), Ok(1));
    let getting = Task::waiting(queue.get());
    assert!(!queue.is_full());
    assert_eq!(queue.try_put(2), Ok(()));
    assert!(queue.is_full());
    assert_eq!(getting.ends(), Ok(2));
}

fn a_putter_whose_getter_went_away_waits_on_at_the_head<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(0);
    let (mut first, second) = (Task::waiting(queue.put(1)), Task::waiting(queue.put(2)));
    drop(Task::waiting(queue.get()));
    first.goes_on_waiting();
    let getting = Task::waiting(queue.get());
    assert!(!second.is_woken());
    assert_eq!(first.ends(), Ok(()));
    assert_eq!(getting.ends(), Ok(1));
}

fn join_waits_until_everything_is_done<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    now(queue.join()); // there was never anything to do
    put_all!(queue, [1, 2]);
    let joining = [Task::waiting(queue.join()), Task::waiting(queue.join())];
    assert_eq!(drain!(queue), [1, 2]);
    assert_eq!(woken(&joining), [], "taken is not done");
    queue.task_done();
    assert_eq!((woken(&joining), queue.unfinished()), (vec![], 1));
    queue.task_done();
    assert_eq!(woken(&joining), [0, 1]);
    put_all!(queue, [3]); // too late for them
    joining.into_iter().for_each(Task::ends);
    let joining = Task::waiting(queue.join());
    assert_eq!(now(queue.get()), Ok(3));
    queue.task_done();
    joining.ends();
}

fn join_may_be_given_up<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    put_all!(queue, [1]);
    let (first, second) = (Task::waiting(queue.join()), Task::waiting(queue.join()));
    drop(first);
    queue.task_done();
    assert!(second.is_woken());
    drop(second);
    assert_eq!((queue.unfinished(), queue.len()), (0, 1), "done with, whether taken or not");
}

fn what_is_put_while_somebody_joins_is_waited_for_too<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    put_all!(queue, [1]);
    let joining = Task::waiting(queue.join());
    put_all!(queue, [2]);
    queue.task_done();
    assert!(!joining.is_woken());
    queue.task_done();
    joining.ends();
}

fn nobody_is_done_more_often_than_there_was_work<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    let done_once_more = || catch_unwind(AssertUnwindSafe(|| queue.task_done())).expect_err("it counts");
    done_once_more();
    put_all!(queue, [1]);
    queue.task_done();
    let payload = done_once_more();
    let message = payload.downcast_ref::<&str>().expect("a message without arguments");
    assert!(message.contains("task_done"), "{message}");
    put_all!(queue, [2]); // nothing is spoilt by it
    assert_eq!((queue.unfinished(), drain!(queue)), (1, vec![1, 2]));
}

fn close_gives_putters_their_items_back_and_lets_getters_drain<F: Flavour>() {
    let queue = Queue::<Priority<_>, F>::bounded(2);
    put_all!(queue, [2, 1]);
    let waiting = [Task::waiting(queue.put(3)), Task::waiting(queue.put(4))];
    let joining = Task::waiting(queue.join());
    queue.close();
    assert!(queue.is_closed());
    assert_eq!(waiting.map(Task::ends), [Err(PutError(3)), Err(PutError(4))]);
    assert_eq!(now(queue.put(5)), Err(PutError(5)));
    assert_eq!(queue.try_put(6), Err(TryPutError::Closed(6)));
    assert_eq!(now(queue.get()), Ok(1));
    assert_eq!(queue.try_get(), Ok(2));
    assert_eq!(now(queue.get()), Err(GetError));
    assert_eq!(queue.try_get(), Err(TryGetError::Closed));
    assert!(!joining.is_woken(), "they are taken, but not done");
    queue.task_done();
    queue.task_done();
    joining.ends();

    let queue = Queue::<Fifo<u8>, F>::unbounded();
    let waiting = [Task::waiting(queue.get()), Task::waiting(queue.get())];
    queue.close();
    assert_eq!(waiting.map(Task::ends), [Err(GetError), Err(GetError)]);
}

fn room_that_was_granted_outlives_close<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(1);
    put_all!(queue, [1]);
    let (granted, given_up) = (Task::waiting(queue.put(2)), Task::waiting(queue.put(3)));
    assert_eq!(queue.try_get(), Ok(1));
    queue.close();
    assert_eq!(given_up.ends(), Err(PutError(3)));
    assert_eq!(queue.try_get(), Err(TryGetError::Empty), "one more comes");
    let (first, second) = (Task::waiting(queue.get()), Task::waiting(queue.get()));
    assert_eq!(granted.ends(), Ok(()));
    assert_eq!((first.ends(), second.ends()), (Ok(2), Err(GetError)));

    // Or none comes, if that putter gives up.
    let queue = Queue::<Fifo<_>, F>::bounded(1);
    put_all!(queue, [1]);
    let granted = Task::waiting(queue.put(2));
    assert_eq!(queue.try_get(), Ok(1));
    queue.close();
    let getting = Task::waiting(queue.get());
    drop(granted);
    assert_eq!(getting.ends(), Err(GetError));
}

fn close_now_drops_what_is_there_and_lets_everybody_go<F: Flavour>() {
    let drops = Drops::new();
    let queue = Queue::<Fifo<_>, F>::bounded(2);
    put_all!(queue, [drops.item(), drops.item()]);
    let putting = Task::waiting(queue.put(drops.item()));
    let joining = Task::waiting(queue.join());
    queue.close_now();
    assert_eq!((drops.count(), queue.len(), queue.unfinished()), (2, 0, 0));
    joining.ends();
    let returned = putting.ends().expect_err("it is closed");
    assert_eq!(drops.count(), 2);
    drop(returned);
    assert!(now(queue.get()).is_err());

    let queue = Queue::<Fifo<u8>, F>::bounded(2);
    let getting = Task::waiting(queue.get());
    queue.close_now();
    assert_eq!(getting.ends(), Err(GetError));
}

fn work_in_hand_is_waited_for_after_close_now<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    put_all!(queue, [1, 2, 3]);
    assert_eq!(now(queue.get()), Ok(1));
    let joining = Task::waiting(queue.join());
    queue.close_now();
    assert!(!joining.is_woken());
    assert_eq!(queue.unfinished(), 1);
    queue.task_done();
    joining.ends();
}

fn an_item_that_was_granted_is_dropped_by_close_now<F: Flavour>() {
    let drops = Drops::new();
    let queue = Queue::<Fifo<_>, F>::unbounded();
    let (first, second) = (Task::waiting(queue.get()), Task::waiting(queue.get()));
    put_all!(queue, [drops.item(), drops.item()]);
    queue.close_now();
    assert_eq!((drops.count(), queue.unfinished()), (2, 0));
    assert!(first.ends().is_err());
    drop(second); // has no item to pass on
    assert_eq!(drops.count(), 2);
    queue.close(); // again, the other way
    assert!(now(queue.get()).is_err());
}

fn nothing_is_put_by_a_putter_that_close_now_overtook<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(1);
    put_all!(queue, [1]);
    let granted = Task::waiting(queue.put(2));
    assert_eq!(queue.try_get(), Ok(1));
    queue.task_done();
    queue.close_now();
    assert_eq!(granted.ends(), Err(PutError(2)));
    assert_eq!((queue.len(), queue.unfinished()), (0, 0));
    now(queue.join());
}

fn numbers_agree_with_what_is_there<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(2);
    assert_eq!((queue.len(), queue.capacity()), (0, Some(2)));
    assert!(queue.is_empty() && !queue.is_full());
    put_all!(queue, [1, 2]);
    assert_eq!((queue.len(), queue.is_full()), (2, true));
    let waiting = Task::waiting(queue.put(3));
    assert_eq!(queue.try_get(), Ok(1));
    assert_eq!((queue.len(), queue.is_full()), (1, true), "the room is taken, the item not there yet");
    drop(waiting);
    assert_eq!((queue.len(), queue.is_full(), queue.unfinished()), (1, false, 2));
    assert_eq!(Queue::<Fifo<u8>, F>::unbounded().capacity(), None);
}

fn every_item_is_dropped_once<F: Flavour>() {
    let drops = Drops::new();
    let queue = Queue::<Lifo<_>, F>::bounded(2);
    let getting = Task::waiting(queue.get());
    put_all!(queue, [drops.item(), drops.item()]);
    drop(getting);
    drop(Task::waiting(queue.put(drops.item())));
    assert_eq!(drops.count(), 1);
    drop(queue.try_put(drops.item()));
    assert_eq!(drops.count(), 2);
    drop(queue.try_get());
    assert_eq!(drops.count(), 3);
    drop(queue);
    assert_eq!(drops.count(), 4);
}

/// An item that asks its own queue when it is dropped, and notes `(len, is_closed)`; `None`: the queue is gone.
struct Curious<F: Flavour> {
    queue: Weak<Queue<Fifo<Curious<F>>, F>>,
    seen: Rc<RefCell<Vec<Seen>>>,
}

type Seen = Option<(usize, bool)>;

impl<F: Flavour> Drop for Curious<F> {
    fn drop(&mut self) {
        let seen = self.queue.upgrade().map(|queue| {
            assert!(queue.try_get().is_err() || !queue.is_closed());
            queue.close();
            (queue.len(), queue.is_closed())
        });
        self.seen.borrow_mut().push(seen);
    }
}

fn an_item_may_use_the_queue_while_it_is_dropped<F: Flavour>() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let queue = Rc::new(Queue::bounded(2));
    let item = || Curious::<F> { queue: Rc::downgrade(&queue), seen: Rc::clone(&seen) };
    assert!(queue.try_put(item()).is_ok());
    assert!(queue.try_put(item()).is_ok());
    queue.close_now();
    assert_eq!(seen.take(), [Some((0, true)), Some((0, true))]);
    drop(queue.try_put(item()));
    assert_eq!(seen.take(), [Some((0, true))]);
    let last = item();
    drop(queue);
    drop(last);
    assert_eq!(seen.take(), [None]);
}

fn the_limit_has_a_limit<F: Flavour>() {
    drop(Queue::<Fifo<u8>, F>::bounded(u32::MAX as usize - 1));
    let payload = catch_unwind(|| drop(Queue::<Fifo<u8>, F>::bounded(u32::MAX as usize))).unwrap_err();
    let message = payload.downcast_ref::<String>().expect("a message with arguments");
    assert!(message.contains("unbounded()"), "{message}");
}

fn work_called_done_too_early_does_not_keep_close_now_from_letting_go<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    put_all!(queue, [1, 2]);
    queue.task_done(); // nobody has got one
    let joining = Task::waiting(queue.join());
    queue.close_now();
    joining.ends();
    assert_eq!(queue.unfinished(), 0);
}

const SECOND: Duration = Duration::from_secs(1);

fn time_limits_give_back_what_they_interrupt<F: Flavour>() {
    with_services();
    let queue = Rc::new(Queue::<Fifo<_>, F>::bounded(1));
    put_all!(queue, [1]);
    let limited = Task::waiting(queue.put_timeout(2, SECOND));
    advance(SECOND);
    assert_eq!(limited.ends(), Err(PutTimeoutError::Elapsed(2)));

    // Room that comes with the end of the time goes to the next.
    let (limited, behind) = (Task::waiting(queue.put_timeout(3, SECOND)), Task::waiting(queue.put(4)));
    let in_time = Rc::clone(&queue);
    when_time_is_over(move || assert_eq!(in_time.try_get(), Ok(1)));
    advance(SECOND);
    assert_eq!(limited.ends(), Err(PutTimeoutError::Elapsed(3)));
    assert_eq!(behind.ends(), Ok(()));

    assert_eq!(now(queue.get_timeout(SECOND)), Ok(4));
    let (limited, behind) = (Task::waiting(queue.get_timeout(SECOND)), Task::waiting(queue.get()));
    let in_time = Rc::clone(&queue);
    when_time_is_over(move || assert_eq!(in_time.try_put(5), Ok(())));
    advance(SECOND);
    assert_eq!(limited.ends(), Err(GetTimeoutError::Elapsed));
    assert_eq!(behind.ends(), Ok(5));

    queue.close();
    assert_eq!(now(queue.get_timeout(SECOND)), Err(GetTimeoutError::Closed));
    assert_eq!(now(queue.put_timeout(6, SECOND)), Err(PutTimeoutError::Closed(6)));
}

fn whoever_waits_is_known_to_wait<F: Flavour>() {
    with_services();
    let queue = Queue::<Fifo<_>, F>::bounded(1);
    let kinds = || open_waits().iter().map(|wait| wait.kind).collect::<Vec<_>>();
    let getting = Task::waiting(queue.get());
    assert_eq!(kinds(), [Kind::Get]);
    put_all!(queue, [1]);
    assert_eq!(getting.ends(), Ok(1));
    put_all!(queue, [2]);
    let (putting, joining) = (Task::waiting(queue.put(3)), Task::waiting(queue.join()));
    assert_eq!(kinds(), [Kind::Put, Kind::Join]);
    drop(putting);
    queue.task_done();
    queue.task_done();
    joining.ends();
    assert_eq!(kinds(), []);
}

fn whoever_gives_way_has_done_nothing<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    let mut put = 0;
    let given_way = tired(|| {
        put += 1;
        queue.put(put)
    });
    assert_eq!(queue.len(), put - 1);
    assert_eq!(given_way.ends(), Ok(()));
    (0..256).for_each(|item| queue.try_put(item).unwrap());
    let given_way = tired(|| queue.get());
    let left = queue.len();
    assert!(given_way.ends().is_ok());
    assert_eq!((queue.len(), queue.unfinished()), (left - 1, put + 256));
}
