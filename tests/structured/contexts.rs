//! What `with` does, by values that are dropped: entered in order, left in reverse order, whatever ends the block: its
//! end, an early return, an error, a panic, a cancellation. Leaving that has to wait is a cleanup.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use crate::support::{Transcript, secs};
use runtime::{
    spawn,
    sync::Lock,
    task::{self, CancelScope, yield_now},
    time::{sleep, timeout},
};

/// A block that is entered and left aloud.
struct Echo(Transcript, &'static str);

impl Echo {
    fn new(transcript: &Transcript, name: &'static str) -> Self {
        transcript.say(format!("enter {name}"));
        Self(transcript.clone(), name)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.0.say(format!("exit {}", self.1));
    }
}

/// A file that says when it is closed, so that nobody has to ask the kernel.
struct Loud<F> {
    file: F,
    _echo: Echo,
}

#[runtime::test(start_paused = true)]
async fn a_file_is_closed_also_when_writing_fails() {
    let transcript = Transcript::new();
    let path = std::env::temp_dir().join(format!("contexts-{}", std::process::id()));
    let write = |text: Result<&'static str, io::Error>| {
        let mut file = Loud { file: File::create(&path)?, _echo: Echo::new(&transcript, "file") };
        file.file.write_all(text?.as_bytes())
    };
    write(Ok("hello world")).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "hello world");
    let failed = write(Err(io::Error::other("disk full"))).unwrap_err();
    transcript.say(failed.to_string());
    fs::remove_file(&path).unwrap();
    transcript.expect(["0 enter file", "0 exit file", "0 enter file", "0 exit file", "0 disk full"]);
}

#[runtime::test(start_paused = true)]
async fn one_kind_of_error_is_swallowed_at_the_exit_and_others_are_not() {
    #[derive(Debug, PartialEq)]
    enum Failure {
        Value,
        Other,
    }
    /// Runs a block and swallows the errors that it knows.
    fn forgiving(
        transcript: &Transcript,
        block: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let _echo = Echo::new(transcript, "block");
        match block() {
            Err(Failure::Value) => Ok(()),
            outcome => outcome,
        }
    }
    let transcript = Transcript::new();
    let say = || {
        transcript.say("hello world");
        Ok(())
    };
    assert_eq!(forgiving(&transcript, say), Ok(()));
    assert_eq!(forgiving(&transcript, || Err(Failure::Value)), Ok(()));
    assert_eq!(forgiving(&transcript, || Err(Failure::Other)), Err(Failure::Other));
    let block = ["0 enter block", "0 exit block"];
    transcript.expect(["0 enter block", "0 hello world", "0 exit block"].iter().chain(&block).chain(&block));
}

#[runtime::test(start_paused = true)]
async fn leaving_comes_after_a_panic_too() {
    let transcript = Transcript::new();
    let block = |fails: bool| {
        let _echo = Echo::new(&transcript, "block");
        assert!(!fails, "in the block");
        transcript.say("ok");
    };
    block(false);
    let caught = catch_unwind(AssertUnwindSafe(|| block(true))).unwrap_err();
    transcript.say(format!("error {}", caught.downcast::<&str>().unwrap()));
    transcript.expect([
        "0 enter block",
        "0 ok",
        "0 exit block",
        "0 enter block",
        "0 exit block",
        "0 error in the block",
    ]);
}

/// Locks, does something that needs it, and releases, aloud.
async fn with_loud_lock(transcript: Transcript, lock: Rc<Lock<()>>, returns_early: bool) {
    transcript.say("Locking");
    let guard = lock.acquire().await;
    let releasing = {
        let transcript = transcript.clone();
        OnExit(Some(move || transcript.say("Releasing")))
    };
    transcript.say(format!("Lock is locked: {}", lock.locked()));
    if returns_early {
        return;
    }
    sleep(secs(1)).await;
    transcript.say("Doing something that needs locking");
    drop((releasing, guard));
}

struct OnExit<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnExit<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

#[runtime::test(start_paused = true)]
async fn a_loud_lock_is_released_at_the_end_at_a_return_and_at_a_cancellation() {
    let transcript = Transcript::new();
    let lock = Rc::new(Lock::new(()));
    with_loud_lock(transcript.clone(), lock.clone(), false).await;
    transcript.expect([
        "0 Locking",
        "0 Lock is locked: true",
        "1 Doing something that needs locking",
        "1 Releasing",
    ]);
    assert!(!lock.locked());

    with_loud_lock(transcript.clone(), lock.clone(), true).await;
    transcript.expect(["1 Locking", "1 Lock is locked: true", "1 Releasing"]);
    assert!(!lock.locked());

    let task = spawn(with_loud_lock(transcript.clone(), lock.clone(), false));
    yield_now().await;
    assert!(task.cancel_and_wait().await.unwrap_err().is_cancelled());
    transcript.expect(["1 Locking", "1 Lock is locked: true", "1 Releasing"]);
    assert!(!lock.locked());

    let scope = CancelScope::with_timeout(secs(1) / 2);
    assert!(scope.run(with_loud_lock(transcript.clone(), lock.clone(), false)).await.is_err());
    transcript.expect(["1 Locking", "1 Lock is locked: true", "1.5 Releasing"]);
    assert!(!lock.locked());
}

#[runtime::test(start_paused = true)]
async fn of_two_open_files_the_second_is_closed_first() {
    let transcript = Transcript::new();
    let folder = std::env::temp_dir().join(format!("contexts-copy-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("from"), "three\nlines\nof text\n").unwrap();
    {
        let mut from =
            Loud { file: File::open(folder.join("from")).unwrap(), _echo: Echo::new(&transcript, "from") };
        let mut to =
            Loud { file: File::create(folder.join("to")).unwrap(), _echo: Echo::new(&transcript, "to") };
        let mut text = String::new();
        from.file.read_to_string(&mut text).unwrap();
        to.file.write_all(text.as_bytes()).unwrap();
    }
    assert_eq!(fs::read(folder.join("from")).unwrap(), fs::read(folder.join("to")).unwrap());
    fs::remove_dir_all(&folder).unwrap();
    transcript.expect(["0 enter from", "0 enter to", "0 exit to", "0 exit from"]);
}

#[runtime::test(start_paused = true)]
async fn leaving_that_has_to_wait_is_a_cleanup() {
    /// Says goodbye, and waits for the answer.
    async fn goodbye(transcript: Transcript) {
        transcript.say("goodbye");
        sleep(secs(2)).await;
        transcript.say("answered");
    }
    let transcript = Transcript::new();
    let session = async {
        let _goodbye = task::defer(goodbye(transcript.clone()));
        sleep(secs(10)).await;
    };
    assert!(timeout(secs(1), session).await.is_err());
    transcript.say("gave up");
    sleep(secs(5)).await;
    transcript.expect(["1 gave up", "1 goodbye", "3 answered"]);
}
