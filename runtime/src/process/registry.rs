//! The table of the functions that other processes of this program may call.
//!
//! Every [`Function`] that the program names anywhere as one to be called elsewhere leaves an entry in a section of the
//! program's file, put there by the assembler when our generic code is compiled for it: a constant, which no code has to run
//! for. The linker puts the entries of all packages side by side, and names beginning and end of them. So the table is part of
//! the program, the same in each of its processes, and a function is the number of its entry: what comes over a wire is an
//! index to be checked against a length, and no address.
//!
//! - **R1** The section holds nothing but entries, each an [`Entry`]: two pointers at the alignment of one. Both the assembler's
//!   directive and the statics of Rust's see to that. A program may have several copies of this package in it (two versions,
//!   for two packages that it uses): each has entries there, and knows its own by [`COPY`]. Of another's it uses no more than
//!   that. **Whoever changes what an entry is gives the section another name.**
//! - **R2** `START` and `STOP` are its bounds. It is never empty, so the linker defines both; and it is never written to, but by
//!   the loader, before anything runs.
//! - **R3** A type without size has one value, or none, of which the standard library takes notice (`zeroed` panics). A `fn` item
//!   is nothing but its type; so is a closure that captures nothing. (One that captures a value without size had it when it
//!   was named, in this program.)

#![expect(unsafe_code, reason = "a table that the linker puts together")]

use super::{
    function::Function,
    host::Host,
    luggage::{self, DecodeError, EncodeError},
    packet::Packet,
    panic::{self, Catcher, RemotePanic},
};
use serde::{Deserialize, Serialize};
use std::{
    any::{TypeId, type_name},
    collections::HashMap,
    error::Error,
    fmt, io,
    marker::PhantomData,
    mem, ptr,
    sync::{OnceLock, atomic::AtomicBool},
};

#[repr(C)]
struct Entry {
    /// Of whom it is.
    copy: &'static AtomicBool,
    describe: Describe,
}

/// Says what there is to know of a function, in one of its forms.
type Describe = fn() -> Described;

/// This copy of the package, by where it lies. It can be written, and so no linker takes it and another for the same.
static COPY: AtomicBool = AtomicBool::new(false);

/// How a function is called with what came over a wire; see [`FunctionId::call`].
type Call = fn(&Host, usize, Packet, Vec<u8>) -> Result<Packet, CallError>;

struct Described {
    id: TypeId,
    call: Call,
}

/// Which function, among those of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FunctionId(u32);

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum CallError {
    /// No function has that number.
    Unknown(u32),
    /// The arguments are none of that function.
    Arguments(DecodeError),
    /// It panicked.
    Panicked(RemotePanic),
    /// The result cannot be written down.
    Result(EncodeError),
}

/// What one call among many gives.
pub(crate) type Called<R> = Result<R, Mishap>;

/// Why one call among many gives nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Mishap {
    /// Its arguments could not be written down, or not be read.
    Arguments(String),
    /// It panicked.
    Panicked(RemotePanic),
    /// The result cannot be written down.
    Result(String),
}

/// What the directives of the assembler and the linker look like, which depends on the format of programs.
#[cfg(not(target_vendor = "apple"))]
mod format {
    /// The section, as Rust names it.
    macro_rules! section {
        () => {
            "runtime_functions"
        };
    }
    /// The section, as the assembler is told of it: data that the loader relocates (`a`, `w`) and the linker keeps (`R`).
    macro_rules! pushsection {
        () => {
            ".pushsection runtime_functions,\"awR\",%progbits"
        };
    }
    pub(super) use {pushsection, section};
}
#[cfg(target_vendor = "apple")]
mod format {
    /// The section, as Rust names it.
    macro_rules! section {
        () => {
            "__DATA,__rt_functions,regular,no_dead_strip"
        };
    }
    /// The section, as the assembler is told of it.
    macro_rules! pushsection {
        () => {
            ".pushsection __DATA,__rt_functions,regular,no_dead_strip"
        };
    }
    pub(super) use {pushsection, section};
}

/// Two pointers, for the assembler.
#[cfg(target_pointer_width = "64")]
macro_rules! entry {
    () => {
        ".balign 8\n.8byte {}\n.8byte {}"
    };
}
#[cfg(target_pointer_width = "32")]
macro_rules! entry {
    () => {
        ".balign 4\n.4byte {}\n.4byte {}"
    };
}

