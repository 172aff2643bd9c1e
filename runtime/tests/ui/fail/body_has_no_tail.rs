//! A forgotten `Ok(())`.
use std::io::Error;

#[runtime::main]
async fn main() -> Result<(), Error> {
    std::future::ready(()).await;
}
