//! The story of a ^\ that nobody reads any more. It ends by a signal, so it is told by a process of its own.
#![cfg(all(unix, not(miri)))]

use std::{
    env,
    io::Read,
    os::unix::process::ExitStatusExt,
    process::{self, Command},
};

const CHILD: &str = "STORY_OF_A_QUIT";

/// SIGQUIT, on every system that we know.
const QUIT: i32 = 3;

/// Sends this process a SIGQUIT, as the terminal does.
fn press() {
    let pid = process::id().to_string();
    assert!(Command::new("kill").args(["-QUIT", &pid]).status().expect("there is `kill`").success());
}

#[test]
fn the_signal_ends_the_process_again_once_nobody_reads_it() {
    if env::var_os(CHILD).is_some() {
        let mut presses = runtime_io::owner::catch_quit().unwrap().expect("the signal is nobody's");
        press();
        presses.read_exact(&mut [0]).unwrap();
        drop(presses);
        press();
        // It comes to some thread of ours, soon: the end is not reached.
        std::thread::park_timeout(std::time::Duration::from_secs(20));
        process::exit(0);
    }
    let me = env::current_exe().unwrap();
    let story = "the_signal_ends_the_process_again_once_nobody_reads_it";
    let child = Command::new(me).args(["--exact", story]).env(CHILD, "1").output().unwrap();
    assert_eq!(child.status.signal(), Some(QUIT), "{child:?}");
}