#[unsafe(link_section = format::section!())]
#[used]
static NONE: Entry = Entry { copy: &COPY, describe: describe_none };

unsafe extern "C" {
    #[cfg_attr(not(target_vendor = "apple"), link_name = "__start_runtime_functions")]
    #[cfg_attr(target_vendor = "apple", link_name = "\u{1}section$start$__DATA$__rt_functions")]
    static START: [usize; 0];
    #[cfg_attr(not(target_vendor = "apple"), link_name = "__stop_runtime_functions")]
    #[cfg_attr(target_vendor = "apple", link_name = "\u{1}section$end$__DATA$__rt_functions")]
    static STOP: [usize; 0];
}

/// So that the table is never empty: nobody's entry.
fn describe_none() -> Described {
    Described { id: TypeId::of::<()>(), call: |_, _, _, _| Err(CallError::Unknown(0)) }
}

/// A function, and in which form it is called. Each form that is used has an entry of its own.
trait Form: 'static {
    const CALL: Call;
}

/// With one set of arguments.
struct Once<F, A, K>(PhantomData<fn(F, A, K)>);

/// With each of many.
struct Each<F, A, K>(PhantomData<fn(F, A, K)>);

impl<F: Function<A, K>, A: super::Data, K: 'static> Form for Once<F, A, K> {
    const CALL: Call = call_once::<F, A, K>;
}

impl<F: Function<A, K>, A: super::Data, K: 'static> Form for Each<F, A, K> {
    const CALL: Call = call_each::<F, A, K>;
}

fn describe<M: Form>() -> Described {
    // Arguments and kind are in it too: the same function may be called in several ways.
    Described { id: TypeId::of::<M>(), call: M::CALL }
}

/// Leaves the entry of a function in the table, by being compiled for it.
#[inline(never)]
fn enter<M: Form>() {
    // SAFETY: no instruction; the section gets one entry more (R1).
    #[cfg(not(miri))]
    unsafe {
        std::arch::asm!(
            format::pushsection!(),
            entry!(),
            ".popsection",
            sym COPY,
            sym describe::<M>,
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// All entries of this program, also those of other copies of this package.
fn table() -> &'static [Entry] {
    if cfg!(miri) {
        return &[];
    }
    let (start, stop) = (&raw const START, &raw const STOP);
    let count = (stop.addr() - start.addr()) / size_of::<Entry>();
    // SAFETY: R1, R2.
    unsafe { std::slice::from_raw_parts(start.cast::<Entry>(), count) }
}

impl Entry {
    fn is_ours(&self) -> bool {
        ptr::eq(self.copy, &raw const COPY)
    }
}

/// The number of a function in every process of this program.
///
/// # Errors
/// If the function is not in the table: a linker has dropped it, or there is none (under an interpreter).
pub(crate) fn id_of<F: Function<A, K>, A: super::Data, K: 'static>() -> io::Result<FunctionId> {
    number_of::<F, Once<F, A, K>>()
}

/// The number of the form that is called with each of many arguments, as [`luggage::encode_each`] writes them down: each a
/// `Result<A, String>`, where an `Err` says why there is none. What it gives is a [`Called`] for each, likewise.
///
/// # Errors
/// As [`id_of`].
pub(crate) fn id_of_each<F: Function<A, K>, A: super::Data, K: 'static>() -> io::Result<FunctionId> {
    number_of::<F, Each<F, A, K>>()
}

fn number_of<F, M: Form>() -> io::Result<FunctionId> {
    const {
        assert!(
            size_of::<F>() == 0,
            "a closure that captures something, or a pointer to a function, cannot be called in another process: \
             write a `fn`, or a closure that captures nothing, and pass what it needs as an argument"
        );
    }
    static NUMBERS: OnceLock<HashMap<TypeId, u32>> = OnceLock::new();
    enter::<M>();
    let numbers = NUMBERS.get_or_init(|| {
        // Code that was compiled twice has two entries; the first is as good as the second.
        let entries = table().iter().enumerate().rev().filter(|(_, entry)| entry.is_ours());
        entries.map(|(number, entry)| ((entry.describe)().id, number as u32)).collect()
    });
    numbers.get(&describe::<M>().id).copied().map(FunctionId).ok_or_else(|| {
        let name = type_name::<F>();
        let what = format!(
            "`{name}` is not in this program's table of functions: its linker, or an interpreter, has none"
        );
        io::Error::new(io::ErrorKind::Unsupported, what)
    })
}

