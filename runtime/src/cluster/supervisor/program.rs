//! What the workers of a generation run: a file that is held open, so that restarts run the same one.

use crate::cluster::wire::handshake::BuildId;
use runtime_io::process::ProgramFile;
use std::{io, path::Path};

/// What the workers of a generation run.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) file: ProgramFile,
    pub(super) build: BuildId,
}

impl Program {
    pub(super) fn of_this_process() -> io::Result<Self> {
        Ok(Self { file: ProgramFile::current()?, build: BuildId::of_this_program()? })
    }

    /// The program that lies where this one lay when it was started.
    pub(super) fn anew(path: &Path) -> io::Result<Self> {
        Ok(Self { file: ProgramFile::open(path)?, build: BuildId::of(&path.metadata()?) })
    }
}
