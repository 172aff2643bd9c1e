//! A child with a copy of our memory: the way that every Unix has.

use super::{Failure, Plan, Started, Step, becoming::Others, bury};
use std::{
    io::Read,
    os::{fd::AsRawFd, unix::net::UnixStream},
    process,
};

impl Plan<'_> {
    /// Starts the program, with all signals blocked.
    pub(super) fn start_by_fork(&self, others: Others) -> Result<Started, Failure> {
        let pointers = self.pointers();
        let (mut failure, in_child) = UnixStream::pair()?;
        let parent = process::id();
        // SAFETY: C1 for the child; for the parent it is a call like any other.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let told = self.become_program(&pointers, parent, others).to_bits().to_ne_bytes();
            // SAFETY: C1; S1; it reads the eight bytes.
            unsafe {
                libc::send(
                    in_child.as_raw_fd(),
                    told.as_ptr().cast(),
                    told.len(),
                    super::super::signal::NO_SIGNAL,
                )
            };
            // SAFETY: C1.
            unsafe { libc::_exit(127) };
        }
        if pid < 0 {
            return Err(Failure::last(Step::Fork));
        }
        drop(in_child);
        let mut told = [0; 8];
        // Closed by `exec` unless something was told.
        if failure.read_exact(&mut told).is_ok() {
            bury(pid);
            return Err(Failure::from_bits(u64::from_ne_bytes(told))
                .unwrap_or(Failure { step: Step::Execute, errno: libc::EIO }));
        }
        let pid = pid.cast_unsigned();
        Ok(Started { pid, pidfd: super::open_pidfd(pid) })
    }
}
