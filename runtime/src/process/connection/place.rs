//! Which folders a socket may be in: those in which nobody else can put another in its place.

use runtime_io::owner::own_user;
use std::{
    fs::{self, DirBuilder, Metadata},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

/// Others than the owner may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// What is in it only its owner removes or renames.
const STICKY: u32 = 0o1000;

/// Makes the folder of a socket, if it is missing (0700, its last part only), and makes sure that it is nobody else's.
///
/// # Errors
/// `PermissionDenied` if somebody else could replace what is in it; or what the system says.
pub(super) fn prepare(socket: &Path) -> io::Result<()> {
    let absolute = std::path::absolute(socket)?;
    let folder = absolute.parent().unwrap_or(&absolute);
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(about(folder, &error)),
        _ => {}
    }
    check(folder).map_err(|error| about(folder, &error))
}

fn check(folder: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return Err(denied("it is no folder (or a link to one)"));
    }
    if !is_trusted(&found) || found.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(denied(
            "others than this user can write to it. Name a folder that does not exist yet: it will be made, for this user \
             alone",
        ));
    }
    // Whoever can rename a folder further up can put another there.
    let whole: PathBuf = fs::canonicalize(folder)?;
    for above in whole.ancestors().skip(1) {
        let found = fs::symlink_metadata(above)?;
        if !is_trusted(&found) || found.mode() & WRITABLE_BY_OTHERS != 0 && found.mode() & STICKY == 0 {
            return Err(denied(&format!("others than this user can replace what is in {}", above.display())));
        }
    }
    Ok(())
}

/// Root can do everything anyway.
fn is_trusted(found: &Metadata) -> bool {
    [own_user(), 0].contains(&found.uid())
}

fn denied(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

fn about(folder: &Path, error: &io::Error) -> io::Error {
    let sentence = format!("no socket is made in {}: {error}", folder.display());
    io::Error::new(error.kind(), sentence)
}
