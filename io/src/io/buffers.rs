//! Buffers for reading, lent by the runtime for as long as there is something in them.
//!
//! Each reactor keeps the buffers that were given back, by size, up to [`KEPT_BYTES`] of each size. What was lent once is
//! lent again as it is: nothing is zeroed twice, and what somebody else has read may still lie in the room behind the
//! contents, where only code of this process could see it. A buffer may be dropped on any thread: the runtime there
//! gets it, or the allocator.

use crate::reactor::Reactor;
use runtime_executor::current;
use std::{
    cell::RefCell,
    fmt, mem,
    ops::{Deref, DerefMut},
    rc::Rc,
};

/// What buffers hold, in bytes. The smallest is a page, for requests; the largest is what a streaming peer sends before
/// we get to look, and the step at which larger ones no longer save much.
const SIZES: [usize; 3] = [4 * 1024, 16 * 1024, LARGEST];

/// What the largest buffer of the pool holds, in bytes.
pub(crate) const LARGEST: usize = 64 * 1024;

/// What a reactor keeps of each size, in bytes. So three times as much lies idle at most.
const KEPT_BYTES: usize = 1024 * 1024;

/// What was given back, by size.
#[derive(Default)]
pub(crate) struct Pool {
    kept: RefCell<[Vec<Box<[u8]>>; SIZES.len()]>,
}

impl Pool {
    fn take(&self, class: usize) -> Option<Box<[u8]>> {
        self.kept.borrow_mut()[class].pop()
    }

    /// Gives memory that there is no room for back to the caller.
    fn keep(&self, class: usize, memory: Box<[u8]>) -> Option<Box<[u8]>> {
        let kept = &mut self.kept.borrow_mut()[class];
        if kept.len() >= KEPT_BYTES / SIZES[class] {
            return Some(memory);
        }
        kept.push(memory);
        None
    }
}

/// Whether what is dropped here is kept for the next who asks.
pub(crate) fn are_kept_here() -> bool {
    current::with_extension(|_: &Rc<Reactor>| ()).is_some()
}

/// The smallest size that has so much room; `None` if there is none.
fn class_of(size: usize) -> Option<usize> {
    SIZES.iter().position(|&holds| size <= holds)
}

/// Bytes that were read, in memory that goes back to the runtime's pool when this is dropped, on whichever thread.
///
/// It is a slice of what it contains. [`TcpStream::read_pooled`](crate::net::TcpStream::read_pooled) and its kin give
/// one when there is something to read and not before, so a connection that is silent holds none. By hand:
///
/// ```
/// use runtime_io::io::Buffer;
/// use std::io::Read;
///
/// let mut buffer = Buffer::with_room(1000);
/// let n = (&b"some bytes"[..]).read(buffer.room())?;
/// buffer.fill(n);
/// assert_eq!(&buffer[..], b"some bytes");
/// buffer.consume(5); // they were seen to
/// assert_eq!(&buffer[..], b"bytes");
/// # std::io::Result::Ok(())
/// ```
pub struct Buffer {
    memory: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// An empty one with room for at least `size` bytes. One of more than 64 KiB is allocated for the occasion.
    pub fn with_room(size: usize) -> Self {
        let memory = match class_of(size) {
            Some(class) => current::with_extension(|reactor: &Rc<Reactor>| reactor.buffers.take(class))
                .flatten()
                .unwrap_or_else(|| zeroed(SIZES[class])),
            None => zeroed(size),
        };
        Self { memory, start: 0, end: 0 }
    }

    /// The room behind the contents. What lies in it is nobody's: zeroes, or what was read for somebody else.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.memory[self.end..]
    }

    /// Counts the first `n` bytes of the [`room`](Self::room) as contents.
    ///
    /// # Panics
    /// If there is not so much room.
    #[track_caller]
    pub fn fill(&mut self, n: usize) {
        let room = self.memory.len() - self.end;
        assert!(n <= room, "{n} bytes cannot have been put where there is room for {room}");
        self.end += n;
    }

    /// Leaves the first `n` bytes of the contents out.
    ///
    /// # Panics
    /// If it does not contain so many.
    #[track_caller]
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.len(), "{n} bytes cannot be left out of {}", self.len());
        self.start += n;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Leaves all out, so that everything is room.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Moves the contents to the smallest buffer that holds them, for the time that they have to wait.
    pub(crate) fn shrink(&mut self) {
        if class_of(self.len()) < class_of(self.memory.len()) {
            let mut smaller = Self::with_room(self.len());
            smaller.memory[..self.len()].copy_from_slice(self);
            smaller.end = self.len();
            *self = smaller;
        }
    }
}

