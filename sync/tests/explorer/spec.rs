//! What the explorer needs to know of a primitive: how to use it, and what the contract says that comes of it.

use std::{fmt, future::Future, pin::Pin};

/// Futures and guards live in this many places.
pub(crate) const SLOTS: usize = 4;

/// The place of a future or of what it got.
pub(crate) type Id = usize;

/// What an operation came to: comparable, whatever the types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome(pub(crate) &'static str, pub(crate) i64);

/// It came to nothing worth telling.
pub(crate) const DONE: Outcome = Outcome("done", 0);

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

/// A future of the primitive: what it came to, and what is held since, such as a guard.
pub(crate) type Fut<S> = Pin<Box<dyn Future<Output = (Outcome, Option<<S as Spec>::Held>)>>>;

/// What became of something held.
pub(crate) enum Next<S: Spec> {
    Gone,
    Held(S::Held),
    /// It went into a future, as a guard into `Condition::wait`.
    Future(Fut<S>),
}

/// [`Next`], as the reference has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Gone,
    Held,
    Future,
}

/// One primitive: the real thing.
pub(crate) trait Spec: Sized + 'static {
    const NAME: &'static str;
    /// The primitive and what else is shared by all the futures.
    type World: 'static;
    type Held: 'static;
    /// Everything that can be done.
    type Act: Copy + PartialEq + fmt::Debug + 'static;
    type Model: Model<Act = Self::Act>;

    /// What begins a future in an empty place.
    const STARTS: &'static [Self::Act];
    /// What can be done with something held. The first one lets go of it.
    const USES: &'static [Self::Act] = &[];
    /// What needs no place.
    const OPS: &'static [Self::Act] = &[];
    /// Operations that may come in the middle of a future's first poll.
    const AMID: &'static [Self::Act] = &[];
    /// Those acts that are for walks, and for an exhaustive search that goes deeper than usual.
    const RARE: &'static [Self::Act] = &[];
    /// Nobody is woken for nothing, and nobody twice.
    const WAKES_EXACTLY: bool = true;
    /// Wakers are called, cloned and dropped with the state released, and let go with the future; one that panics keeps
    /// nobody else asleep. Not checked of peers.
    const IS_OURS: bool = true;
    /// Futures are spread over so many tasks, each with its waker; if they share one, it is never replaced.
    const TASKS: usize = SLOTS;
    /// Actions of the exhaustive search that change nothing, at most so many in a sequence.
    const IDLE: u8 = 2;
    /// How deep the ordinary exhaustive search goes. Less for peers: their own tests are theirs.
    const DEPTH: usize = 6;
    /// Places that the exhaustive search uses.
    const PLACES: usize = SLOTS;

    fn world() -> Self::World;
    /// A future that begins only when it is polled.
    fn start(world: &'static Self::World, id: Id, act: Self::Act) -> Fut<Self>;
    fn apply(world: &'static Self::World, act: Self::Act, held: Self::Held) -> (Outcome, Next<Self>) {
        let _ = (world, act, held);
        (DONE, Next::Gone)
    }
    fn op(world: &'static Self::World, act: Self::Act) -> Outcome {
        let _ = world;
        unreachable!("{act:?} is no operation of {}", Self::NAME)
    }
    /// What its observers say: lengths, flags.
    fn seen(world: &'static Self::World) -> Vec<i64>;
    /// What a waker that calls back does. It must leave everything as it was.
    fn probe(world: &'static Self::World) {
        let _ = Self::seen(world);
    }
}

/// What the contract says: written from it, not from the implementation.
pub(crate) trait Model {
    type Act: Copy + PartialEq + fmt::Debug;

    fn new() -> Self;
    /// Whether this can be done now; `id`: the place of a future to begin, or of what is held.
    fn allows(&self, act: Self::Act, id: Option<Id>) -> bool {
        let _ = (act, id);
        true
    }
    /// Whether an operation (one of `OPS`) changes nothing now.
    fn is_idle(&self, act: Self::Act) -> bool {
        let _ = act;
        false
    }
    /// The future at `id` is polled, for the first time if `is_first`.
    fn poll(&mut self, id: Id, act: Self::Act, is_first: bool) -> (Option<Outcome>, Then);
    /// Whether the future at `id`, which waits, would be ready if it were polled: then it has to be woken.
    fn is_ready(&self, id: Id) -> bool;
    /// Whether it was woken for a grant that was taken back before it was polled.
    fn was_taken_back(&self, id: Id) -> bool {
        let _ = id;
        false
    }
    /// The future at `id` is dropped.
    fn cancel(&mut self, id: Id, act: Self::Act, was_polled: bool);
    fn apply(&mut self, id: Id, act: Self::Act) -> (Outcome, Then) {
        unreachable!("{act:?} is not for what is held at {id}")
    }
    fn op(&mut self, act: Self::Act) -> Outcome {
        unreachable!("{act:?} is no operation")
    }
    /// The first poll of the future at `id` has come to the clone of its waker: what it has done until then. Only if
    /// something else comes in there; `poll` is called afterwards in any case.
    fn begin(&mut self, id: Id, act: Self::Act) {
        let _ = (id, act);
    }
    fn seen(&self) -> Vec<i64>;
    /// What lets everybody finish who waits; asked again when all is quiet and somebody still waits.
    fn ends(&self) -> Vec<Self::Act> {
        Vec::new()
    }
    /// Whose future is to be dropped because those who wait wait for each other, as the contract has it.
    fn gives_up(&self) -> Option<Id> {
        None
    }
}

/// Those who wait, first come first served, and those who were served and have not noticed. The backbone of most
/// references.
#[derive(Debug, Clone)]
pub(crate) struct Line<A, G> {
    pub(crate) waiting: Vec<(Id, A)>,
    pub(crate) granted: Vec<(Id, G)>,
}

impl<A: Copy, G: Copy> Line<A, G> {
    pub(crate) fn new() -> Self {
        Self { waiting: Vec::new(), granted: Vec::new() }
    }

    pub(crate) fn join(&mut self, id: Id, asks: A) {
        self.waiting.push((id, asks));
    }

    pub(crate) fn front(&self) -> Option<A> {
        self.waiting.first().map(|(_, asks)| *asks)
    }

    pub(crate) fn grant(&mut self, grant: G) {
        let (id, _) = self.waiting.remove(0);
        self.granted.push((id, grant));
    }

    pub(crate) fn grant_all(&mut self, grant: G) {
        while !self.waiting.is_empty() {
            self.grant(grant);
        }
    }

    pub(crate) fn is_granted(&self, id: Id) -> bool {
        self.granted.iter().any(|(granted, _)| *granted == id)
    }

    /// Takes notice of the grant, if there is one.
    pub(crate) fn take(&mut self, id: Id) -> Option<G> {
        let at = self.granted.iter().position(|(granted, _)| *granted == id)?;
        Some(self.granted.remove(at).1)
    }

    /// Leaves the line, or gives the grant back.
    pub(crate) fn leave(&mut self, id: Id) -> Option<G> {
        self.waiting.retain(|(waiting, _)| *waiting != id);
        self.take(id)
    }
}
