//! Functions that can be called in another process of this program, and what they are called with.

use super::host::Host;
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;

/// What can go to another process: it is written down in one and read in the other (by `serde`, in postcard's format), so the
/// other gets a copy. Every type that has both halves of `serde` is one.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Task { id: u32, text: String }
/// # fn is_data<T: runtime::process::Data>() {}
/// is_data::<Vec<Option<Task>>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot go to another process",
    note = "what goes there is written down here and read there: it has to own its data (`String`, not `&str`), and needs \
            `#[derive(serde::Serialize, serde::Deserialize)]`"
)]
pub trait Data: Serialize + DeserializeOwned + 'static {}

impl<T: Serialize + DeserializeOwned + 'static> Data for T {}

/// A function that can be called in another process of this program: any `fn`, or closure that captures nothing, plain or
/// `async`, of up to eight parameters, as long as parameters and result are [`Data`].
///
/// `Args` are its arguments: the one, or a tuple of none or several. `Kind` tells apart what the compiler has to tell apart,
/// and is found by it.
///
/// ```
/// use runtime::process::Function;
/// fn is_function<A, K>(_: impl Function<A, K>) {}
///
/// fn square(n: u64) -> u64 { n * n }
/// async fn fetch(url: String, attempts: u32) -> Result<String, String> { Err(format!("{attempts} attempts at {url}")) }
///
/// is_function::<u64, _>(square);
/// is_function::<(String, u32), _>(fetch);
/// is_function::<(), _>(|| println!("hello"));
/// ```
///
/// A process gets to know which function to call, and not what it captured:
///
/// ```compile_fail
/// # fn call<A: runtime::process::Data, K: 'static, F: runtime::process::Function<A, K>>(function: F, arguments: A) {
/// #     runtime::pool::ProcessPool::new(1).unwrap().submit(function, arguments);
/// # }
/// let factor = 3;
/// call(move |n: u64| n * factor, 7_u64); // pass `factor` as an argument: |(n, factor): (u64, u64)| n * factor
/// ```
///
/// What is called is the very function that was named here: it lies in a table in the program, and processes tell each other
/// its place in that. No address and no code travels.
///
/// An `async` function runs on a runtime that its process has for the purpose, one function after the other.
///
/// A value without size that a closure captures (a token) is not noticed, and exists in the other process too. Do not capture
/// what proves by its existence that something was done in this process.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called in another process with `{Args}`",
    note = "it has to be a function of those arguments (one, or a tuple of them), each of which, as its result, can go to \
            another process (`runtime::process::Data`)"
)]
pub trait Function<Args, Kind>: Copy + Send + Sync + 'static {
    /// What it gives; of an `async` one, what its future gives.
    type Output: Data;

    #[doc(hidden)]
    fn call(self, arguments: Args, host: &Host) -> Self::Output;
}

/// The kind of functions that give their result.
#[derive(Debug)]
pub struct Plain<S>(PhantomData<S>);

/// The kind of functions that give a future.
#[derive(Debug)]
pub struct Async<S>(PhantomData<S>);

/// The kind of functions of one argument, which need no tuple.
#[derive(Debug)]
pub struct One<S>(PhantomData<S>);

macro_rules! functions {
    ($($args:ident)*) => {
        impl<F, R, $($args),*> Function<($($args,)*), Plain<fn($($args),*) -> R>> for F
        where
            F: Fn($($args),*) -> R + Copy + Send + Sync + 'static,
            R: Data,
            $($args: Data,)*
        {
            type Output = R;

            #[allow(non_snake_case, reason = "the names of their types")]
            fn call(self, ($($args,)*): ($($args,)*), _host: &Host) -> R {
                self($($args),*)
            }
        }

        impl<F, R, $($args),*> Function<($($args,)*), Async<fn($($args),*) -> R>> for F
        where
            F: Fn($($args),*) -> R + Copy + Send + Sync + 'static,
            R: Future<Output: Data> + 'static,
            $($args: Data,)*
        {
            type Output = R::Output;

            #[allow(non_snake_case, reason = "the names of their types")]
            fn call(self, ($($args,)*): ($($args,)*), host: &Host) -> R::Output {
                host.drive(self($($args),*))
            }
        }
    };
}

functions!();
functions!(A1);
functions!(A1 A2);
functions!(A1 A2 A3);
functions!(A1 A2 A3 A4);
functions!(A1 A2 A3 A4 A5);
functions!(A1 A2 A3 A4 A5 A6);
functions!(A1 A2 A3 A4 A5 A6 A7);
functions!(A1 A2 A3 A4 A5 A6 A7 A8);

impl<F, A, R> Function<A, One<Plain<fn(A) -> R>>> for F
where
    F: Fn(A) -> R + Copy + Send + Sync + 'static,
    A: Data,
    R: Data,
{
    type Output = R;

    fn call(self, argument: A, _host: &Host) -> R {
        self(argument)
    }
}

impl<F, A, R> Function<A, One<Async<fn(A) -> R>>> for F
where
    F: Fn(A) -> R + Copy + Send + Sync + 'static,
    A: Data,
    R: Future<Output: Data> + 'static,
{
    type Output = R::Output;

    fn call(self, argument: A, host: &Host) -> R::Output {
        host.drive(self(argument))
    }
}
