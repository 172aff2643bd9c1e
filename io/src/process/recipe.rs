//! What a child is to be: what [`Launch`](super::Launch) and [`Command`](super::Command) have in common.

use super::ProgramFile;
use crate::{signal::SignalKind, sys::child as sys};
use std::{
    collections::BTreeMap,
    env,
    ffi::{CString, OsStr, OsString},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
};

/// Where programs are looked for if the environment does not say.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// An environment that has room here is not moved while it is put together.
const USUAL_VARIABLES: usize = 64;
const USUAL_BYTES: usize = 4096;

/// A child as it is asked for.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) program: ProgramFile,
    /// Whether a program without a slash in its name is looked for in `PATH`.
    pub(super) is_searched: bool,
    pub(super) name: Option<OsString>,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: BTreeMap<OsString, Option<OsString>>,
    pub(super) is_bare: bool,
    pub(super) descriptors: Vec<OwnedFd>,
    pub(super) directory: Option<PathBuf>,
    pub(super) process_group: Option<i32>,
    pub(super) identity: sys::Identity,
    pub(super) death_signal: Option<SignalKind>,
    pub(super) keeps_ignored: bool,
}

impl Recipe {
    pub(super) fn new(program: ProgramFile) -> Self {
        Self {
            program,
            is_searched: false,
            name: None,
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            is_bare: false,
            descriptors: Vec::new(),
            directory: None,
            process_group: None,
            identity: sys::Identity::default(),
            death_signal: None,
            keeps_ignored: false,
        }
    }

    /// All that is needed to start it.
    pub(super) fn plan(&self, stdio: [Option<RawFd>; 3]) -> io::Result<sys::Plan<'_>> {
        let path = self.program.path().as_os_str();
        let program = match self.program.file() {
            Some(file) => sys::Program::Open(file.as_fd()),
            None => sys::Program::Paths(self.paths(path)?),
        };
        let mut arguments = sys::Strings::default();
        arguments.push(&[self.name.as_deref().unwrap_or(path)])?;
        for argument in &self.arguments {
            arguments.push(&[argument])?;
        }
        let directory = self.directory.as_deref().map(|path| CString::new(path.as_os_str().as_bytes()));
        Ok(sys::Plan {
            program,
            arguments,
            environment: self.changed_environment()?,
            stdio,
            keep: self.descriptors.iter().map(AsRawFd::as_raw_fd).collect(),
            directory: directory.transpose()?,
            process_group: self.process_group,
            identity: self.identity.clone(),
            death_signal: self.death_signal.map_or(0, SignalKind::as_raw_value),
            keeps_ignored: self.keeps_ignored,
        })
    }

    /// Where the program may be (execvp(3)).
    fn paths(&self, program: &OsStr) -> io::Result<sys::Strings> {
        let mut paths = sys::Strings::default();
        if !self.is_searched || program.is_empty() || program.as_bytes().contains(&b'/') {
            paths.push(&[program])?;
            return Ok(paths);
        }
        let path = match self.environment.get(OsStr::new("PATH")) {
            Some(changed) => changed.clone(),
            None if self.is_bare => None,
            None => env::var_os("PATH"),
        };
        let path = path.unwrap_or_else(|| DEFAULT_PATH.into());
        for folder in path.as_bytes().split(|&byte| byte == b':') {
            match folder {
                // As ever: where the child runs.
                [] => paths.push(&[program])?,
                folder => paths.push(&[OsStr::from_bytes(folder), OsStr::new("/"), program])?,
            }
        }
        Ok(paths)
    }

    /// `None` if it is this process' own.
    fn changed_environment(&self) -> io::Result<Option<sys::Strings>> {
        if !self.is_bare && self.environment.is_empty() {
            return Ok(None);
        }
        let equals = OsStr::new("=");
        let mut strings = sys::Strings::with_capacity(USUAL_VARIABLES, USUAL_BYTES);
        if !self.is_bare {
            for (name, value) in env::vars_os() {
                if !self.environment.contains_key(&name) {
                    // Zero bytes are where the system's ended.
                    strings.push_checked(&[&name, equals, &value]);
                }
            }
        }
        for (name, value) in &self.environment {
            if let Some(value) = value {
                strings.push(&[name, equals, value])?;
            }
        }
        Ok(Some(strings))
    }
}
