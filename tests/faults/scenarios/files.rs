//! Files: whole, in pieces, in a folder.

use super::{pattern, run};
use runtime_io::fs::{self, File};
use std::{
    env,
    io::{self, SeekFrom},
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// Several pages, and more than one call writes.
const LEN: usize = 10_000;

fn folder() -> PathBuf {
    env::temp_dir().join(format!("runtime-faults-files-{}", process::id()))
}

/// A folder that no run before had: a fault may have kept theirs from being removed.
fn place() -> PathBuf {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    folder().join(RUNS.fetch_add(1, Relaxed).to_string())
}

pub(crate) fn remove() {
    let _ = std::fs::remove_dir_all(folder());
}

pub(super) fn whole() -> io::Result<()> {
    let place = place();
    run(async {
        fs::create_dir_all(&place).await?;
        let (path, copy, moved) = (place.join("file"), place.join("copy"), place.join("moved"));
        let contents = pattern(LEN);
        fs::write(&path, &contents).await?;
        assert_eq!(fs::read(&path).await?, contents);
        assert_eq!(fs::copy(&path, &copy).await?, LEN as u64);
        assert_eq!(fs::read(&copy).await?, contents);
        fs::append(&copy, b"more").await?;
        fs::rename(&copy, &moved).await?;
        assert_eq!(fs::metadata(&moved).await?.len(), LEN as u64 + 4);
        fs::write_atomic(&path, b"another").await?;
        assert_eq!(fs::read_to_string(&path).await?, "another");
        fs::remove_file(&path).await?;
        fs::remove_dir_all(&place).await
    })
}

/// Whatever `flush` and `close` have let pass is there, in its order.
pub(super) fn pieces() -> io::Result<()> {
    let place = place();
    run(async {
        fs::create_dir_all(&place).await?;
        let path = place.join("file");
        let contents = pattern(LEN);
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).await?;
        for piece in contents.chunks(3_000) {
            file.write_all(piece).await?;
        }
        file.sync_all().await?;
        file.rewind().await?;
        let mut read = Vec::new();
        let mut buf = vec![0; 4_000];
        loop {
            match file.read(&mut buf).await? {
                0 => break,
                n => read.extend_from_slice(&buf[..n]),
            }
        }
        assert_eq!(read, contents);
        file.seek(SeekFrom::Start(5_000)).await?;
        file.write_all(b"over").await?;
        file.set_len(6_000).await?;
        file.close().await?;
        let mut expected = contents[..6_000].to_vec();
        expected[5_000..5_004].copy_from_slice(b"over");
        assert_eq!(std::fs::read(&path)?, expected);
        Ok(())
    })
}

pub(super) fn listed() -> io::Result<()> {
    let place = place();
    run(async {
        fs::create_dir_all(&place).await?;
        for number in 0..3 {
            fs::write(place.join(number.to_string()), b"x").await?;
        }
        let mut entries = fs::read_dir(&place).await?;
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            assert!(entry.file_type().await?.is_file());
            names.push(entry.file_name().into_string().expect("digits"));
        }
        names.sort();
        assert_eq!(names, ["0", "1", "2"]);
        Ok(())
    })
}
