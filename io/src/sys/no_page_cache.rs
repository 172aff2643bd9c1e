//! The page cache where nobody tells what is in it: every question is answered with no, and a thread is asked.

use std::{ffi::CStr, fs::File, io, os::fd::BorrowedFd};

fn refuse<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn open(_: &CStr) -> io::Result<File> {
    refuse()
}

pub(crate) fn find(_: &CStr) -> io::Result<File> {
    refuse()
}

pub(crate) fn make_blocking(_: &File) -> io::Result<()> {
    refuse()
}

pub(crate) fn read_at(_: BorrowedFd<'_>, _: &mut [u8], _: u64) -> io::Result<usize> {
    refuse()
}

pub(crate) fn read_into(_: BorrowedFd<'_>, _: &mut Vec<u8>, _: Option<u64>) -> io::Result<usize> {
    refuse()
}

pub(crate) fn is_local(_: BorrowedFd<'_>) -> bool {
    false
}
