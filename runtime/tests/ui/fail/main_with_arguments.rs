//! Arguments of `main` are refused, and used in the body without adding errors.
#[runtime::main]
async fn main(arguments: Vec<String>) {
    println!("{arguments:?}");
}
