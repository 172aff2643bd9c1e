//! What a child finds when it begins, and how it knows that it is one.

use super::{Role, life_line};
use crate::{
    cluster::BuildId,
    process::{
        child::{family::EndOfProgram, me},
        death::MISFIT,
        host::Host,
        packet::Packets,
    },
};
use runtime_io::{
    host,
    process::{Kind, replace_stdout, take_inherited},
};
use std::{
    env, fmt,
    fs::File,
    io::{self, Write},
    os::{
        fd::{IntoRawFd, OwnedFd, RawFd},
        unix::{fs::MetadataExt, process::parent_id},
    },
    process,
};

/// Names the descriptors of a child and the process that gave them. There is nothing secret in it: without the descriptors it
/// is of no use to anybody.
pub(super) const VARIABLE: &str = "RUNTIME_CHILD";

/// What a child is told through its environment.
#[derive(Debug, PartialEq)]
pub(super) struct Notice {
    pub(super) parent: u32,
    pub(super) role: Role,
    pub(super) build: BuildId,
    pub(super) line: RawFd,
    /// Of the line: what a descriptor of that number leads to is that, or somebody else's.
    pub(super) inode: u64,
    pub(super) life_line: RawFd,
    pub(super) outlives_parent: bool,
    /// What its standard output is to be, if it is not that already.
    pub(super) stdout: Option<RawFd>,
    pub(super) name: String,
}

/// What a child has to begin with.
#[derive(Debug)]
pub(crate) struct Cradle {
    /// To its parent.
    pub(crate) line: Packets,
    /// For functions that are `async`.
    pub(crate) host: Host,
    /// Of the process that has started it.
    pub(crate) parent: u32,
    /// As its parent calls it.
    pub(crate) name: String,
}

/// Lives a child's life if this process is one, and exits then.
pub(super) fn take_over() {
    let Some(notice) = Notice::of_this_process() else { return };
    let (role, is_daemon) = (notice.role, !notice.outlives_parent);
    match notice.cradle() {
        Ok(Some(cradle)) => {
            me::become_child(cradle.name.clone(), cradle.parent, is_daemon);
            let code = role.live(cradle);
            drop(EndOfProgram);
            // By way of `exit`, so that what was printed is flushed.
            process::exit(code)
        }
        Ok(None) => {}
        Err(error) => {
            // Without the macro, which panics: standard error may be closed.
            let _ = writeln!(io::stderr(), "runtime: a child process cannot begin: {error}");
            process::exit(MISFIT)
        }
    }
}

/// Whether the environment says that this process is a child, and it has not found out.
pub(super) fn is_for_this_process() -> bool {
    Notice::of_this_process().is_some_and(|notice| notice.parent == parent_id())
}

impl Notice {
    fn of_this_process() -> Option<Self> {
        Self::parse(env::var_os(VARIABLE)?.to_str()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(9, ':');
        let mut next = || parts.next();
        let notice = Self {
            parent: next()?.parse().ok()?,
            role: Role::from_word(next()?)?,
            build: BuildId::parse(next()?)?,
            line: next()?.parse().ok()?,
            inode: next()?.parse().ok()?,
            life_line: next()?.parse().ok()?,
            outlives_parent: next()?.parse().ok()?,
            stdout: match next()? {
                "-" => None,
                number => Some(number.parse().ok()?),
            },
            name: next()?.to_owned(),
        };
        Some(notice)
    }

    /// What this process begins with; `None` if it is no child after all: children of a child, and programs that one becomes,
    /// inherit its environment, but not its descriptors.
    fn cradle(self) -> io::Result<Option<Cradle>> {
        let Some(line) = self.take_line() else {
            if self.parent != parent_id() || BuildId::of_this_program()? != self.build {
                return Ok(None);
            }
            return Err(io::Error::other("the descriptors that its parent has named are not there"));
        };
        let Ok(life_line) = take_inherited(self.life_line, Kind::Pipe) else {
            return Err(io::Error::other("the descriptors that its parent has named are not there"));
        };
        if self.parent != parent_id() && !self.outlives_parent {
            // It has ended already: there is nothing to be done for it.
            host::exit_now(0);
        }
        if let Some(stdout) = self.stdout {
            // So far the harness has spoken; whatever it has left is not for anybody.
            io::stdout().flush()?;
            replace_stdout(take_inherited(stdout, Kind::Any)?)?;
        }
        if BuildId::of_this_program()? != self.build {
            let path = env::current_exe().unwrap_or_default();
            return Err(io::Error::other(format!(
                "it runs another program than its parent, or another build of it: `{}` has been replaced",
                path.display()
            )));
        }
        if !self.outlives_parent {
            life_line::end_with_parent(life_line)?;
        }
        let line = Packets::from_fd(line)?;
        Ok(Some(Cradle { line, host: Host::new(), parent: self.parent, name: self.name }))
    }
}

impl Notice {
    /// What the number stands for, if it is the line. Somebody else's is left as it is.
    fn take_line(&self) -> Option<OwnedFd> {
        let (line, inode) = with_inode(take_inherited(self.line, Kind::Socket).ok()?).ok()?;
        if inode == self.inode {
            return Some(line);
        }
        let _ = line.into_raw_fd();
        None
    }
}

/// A descriptor, and the number of what it leads to.
pub(super) fn with_inode(fd: OwnedFd) -> io::Result<(OwnedFd, u64)> {
    let file = File::from(fd);
    let inode = file.metadata()?.ino();
    Ok((file.into(), inode))
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parent, role, build, line, inode, life_line, outlives_parent, stdout, name } = self;
        write!(f, "{parent}:{}:{build}:{line}:{inode}:{life_line}:{outlives_parent}:", role.word())?;
        match stdout {
            Some(number) => write!(f, "{number}:{name}"),
            None => write!(f, "-:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Notice, Role};
    use crate::cluster::BuildId;

    #[test]
    fn a_notice_is_read_as_it_was_written() {
        for stdout in [None, Some(9)] {
            let notice = Notice {
                parent: 17,
                role: Role::PoolWorker,
                build: BuildId::of_this_program().unwrap(),
                line: 5,
                inode: 4_711,
                life_line: 6,
                outlives_parent: true,
                stdout,
                name: "a: name".to_owned(),
            };
            assert_eq!(Notice::parse(&notice.to_string()), Some(notice));
        }
        for nonsense in [
            "",
            "17",
            "17:worker:0:1:9:2:false:-:x",
            "x:process:0:1:9:2:false:-:x",
            "17:process:0:1:9:2:false:-",
        ] {
            assert_eq!(Notice::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_notice_that_was_changed_is_none_or_another() {
        let notice = Notice {
            parent: 17,
            role: Role::Process,
            build: BuildId::of_this_program().unwrap(),
            line: 5,
            inode: 4_711,
            life_line: 6,
            outlives_parent: false,
            stdout: Some(1),
            name: "name".to_owned(),
        };
        crate::process::fuzz::fuzz(&[notice.to_string().into_bytes()], |_, given| {
            if let Some(notice) = Notice::parse(&String::from_utf8_lossy(given)) {
                assert_eq!(Notice::parse(&notice.to_string()), Some(notice));
            }
        });
    }
}
