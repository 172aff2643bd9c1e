//! Generators: functions that hand out values one after another, and are handed one for each.
//!
//! ```text
//!              next, prime               yield_                  next, send, throw
//! not begun ──────────────> running ───────────────> suspended ────────────────────> running ──> returned, or panicked
//!     │ drop, close                                      │ drop, close
//!     └──> the function is dropped                       └──> its stack is unwound
//! ```

use super::{
    killed::Killed,
    stacks,
    switch::{self, Kind, Step, Strand},
};
use std::{any::Any, cell::Cell, fmt, iter::FusedIterator, mem, panic::resume_unwind, rc::Rc, task::Waker};

/// A function that hands out values of type `Y` one after another, wherever it is in its calls, and goes on only when it is
/// asked for the next one (Python's generators, with a stack of their own). For each value it is handed one of type `R`, and
/// in the end it returns a `T`.
///
/// With `R = ()` it is an iterator:
///
/// ```
/// use runtime::greenlet::{Generator, Yielder};
///
/// struct Tree(i32, Vec<Tree>);
///
/// fn walk(tree: &Tree, yielder: &Yielder<i32>) {
///     tree.1.iter().for_each(|branch| walk(branch, yielder)); // an ordinary recursion
///     yielder.yield_(tree.0);
/// }
///
/// let tree = Tree(1, vec![Tree(2, vec![]), Tree(3, vec![Tree(4, vec![])])]);
/// let numbers = Generator::new(move |yielder| walk(&tree, yielder));
/// assert_eq!(numbers.collect::<Vec<_>>(), [2, 4, 3, 1]);
/// ```
///
/// Otherwise it has to be [primed](Self::prime) before anything can be [sent](Primed::send) to it: what is sent is the answer
/// to a value that was handed out. To send at once does not compile:
///
/// ```compile_fail,E0599
/// # use runtime::greenlet::Generator;
/// let mut echo = Generator::<u32, u32>::new(|yielder| {
///     let first = yielder.yield_(0);
///     yielder.yield_(first);
/// });
/// echo.send(5);
/// ```
///
/// It needs no runtime. Inside a greenlet it may also [`wait`](super::wait()): that suspends the greenlet, which is in the
/// middle of asking for a value. It stays on its thread:
///
/// ```compile_fail,E0277
/// # use runtime::greenlet::Generator;
/// let generator = Generator::<u32>::new(|yielder| yielder.yield_(1));
/// std::thread::spawn(move || generator.count());
/// ```
///
/// Dropped in the middle, it unwinds its stack: what is on it is dropped, as in a panic.
pub struct Generator<Y: 'static, R: 'static = (), T: 'static = ()> {
    state: State<Y, R, T>,
    exchange: Rc<Exchange<Y, R>>,
    stack_size: Option<usize>,
}

enum State<Y: 'static, R: 'static, T: 'static> {
    Fresh(Body<Y, R, T>),
    Begun(Strand<T>),
    Ended,
}

type Body<Y, R, T> = Box<dyn FnOnce(&Yielder<Y, R>) -> T>;

/// A [`Generator`] that was [primed](Generator::prime): it has run as far as its first value.
pub struct Primed<Y: 'static, R: 'static = (), T: 'static = ()>(Generator<Y, R, T>);

/// How far a generator has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a generator that has returned must not be asked again"]
pub enum GeneratorState<Y, T> {
    /// It has handed this out, and waits for the next call.
    Yielded(Y),
    /// It has returned.
    Returned(T),
}

/// By this a generator hands out its values.
pub struct Yielder<Y: 'static, R: 'static = ()>(Rc<Exchange<Y, R>>);

/// What the two sides pass on to each other.
struct Exchange<Y, R> {
    value: Cell<Option<Y>>,
    answer: Cell<Option<Answer<R>>>,
}

enum Answer<R> {
    Sent(R),
    Thrown(Box<dyn Any + Send>),
}

