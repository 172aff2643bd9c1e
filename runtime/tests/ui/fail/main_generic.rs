//! A generic `main`; the arrow inside does not close the angle brackets.
#[runtime::main]
async fn main<F: Fn() -> u32, const N: usize>() {}
