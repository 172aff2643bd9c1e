//! Who this process is among the processes of its program, and what its children are called.

use std::{
    process,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

/// This process, among those of its program.
///
/// ```
/// use runtime::process;
/// let me: &process::Me = process::current();
/// assert_eq!(me.name(), "MainProcess");
/// assert_eq!(me.pid(), std::process::id());
/// assert_eq!(me.parent(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    name: String,
    parent: Option<u32>,
    is_daemon: bool,
}

/// What a child is; nothing in the process that the program began with.
static ME: OnceLock<Me> = OnceLock::new();

/// The numbers of this process and its ancestors, each among its parent's children; none in the process that the program
/// began with.
static LINEAGE: OnceLock<Vec<u32>> = OnceLock::new();

/// How many children were to have a name of ours.
static CHILDREN: AtomicU32 = AtomicU32::new(0);

impl Me {
    /// `MainProcess`; in a child what its parent calls it: `Process-1` unless it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number that the system has given to this process.
    pub fn pid(&self) -> u32 {
        process::id()
    }

    /// Of the process of this program that has started this one; `None` if that is not of this program. It may have ended since.
    pub fn parent(&self) -> Option<u32> {
        self.parent
    }

    /// Whether it ends with its parent.
    pub fn is_daemon(&self) -> bool {
        self.is_daemon
    }
}

/// This process, among those of its program (`multiprocessing.current_process`).
pub fn current() -> &'static Me {
    static MAIN: OnceLock<Me> = OnceLock::new();
    // Not in the same cell: a child that asks before it has found out what it is must not stay what it is not.
    ME.get().unwrap_or_else(|| {
        MAIN.get_or_init(|| Me { name: "MainProcess".to_owned(), parent: None, is_daemon: false })
    })
}

/// Makes this process one that has a parent.
pub(crate) fn become_child(name: String, parent: u32, is_daemon: bool) {
    let _ = ME.set(Me { name, parent: Some(parent), is_daemon });
}

/// Notes what number this process and its ancestors have among their siblings.
pub(super) fn set_lineage(lineage: Vec<u32>) {
    let _ = LINEAGE.set(lineage);
}

/// The lineage of the next child, and what it is called if nobody names it: `Process-2`, and a child of that `Process-2:1`.
pub(super) fn next_child() -> (Vec<u32>, String) {
    let mut lineage = LINEAGE.get().cloned().unwrap_or_default();
    lineage.push(CHILDREN.fetch_add(1, Relaxed) + 1);
    let numbers: Vec<_> = lineage.iter().map(ToString::to_string).collect();
    (lineage, format!("Process-{}", numbers.join(":")))
}
