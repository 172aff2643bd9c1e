//! The `crate` option is used as it was written, so the error is under it.
#[runtime::main(crate = rt)]
async fn main() {}
