//! What `#[runtime::test]` refuses.
#[runtime::test]
async fn arguments(port: u16) {
    drop(port);
}

#[runtime::test]
async fn generic<T>() {}

#[runtime::test]
#[test]
async fn twice() {}

#[runtime::test]
#[core::prelude::v1::test]
async fn twice_by_path() {}

fn main() {}
