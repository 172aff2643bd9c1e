//! Listeners that whoever started this process has opened for it, as systemd does for a service with a socket unit
//! (sd_listen_fds(3)).
//!
//! The process finds them as descriptors 3, 4, …, how many in `LISTEN_FDS`, for whom in `LISTEN_PID` and what they are
//! called in `LISTEN_FDNAMES`. An environment says much, and is passed on to children whom it does not concern: so nothing
//! is taken for a listener that is none.

use super::share::{self, Place};
use crate::sys;
use std::{
    env,
    ffi::OsString,
    io,
    os::fd::{OwnedFd, RawFd},
};

/// The first of them; below are the standard streams.
const FIRST: RawFd = 3;

/// A listener that was inherited.
#[derive(Debug)]
pub struct Inherited {
    /// What it is called (`FileDescriptorName=` in a socket unit), if it has a name.
    pub name: Option<String>,
    /// Where it listens.
    pub place: Place,
    /// The socket; closed on `exec`.
    pub fd: OwnedFd,
}

/// The listeners that this process was started with, in their order; none if it was started without, or if they are
/// another process's.
///
/// They are duplicates. Those that were inherited stay open as long as the process, so that nobody else's descriptor is
/// ever closed in their name; like these they are closed on `exec`, so that children do not inherit them in turn. The
/// listeners of the standard library and of this crate can be made from them.
///
/// # Errors
/// `InvalidData` if what is announced is not there: a number that is none, names for more or fewer, a descriptor that is
/// not open, is no socket, does not listen, or is no stream socket with an Internet address or a path. The message names
/// it. Or what the system says.
///
/// ```
/// use runtime_io::net::{TcpListener, inherited};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let listener = match inherited::listeners()?.pop() {
///     Some(inherited) => TcpListener::try_from(inherited.fd)?,
///     None => TcpListener::bind("127.0.0.1:0").await?,
/// };
/// # drop(listener);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub fn listeners() -> io::Result<Vec<Inherited>> {
    let names = announced(std::process::id(), |name| env::var_os(name))?;
    // A duplicate of the first must not take the place of a second that is missing.
    let behind = FIRST + names.len() as RawFd;
    names.into_iter().zip(FIRST..).map(|(name, number)| inherit(name, number, behind)).collect()
}

/// The names of the listeners that are announced to a process.
fn announced(process: u32, variable: impl Fn(&str) -> Option<OsString>) -> io::Result<Vec<Option<String>>> {
    let number = |name: &str| -> io::Result<Option<u32>> {
        let Some(value) = variable(name) else { return Ok(None) };
        let number = value.to_str().and_then(|value| value.parse().ok());
        number.map(Some).ok_or_else(|| wrong(format!("{name}={} is no number", value.to_string_lossy())))
    };
    let (Some(whose), Some(count)) = (number("LISTEN_PID")?, number("LISTEN_FDS")?) else {
        return Ok(Vec::new());
    };
    if whose != process {
        return Ok(Vec::new());
    }
    // No table of descriptors has more, and nothing is made room for before they are seen.
    if count > MAX_LISTENERS {
        return Err(wrong(format!("LISTEN_FDS={count} is more than {MAX_LISTENERS}")));
    }
    let count = count as usize;
    let Some(names) = variable("LISTEN_FDNAMES") else { return Ok(vec![None; count]) };
    let names = names.to_string_lossy();
    let names: Vec<_> = if names.is_empty() && count == 0 { Vec::new() } else { names.split(':').collect() };
    if names.len() != count {
        return Err(wrong(format!("LISTEN_FDNAMES has {} names for {count} listeners", names.len())));
    }
    Ok(names.into_iter().map(|name| (!name.is_empty()).then(|| name.to_owned())).collect())
}

/// More listeners nobody has; systemd passes 2048 descriptors to a service at most by default.
const MAX_LISTENERS: u32 = 4096;

fn inherit(name: Option<String>, number: RawFd, behind: RawFd) -> io::Result<Inherited> {
    let called = name.as_deref().unwrap_or("without a name");
    let refuse = |error: &io::Error| {
        io::Error::new(error.kind(), format!("inherited descriptor {number} ({called}): {error}"))
    };
    let fd = match sys::descriptor::duplicate(number, behind) {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => {
            Err(refuse(&wrong("it is not open".into())))
        }
        done => done.map_err(|error| refuse(&error)),
    }?;
    let place = share::place_of(&fd).map_err(|error| refuse(&error))?;
    sys::descriptor::close_on_exec(number).map_err(|error| refuse(&error))?;
    Ok(Inherited { name, place, fd })
}

fn wrong(sentence: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, sentence)
}

#[cfg(test)]
mod tests {
    use super::announced;

    /// What is announced to process 7 by these variables, in words.
    fn told(variables: &[(&str, &str)]) -> String {
        let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into());
        match announced(7, find) {
            Ok(names) => names.iter().map(|name| format!("[{}]", name.as_deref().unwrap_or(""))).collect(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_announced_is_believed_if_it_makes_sense() {
        let mine = ("LISTEN_PID", "7");
        for (variables, expected) in [
            (vec![], ""),
            (vec![("LISTEN_FDS", "2")], ""),
            (vec![mine], ""),
            (vec![("LISTEN_PID", "8"), ("LISTEN_FDS", "2")], ""),
            (vec![mine, ("LISTEN_FDS", "0")], ""),
            (vec![mine, ("LISTEN_FDS", "0"), ("LISTEN_FDNAMES", "")], ""),
            (vec![mine, ("LISTEN_FDS", "2")], "[][]"),
            (vec![mine, ("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", "http::https")], "[http][][https]"),
            (vec![mine, ("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "")], "[]"),
            (
                vec![mine, ("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "a:b")],
                "LISTEN_FDNAMES has 2 names for 1 listeners",
            ),
            (vec![mine, ("LISTEN_FDS", "-1")], "LISTEN_FDS=-1 is no number"),
            (vec![mine, ("LISTEN_FDS", "")], "LISTEN_FDS= is no number"),
            (vec![mine, ("LISTEN_FDS", "5000")], "LISTEN_FDS=5000 is more than 4096"),
            (vec![("LISTEN_PID", "me"), ("LISTEN_FDS", "1")], "LISTEN_PID=me is no number"),
        ] {
            assert_eq!(told(&variables), expected, "{variables:?}");
        }
    }
}
