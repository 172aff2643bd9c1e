//! Any descriptor, awaited: the base of the sockets here, and open to everybody else's.

use crate::{
    knowledge::Knowledge,
    operation::{Operation, Ready},
    pulse::Pulse,
    reactor::Reactor,
    registration::{Registration, Step},
    source::{Direction, Reading, WaiterId, Writing},
    sys,
};
use runtime_executor::current;
use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

/// Awaits the readiness of a descriptor of any kind the system's selector takes: pipes, terminals, sockets of
/// families this crate has no type for, `eventfd`, `inotify`, a C library's connection.
///
/// Operations are tried first; only when one would block is the descriptor registered with the reactor, for reading or for
/// writing, and later for both if both have to wait. Everything but `EAGAIN` counts as success: a short read does not mean that nothing is left
/// (packet pipes, messages with descriptors), so read again until [`WouldBlock`](io::ErrorKind::WouldBlock).
///
/// The handle is `Send` and `Sync` if `T` is. Before its first wait it may move to any thread; afterwards it can
/// be used on that runtime's thread only (elsewhere operations fail with
/// [`HandleError::OtherRuntime`](crate::HandleError::OtherRuntime)) and dropped anywhere.
///
/// Two tasks may wait for the same descriptor; both are woken.
///
/// ```
/// use runtime_io::AsyncFd;
/// use std::io::{Read, Write};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
///
/// # executor.block_on(async {
/// let (reader, mut writer) = std::io::pipe()?;
/// let reader = AsyncFd::new(reader)?;
/// writer.write_all(b"through a pipe")?;
///
/// let mut buf = [0; 64];
/// let n = reader.read_with(|mut pipe| pipe.read(&mut buf)).await?;
/// assert_eq!(&buf[..n], b"through a pipe");
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct AsyncFd<T: AsFd> {
    /// `None` only while it is taken out or dropped.
    inner: Option<T>,
    registration: Registration,
}

impl<T: AsFd> AsyncFd<T> {
    /// Wraps a descriptor and makes its open file non-blocking, for everybody who shares it.
    ///
    /// # Errors
    /// `EBADF` if the descriptor is not open. Whether the selector takes it shows at the first wait: regular files
    /// and directories, which are always ready, then fail with `EPERM`.
    pub fn new(inner: T) -> io::Result<Self> {
        sys::descriptor::set_nonblocking(inner.as_fd())?;
        Ok(Self::new_nonblocking(inner))
    }

