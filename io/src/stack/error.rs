//! Why there is no stack, and what can be done about it.

use crate::sys::{
    limits,
    stack::{fragments, max_mappings, page_size},
};
use std::{error::Error, fmt, fs, io};

/// No stack could be had. It says why, and what helps.
///
/// As an [`io::Error`] it is of the kind `QuotaExceeded` if as many as were allowed are taken, and `OutOfMemory` otherwise.
#[derive(Debug)]
pub struct StackError {
    cause: Box<Cause>,
    /// How many were taken.
    live: usize,
}

#[derive(Debug)]
enum Cause {
    Limit,
    /// `vm.max_map_count`.
    Mappings(usize),
    /// `RLIMIT_AS` or `RLIMIT_DATA`, in bytes, and its option of `ulimit`.
    Resource(usize, char),
    /// `vm.overcommit_memory` is 2.
    Commit,
    System(io::Error),
}

impl StackError {
    pub(super) fn limit(limit: usize) -> Self {
        Self { cause: Box::new(Cause::Limit), live: limit }
    }

    /// The system has refused so many bytes more.
    pub(super) fn refused(error: io::Error, bytes: usize, live: usize) -> Self {
        let is_memory = error.raw_os_error() == Some(libc::ENOMEM);
        let cause = if is_memory { Facts::gather().cause(bytes) } else { None };
        Self { cause: Box::new(cause.unwrap_or(Cause::System(error))), live }
    }
}

/// What is known of a process that has got no memory.
#[derive(Clone, Copy)]
struct Facts {
    fragments: usize,
    max_mappings: Option<usize>,
    mappings: usize,
    /// Bytes of addresses, and of those that can be written to.
    used: (usize, usize),
    allowed: (Option<usize>, Option<usize>),
    is_commit_strict: bool,
}

impl Facts {
    fn gather() -> Self {
        let (mappings, used) = (count_mappings(), used().unwrap_or_default());
        let strict = fs::read_to_string("/proc/sys/vm/overcommit_memory");
        Self {
            fragments: fragments(),
            max_mappings: max_mappings(),
            mappings,
            used,
            allowed: limits::memory(),
            is_commit_strict: strict.is_ok_and(|mode| mode.trim() == "2"),
        }
    }

    /// The likeliest one.
    fn cause(&self, bytes: usize) -> Option<Cause> {
        let exceeds = |used: usize, allowed: Option<usize>| {
            allowed.filter(|&allowed| used.saturating_add(bytes) > allowed)
        };
        if let Some(most) = self.max_mappings
            // The kernel's own are not counted as it counts; and guards stop before the end.
            && (self.mappings + 16 >= most || self.fragments > 0 && self.mappings >= most / 2)
        {
            Some(Cause::Mappings(most))
        } else if let Some(allowed) = exceeds(self.used.0, self.allowed.0) {
            Some(Cause::Resource(allowed, 'v'))
        } else if let Some(allowed) = exceeds(self.used.1, self.allowed.1) {
            Some(Cause::Resource(allowed, 'd'))
        } else {
            self.is_commit_strict.then_some(Cause::Commit)
        }
    }
}

/// How many mappings this process has. Little is allocated, as that may be impossible.
fn count_mappings() -> usize {
    use io::Read;
    let Ok(mut maps) = fs::File::open("/proc/self/maps") else { return 0 };
    let mut text = [0; 4_096];
    let mut lines = 0;
    while let Ok(length @ 1..) = maps.read(&mut text) {
        lines += text[..length].iter().filter(|&&byte| byte == b'\n').count();
    }
    lines
}

/// How many bytes of addresses this process uses, and how many of them for what it can write.
fn used() -> Option<(usize, usize)> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = pages.split_whitespace().map(|pages| pages.parse::<usize>().unwrap_or(0));
    Some((pages.next()? * page_size(), pages.nth(4)? * page_size()))
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = self.live;
        if let Cause::Limit = *self.cause {
            return write!(f, "all {live} stacks that `max_greenlets` allows are taken");
        }
        write!(f, "no memory for one more stack beside {live} others: ")?;
        match &*self.cause {
            Cause::Limit => Ok(()),
            Cause::Mappings(most) => {
                let more = most.saturating_mul(2).next_power_of_two().max(1 << 18);
                write!(
                    f,
                    "this process has as many memory mappings as it may (vm.max_map_count is {most}), and before Linux 6.13 \
                     each stack needs two; allow more by `sysctl -w vm.max_map_count={more}`"
                )
            }
            Cause::Resource(allowed, option) => {
                let mebibytes = allowed >> 20;
                write!(
                    f,
                    "this process may use {mebibytes} MiB of addresses; allow more by `ulimit -{option}`"
                )
            }
            Cause::Commit => f.write_str(
                "the system promises no more memory than it has (vm.overcommit_memory is 2); allow more by \
                 `sysctl -w vm.overcommit_memory=0`, or by a higher vm.overcommit_ratio",
            ),
            Cause::System(error) => error.fmt(f),
        }
    }
}

impl Error for StackError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.cause {
            Cause::System(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StackError> for io::Error {
    fn from(error: StackError) -> Self {
        let kind = match *error.cause {
            Cause::Limit => io::ErrorKind::QuotaExceeded,
            _ => io::ErrorKind::OutOfMemory,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, StackError};
    use std::io;

    fn told(facts: &Facts) -> String {
        let cause = facts.cause(80 << 10).expect("there is one");
        StackError { cause: Box::new(cause), live: 7 }.to_string()
    }

    #[test]
    fn each_cause_has_its_remedy() {
        let plenty = Facts {
            fragments: 10,
            max_mappings: Some(65_530),
            mappings: 100,
            used: (1 << 30, 1 << 20),
            allowed: (Some(1 << 40), None),
            is_commit_strict: false,
        };
        assert!(plenty.cause(80 << 10).is_none());

        let mut facts = Facts { mappings: 65_529, ..plenty };
        assert_eq!(
            told(&facts),
            "no memory for one more stack beside 7 others: this process has as many memory mappings as it may \
             (vm.max_map_count is 65530), and before Linux 6.13 each stack needs two; allow more by \
             `sysctl -w vm.max_map_count=262144`"
        );
        facts.max_mappings = Some(65_530 * 8);
        assert!(facts.cause(1).is_none());
        facts.mappings = 65_530 * 8;
        assert!(told(&facts).ends_with("`sysctl -w vm.max_map_count=1048576`"));

        // One page more than there is.
        facts = Facts { allowed: (Some((1 << 30) + (80 << 10) - 1), Some(0)), ..plenty };
        let all = "no memory for one more stack beside 7 others: this process may use 1024 MiB of addresses; allow more by \
                   `ulimit -v`";
        assert_eq!(told(&facts), all);
        facts.allowed = (Some((1 << 30) + (80 << 10)), Some(1 << 20));
        assert!(told(&facts).ends_with("may use 1 MiB of addresses; allow more by `ulimit -d`"));

        facts = Facts { is_commit_strict: true, ..plenty };
        assert!(told(&facts).contains("vm.overcommit_memory is 2"));
    }

    #[test]
    fn what_is_not_known_is_what_the_system_has_said() {
        let refusal = || io::Error::from_raw_os_error(libc::EPERM);
        let error = StackError::refused(refusal(), 80 << 10, 3);
        assert_eq!(error.to_string(), format!("no memory for one more stack beside 3 others: {}", refusal()));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::OutOfMemory);
    }
}
