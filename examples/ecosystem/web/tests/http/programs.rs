//! The example as a program.

use super::*;
use std::{env, path::Path};

/// Cargo builds the examples for `cargo test`, beside the folder in which this test lies.
fn example(name: &str) -> std::path::PathBuf {
    let this = env::current_exe().expect("this program has a path");
    let profile = this.parent().and_then(Path::parent).expect("it lies in target/<profile>/deps");
    profile.join("examples").join(name)
}

#[runtime::test]
async fn hello_greets_and_ends_in_order() {
    let folder = support::Folder::new("hello");
    let mut program = support::Program::start(
        std::process::Command::new(example("http_hello")).arg("127.0.0.1:0"),
        &folder.path().join("log"),
    );
    program.wait_until(|| folder.path().join("log").metadata().is_ok_and(|log| log.len() > 0));
    let url = program.said().trim_start_matches("listening on ").trim().to_owned();
    let greeting = said("curl", "curl", &["--silent", &format!("{url}/world")]).await;
    program.end(support::Ending::Kill);
    let Some(greeting) = greeting else { return };
    assert!(greeting.starts_with("hello /world, you are 127.0.0.1:"), "{greeting}");
    assert!(greeting.ends_with(" and this is visit 1\n"), "{greeting}");
}
