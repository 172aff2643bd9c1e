//! Stories of becoming somebody with fewer rights. Each is told by a process of its own, since there is no way back.
#![cfg(all(unix, not(miri)))]

mod support;

use runtime_io::{
    host::{Identity, drop_privileges},
    owner::own_user,
    process::{Launch, ProgramFile},
};
use std::{env, fs::File, io::ErrorKind};
use support::run;

const CHILD: &str = "STORY_OF_PRIVILEGES";
/// How a story ends that was told to its end.
const TOLD: i32 = 42;
/// Whom nobody here is.
const USER: u32 = 54_321;
const GROUP: u32 = 54_322;

/// Tells a story in a process of its own.
fn tell(name: &str, story: impl FnOnce()) {
    if env::var_os(CHILD).is_some() {
        story();
        std::process::exit(TOLD);
    }
    if own_user() != 0 {
        eprintln!("SKIPPED: {name}: only root can become somebody else");
        return;
    }
    // On its first and only thread, as a worker does it.
    let arguments = ["--exact", name, "--nocapture", "--test-threads=1"];
    let launch = Launch::new(ProgramFile::current().unwrap()).args(arguments);
    let ended = run(async { launch.env(CHILD, "1").spawn().unwrap().wait().await.unwrap() });
    assert_eq!(ended.code(), Some(TOLD), "{ended}");
}

#[cfg(target_os = "linux")]
fn status(what: &str) -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{what} is not in {status}"))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn nothing_of_root_is_left_and_it_does_not_come_back() {
    tell("nothing_of_root_is_left_and_it_does_not_come_back", || {
        File::open("/etc/shadow").unwrap();
        drop_privileges(&Identity::new(USER, GROUP)).unwrap();
        assert_eq!(own_user(), USER);
        #[cfg(target_os = "linux")]
        {
            assert_eq!(status("Uid"), [USER; 4].map(|user| user.to_string()).join(" "));
            assert_eq!(status("Gid"), [GROUP; 4].map(|group| group.to_string()).join(" "));
            assert_eq!(status("Groups"), "");
            for kind in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                assert_eq!(status(kind), "0000000000000000", "{kind}");
            }
            assert_eq!(status("NoNewPrivs"), "1");
        }
        assert_eq!(File::open("/etc/shadow").unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(
            drop_privileges(&Identity::new(USER + 1, GROUP)).unwrap_err().kind(),
            ErrorKind::PermissionDenied
        );
    });
}

#[test]
fn other_groups_are_those_that_were_asked_for() {
    tell("other_groups_are_those_that_were_asked_for", || {
        drop_privileges(&Identity::new(USER, GROUP).with_groups([7, GROUP, 9, 7])).unwrap();
        #[cfg(target_os = "linux")]
        assert_eq!(status("Groups").split(' ').collect::<std::collections::BTreeSet<_>>().len(), 3);
    });
}

#[test]
fn who_is_it_already_needs_no_rights_for_it() {
    tell("who_is_it_already_needs_no_rights_for_it", || {
        let somebody = Identity::new(USER, GROUP).with_groups([7]);
        drop_privileges(&somebody).unwrap();
        drop_privileges(&somebody).unwrap();
        let more = Identity::new(USER, GROUP).with_groups([7, 8]);
        let refused = drop_privileges(&more).unwrap_err();
        assert!(refused.to_string().starts_with("setgroups: "), "{refused}");
    });
}

#[test]
fn where_no_more_processes_are_allowed_a_launch_fails_and_nothing_else() {
    tell("where_no_more_processes_are_allowed_a_launch_fails_and_nothing_else", || {
        drop_privileges(&Identity::new(USER, GROUP)).unwrap();
        let before = support::sys::limit_processes(0);
        let refused = Launch::new("/bin/true").spawn().unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EAGAIN));
        support::sys::limit_processes(before);
        assert!(run(async { Launch::new("/bin/true").spawn().unwrap().wait().await.unwrap() }).success());
    });
}

#[test]
fn a_power_that_was_kept_on_purpose_goes_all_the_same() {
    tell("a_power_that_was_kept_on_purpose_goes_all_the_same", || {
        #[cfg(target_os = "linux")]
        {
            support::sys::keep_capabilities();
            drop_privileges(&Identity::new(USER, GROUP)).unwrap();
            assert_eq!(status("CapPrm"), "0000000000000000");
        }
    });
}

#[test]
fn root_is_no_way_down_and_strangers_have_no_name() {
    assert_eq!(
        drop_privileges(&Identity::named("root").unwrap()).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(Identity::named("no such user").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(Identity::named("a\0b").unwrap_err().kind(), ErrorKind::InvalidInput);
    let daemon = Identity::named("daemon").unwrap();
    assert_eq!((daemon.user(), daemon.group()), (1, 1));
}
