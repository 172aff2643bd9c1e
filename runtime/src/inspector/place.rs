//! Where the sockets of inspected processes are, and whose.
//!
//! A directory that only its owner can enter: in `$XDG_RUNTIME_DIR`, or in `/tmp` with the user's number in its name. In
//! it each process has `PID.sock`. What is not ours, or open to others, is not used.

use runtime_io::owner::own_user;
use std::{
    env, fs, io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// A path must fit into `sockaddr_un` with its zero at the end: 104 bytes on the BSDs, 108 on Linux.
const MAX_PATH: usize = 103;
/// The longest name of a socket: 10 digits of a process.
const LONGEST_NAME: &str = "/4294967295.sock";

/// The directory of this user's sockets, whether or not it is there.
pub(crate) fn directory() -> PathBuf {
    choose(env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from), own_user())
}

fn choose(runtime_dir: Option<PathBuf>, user: u32) -> PathBuf {
    let preferred = runtime_dir.filter(|path| path.is_absolute()).map(|path| path.join("rt-inspect"));
    let fits = |path: &PathBuf| path.as_os_str().len() + LONGEST_NAME.len() <= MAX_PATH;
    preferred.filter(fits).unwrap_or_else(|| PathBuf::from(format!("/tmp/rt-inspect-{user}")))
}

/// The socket of a process.
pub(crate) fn socket(directory: &Path, process: u32) -> PathBuf {
    directory.join(format!("{process}.sock"))
}

/// Makes the directory, or makes sure that the one that is there lets nobody else in.
pub(crate) fn prepare(directory: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Not through a link that somebody else has put there.
    let found = fs::symlink_metadata(directory)?;
    let is_ours = found.is_dir() && found.uid() == own_user() && found.mode() & 0o077 == 0;
    if is_ours {
        return Ok(());
    }
    let place = directory.display();
    Err(io::Error::other(format!("{place} is not a directory of this user's alone (0700): remove it")))
}

/// The processes that have a socket, in order of their numbers.
pub(crate) fn processes(directory: &Path) -> io::Result<Vec<u32>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".sock")?.parse::<u32>().ok());
        processes.extend(number);
    }
    processes.sort_unstable();
    Ok(processes)
}

/// Listens for this process, after removing the sockets of ours that nobody listens on any more.
pub(crate) fn listen(directory: &Path, process: u32) -> io::Result<UnixListener> {
    prepare(directory)?;
    for other in processes(directory)? {
        remove_if_stale(&socket(directory, other));
    }
    UnixListener::bind(socket(directory, process))
}

/// Connects to one of them. An interruption comes from a full queue only, and leaves nothing behind; std does not repeat it.
pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            connected => return connected,
        }
    }
}

/// Removes a socket of this user's whose listener is gone.
fn remove_if_stale(path: &Path) {
    let is_ours = fs::symlink_metadata(path)
        .is_ok_and(|found| found.file_type().is_socket() && found.uid() == own_user());
    let is_refused = || connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if is_ours && is_refused() {
        // Somebody else may have been faster.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// An empty directory of this test's own, in the place for temporary files.
    fn scratch(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("rt-place-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn the_directory_is_the_sessions_unless_that_is_missing_relative_or_too_long() {
        let session = |path: &str| choose(Some(PathBuf::from(path)), 7);
        assert_eq!(session("/run/user/7"), Path::new("/run/user/7/rt-inspect"));
        assert_eq!(session("run/user/7"), Path::new("/tmp/rt-inspect-7"));
        assert_eq!(choose(None, 7), Path::new("/tmp/rt-inspect-7"));
        let long = format!("/{}", "x".repeat(75));
        assert_eq!(socket(&session(&long), u32::MAX).as_os_str().len(), MAX_PATH, "just fits");
        assert_eq!(session(&format!("{long}x")), Path::new("/tmp/rt-inspect-7"));
    }

    #[test]
    fn a_directory_that_lets_others_in_or_is_a_link_is_refused() {
        let scratch = scratch("refused");
        let place = scratch.join("place");
        prepare(&place).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().mode() & 0o777, 0o700);
        prepare(&place).unwrap();
        let link = scratch.join("link");
        symlink(&place, &link).unwrap();
        assert!(prepare(&link).is_err());
        fs::set_permissions(&place, fs::Permissions::from_mode(0o750)).unwrap();
        let error = prepare(&place).unwrap_err().to_string();
        assert!(error.contains("not a directory of this user's alone"), "{error}");
        fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn stale_sockets_are_removed_and_live_ones_and_other_files_are_not() {
        let scratch = scratch("stale");
        let place = scratch.join("place");
        prepare(&place).unwrap();
        drop(UnixListener::bind(socket(&place, 1)).unwrap());
        let live = UnixListener::bind(socket(&place, 2)).unwrap();
        fs::write(socket(&place, 3), "not a socket").unwrap();
        fs::write(place.join("notes"), "no number").unwrap();
        let own = listen(&place, 4).unwrap();
        assert_eq!(processes(&place).unwrap(), [2, 3, 4]);
        drop((live, own));
        fs::remove_dir_all(scratch).unwrap();
    }
}
