//! What the stories share: a folder that is gone with them, and a look at what is open.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// A folder of a story's own.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let path = env::temp_dir().join(format!("files-{}-{number}", process::id()));
        fs::create_dir_all(&path).expect("there is room for temporary files");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether this process has the file open. Other stories open files of other names meanwhile.
pub(crate) fn is_open(path: &Path) -> bool {
    let path = fs::canonicalize(path).expect("it is there");
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else { return false };
    descriptors.filter_map(Result::ok).any(|fd| fs::read_link(fd.path()).is_ok_and(|open| open == path))
}
