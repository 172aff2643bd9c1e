//! All mistakes show in one compilation, and the imports of the body do not count as unused.
#![deny(unused)]
use std::collections::HashMap;

fn helper() {}

#[runtime::main(on_exit = "never", thread = 1)]
async fn main(arguments: HashMap<String, String>) {
    drop(arguments);
    helper();
}
