//! Stories of disks that are full or broken, and of operations that are given up at every point.
#![cfg_attr(not(target_os = "linux"), allow(unused_imports, reason = "some stories are of Linux only"))]

mod support;

use futures_lite::future::poll_once;
use runtime_io::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, SeekFrom};
use support::{
    Folder, pattern,
    pool::{Busy, executor_of_one_thread},
    run,
};

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_what_fitted_and_goes_on_when_there_is_room() {
    const SIZE: usize = 400 * 1024;
    let folder = Folder::new();
    let disk = match support::sys::SmallDisk::mount(&folder.path(""), SIZE) {
        Ok(disk) => disk,
        Err(error) => return eprintln!("not told: only root may mount a small disk here ({error})"),
    };
    run(async {
        let path = folder.path("file");
        let content = pattern(2 * SIZE);
        fs::write_atomic(&path, "settings").await.unwrap();
        let error = fs::write_atomic(&path, &content).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).await.unwrap(), b"settings", "it is as it was");
        assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 1, "nothing temporary is left");

        let filler = folder.path("filler");
        let error = fs::write(&filler, &content).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(error.to_string().starts_with(&format!("cannot write {}", filler.display())), "{error}");
        let error = fs::copy(&filler, folder.path("copy")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        fs::remove_file(folder.path("copy")).await.unwrap();
        fs::remove_file(&filler).await.unwrap();

        let mut file = File::create(&filler).await.unwrap();
        let error = match file.write_all(&content).await {
            Err(error) => error,
            Ok(()) => file.flush().await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        let written = usize::try_from(file.position()).unwrap();
        assert!(written > 0 && written % 4096 == 0, "{written}");
        assert!(
            std::fs::read(&filler).unwrap() == content[..written],
            "and the position is where it stopped"
        );
        file.flush().await.expect("it was told");

        fs::remove_file(&path).await.unwrap();
        file.write_all(&content[written..written + 10]).await.unwrap();
        file.close().await.unwrap();
        assert!(std::fs::read(&filler).unwrap() == content[..written + 10]);
    });
    drop(disk);
}

/// This process's memory at 0, where there is none: the kernel says that the disk is broken.
#[cfg(target_os = "linux")]
#[test]
fn a_broken_disk_is_told_and_the_file_stays_usable() {
    run(async {
        let mut file = OpenOptions::new().read(true).write(true).open("/proc/self/mem").await.unwrap();
        let told = |error: std::io::Error| {
            let source = std::error::Error::source(&error).unwrap().downcast_ref::<std::io::Error>().unwrap();
            assert_eq!(source.raw_os_error(), Some(libc::EIO), "{error}");
            assert!(error.to_string().contains("/proc/self/mem"), "{error}");
        };
        told(file.read(&mut [0; 8]).await.unwrap_err());
        told(file.read_at(&mut [0; 8], 0).await.unwrap_err());
        file.write_all(b"x").await.unwrap();
        told(file.flush().await.unwrap_err());
        assert_eq!(file.position(), 0);
        file.write_all(b"x").await.unwrap();
        told(file.sync_all().await.unwrap_err());
        let word = 0x1234_5678_u32;
        file.seek(SeekFrom::Start((&raw const word).addr() as u64)).await.unwrap();
        let mut bytes = [0; 4];
        file.read_exact(&mut bytes).await.unwrap();
        assert_eq!(u32::from_ne_bytes(bytes), word);
    });
}

/// Drops one of a file's operations where it waits: the first that does, in the next run the second, and so on.
struct Cut {
    /// How many may wait before.
    left: usize,
    /// Nobody else gets to the pool until an operation waits for it.
    busy: Option<Busy>,
}

impl Cut {
    /// `None`: it was dropped.
    async fn run<F: Future>(&mut self, operation: F) -> Option<F::Output> {
        self.busy.get_or_insert_with(Busy::new);
        let mut operation = Box::pin(operation);
        if let Some(output) = poll_once(&mut operation).await {
            return Some(output);
        }
        self.left = self.left.checked_sub(1)?;
        self.busy = None;
        Some(operation.await)
    }
}

/// What a file has to hold.
#[derive(Default)]
struct Model(Vec<u8>);

impl Model {
    fn write(&mut self, at: u64, bytes: &[u8]) {
        let at = usize::try_from(at).unwrap();
        let end = at + bytes.len();
        self.0.resize(self.0.len().max(end), 0);
        self.0[at..end].copy_from_slice(bytes);
    }
}

/// Pieces are written, read back and sought over until an operation is dropped; `None` then.
async fn edit(file: &mut File, model: &mut Model, cut: &mut Cut) -> Option<()> {
    let content = pattern(700_000);
    let pieces: [(u64, &[u8]); 6] = [
        (0, &content[..10]),
        (10, &content[10..300_000]),
        (5, &content[..7]),
        (300_000, &content[..400_000]),
        (100_000, &content[500_000..]),
        (600_000, &content[..1]),
    ];
    for (at, piece) in pieces {
        cut.run(file.seek(SeekFrom::Start(at))).await?.unwrap();
        let outcome = cut.run(file.write_all(piece)).await;
        let accepted = usize::try_from(file.position() - at).unwrap();
        model.write(at, &piece[..accepted]);
        outcome?.unwrap();
        assert_eq!(accepted, piece.len());
        cut.run(file.write_all_at(b"!", at)).await?.unwrap();
        model.write(at, b"!");
        let mut buf = [0; 64];
        cut.run(file.rewind()).await?.unwrap();
        let outcome = cut.run(file.read(&mut buf)).await;
        let n = usize::try_from(file.position()).unwrap();
        assert_eq!(n, outcome?.unwrap());
        assert_eq!(buf[..n], model.0[..64.min(model.0.len())]);
    }
    cut.run(file.set_len(650_000)).await?.unwrap();
    model.0.truncate(650_000);
    cut.run(file.sync_all()).await?.unwrap();
    cut.run(file.flush()).await?.unwrap();
    Some(())
}

#[test]
fn an_operation_that_is_dropped_where_it_waits_leaves_the_file_as_the_position_says() {
    let mut points = 0;
    loop {
        let folder = Folder::new();
        let path = folder.path("file");
        let mut model = Model::default();
        let edited = executor_of_one_thread().block_on(async {
            let mut file = File::create_new(&path).await.unwrap();
            edit(&mut file, &mut model, &mut Cut { left: points, busy: None }).await
        });
        // The runtime has ended, and with it the jobs.
        assert!(std::fs::read(&path).unwrap() == model.0, "cut at {points}");
        if edited.is_some() {
            break;
        }
        points += 1;
    }
    assert!((8..100).contains(&points), "{points}");
}
