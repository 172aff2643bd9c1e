//! rustc's own word about what a `main` may return, under the type.
#[runtime::main]
async fn main() -> String {
    String::new()
}
