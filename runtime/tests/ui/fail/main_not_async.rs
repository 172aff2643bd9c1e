//! `main` without `async`; the body still awaits, which must not add an error of its own.
#[runtime::main]
fn main() {
    std::future::ready(()).await;
}