impl FunctionId {
    /// As it travels.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The function of a number that has travelled, if there is one.
    pub(crate) fn from_number(number: u32) -> Result<Self, CallError> {
        let entry = usize::try_from(number).ok().and_then(|number| table().get(number));
        if entry.is_some_and(Entry::is_ours) { Ok(Self(number)) } else { Err(CallError::Unknown(number)) }
    }

    fn describe(self) -> Described {
        (table()[self.0 as usize].describe)()
    }

    /// Calls it with arguments as [`luggage`] writes them down, which begin so many bytes into the packet. The result goes
    /// behind what is in `reply`.
    ///
    /// # Errors
    /// [`CallError`]; a panic is one.
    pub(crate) fn call(
        self,
        host: &Host,
        offset: usize,
        arguments: Packet,
        reply: Vec<u8>,
    ) -> Result<Packet, CallError> {
        (self.describe().call)(host, offset, arguments, reply)
    }
}

fn call_once<F: Function<A, K>, A: super::Data, K: 'static>(
    host: &Host,
    offset: usize,
    arguments: Packet,
    reply: Vec<u8>,
) -> Result<Packet, CallError> {
    // What reads and writes the user's types is the user's code too.
    let outcome = panic::catch(|| {
        let arguments = luggage::decode_behind::<A>(offset, arguments).map_err(CallError::Arguments)?;
        let result = the::<F>().call(arguments, host);
        luggage::encode_behind(reply, &result).map_err(CallError::Result)
    });
    outcome.unwrap_or_else(|panic| Err(CallError::Panicked(panic)))
}

fn call_each<F: Function<A, K>, A: super::Data, K: 'static>(
    host: &Host,
    offset: usize,
    arguments: Packet,
    reply: Vec<u8>,
) -> Result<Packet, CallError> {
    let catcher = Catcher::new();
    let call = |arguments: Result<Result<A, String>, DecodeError>| {
        let arguments = arguments.map_err(|error| Mishap::Arguments(error.0))?.map_err(Mishap::Arguments)?;
        catcher.catch(|| the::<F>().call(arguments, host)).map_err(Mishap::Panicked)
    };
    let arguments = luggage::decode_each(offset, arguments).map_err(CallError::Arguments)?;
    // All of them, before any is written down: nothing of an encoder's is around when they are called.
    let results: Vec<Called<F::Output>> = arguments.into_iter().map(call).collect();
    luggage::encode_each(reply, results, |why| Err(Mishap::Result(why))).map_err(CallError::Result)
}

/// The value of a function's type.
fn the<F>() -> F {
    // SAFETY: R3; `number_of` cannot be compiled for a type that has a size, and without it there is no entry that calls this.
    unsafe { mem::zeroed::<F>() }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(number) => write!(f, "this program has no function number {number}"),
            Self::Arguments(error) => write!(f, "of its arguments: {error}"),
            Self::Panicked(panic) => panic.fmt(f),
            Self::Result(error) => write!(f, "of its result: {error}"),
        }
    }
}

