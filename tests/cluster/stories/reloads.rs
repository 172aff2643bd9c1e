//! SIGHUP: a new generation, or the old one still.

use super::{
    ledger::Ledger,
    load::{Load, Plan},
    server, times,
    under_test::{UnderTest, until},
};
use nix::sys::signal::Signal;
use runtime::time::sleep;
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

fn plan(cluster: &UnderTest, clients: u32) -> Plan {
    Plan {
        address: cluster.address,
        clients,
        requests_per_connection: 20,
        body_bytes: 2_000,
        work: 0,
        think: times("CLUSTER_THINK_MS", 0) as u64,
    }
}

pub(crate) fn fail_nobody() {
    runtime::run(async {
        let cluster = UnderTest::start("reloads", "workers=2").await;
        let mut workers = cluster.until_serving(2).await;
        let load = Load::start(plan(&cluster, 32));
        let reloads = times("CLUSTER_RELOADS", 8);
        for _ in 0..reloads {
            sleep(Duration::from_millis(100)).await;
            cluster.signal(Signal::SIGHUP);
            cluster.until_gone(&workers).await;
            workers = cluster.until_serving(2).await;
        }
        let seen = load.stop().await;
        let ledger = Ledger::draw_up(seen, &cluster.journal(), &[]);
        println!("{reloads} reloads\n{ledger}");
        assert!(ledger.is_clean() && ledger.cut_off == 0, "a reload was noticed:\n{ledger}");
        assert!(cluster.stop().await.success());
    });
}

/// The new workers fail before they are ready, so the old ones stay; the next reload, with the cause gone, works.
pub(crate) fn broken_start() {
    runtime::run(async {
        let cluster = UnderTest::start("broken-start", "").await;
        let workers = cluster.until_serving(2).await;
        let load = Load::start(plan(&cluster, 8));
        for way_to_fail in ["exit=1", "panic"] {
            fs::write(cluster.folder.join(server::BOOT), way_to_fail).expect("the folder takes files");
            let before = said(&cluster, "reload");
            cluster.signal(Signal::SIGHUP);
            until("the reload is given up", || (said(&cluster, "reload") >= before + 2).then_some(())).await;
            until("the new ones are gone", || (cluster.workers() == workers).then_some(())).await;
        }
        fs::write(cluster.folder.join(server::BOOT), "").expect("the folder takes files");
        cluster.signal(Signal::SIGHUP);
        cluster.until_gone(&workers).await;
        cluster.until_serving(2).await;
        let ledger = Ledger::draw_up(load.stop().await, &cluster.journal(), &[]);
        assert!(ledger.is_clean() && ledger.cut_off == 0, "a reload was noticed:\n{ledger}");
        assert!(cluster.stop().await.success());
    });
}

/// Impatient people: all their reloads are two.
pub(crate) fn two_at_once() {
    runtime::run(async {
        let cluster = UnderTest::start("impatient", "").await;
        let workers = cluster.until_serving(2).await;
        let load = Load::start(plan(&cluster, 8));
        fs::write(cluster.folder.join(server::BOOT), "sleep_ms=300").expect("the folder takes files");
        for times in 1..=4 {
            cluster.signal(Signal::SIGHUP);
            until("it is heard", || (said(&cluster, "reload") >= times).then_some(())).await;
        }
        until("both are done", || (said(&cluster, "reloaded") == 2).then_some(())).await;
        until("only the last ones are left", || {
            let now = cluster.workers();
            (now.len() == 2 && now.iter().all(|worker| !workers.contains(worker))).then_some(())
        })
        .await;
        let ledger = Ledger::draw_up(load.stop().await, &cluster.journal(), &[]);
        assert!(ledger.is_clean() && ledger.cut_off == 0, "a reload was noticed:\n{ledger}");
        assert_eq!(said(&cluster, "reloaded"), 2, "{}", cluster.log());
        assert!(cluster.stop().await.success());
    });
}

/// While the new ones take their time the old ones serve; no sooner than those are ready do these go.
pub(crate) fn slow_start() {
    runtime::run(async {
        let cluster = UnderTest::start("slow-start", "").await;
        let workers = cluster.until_serving(2).await;
        let load = Load::start(plan(&cluster, 8));
        fs::write(cluster.folder.join(server::BOOT), "sleep_ms=1500").expect("the folder takes files");
        cluster.signal(Signal::SIGHUP);
        until("the new ones have begun", || (cluster.workers().len() == 4).then_some(())).await;
        let before = load.acknowledged();
        until("the old ones reply", || (load.acknowledged() > before + 100).then_some(())).await;
        let now = cluster.workers();
        assert!(
            workers.iter().all(|worker| now.contains(worker)),
            "the old ones are there:\n{}",
            cluster.log()
        );
        cluster.until_gone(&workers).await;
        cluster.until_serving(2).await;
        let ledger = Ledger::draw_up(load.stop().await, &cluster.journal(), &[]);
        assert!(ledger.is_clean() && ledger.cut_off == 0, "a reload was noticed:\n{ledger}");
        assert!(cluster.stop().await.success());
    });
}

/// How often the log says it.
fn said(cluster: &UnderTest, word: &str) -> usize {
    cluster.log().matches(word).count()
}

/// The program's file is replaced: by garbage, by a program that ends at once, and by a good one at last.
pub(crate) fn new_program() {
    runtime::run(async {
        let cluster = UnderTest::start("new-program", "").await;
        let workers = cluster.until_serving(2).await;
        let good = fs::read(cluster.program()).expect("the program can be read");
        for broken in [&b"this is no program"[..], b"#!/bin/false\n"] {
            replace(&cluster, broken);
            let before = said(&cluster, "reload");
            cluster.signal(Signal::SIGHUP);
            until("the reload is given up", || (said(&cluster, "reload") >= before + 2).then_some(())).await;
            until("the old ones serve", || (cluster.workers() == workers).then_some(())).await;
        }
        replace(&cluster, &good);
        let new = fs::metadata(cluster.program()).expect("it is there");
        cluster.signal(Signal::SIGHUP);
        cluster.until_gone(&workers).await;
        for worker in cluster.until_serving(2).await {
            use std::os::unix::fs::MetadataExt;
            let runs = fs::metadata(format!("/proc/{worker}/exe")).expect("it lives");
            assert_eq!((runs.dev(), runs.ino()), (new.dev(), new.ino()), "it runs the new file");
        }
        assert!(cluster.stop().await.success());
    });
}

/// As an upgrade does: beside it, then in its place.
fn replace(cluster: &UnderTest, content: &[u8]) {
    let draft = cluster.folder.join("program.new");
    fs::write(&draft, content).expect("the folder takes files");
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::rename(draft, cluster.program()).expect("it is replaced");
}
