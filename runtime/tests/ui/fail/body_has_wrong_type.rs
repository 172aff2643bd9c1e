//! The body is not rewritten: the error is under the expression.
use std::io::Error;

#[runtime::main]
async fn main() -> Result<(), Error> {
    42
}
