//! The program, as its first lines say.

use runtime::process::{Command, Output};
use std::fs;

async fn run(server: Option<&support::Redis>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis_queue"));
    if let Some(server) = server {
        command.env("REDIS_URL", format!("redis://{}", server.address()));
    }
    command.args(arguments).output().await.unwrap()
}

#[runtime::test]
async fn orders_are_pushed_in_one_process_and_billed_in_another() {
    let Some(server) = support::Redis::start() else { return };
    let folder = support::Folder::new("bills");
    let path = folder.path().to_str().unwrap();
    let pushed = run(Some(&server), &["push", "tea for 2", "cake for 3"]).await;
    let receipt = String::from_utf8(pushed.stdout).unwrap();
    let ids: Vec<_> = receipt.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(ids.iter().map(|(_, order)| *order).collect::<Vec<_>>(), ["tea for 2", "cake for 3"]);
    let status = run(Some(&server), &["status"]).await;
    assert!(String::from_utf8(status.stdout).unwrap().starts_with("Counts { ready: 2"));

    let mut worker = Command::new(env!("CARGO_BIN_EXE_redis_queue"));
    worker.args(["work", path]).env("REDIS_URL", format!("redis://{}", server.address())).kill_on_drop(true);
    let mut worker = worker.spawn().unwrap();
    let bill = |id: &str| fs::read_to_string(folder.path().join(format!("{id}.bill"))).ok();
    while ids.iter().any(|(id, _)| bill(id).is_none()) {
        runtime::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(worker.terminate(std::time::Duration::from_secs(30)).await.unwrap().success());
    for (id, order) in &ids {
        assert_eq!(bill(id).as_deref(), Some(*order));
    }
    assert!(run(Some(&server), &["dead"]).await.stdout.is_empty());
}

#[runtime::test]
async fn the_demo_needs_no_server() {
    let folder = support::Folder::new("bills");
    assert!(run(None, &["demo", folder.path().to_str().unwrap()]).await.status.success());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}