fn zeroed(size: usize) -> Box<[u8]> {
    vec![0; size].into_boxed_slice()
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.end]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = mem::take(&mut self.memory);
        if let Some(class) = SIZES.iter().position(|&size| size == memory.len()) {
            let refused =
                current::with_extension(|reactor: &Rc<Reactor>| reactor.buffers.keep(class, memory));
            drop(refused);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.len())
            .field("room", &(self.memory.len() - self.end))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_executor::Executor;
    use std::{io, thread};

    fn on_a_runtime(story: impl FnOnce(&Reactor)) {
        let reactor = Reactor::new().unwrap();
        let executor = Executor::builder().park(reactor.clone()).extension(reactor.clone()).build();
        executor.block_on(async { story(&reactor) });
    }

    fn kept(reactor: &Reactor) -> [usize; 3] {
        reactor.buffers.kept.borrow().each_ref().map(Vec::len)
    }

    #[test]
    fn what_is_given_back_is_lent_again_by_size() {
        on_a_runtime(|reactor| {
            let mut buffer = Buffer::with_room(5000);
            assert_eq!(buffer.room().len(), 16 * 1024);
            buffer.room()[..6].copy_from_slice(b"secret");
            let place = buffer.room().as_ptr();
            drop(buffer);
            assert_eq!(kept(reactor), [0, 1, 0]);
            let _another = Buffer::with_room(4096);
            let mut again = Buffer::with_room(16 * 1024);
            assert_eq!(again.room().as_ptr(), place);
            assert!(again.is_empty(), "what is left of others is no contents");
            assert_eq!(kept(reactor), [0, 0, 0]);
        });
    }

    #[test]
    fn no_more_than_a_mebibyte_of_a_size_is_kept() {
        on_a_runtime(|reactor| {
            for (size, most) in [(1, 256), (5000, 64), (LARGEST, 16)] {
                let lent: Vec<_> = (0..most + 10).map(|_| Buffer::with_room(size)).collect();
                drop(lent);
                assert!(kept(reactor).contains(&most), "{:?} are kept", kept(reactor));
            }
            drop(Buffer::with_room(LARGEST + 1));
            assert_eq!(kept(reactor), [256, 64, 16], "a larger one was for the occasion");
        });
    }

    #[test]
    fn one_that_is_dropped_elsewhere_goes_to_whoever_runs_there() {
        on_a_runtime(|reactor| {
            let (one, two) = (Buffer::with_room(1), Buffer::with_room(1));
            thread::scope(|scope| {
                scope.spawn(|| drop(one));
                scope.spawn(|| {
                    on_a_runtime(|theirs| {
                        drop(two);
                        assert_eq!(kept(theirs), [1, 0, 0]);
                    });
                });
            });
            assert_eq!(kept(reactor), [0, 0, 0]);
        });
    }

    #[test]
    fn contents_and_room_add_up() {
        let mut buffer = Buffer::with_room(10);
        buffer.room()[..5].copy_from_slice(b"abcde");
        buffer.fill(3);
        buffer.fill(2);
        buffer.consume(1);
        buffer[0] = b'B';
        assert_eq!(&buffer[..], b"Bcde");
        assert_eq!(buffer.room().len(), 4096 - 5);
        buffer.consume(4);
        assert_eq!(buffer.room().len(), 4096, "all of it is room again");
    }

    #[test]
    fn what_has_to_wait_does_so_in_little_memory() {
        let mut buffer = Buffer::with_room(LARGEST);
        let n = io::Read::read(&mut io::repeat(7), &mut buffer.room()[..6000]).unwrap();
        buffer.fill(n);
        buffer.shrink();
        assert_eq!((buffer.memory.len(), &buffer[..]), (16 * 1024, &[7; 6000][..]));
        buffer.consume(5000);
        buffer.shrink();
        assert_eq!((buffer.memory.len(), &buffer[..]), (4 * 1024, &[7; 1000][..]));
    }

    #[test]
    #[should_panic(expected = "4097 bytes cannot have been put where there is room for 4096")]
    fn more_than_there_is_room_for_was_never_read() {
        Buffer::with_room(1).fill(4097);
    }
}
