//! Stories of memory that processes share.
#![cfg(all(unix, not(miri)))]

mod support;

use runtime_io::{
    host::SharedMemory,
    process::{Kind, Launch, ProgramFile, take_inherited},
};
use std::{env, io::ErrorKind, sync::atomic::Ordering::Relaxed};
use support::run;

const CHILD: &str = "STORY_OF_SHARED_MEMORY";

#[test]
fn a_child_counts_in_its_parents_cells() {
    if let Ok(number) = env::var(CHILD) {
        let fd = take_inherited(number.parse().unwrap(), Kind::File).unwrap();
        let memory = SharedMemory::from_fd(fd, 512).unwrap();
        assert_eq!(memory.cells()[0].load(Relaxed), 40);
        memory.cells()[0].fetch_add(2, Relaxed);
        memory.cells()[511].store(7, Relaxed);
        return;
    }
    let memory = SharedMemory::create(512).unwrap();
    assert!(memory.cells().iter().all(|cell| cell.load(Relaxed) == 0));
    memory.cells()[0].store(40, Relaxed);
    let story = "a_child_counts_in_its_parents_cells";
    let mut launch = Launch::new(ProgramFile::current().unwrap()).args(["--exact", story]);
    let number = launch.descriptor(memory.fd().try_clone_to_owned().unwrap());
    let ended = run(async { launch.env(CHILD, number.to_string()).spawn().unwrap().wait().await.unwrap() });
    assert!(ended.success(), "{ended}");
    let (fd, cells) = memory.into_static();
    drop(fd);
    assert_eq!(
        (cells[0].load(Relaxed), cells[511].load(Relaxed)),
        (42, 7),
        "also when the descriptor is gone"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn nobody_can_shorten_it_and_what_can_be_shortened_is_refused() {
    use std::{fs::File, os::fd::OwnedFd};

    let memory = SharedMemory::create(512).unwrap();
    let theirs = File::from(memory.fd().try_clone_to_owned().unwrap());
    for length in [0, 8, 4_096 - 1, 4_096 + 1] {
        assert_eq!(theirs.set_len(length).unwrap_err().kind(), ErrorKind::PermissionDenied, "{length}");
    }
    let open = |fd: OwnedFd| SharedMemory::from_fd(fd, 512).unwrap_err().kind();
    let unsealed = support::sys::unsealed_memory();
    unsealed.set_len(4_096).unwrap();
    assert_eq!(open(unsealed.into()), ErrorKind::InvalidData);
    assert_eq!(open(File::open("/etc/passwd").unwrap().into()), ErrorKind::InvalidData);
}

#[test]
fn another_length_is_refused() {
    let memory = SharedMemory::create(512).unwrap();
    for cells in [511, 513, 1 << 40] {
        let fd = memory.fd().try_clone_to_owned().unwrap();
        assert_eq!(SharedMemory::from_fd(fd, cells).unwrap_err().kind(), ErrorKind::InvalidData, "{cells}");
    }
    for cells in [0, usize::MAX, usize::MAX / 8 + 1] {
        assert_eq!(SharedMemory::create(cells).unwrap_err().kind(), ErrorKind::InvalidInput, "{cells}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_nobody_uses_is_not_mapped() {
    use std::{fs, os::linux::fs::MetadataExt};

    let mapped = |inode: u64| {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.split_whitespace().nth(4) == Some(&inode.to_string())).count()
    };
    let memory = SharedMemory::create(512).unwrap();
    let inode = fs::File::from(memory.fd().try_clone_to_owned().unwrap()).metadata().unwrap().st_ino();
    let again = SharedMemory::from_fd(memory.fd().try_clone_to_owned().unwrap(), 512).unwrap();
    assert_eq!(mapped(inode), 2);
    drop(again);
    assert_eq!(mapped(inode), 1);
    let (fd, cells) = memory.into_static();
    drop(fd);
    cells[511].store(1, Relaxed);
    assert_eq!(mapped(inode), 1, "for ever");
}
