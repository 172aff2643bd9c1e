//! `select!` finds its crate by whatever way it was reached, and leaves no name of its own behind.

mod framework {
    pub use runtime as rt;

    pub mod prelude {
        pub use super::rt::select as first_of;
    }

    /// A macro of somebody else's that uses it.
    #[macro_export]
    macro_rules! either {
        ($one:expr, $two:expr, $pattern:pat => $handler:expr) => {
            $crate::framework::rt::select! { biased; $pattern = $one => $handler, $pattern = $two => $handler }
        };
    }
}

use framework::prelude::*;

#[runtime::main(crate = framework::rt)]
async fn main() {
    let (output, future0, branch, context) = (1, 2, 3, 4);
    let sum = first_of! {
        n = std::future::ready(output + future0) => n + branch + context,
        _ = std::future::pending::<()>() => 0,
    };
    assert_eq!(sum, 10);
    assert_eq!(either!(std::future::pending::<u8>(), std::future::ready(5), n => n + 1), 6);

    let mut count = 0;
    let last = loop {
        count += framework::rt::select! {
            n = std::future::ready(1), if count < 3 => n,
            else => break count,
        };
    };
    assert_eq!(last, 3);
}