    /// Wraps a descriptor that is non-blocking already. One that blocks would stop the whole thread.
    ///
    /// ```
    /// let (socket, _other) = std::os::unix::net::UnixStream::pair()?;
    /// socket.set_nonblocking(true)?;
    /// let socket = runtime_io::AsyncFd::new_nonblocking(socket);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new_nonblocking(inner: T) -> Self {
        Self::of_kind(inner, Knowledge::OTHER)
    }

    pub(crate) const fn of_kind(inner: T, kind: Knowledge) -> Self {
        Self { inner: Some(inner), registration: Registration::new(kind) }
    }

    /// What it wraps. Reading or writing past this handle is allowed, and gains nothing.
    ///
    /// # Panics
    /// Never.
    #[inline]
    pub fn get_ref(&self) -> &T {
        self.inner.as_ref().expect("taken out only with the handle itself")
    }

    /// Ends the registration and gives back what it wraps, still non-blocking.
    ///
    /// # Panics
    /// Never.
    pub fn into_inner(mut self) -> T {
        let inner = self.inner.take().expect("taken out only with the handle itself");
        self.registration.release(inner.as_fd());
        inner
    }

    /// Makes every operation, waiting now or begun later, fail with
    /// [`HandleError::Closed`](crate::HandleError::Closed). Any thread may call it. The descriptor itself is closed
    /// with the last owner of the handle.
    ///
    /// ```
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = runtime_io::AsyncFd::new(reader)?;
    /// reader.close();
    /// assert!(reader.readable().await.is_err());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close(&self) {
        self.registration.close();
    }

    /// Waits until the descriptor is readable, has hung up or failed.
    ///
    /// Only this handle's own methods notice that nothing is left: when the descriptor is read past them, this
    /// returns at once until one of them has found it empty. Use [`try_read_with`](Self::try_read_with).
    ///
    /// # Errors
    /// `EPERM` if the selector does not take the descriptor, `EBADF` if it is closed, or a
    /// [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let reader = runtime_io::AsyncFd::new(reader)?;
    /// writer.write_all(b"x")?;
    /// reader.readable().await?; // no buffer is needed until here
    /// let mut buf = vec![0; 4096];
    /// assert_eq!(reader.try_read_with(|mut pipe| pipe.read(&mut buf))?, 1);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        Ready::<Reading, T>::new(self)
    }

    /// Waits until the descriptor is writable, or has failed. See [`readable`](Self::readable).
    ///
    /// # Errors
    /// As for [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        Ready::<Writing, T>::new(self)
    }

    /// Calls `op` until it returns anything but `WouldBlock`, waiting in between until the descriptor is readable.
    /// An `op` that was interrupted by a signal is repeated.
    ///
    /// # Errors
    /// What `op` returns, or as for [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has done nothing but call `op`s that returned `WouldBlock`.
    pub fn read_with<R>(
        &self,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> impl Future<Output = io::Result<R>> {
        self.reading(move |inner| op(inner).map(Step::Done))
    }

    /// Calls `op` until it returns anything but `WouldBlock`, waiting in between until the descriptor is writable.
    ///
    /// # Errors
    /// What `op` returns, or as for [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has done nothing but call `op`s that returned `WouldBlock`.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let (mut reader, writer) = std::io::pipe()?;
    /// let writer = runtime_io::AsyncFd::new(writer)?;
    /// assert_eq!(writer.write_with(|mut pipe| pipe.write(b"abc")).await?, 3);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn write_with<R>(
        &self,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> impl Future<Output = io::Result<R>> {
        self.writing(move |inner| op(inner).map(Step::Done))
    }

    /// Calls `op` unless the descriptor is known not to be readable.
    ///
    /// # Errors
    /// `WouldBlock`, after which [`readable`](Self::readable) waits for the next event; or what `op` returns.
    pub fn try_read_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.try_op(Direction::Read, |inner| op(inner).map(Step::Done))
    }

    /// Calls `op` unless the descriptor is known not to be writable.
    ///
    /// # Errors
    /// `WouldBlock`, after which [`writable`](Self::writable) waits for the next event; or what `op` returns.
    pub fn try_write_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.try_op(Direction::Write, |inner| op(inner).map(Step::Done))
    }

    /// [`readable`](Self::readable) for hand-written futures. All `poll_` methods of a direction share one place for
    /// a waker: the last task to ask is the one that is woken. Tasks that share a handle use the `async` methods.
    ///
    /// # Errors
    /// As for [`readable`](Self::readable).
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(Direction::Read, &mut WaiterId::shared(), context)
    }

    /// [`writable`](Self::writable) for hand-written futures; see [`poll_readable`](Self::poll_readable).
    ///
    /// # Errors
    /// As for [`readable`](Self::readable).
    pub fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(Direction::Write, &mut WaiterId::shared(), context)
    }

    /// [`read_with`](Self::read_with) for hand-written futures; see [`poll_readable`](Self::poll_readable).
    ///
    /// # Errors
    /// As for [`read_with`](Self::read_with).
    pub fn poll_read_with<R>(
        &self,
        context: &mut Context<'_>,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_op(Direction::Read, &mut WaiterId::shared(), context, |inner| op(inner).map(Step::Done))
    }

    /// [`write_with`](Self::write_with) for hand-written futures; see [`poll_readable`](Self::poll_readable).
    ///
    /// # Errors
    /// As for [`write_with`](Self::write_with).
    pub fn poll_write_with<R>(
        &self,
        context: &mut Context<'_>,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_op(Direction::Write, &mut WaiterId::shared(), context, |inner| op(inner).map(Step::Done))
    }

    // For the sockets.

    #[inline]
    pub(crate) fn reading<R, F>(&self, op: F) -> Operation<'_, Reading, T, F>
    where
        F: FnMut(&T) -> io::Result<Step<R>>,
    {
        Operation::new(self, op)
    }

    #[inline]
    pub(crate) fn writing<R, F>(&self, op: F) -> Operation<'_, Writing, T, F>
    where
        F: FnMut(&T) -> io::Result<Step<R>>,
    {
        Operation::new(self, op)
    }

    #[inline]
    pub(crate) fn poll_op<R>(
        &self,
        direction: Direction,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
        mut op: impl FnMut(&T) -> io::Result<Step<R>>,
    ) -> Poll<io::Result<R>> {
        let inner = self.get_ref();
        self.registration.poll_op(|| inner.as_fd(), direction, waiter, context, || op(inner))
    }

    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.registration.poll_ready(self.get_ref().as_fd(), direction, waiter, context)
    }

    pub(crate) fn try_op<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut(&T) -> io::Result<Step<R>>,
    ) -> io::Result<R> {
        let inner = self.get_ref();
        self.registration.try_op(|| inner.as_fd(), direction, || op(inner))
    }

    /// Has the next operation try, whatever is known: for those of whose readiness no event may tell.
    pub(crate) fn presume_ready(&self, direction: Direction) {
        self.registration.presume_ready(direction);
    }

    /// From now on `pulse` is told what is done here; see [`Pulse`].
    pub(crate) fn watch(&mut self, pulse: Arc<Pulse>) {
        self.registration.watch(pulse);
    }

    /// Whom it tells what is done here.
    pub(crate) fn pulse(&self) -> Option<&Arc<Pulse>> {
        self.registration.pulse()
    }

    /// Registers now, for an operation that is under way in the kernel.
    pub(crate) fn register(&self, direction: Direction) -> io::Result<()> {
        self.registration.register(self.get_ref().as_fd(), direction)
    }

    /// Whether neither urgent data nor a hang-up is known of.
    pub(crate) fn is_plain(&self) -> bool {
        self.registration.is_plain()
    }

    /// Fails if the handle was closed.
    pub(crate) fn check_open(&self) -> io::Result<()> {
        self.registration.check_open()
    }

    pub(crate) fn unseat(&self, direction: Direction, waiter: WaiterId) {
        self.registration.unseat(direction, waiter);
    }
}

impl<T: AsFd> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        self.registration.release(inner.as_fd());
        drop(inner);
        current::with_extension(|reactor: &Rc<Reactor>| reactor.starved.descriptor_closed());
    }
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd").field("inner", &self.inner).finish_non_exhaustive()
    }
}