impl<Y: 'static, R: 'static, T: 'static> Generator<Y, R, T> {
    /// A generator; nothing runs yet.
    pub fn new(f: impl FnOnce(&Yielder<Y, R>) -> T + 'static) -> Self {
        let exchange = Rc::new(Exchange { value: Cell::new(None), answer: Cell::new(None) });
        Self { state: State::Fresh(Box::new(f)), exchange, stack_size: None }
    }

    /// With so many bytes of stack, instead of 64 KiB; rounded up to whole pages.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Runs it as far as its first value (Python's first `next`), from where it can be sent something.
    ///
    /// ```
    /// use runtime::greenlet::{Generator, GeneratorState::{Returned, Yielded}};
    ///
    /// let average = Generator::new(|yielder| {
    ///     let (mut sum, mut count) = (0, 0);
    ///     while let Some(number) = yielder.yield_(sum / count.max(1)) {
    ///         sum += number;
    ///         count += 1;
    ///     }
    ///     count
    /// });
    /// let (mut average, first) = average.prime();
    /// assert_eq!(first, Yielded(0));
    /// assert_eq!(average.send(Some(10)), Yielded(10));
    /// assert_eq!(average.send(Some(20)), Yielded(15));
    /// assert_eq!(average.send(None), Returned(2));
    /// ```
    ///
    /// # Panics
    /// With the panic of the function. If there is no memory for a stack.
    #[track_caller]
    pub fn prime(mut self) -> (Primed<Y, R, T>, GeneratorState<Y, T>) {
        let state = self.resume();
        (Primed(self), state)
    }

    /// Ends it: if it has begun, its stack is unwound, here and now. Gives what it returned, if it did so in spite of that.
    ///
    /// # Panics
    /// With the panic of a destructor on the stack.
    pub fn close(mut self) -> Option<T> {
        let State::Begun(strand) = &mut self.state else { return None };
        if cfg!(panic = "abort") {
            return None;
        }
        strand.kill();
        match strand.resume(Waker::noop()) {
            // It goes on for ever: that is for the strand's drop.
            Step::Suspended => None,
            Step::Returned(value) => Some(value),
            Step::Panicked(panic) if panic.is::<Killed>() => None,
            Step::Panicked(panic) => resume_unwind(panic),
        }
    }

    /// Whether it has returned, or panicked.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    #[inline]
    #[track_caller]
    fn resume(&mut self) -> GeneratorState<Y, T> {
        let step = self.strand().resume(Waker::noop());
        if let Step::Suspended = step
            && let Some(value) = self.exchange.value.take()
        {
            return GeneratorState::Yielded(value);
        }
        self.state = State::Ended;
        match step {
            Step::Suspended => unreachable!("a generator is left by what it yields"),
            Step::Returned(value) => GeneratorState::Returned(value),
            Step::Panicked(panic) => resume_unwind(panic),
        }
    }

    #[inline]
    #[track_caller]
    fn strand(&mut self) -> &mut Strand<T> {
        if !matches!(self.state, State::Begun(_)) {
            self.begin();
        }
        match &mut self.state {
            State::Begun(strand) => strand,
            State::Fresh(_) | State::Ended => {
                panic!("this generator has returned or panicked: there is no next value")
            }
        }
    }

    #[track_caller]
    fn begin(&mut self) {
        if let State::Fresh(_) = self.state
            && let State::Fresh(body) = mem::replace(&mut self.state, State::Ended)
        {
            let stack = stacks::take(self.stack_size)
                .unwrap_or_else(|error| panic!("no stack for a generator: {error}"));
            let yielder = Yielder(self.exchange.clone());
            let owner = Kind::Plain(self.exchange.clone());
            self.state = State::Begun(Strand::new(owner, stack, move || body(&yielder)));
        }
    }
}

impl<Y: 'static, T: 'static> Iterator for Generator<Y, (), T> {
    type Item = Y;

    #[inline]
    fn next(&mut self) -> Option<Y> {
        if self.is_ended() {
            return None;
        }
        match self.resume() {
            GeneratorState::Yielded(value) => {
                self.exchange.answer(());
                Some(value)
            }
            GeneratorState::Returned(_) => None,
        }
    }
}

impl<Y: 'static, T: 'static> FusedIterator for Generator<Y, (), T> {}

