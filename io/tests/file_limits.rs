//! The story of a process that has reached its limit on the size of files; alone in its process, as the limit is.

mod support;

use runtime_io::fs::{self, File};
use std::io::ErrorKind;
use support::{Folder, pattern, run, sys::limit_file_size};

const LIMIT: usize = 300_000;

/// `SIGXFSZ` has its deadly meaning here: whoever gets it is gone.
#[test]
fn the_limit_is_an_error_and_no_signal() {
    let folder = Folder::new();
    limit_file_size(LIMIT as libc::rlim_t);
    run(async {
        let content = pattern(LIMIT + 200_000);
        let path = folder.path("file");

        let error = fs::write(&path, &content).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert!(std::fs::read(&path).unwrap() == content[..LIMIT], "what fits is there");
        let error = fs::append(&path, "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        let error = fs::write_atomic(&path, &content).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert!(std::fs::read(&path).unwrap() == content[..LIMIT], "it is as it was");
        assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 1, "nothing temporary is left");

        let mut file = File::create(&path).await.unwrap();
        let error = match file.write_all(&content).await {
            Err(error) => error,
            Ok(()) => file.flush().await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_eq!(file.position(), LIMIT as u64, "a partial write is continued until nothing more fits");
        assert!(std::fs::read(&path).unwrap() == content[..LIMIT]);
        let error = file.set_len(LIMIT as u64 + 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        let error = file.write_all_at(b"x", LIMIT as u64).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);

        // Below the limit it goes on.
        file.rewind().await.unwrap();
        file.write_all(b"again").await.unwrap();
        file.close().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap()[..5], *b"again");
    });
}
