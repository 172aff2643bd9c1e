//! Becoming somebody with fewer rights, for good.
//!
//! - **V1** The calls take plain numbers, or read and write what they are given, which is as long as they are told.
//! - **V2** The buffer that a question to the user database fills outlives what it points out.
//!
//! Order: groups while we may still choose them, then the group, then the user, which takes the right to any of it away.
//! The C library changes all threads; what Linux adds (capabilities, no new privileges) concerns this thread and those it
//! starts.

#![expect(unsafe_code, reason = "std changes the user of children only")]

use std::{ffi::CStr, io, mem, ptr};

/// A user, the group it has first, and its other groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Numbers {
    pub(crate) user: libc::uid_t,
    pub(crate) group: libc::gid_t,
    pub(crate) groups: Vec<libc::gid_t>,
}

/// Says which step it was.
fn step(name: &str, result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(io::Error::new(error.kind(), format!("{name}: {error}")))
}

/// Becomes somebody else. After an error this process is neither who it was nor who it should be.
pub(crate) fn become_user(numbers: &Numbers) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    capabilities::bound();
    // What is so already needs no right to change it.
    if other_groups(numbers.group)? != without(&numbers.groups, numbers.group) {
        set_groups(&numbers.groups)?;
    }
    if groups_of_this_process()? != [numbers.group; 3] {
        set_group(numbers.group)?;
    }
    if users_of_this_process()? != [numbers.user; 3] {
        set_user(numbers.user)?;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    capabilities::give_up()?;
    verify(numbers)
}

/// Trusts no call that said that it had worked.
fn verify(numbers: &Numbers) -> io::Result<()> {
    let is_so = users_of_this_process()? == [numbers.user; 3]
        && groups_of_this_process()? == [numbers.group; 3]
        && other_groups(numbers.group)? == without(&numbers.groups, numbers.group);
    if !is_so {
        return Err(io::Error::other("this process is not who it should be"));
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    capabilities::verify()?;
    // SAFETY: V1.
    let user = unsafe { libc::setuid(0) } == 0;
    // SAFETY: V1.
    let effective_user = unsafe { libc::seteuid(0) } == 0;
    // SAFETY: V1.
    let group = numbers.group != 0 && unsafe { libc::setgid(0) } == 0;
    let groups = set_groups(&[0]).is_ok();
    if user || effective_user || group || groups {
        return Err(io::Error::other("this process could become root again"));
    }
    Ok(())
}

fn set_groups(groups: &[libc::gid_t]) -> io::Result<()> {
    // SAFETY: V1.
    step("setgroups", unsafe { libc::setgroups(groups.len() as _, groups.as_ptr()) })
}

#[cfg(not(any(target_vendor = "apple", target_os = "netbsd")))]
fn set_group(group: libc::gid_t) -> io::Result<()> {
    // SAFETY: V1.
    step("setresgid", unsafe { libc::setresgid(group, group, group) })
}

#[cfg(not(any(target_vendor = "apple", target_os = "netbsd")))]
fn set_user(user: libc::uid_t) -> io::Result<()> {
    // SAFETY: V1.
    step("setresuid", unsafe { libc::setresuid(user, user, user) })
}

/// Where there is no call for all three, root's `setgid` sets all three.
#[cfg(any(target_vendor = "apple", target_os = "netbsd"))]
fn set_group(group: libc::gid_t) -> io::Result<()> {
    // SAFETY: V1.
    step("setgid", unsafe { libc::setgid(group) })
}

#[cfg(any(target_vendor = "apple", target_os = "netbsd"))]
fn set_user(user: libc::uid_t) -> io::Result<()> {
    // SAFETY: V1.
    step("setuid", unsafe { libc::setuid(user) })
}

/// The real, the effective and the saved user.
#[cfg(not(any(target_vendor = "apple", target_os = "netbsd")))]
fn users_of_this_process() -> io::Result<[libc::uid_t; 3]> {
    let [mut real, mut effective, mut saved] = [0; 3];
    // SAFETY: V1.
    step("getresuid", unsafe { libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved) })?;
    Ok([real, effective, saved])
}

#[cfg(not(any(target_vendor = "apple", target_os = "netbsd")))]
fn groups_of_this_process() -> io::Result<[libc::gid_t; 3]> {
    let [mut real, mut effective, mut saved] = [0; 3];
    // SAFETY: V1.
    step("getresgid", unsafe { libc::getresgid(&raw mut real, &raw mut effective, &raw mut saved) })?;
    Ok([real, effective, saved])
}

/// The saved one is not told: that nobody can become it is found out by trying.
#[cfg(any(target_vendor = "apple", target_os = "netbsd"))]
#[expect(clippy::unnecessary_wraps, reason = "others may refuse")]
fn users_of_this_process() -> io::Result<[libc::uid_t; 3]> {
    // SAFETY: V1.
    let (real, effective) = (unsafe { libc::getuid() }, super::user::own());
    Ok([real, effective, effective])
}

