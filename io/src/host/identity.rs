//! Who a process is to the system, and how it becomes somebody with fewer rights.

use crate::sys::privileges::{self, Numbers};
use std::{ffi::CString, io};

/// A user, its first group and its other groups; whom [`drop_privileges`] makes of this process.
///
/// ```
/// use runtime_io::host::Identity;
/// let nobody = Identity::new(65_534, 65_534);
/// assert_eq!(nobody.user(), 65_534);
/// assert_eq!(Identity::named("root")?.user(), 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity(Numbers);

impl Identity {
    /// By numbers, in no other groups.
    pub fn new(user: u32, group: u32) -> Self {
        Self(Numbers { user, group, groups: Vec::new() })
    }

    /// As the user database has it, in all groups that it names. It may ask the network, and blocks meanwhile.
    ///
    /// # Errors
    /// `NotFound` if there is no such user, or what the database says.
    pub fn named(user: &str) -> io::Result<Self> {
        let name = CString::new(user)?;
        let found = privileges::look_up(&name)?;
        found
            .map(Self)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no user {user:?}")))
    }

    /// With other groups than that, besides the first.
    pub fn with_groups(mut self, groups: impl IntoIterator<Item = u32>) -> Self {
        self.0.groups = groups.into_iter().collect();
        self
    }

    /// The user.
    pub fn user(&self) -> u32 {
        self.0.user
    }

    /// The first group.
    pub fn group(&self) -> u32 {
        self.0.group
    }
}

/// Makes this process somebody with fewer rights, for good: groups, then the group, then the user; on Linux no capability is
/// left, and no program that it runs can get any (`PR_SET_NO_NEW_PRIVS`). That it is so, and cannot be undone, is verified by
/// trying.
///
/// To be called by root at the start, before there are threads: the part that only Linux knows concerns this thread and
/// those that it starts. A process that is whom it should be already, as a service manager may arrange it, needs no rights
/// for this.
///
/// It makes void what was asked of [`parent_death_signal`](super::parent_death_signal), without which nothing comes of
/// [`end_with_parent`](super::end_with_parent), and leaves no cores from now on ([`set_dumpable`](super::set_dumpable)).
///
/// # Errors
/// `InvalidInput` for root, which has no fewer rights. Otherwise the step that failed. **The process must then end:** it
/// may be half-way between the two.
///
/// ```no_run
/// use runtime_io::host::{self, Identity};
/// host::drop_privileges(&Identity::named("www-data")?)?;
/// # std::io::Result::Ok(())
/// ```
pub fn drop_privileges(identity: &Identity) -> io::Result<()> {
    if identity.0.user == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "root has no fewer rights than root"));
    }
    privileges::become_user(&identity.0)
}