impl<Y: 'static, R: 'static, T: 'static> Primed<Y, R, T> {
    /// Lets it go on with `answer`, as far as its next value.
    ///
    /// # Panics
    /// With the panic of the function. If it has returned, or has panicked before.
    #[inline]
    #[track_caller]
    pub fn send(&mut self, answer: R) -> GeneratorState<Y, T> {
        self.0.exchange.answer(answer);
        self.0.resume()
    }

    /// Lets it go on with a panic, which it may catch, as far as its next value. The panic hook is not called.
    ///
    /// ```
    /// use runtime::greenlet::{Generator, GeneratorState};
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    ///
    /// let (mut generator, _) = Generator::<u32>::new(|yielder| {
    ///     let caught = catch_unwind(AssertUnwindSafe(|| yielder.yield_(1))).unwrap_err();
    ///     yielder.yield_(*caught.downcast::<u32>().unwrap());
    /// })
    /// .prime();
    /// assert_eq!(generator.throw(42_u32), GeneratorState::Yielded(42));
    /// ```
    ///
    /// # Panics
    /// With the panic of the function: this one, unless it catches it. If it has returned, or has panicked before.
    #[track_caller]
    pub fn throw(&mut self, panic: impl Any + Send) -> GeneratorState<Y, T> {
        self.0.exchange.answer.set(Some(Answer::Thrown(Box::new(panic))));
        self.0.resume()
    }

    /// Ends it; see [`Generator::close`].
    ///
    /// # Panics
    /// As that.
    pub fn close(self) -> Option<T> {
        self.0.close()
    }

    /// Whether it has returned, or panicked.
    pub fn is_ended(&self) -> bool {
        self.0.is_ended()
    }
}

impl<Y: 'static, T: 'static> Iterator for Primed<Y, (), T> {
    type Item = Y;

    #[inline]
    fn next(&mut self) -> Option<Y> {
        self.0.exchange.answer(());
        self.0.next()
    }
}

impl<Y: 'static, T: 'static> FusedIterator for Primed<Y, (), T> {}

impl<Y: 'static, R: 'static> Yielder<Y, R> {
    /// Hands out `value`, and goes on when the generator is asked for the next one: with what was sent.
    ///
    /// # Panics
    /// With [`Killed`] if the generator is dropped or closed meanwhile, and with what is [thrown](Primed::throw) at it. If
    /// it is called in a runtime or a greenlet that runs on top of the generator.
    #[inline]
    #[track_caller]
    pub fn yield_(&self, value: Y) -> R {
        match self.exchange(value) {
            Answer::Sent(answer) => answer,
            Answer::Thrown(panic) => switch::throw(panic),
        }
    }

    /// Hands out whatever `generator` does, passes on what is sent and thrown, and gives what it returns in the end (Python's
    /// `yield from`).
    ///
    /// One that has not begun runs here, on this generator's stack: it costs nothing, however deep they are nested. It has to
    /// find room there.
    ///
    /// ```
    /// use runtime::greenlet::Generator;
    ///
    /// let outer = Generator::<u32>::new(|yielder| {
    ///     let returned = yielder.delegate(Generator::new(|yielder| {
    ///         yielder.yield_(1);
    ///         2
    ///     }));
    ///     yielder.yield_(returned);
    /// });
    /// assert_eq!(outer.collect::<Vec<_>>(), [1, 2]);
    /// ```
    ///
    /// # Panics
    /// As [`yield_`](Self::yield_), and with the panic of the other generator's function.
    #[track_caller]
    pub fn delegate<T: 'static>(&self, mut generator: Generator<Y, R, T>) -> T {
        if let State::Fresh(_) = generator.state
            && let State::Fresh(body) = mem::replace(&mut generator.state, State::Ended)
        {
            return body(self);
        }
        // One that has begun is an iterator, so the answer to its last value is there.
        loop {
            match generator.resume() {
                GeneratorState::Yielded(value) => generator.exchange.answer.set(Some(self.exchange(value))),
                GeneratorState::Returned(value) => return value,
            }
        }
    }

    #[inline]
    #[track_caller]
    fn exchange(&self, value: Y) -> Answer<R> {
        self.0.value.set(Some(value));
        loop {
            assert!(switch::pause(&*self.0), "{OUT_OF_REACH}");
            if let Some(answer) = self.0.answer.take() {
                return answer;
            }
            // It is being dropped, and a destructor hands out values: there will never be an answer.
        }
    }
}

const OUT_OF_REACH: &str = "a generator is left from its own stack, and here a runtime or a greenlet runs on top of it: call \
                            `yield_` outside of that";

impl<Y, R> Exchange<Y, R> {
    #[inline]
    fn answer(&self, answer: R) {
        self.answer.set(Some(Answer::Sent(answer)));
    }
}

impl<Y, R, T> fmt::Debug for Generator<Y, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Fresh(_) => "not begun",
            State::Begun(_) => "begun",
            State::Ended => "ended",
        };
        f.debug_struct("Generator").field("state", &state).finish_non_exhaustive()
    }
}

impl<Y, R, T> fmt::Debug for Primed<Y, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Primed").field(&self.0).finish()
    }
}

impl<Y, R> fmt::Debug for Yielder<Y, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}