#[cfg(any(target_vendor = "apple", target_os = "netbsd"))]
#[expect(clippy::unnecessary_wraps, reason = "others may refuse")]
fn groups_of_this_process() -> io::Result<[libc::gid_t; 3]> {
    // SAFETY: V1.
    let real = unsafe { libc::getgid() };
    // SAFETY: V1.
    let effective = unsafe { libc::getegid() };
    Ok([real, effective, effective])
}

/// The groups of this process but for one, which some systems list among them and some do not.
fn other_groups(first: libc::gid_t) -> io::Result<Vec<libc::gid_t>> {
    // SAFETY: V1; it only counts.
    let count = unsafe { libc::getgroups(0, ptr::null_mut()) };
    let mut groups = vec![0; usize::try_from(count).map_err(|_| io::Error::last_os_error())?];
    // SAFETY: V1.
    let count = unsafe { libc::getgroups(count, groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(count).map_err(|_| io::Error::last_os_error())?);
    Ok(without(&groups, first))
}

/// In order, and each once.
fn without(groups: &[libc::gid_t], first: libc::gid_t) -> Vec<libc::gid_t> {
    let mut groups: Vec<_> = groups.iter().copied().filter(|&group| group != first).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Asks the user database. `None` if it has no such user.
pub(crate) fn look_up(name: &CStr) -> io::Result<Option<Numbers>> {
    /// Entries are short; one that does not fit says so (`ERANGE`), up to here.
    const MAX_ENTRY: usize = 1 << 20;
    let mut buffer = vec![0; 1_024];
    loop {
        // SAFETY: all zeroes is a valid value.
        let mut entry: libc::passwd = unsafe { mem::zeroed() };
        let mut found = ptr::null_mut();
        let (at, length) = (buffer.as_mut_ptr(), buffer.len());
        // SAFETY: V1, V2.
        match unsafe { libc::getpwnam_r(name.as_ptr(), &raw mut entry, at, length, &raw mut found) } {
            0 if found.is_null() => return Ok(None),
            0 => {
                let groups = groups_of(name, entry.pw_gid)?;
                return Ok(Some(Numbers { user: entry.pw_uid, group: entry.pw_gid, groups }));
            }
            libc::ERANGE if length < MAX_ENTRY => buffer = vec![0; length * 2],
            // Some systems say so of a user that there is not.
            libc::ENOENT | libc::ESRCH => return Ok(None),
            errno => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// The groups of a user, the first one included.
fn groups_of(name: &CStr, first: libc::gid_t) -> io::Result<Vec<libc::gid_t>> {
    /// As many as Linux allows a process (`NGROUPS_MAX`).
    const MAX_GROUPS: usize = 65_536;
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut count = groups.len() as libc::c_int;
        // SAFETY: V1. Numbers of groups have a sign on Apple's systems, and the same size.
        let fit = unsafe {
            libc::getgrouplist(name.as_ptr(), first as _, groups.as_mut_ptr().cast(), &raw mut count) >= 0
        };
        if fit {
            groups.truncate(usize::try_from(count).unwrap_or(0));
            return Ok(groups);
        }
        if groups.len() >= MAX_GROUPS {
            return Err(io::Error::other("the user is in too many groups"));
        }
        groups.resize(groups.len() * 2, 0);
    }
}

/// The pieces of root's power that Linux deals in (capabilities(7)).
#[cfg(any(target_os = "linux", target_os = "android"))]
mod capabilities {
    use super::{io, step};

    /// `_LINUX_CAPABILITY_VERSION_3`: two words of each kind.
    const VERSION: u32 = 0x2008_0522;
    /// No Linux has more.
    const MAX: libc::c_ulong = 64;

    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }

    #[derive(Clone, Copy, Default, PartialEq, Eq)]
    #[repr(C)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }

    fn prctl(option: libc::c_int, first: libc::c_ulong, second: libc::c_ulong) -> libc::c_int {
        // SAFETY: V1; all options used here take plain numbers.
        unsafe { libc::prctl(option, first, second, 0 as libc::c_ulong, 0 as libc::c_ulong) }
    }

    /// No program that this process may run can get any. Only root may settle that; for others no new privileges is enough.
    pub(super) fn bound() {
        for capability in 0..MAX {
            if prctl(libc::PR_CAPBSET_DROP, capability, 0) != 0 {
                break;
            }
        }
    }

    /// Also those that a process can keep while it changes its user.
    pub(super) fn give_up() -> io::Result<()> {
        // Kernels before 4.3 have none of this kind.
        prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong, 0);
        let mut header = Header { version: VERSION, pid: 0 };
        let none = [Sets::default(); 2];
        // SAFETY: V1; the structs are the kernel's.
        let given_up = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, none.as_ptr()) };
        step("capset", given_up as libc::c_int)?;
        step("no_new_privs", prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0))
    }

    pub(super) fn verify() -> io::Result<()> {
        let mut header = Header { version: VERSION, pid: 0 };
        let mut sets = [Sets { effective: 1, permitted: 1, inheritable: 1 }; 2];
        // SAFETY: V1; the structs are the kernel's.
        let told = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
        step("capget", told as libc::c_int)?;
        if sets != [Sets::default(); 2] || prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0) != 1 {
            return Err(io::Error::other("this process has kept some of root's power"));
        }
        Ok(())
    }
}
