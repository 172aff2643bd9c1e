//! Task-locals: values that a future finds without being handed them.
//!
//! A future runs with a set of bindings, which is never changed, only replaced for the length of a poll: so a set is one
//! reference-counted slice, inheriting is a copy of the pointer, and nothing has to be undone when a future is dropped.
//! What a task runs with hangs in its runtime's `Core`; there is no thread-local.

use crate::{core::Core, current};
use pin_project_lite::pin_project;
use std::{
    any::Any,
    cell::Cell,
    fmt,
    marker::PhantomData,
    pin::Pin,
    ptr,
    rc::Rc,
    task::{Context, Poll},
};

/// Declares task-locals: statics of type [`LocalKey`](crate::task::LocalKey), which a future sees while it runs inside
/// [`scope`](crate::task::LocalKey::scope).
///
/// ```
/// use runtime_executor::{Executor, task_local};
///
/// task_local! {
///     /// Who asked for what is being done.
///     pub static USER: String;
///     static REQUEST: u64;
/// }
///
/// async fn log() -> String {
///     format!("{} of {}", REQUEST.get(), USER.with(|user| user.clone()))
/// }
///
/// # Executor::builder().build().block_on(async {
/// let line = USER.scope("eve".into(), async { REQUEST.scope(7, log()).await });
/// assert_eq!(line.await, "7 of eve");
/// assert!(USER.try_with(|_| ()).is_err());
/// # });
/// ```
#[macro_export]
macro_rules! task_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty);+ $(;)?) => {
        $(
            $(#[$attribute])*
            $visibility static $name: $crate::task::LocalKey<$type> =
                $crate::task::LocalKey::__new(::core::stringify!($name));
        )+
    };
}

/// Finds the value of a task-local; made by [`task_local!`](crate::task_local).
///
/// The rules are those of Python's `contextvars`, without `set`: a value is bound for a stretch of code, and bound anew
/// only inside it, so what a caller sees never changes under its feet. For a value that does change, bind a
/// [`Cell`](std::cell::Cell).
///
/// - [`scope`](LocalKey::scope) binds the value for one future: all that it awaits sees it, also while it is dropped.
/// - A task begins with nothing bound, whoever spawned it. [`inherit`] passes on what is bound where it is called, to any
///   future: a task's, a group's child, a scope's child, a callback's. Rebinding in one of them is not seen by the others.
/// - Children of a [`scope`](crate::task::scope), like the branches of `join!`, run in place, so they see what is bound
///   around the scope; not what is bound inside it where they were spawned, unless they [`inherit`] it.
pub struct LocalKey<T: 'static> {
    /// Also makes it a static with an address of its own, which is what it is known by.
    name: &'static str,
    value: PhantomData<fn() -> T>,
}

/// What is bound: the key's address, and the value.
#[derive(Clone)]
struct Binding {
    key: *const (),
    value: Rc<dyn Any>,
}

/// All that is bound, for one future. Cheap to copy.
#[derive(Clone, Default)]
pub(crate) struct Locals(Option<Rc<[Binding]>>);

/// There is no value for a [`LocalKey`] here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotBound {
    name: &'static str,
}

impl fmt::Display for NotBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        write!(
            f,
            "the task-local {name} has no value here: run this inside `{name}.scope(value, …)`, or wrap the spawned \
             future with `task::inherit`"
        )
    }
}

impl std::error::Error for NotBound {}

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    pub const fn __new(name: &'static str) -> Self {
        Self { name, value: PhantomData }
    }

    fn address(&'static self) -> *const () {
        ptr::from_ref(self).cast()
    }

    /// Runs `future` with `value` bound, besides what is bound where it is first polled.
    pub fn scope<F: IntoFuture>(&'static self, value: T, future: F) -> WithLocals<F::IntoFuture> {
        let binding = Binding { key: self.address(), value: Rc::new(value) };
        WithLocals { locals: Binds::Besides(binding), future: Some(future.into_future()) }
    }

    /// Calls `f` with `value` bound.
    ///
    /// # Panics
    /// If no runtime runs on this thread. With the panic of `f`.
    #[track_caller]
    pub fn sync_scope<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R {
        let binding = Binding { key: self.address(), value: Rc::new(value) };
        current::expect("LocalKey::sync_scope", |core| {
            let locals = core.locals().with(&binding);
            let _bound = Bound::new(core, locals);
            f()
        })
    }

    /// Calls `f` with the value.
    ///
    /// # Panics
    /// If there is none. With the panic of `f`.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Calls `f` with the value, if there is one.
    ///
    /// # Errors
    /// [`NotBound`].
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, NotBound> {
        let value = current::with(|core| core.locals().find(self.address())).flatten();
        let value = value.ok_or(NotBound { name: self.name })?;
        Ok(f(value.downcast_ref().expect("bound by the key of this type")))
    }

    /// A copy of the value.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }
}