impl Error for CallError {}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::{CallError, Entry, FunctionId, id_of, table};
    use crate::process::{Data, Function, host::Host, luggage, packet::Packet};
    use std::{any::TypeId, sync::atomic::AtomicBool};

    fn square(n: u64) -> u64 {
        n * n
    }

    fn join(left: String, right: Option<u8>) -> String {
        left + &format!(" {right:?}")
    }

    async fn halve(n: u64) -> Result<u64, String> {
        crate::task::yield_now().await;
        if n & 1 == 0 { Ok(n / 2) } else { Err(format!("{n} is odd")) }
    }

    /// Calls a function by its number, with its arguments written down, as it would be called in another process.
    fn call<F: Function<A, K>, A: Data, K: 'static>(_: F, arguments: A) -> Result<F::Output, CallError> {
        let number = id_of::<F, A, K>().unwrap().number();
        let arguments = luggage::encode(&{ arguments }).unwrap();
        let function = FunctionId::from_number(number)?;
        let result = function.call(&Host::new(), 0, arguments, b"head".to_vec())?;
        Ok(luggage::decode_behind(4, result).unwrap())
    }

    #[test]
    fn functions_are_called_by_number_and_without_a_value_of_theirs() {
        assert_eq!(call(square, 7).unwrap(), 49);
        assert_eq!(call(join, ("a".to_owned(), Some(1))).unwrap(), "a Some(1)");
        assert_eq!(call(halve, 8).unwrap(), Ok(4));
        assert_eq!(call(halve, (9,)).unwrap(), Err("9 is odd".to_owned()));
        assert_eq!(call(|| vec![1_u8, 2], ()).unwrap(), [1, 2]);
        assert_eq!(call(|| vec![3_u8], ()).unwrap(), [3]);
    }

    #[test]
    fn a_number_that_is_no_function_is_refused() {
        for number in [table().len() as u32, u32::MAX] {
            assert!(
                matches!(FunctionId::from_number(number), Err(CallError::Unknown(found)) if found == number)
            );
        }
        // The first entry, wherever the linker has put it, is nobody's or somebody's, and never a reason to end.
        let ours = (0..table().len() as u32).filter_map(|number| FunctionId::from_number(number).ok());
        let nobody = ours.into_iter().find(|function| function.describe().id == TypeId::of::<()>()).unwrap();
        let called = nobody.call(&Host::new(), 0, Packet::default(), Vec::new());
        assert!(matches!(called, Err(CallError::Unknown(_))));
    }

    /// As another version of this package would have it in the program, whose `Described` may be anything.
    #[unsafe(link_section = super::format::section!())]
    #[used]
    static FOREIGN: Entry = Entry { copy: &ELSEWHERE, describe: || panic!("it is another copy's") };
    static ELSEWHERE: AtomicBool = AtomicBool::new(false);

    #[test]
    fn entries_of_another_copy_of_this_package_are_left_alone() {
        let foreign = table().iter().position(|entry| std::ptr::eq(entry, &raw const FOREIGN)).unwrap();
        assert!(matches!(FunctionId::from_number(foreign as u32), Err(CallError::Unknown(_))));
        assert_eq!(call(square, 3).unwrap(), 9);
    }

    #[test]
    fn arguments_of_another_function_are_an_error_and_not_a_call() {
        fn unreachable(_: String) {
            panic!("it was called");
        }
        let id = id_of_function::<_, String, _>(unreachable);
        let called = id.call(&Host::new(), 0, vec![0xFF; 4].into(), Vec::new());
        assert!(matches!(called, Err(CallError::Arguments(_))), "{called:?}");
    }

    #[test]
    fn a_panic_says_where_and_what() {
        let panic = call(|n: u32| assert!(n < 5, "{n} is too much"), 6).unwrap_err().to_string();
        assert!(panic.starts_with("panicked at ") && panic.contains("registry.rs:"), "{panic}");
        assert!(panic.ends_with(": 6 is too much"), "{panic}");
    }

    #[test]
    fn numbers_and_arguments_that_were_changed_call_nobody_or_somebody_properly() {
        fn sum(mut parts: Vec<u64>, name: String) -> (u64, String) {
            (parts.drain(..).fold(0, u64::wrapping_add), name)
        }
        let id = id_of_function::<_, (Vec<u64>, String), _>(sum);
        let sample = luggage::encode(&(vec![1_u64, 1 << 60], "a name")).unwrap().bytes;
        let host = Host::new();
        crate::process::fuzz::fuzz(&[sample], |chance, given| {
            let offset = chance.below(3);
            match id.call(&host, offset, given.to_vec().into(), Vec::new()) {
                Ok(reply) => drop(luggage::decode::<(u64, String)>(reply).unwrap()),
                Err(error) => assert!(matches!(error, CallError::Arguments(_)), "{error:?}"),
            }
            let number = chance.number() as u32;
            assert_eq!(FunctionId::from_number(number).is_ok(), (number as usize) < table().len());
        });
    }

    fn id_of_function<F: Function<A, K>, A: Data, K: 'static>(_: F) -> FunctionId {
        id_of::<F, A, K>().unwrap()
    }
}
