//! All that a child needs to know before it is a program.

use std::{
    ffi::{CString, OsStr},
    io,
    os::{
        fd::{BorrowedFd, RawFd},
        unix::ffi::OsStrExt,
    },
};

/// What a child becomes.
pub(crate) enum Program<'a> {
    /// The first of these paths that can be executed.
    Paths(Strings),
    /// An open file, where the system executes those.
    #[cfg_attr(not(any(target_os = "linux", target_os = "freebsd")), expect(dead_code))]
    Open(BorrowedFd<'a>),
}

/// Whose rights a child has; `None` where it keeps its parent's.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Identity {
    pub(crate) user: Option<libc::uid_t>,
    pub(crate) group: Option<libc::gid_t>,
    pub(crate) groups: Option<Vec<libc::gid_t>>,
}

#[cfg(all(target_os = "linux", not(miri)))]
impl Identity {
    pub(super) fn is_parents(&self) -> bool {
        *self == Self::default()
    }
}

/// A child, up to the moment at which it is started.
pub(crate) struct Plan<'a> {
    pub(crate) program: Program<'a>,
    pub(crate) arguments: Strings,
    /// `None`: the parent's as it is (C5).
    pub(crate) environment: Option<Strings>,
    /// What becomes its standard descriptors: none of them a standard one here. `None`: the parent's.
    pub(crate) stdio: [Option<RawFd>; 3],
    /// Descriptors that the program gets besides the standard ones, under the numbers that they have here.
    pub(crate) keep: Vec<RawFd>,
    /// Where it runs.
    pub(crate) directory: Option<CString>,
    /// The process group that it joins; 0 for one of its own.
    pub(crate) process_group: Option<libc::pid_t>,
    pub(crate) identity: Identity,
    /// What it gets when its parent dies; 0 for nothing.
    pub(crate) death_signal: libc::c_int,
    /// Whether signals that its parent ignores, SIGPIPE apart, are ignored by it.
    pub(crate) keeps_ignored: bool,
}

/// Strings as C likes them, one after the other in one block of memory.
#[derive(Default)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Strings {
    /// With room for so many.
    pub(crate) fn with_capacity(strings: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), starts: Vec::with_capacity(strings) }
    }

    /// Adds one string, put together of parts.
    ///
    /// # Errors
    /// `InvalidInput` if it has a zero byte.
    pub(crate) fn push(&mut self, parts: &[&OsStr]) -> io::Result<()> {
        for part in parts {
            if part.as_bytes().contains(&0) {
                let what = format!("{part:?} has a zero byte, which no program can be given");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
        }
        self.push_checked(parts);
        Ok(())
    }

    /// Adds one string without a zero byte: with one, what comes behind it would be lost.
    pub(crate) fn push_checked(&mut self, parts: &[&OsStr]) {
        self.starts.push(self.bytes.len());
        for part in parts {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.bytes.push(0);
    }

    /// Where each of them is, and a null at the end (C2): good as long as the strings are there and nothing is added.
    pub(super) fn pointers(&self) -> Vec<*const libc::c_char> {
        let mut pointers = Vec::with_capacity(self.starts.len() + 1);
        pointers.extend(self.starts.iter().map(|&start| self.bytes[start..].as_ptr().cast()));
        pointers.push(std::ptr::null());
        pointers
    }
}
