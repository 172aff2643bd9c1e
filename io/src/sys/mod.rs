//! The only room of this crate with `unsafe` code: every call of libc that no safe crate wraps for us.
//!
//! Invariants, cited by the `// SAFETY:` comments below this folder:
//!
//! - **S1** A descriptor handed to libc is borrowed for the whole call, so it names what its owner meant.
//! - **S2** A handler that runs in a forked child touches one atomic and nothing else.
//! - **S3** The answer of a probe belongs to the handler while its state is ANSWERING, and to who asks while it is
//!   ANSWERED; the state changes hands by compare-and-swap, acquire and release.
//! - **S4** What `sigaction` is given lives for the call, and its handler as long as the program; what it gave is kept as long.
//! - **S5** `tgkill` takes plain numbers. If that thread has ended it fails, or, should the number have been given anew,
//!   interrupts the thread that has it now, which then looks at itself.
//! - **S6** A signal handler takes no lock, allocates nothing, frees nothing, and leaves `errno` as it was.
//! - **S7** A descriptor that came with a message is this process's, and nobody's yet.
//! - **S8** A number of a descriptor that may be anybody's is only asked about, duplicated or closed on `exec`, and never
//!   closed now.
//! - **S9** Types with the same id are the same but for the lifetimes in them, and what is cast to is borrowed for no longer
//!   than what is cast.

pub(crate) mod ancillary;
pub(crate) mod anonymous;
pub(crate) mod appending;
pub(crate) mod child;
pub(crate) mod datagram;
pub(crate) mod descriptor;
pub(crate) mod errno;
pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod futex;
mod held;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) mod interrupt;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "no_interrupt.rs"]
pub(crate) mod interrupt;
pub(crate) mod known;
pub(crate) mod life;
pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod mapping;
pub(crate) mod packet;
#[cfg(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"), not(miri)))]
pub(crate) mod page_cache;
#[cfg(not(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"), not(miri))))]
#[path = "no_page_cache.rs"]
pub(crate) mod page_cache;
pub(crate) mod pipe;
pub(crate) mod privileges;
pub(crate) mod quit;
pub(crate) mod signal;
pub(crate) mod sigpipe;
pub(crate) mod socket;
#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
pub(crate) mod splice;
#[cfg(any(miri, not(any(target_os = "linux", target_os = "android"))))]
#[path = "no_splice.rs"]
pub(crate) mod splice;
#[cfg(feature = "greenlet")]
pub(crate) mod stack;
pub(crate) mod user;