impl<T> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalKey").field(&self.name).finish()
    }
}

/// Runs `future` with the task-locals that are bound here and now, wherever it is spawned: contextvars'
/// `copy_context`.
///
/// ```
/// use runtime_executor::{Executor, spawn, task, task_local};
///
/// task_local!(static USER: &'static str);
///
/// # Executor::builder().build().block_on(async {
/// USER.scope("eve", async {
///     assert!(spawn(async { USER.try_with(|_| ()).is_err() }).await.unwrap());
///     assert_eq!(spawn(task::inherit(async { USER.get() })).await.unwrap(), "eve");
/// })
/// .await;
/// # });
/// ```
pub fn inherit<F: IntoFuture>(future: F) -> WithLocals<F::IntoFuture> {
    let locals = current::with(Core::locals).unwrap_or_default();
    WithLocals { locals: Binds::All(locals), future: Some(future.into_future()) }
}

impl Locals {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn find(&self, key: *const ()) -> Option<Rc<dyn Any>> {
        let binding =
            self.0.iter().flat_map(|bindings| bindings.iter()).find(|binding| binding.key == key)?;
        Some(Rc::clone(&binding.value))
    }

    /// The same with one binding more, or another.
    fn with(&self, binding: &Binding) -> Self {
        let others =
            self.0.iter().flat_map(|bindings| bindings.iter()).filter(|other| other.key != binding.key);
        Self(Some(others.cloned().chain([binding.clone()]).collect()))
    }
}

/// Where the locals of a runtime hang: those of whatever is being polled.
#[derive(Default)]
pub(crate) struct CurrentLocals(Cell<Locals>);

impl CurrentLocals {
    pub(crate) fn get(&self) -> Locals {
        let locals = self.0.take();
        self.0.set(locals.clone());
        locals
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let locals = self.0.take();
        let is_empty = locals.is_empty();
        self.0.set(locals);
        is_empty
    }

    pub(crate) fn replace(&self, locals: Locals) -> Locals {
        self.0.replace(locals)
    }
}

/// While it lives, these locals are the current ones.
struct Bound<'a> {
    core: &'a Core,
    outer: Locals,
}

impl<'a> Bound<'a> {
    fn new(core: &'a Core, locals: Locals) -> Self {
        Self { core, outer: core.replace_locals(locals) }
    }
}

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        let inner = self.core.replace_locals(std::mem::take(&mut self.outer));
        // With nothing borrowed: this may be the last of a value.
        drop(inner);
    }
}

/// What a future is run with.
enum Binds {
    /// One more than where it is first polled.
    Besides(Binding),
    All(Locals),
}

impl Binds {
    fn locals(&mut self, core: &Core) -> Locals {
        if let Self::Besides(binding) = self {
            *self = Self::All(core.locals().with(binding));
        }
        match self {
            Self::All(locals) => locals.clone(),
            Self::Besides(_) => unreachable!("replaced above"),
        }
    }
}

pin_project! {
    /// The future of [`LocalKey::scope`] and [`inherit`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct WithLocals<F> {
        locals: Binds,
        // `None` once it is done.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for WithLocals<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            current::with_or_none(|core| {
                let _bound = core.map(|core| Bound::new(core, this.locals.locals(core)));
                this.future.set(None);
            });
        }
    }
}

impl<F: Future> Future for WithLocals<F> {
    type Output = F::Output;

    /// # Panics
    /// Outside a runtime, or when it is done.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        current::expect("a future with task-locals", |core| {
            let _bound = Bound::new(core, this.locals.locals(core));
            let future = this.future.as_mut().as_pin_mut().expect("polled after it was done");
            let polled = future.poll(context);
            if polled.is_ready() {
                this.future.set(None);
            }
            polled
        })
    }
}

impl<F> fmt::Debug for WithLocals<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithLocals").field("is_done", &self.future.is_none()).finish_non_exhaustive()
    }
}
