//! Why a child was not started, or has no result.

use crate::process::{Death, RemotePanic, StartError};
use std::{error::Error, fmt, io};

/// Why [`Process::spawn`](super::Process::spawn) has started no process. The arguments are gone.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// There can be no process.
    Start(StartError),
    /// The arguments cannot be written down for another process, or not be sent there.
    Arguments(String),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Arguments(why) => {
                write!(f, "no process was started, as its arguments cannot go there: {why}")
            }
        }
    }
}

impl Error for SpawnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Start(error) => error.source(),
            Self::Arguments(_) => None,
        }
    }
}

impl From<StartError> for SpawnError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<io::Error> for SpawnError {
    fn from(error: io::Error) -> Self {
        Self::Start(error.into())
    }
}

/// So that `?` takes it to where the system's errors go.
impl From<SpawnError> for io::Error {
    fn from(error: SpawnError) -> Self {
        match error {
            SpawnError::Start(error) => error.into(),
            other => Self::other(other),
        }
    }
}

/// Why a [`Process`](super::Process) has no result for whoever joins it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChildError {
    /// Its function has panicked. Its exit code is 1.
    Panicked(RemotePanic),
    /// It ended before its function did: by a signal, by `exit`, or because it could not begin.
    Died(Death),
    /// It could not read its arguments.
    Arguments(String),
    /// The result could not be written down there, or not be read here.
    Result(String),
    /// The result has been given to whoever has joined it before.
    Taken,
    /// How it ended cannot be known: `ECHILD` if this process ignores SIGCHLD, or a [`HandleError`](runtime_io::HandleError).
    System(io::Error),
}

impl ChildError {
    /// The panic, if it was one.
    pub fn panic(&self) -> Option<&RemotePanic> {
        if let Self::Panicked(panic) = self { Some(panic) } else { None }
    }

    /// How it died, if it did.
    pub fn death(&self) -> Option<&Death> {
        if let Self::Died(death) = self { Some(death) } else { None }
    }
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "the process {panic}"),
            Self::Died(death) => death.fmt(f),
            Self::Arguments(why) => write!(f, "the process could not read its arguments: {why}"),
            Self::Result(why) => write!(f, "the result of the process has not come over: {why}"),
            Self::Taken => f.write_str("the result of the process was given to whoever has joined it before"),
            Self::System(error) => write!(f, "nobody knows how the process ended: {error}"),
        }
    }
}

impl Error for ChildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Panicked(panic) => Some(panic),
            Self::Died(death) => Some(death),
            Self::System(error) => Some(error),
            _ => None,
        }
    }
}
