//! What a pool of threads can be asked to call.

/// A function and what it takes: any `FnOnce` of up to eight parameters, which may capture what it likes, as it stays in this
/// process.
///
/// `Args` are its arguments: the one, or a tuple of none or several. `Kind` tells apart what the compiler has to tell apart,
/// and is found by it.
///
/// ```
/// use runtime::pool::Call;
/// fn is_call<A, K>(_: impl Call<A, K>) {}
///
/// fn square(n: u64) -> u64 { n * n }
/// let greeting = String::from("hello");
///
/// is_call::<u64, _>(square);
/// is_call::<(u8, u8), _>(|a: u8, b: u8| a + b);
/// is_call::<(), _>(move || greeting);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called with `{Args}` on a thread of the pool",
    note = "it has to be a function of those arguments (one, or a tuple of them), and it, they and its result have to be `Send`"
)]
pub trait Call<Args, Kind>: Send + 'static {
    /// What it gives.
    type Output: Send + 'static;

    #[doc(hidden)]
    fn call(self, arguments: Args) -> Self::Output;
}

/// The kind of functions that take their arguments as a tuple.
#[derive(Debug)]
pub struct Several<S>(std::marker::PhantomData<S>);

/// The kind of functions of one argument, which need no tuple.
#[derive(Debug)]
pub struct Single<S>(std::marker::PhantomData<S>);

macro_rules! calls {
    ($($type:ident $name:ident)*) => {
        impl<F, R, $($type),*> Call<($($type,)*), Several<fn($($type),*) -> R>> for F
        where
            F: FnOnce($($type),*) -> R + Send + 'static,
            R: Send + 'static,
            $($type: Send + 'static,)*
        {
            type Output = R;

            fn call(self, ($($name,)*): ($($type,)*)) -> R {
                self($($name),*)
            }
        }
    };
}

calls!();
calls!(A a);
calls!(A a B b);
calls!(A a B b C c);
calls!(A a B b C c D d);
calls!(A a B b C c D d E e);
calls!(A a B b C c D d E e G g);
calls!(A a B b C c D d E e G g H h);
calls!(A a B b C c D d E e G g H h I i);

impl<F, A, R> Call<A, Single<fn(A) -> R>> for F
where
    F: FnOnce(A) -> R + Send + 'static,
    A: Send + 'static,
    R: Send + 'static,
{
    type Output = R;

    fn call(self, argument: A) -> R {
        self(argument)
    }
}
