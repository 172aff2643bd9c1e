//! Folders of which it is known that they are on a local file system: what is mounted where is the process's affair and
//! not a runtime's, so there is one list.

use std::{
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Folders that are remembered: more than a program reads from at a time, and looked through in some 30 ns.
const MOST: usize = 64;

static KNOWN: Mutex<Known> = Mutex::new(Known { folders: Vec::new(), oldest: 0 });

struct Known {
    folders: Vec<Folder>,
    /// The next to give up its place, once all are taken.
    oldest: usize,
}

struct Folder {
    hash: u64,
    name: Box<[u8]>,
    device: libc::dev_t,
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder of a file, up to the last slash, as it is written: two spellings of a folder are two folders.
fn folder_of(path: &Path) -> (&[u8], u64) {
    let path = path.as_os_str().as_bytes();
    let name = &path[..path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1)];
    // FNV-1a: names are short, and nobody gains by making two of them meet.
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    (name, name.iter().fold(0xcbf2_9ce4_8422_2325, mix))
}

impl Known {
    fn place(&self, name: &[u8], hash: u64) -> Option<usize> {
        self.folders.iter().position(|folder| folder.hash == hash && *folder.name == *name)
    }
}

/// On which device the files of this one's folder are, if it is known to be local.
pub(super) fn device(path: &Path) -> Option<libc::dev_t> {
    let (name, hash) = folder_of(path);
    let known = known();
    known.place(name, hash).map(|place| known.folders[place].device)
}

/// The folder of this file is on a local file system, of this device.
pub(super) fn remember(path: &Path, device: libc::dev_t) {
    let (name, hash) = folder_of(path);
    let mut known = known();
    if let Some(place) = known.place(name, hash) {
        known.folders[place].device = device;
        return;
    }
    let folder = Folder { hash, name: name.into(), device };
    if known.folders.len() < MOST {
        known.folders.push(folder);
    } else {
        let place = known.oldest;
        known.oldest = (place + 1) % MOST;
        known.folders[place] = folder;
    }
}

/// The folder of this file is not what it was.
pub(super) fn forget(path: &Path) {
    let (name, hash) = folder_of(path);
    let mut known = known();
    if let Some(place) = known.place(name, hash) {
        known.folders.swap_remove(place);
        known.oldest = 0;
    }
}
