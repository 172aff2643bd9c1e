//! The expansion adds no warnings, whatever is denied. The name need not be `main`, nor the place the crate root.
#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications)]

mod nested {
    /// Any free function can be an entry.
    #[runtime::main]
    #[inline]
    pub(crate) async fn answer() -> impl std::process::Termination + Into<u8>
    where
        String: Clone,
    {
        Seven
    }

    struct Seven;

    impl std::process::Termination for Seven {
        fn report(self) -> std::process::ExitCode {
            std::process::ExitCode::from(7)
        }
    }

    impl From<Seven> for u8 {
        fn from(_: Seven) -> u8 {
            7
        }
    }
}

fn main() {
    let seven: u8 = nested::answer().into();
    assert_eq!(seven, 7);
}
