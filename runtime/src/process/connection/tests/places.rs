//! Where a socket may be.

use super::keys::Scratch;
use crate::process::connection::place::prepare;
use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn is_refused(path: &Path) -> bool {
    match prepare(path) {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            true
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter knows no permissions")]
fn a_folder_that_is_missing_is_made_for_this_user_alone() {
    let scratch = Scratch::new("missing");
    let folder = scratch.0.join("folder");
    prepare(&folder.join("socket")).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    prepare(&folder.join("socket")).unwrap();
    let deeper = scratch.0.join("a/b/socket");
    assert_eq!(prepare(&deeper).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter knows no permissions")]
fn a_folder_that_others_can_write_to_is_refused_wherever_it_is_in_the_path() {
    let scratch = Scratch::new("open");
    let (above, folder) = (scratch.0.join("above"), scratch.0.join("above/folder"));
    fs::create_dir_all(&folder).unwrap();
    let socket = folder.join("socket");
    for (mode, refused) in [(0o700, false), (0o755, false), (0o770, true), (0o702, true), (0o1777, true)] {
        set_mode(&folder, mode);
        assert_eq!(is_refused(&socket), refused, "{mode:o}");
    }
    set_mode(&folder, 0o700);
    for (mode, refused) in [(0o755, false), (0o775, true), (0o707, true), (0o1777, false)] {
        set_mode(&above, mode);
        assert_eq!(is_refused(&socket), refused, "{mode:o} above");
    }
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter knows no permissions")]
fn a_link_or_a_file_is_no_folder() {
    let scratch = Scratch::new("links");
    let (folder, link) = (scratch.0.join("folder"), scratch.0.join("link"));
    fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o700);
    symlink(&folder, &link).unwrap();
    assert!(is_refused(&link.join("socket")));
    fs::write(scratch.0.join("file"), "").unwrap();
    assert!(is_refused(&scratch.0.join("file/socket")));
    assert!(is_refused(Path::new("/tmp/socket")), "everybody's");
}
