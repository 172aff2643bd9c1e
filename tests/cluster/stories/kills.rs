//! SIGKILL, of whoever it hits, while clients ask.

use super::{
    ledger::Ledger,
    load::{Load, Plan},
    times,
    under_test::{UnderTest, send, until},
};
use nix::sys::signal::Signal;
use runtime::time::sleep;
use std::{fs, time::Duration};

/// Fewer clients cannot keep two workers busy, more only queue.
const CLIENTS: u32 = 32;
/// A replacement is up and has served for a while.
const BETWEEN_KILLS: Duration = Duration::from_millis(150);

pub(crate) fn lose_nothing() {
    runtime::run(kill_under_load("kills", "restarts=1000000 back_off_ms=0"));
}

pub(crate) fn lose_nothing_with_a_socket_per_worker() {
    runtime::run(kill_under_load("kills-reuseport", "restarts=1000000 back_off_ms=0 listeners=reuseport"));
}

async fn kill_under_load(story: &str, settings: &str) {
    let cluster = UnderTest::start(story, settings).await;
    cluster.until_serving(2).await;
    let load = Load::start(Plan {
        address: cluster.address,
        clients: CLIENTS,
        requests_per_connection: 20,
        body_bytes: 100,
        work: 0,
        think: times("CLUSTER_THINK_MS", 0) as u64,
    });
    let mut kills = Vec::new();
    for _ in 0..times("CLUSTER_KILLS", 20) {
        sleep(BETWEEN_KILLS).await;
        let workers = until("there is a worker to kill", || {
            Some(cluster.workers()).filter(|workers| !workers.is_empty())
        });
        let workers = workers.await;
        let victim = workers[runtime::random_u64() as usize % workers.len()];
        kills.push(cluster.kill(victim).await);
    }
    cluster.until_serving(2).await;
    let seen = load.stop().await;
    let ledger = Ledger::draw_up(seen, &cluster.journal(), &kills);
    println!("{story}: {} kills\n{ledger}", kills.len());
    assert!(ledger.is_clean(), "a promise was broken:\n{ledger}");
    let dead = kills.iter().filter(|kill| kill.was_ready).count();
    assert_eq!(ledger.replaced_after.len(), dead, "every dead worker has a successor");
    assert!(cluster.stop().await.success());
}

/// No zombie, no descriptor, no thread more than before.
pub(crate) fn leave_nothing_behind() {
    runtime::run(async {
        let cluster = UnderTest::start("deaths", "restarts=1000000 back_off_ms=0").await;
        let before = settled(&cluster).await;
        for _ in 0..times("CLUSTER_DEATHS", 30) {
            let workers = cluster.until_serving(2).await;
            send(workers[0], Signal::SIGKILL);
            until("the dead one is gone", || (!cluster.workers().contains(&workers[0])).then_some(())).await;
            // Journals of lives that are over are not read again and again.
            let _ = fs::remove_file(cluster.folder.join(workers[0].to_string()));
        }
        assert_eq!(settled(&cluster).await, before);
        assert!(cluster.stop().await.success());
    });
}

/// Descriptors of the supervisor, once two workers serve and nothing of former ones is left.
async fn settled(cluster: &UnderTest) -> usize {
    cluster.until_serving(2).await;
    until("no zombie is left", || (cluster.zombies() == 0).then_some(())).await;
    // What belongs to a worker is let go when its death is known, which may be a moment after it was reaped.
    let mut last = 0;
    until("the descriptors of the dead are closed", || {
        let now = cluster.descriptors();
        let is_steady = std::mem::replace(&mut last, now) == now;
        is_steady.then_some(now)
    })
    .await
}
