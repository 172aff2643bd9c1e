//! Entries without `async`; the body still awaits, which must not add an error of its own.
#[runtime::test]
fn test() {
    std::future::ready(()).await;
}

#[runtime::main]
fn main() {
    std::future::ready(()).await;
}
