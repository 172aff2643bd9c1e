//! More workers and fewer, workers that have served their share, and how the work is shared out.

use super::{
    ledger::Ledger,
    load::{Load, Plan},
    times,
    under_test::{UnderTest, until},
};
use crate::journal::Record;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;

fn plan(cluster: &UnderTest) -> Plan {
    Plan {
        address: cluster.address,
        clients: 16,
        requests_per_connection: 10,
        body_bytes: 1_000,
        work: 0,
        think: 0,
    }
}

/// Nobody was failed, and nobody cut off.
async fn settle(cluster: UnderTest, load: Load) {
    let ledger = Ledger::draw_up(load.stop().await, &cluster.journal(), &[]);
    println!("{ledger}");
    assert!(ledger.is_clean() && ledger.cut_off == 0, "somebody noticed:\n{ledger}\n{}", cluster.log());
    assert!(cluster.stop().await.success());
}

/// Each is replaced after some hundred requests, again and again.
pub(crate) fn recycled() {
    runtime::run(async {
        let cluster = UnderTest::start("recycled", "max_requests=200 beat_ms=50").await;
        cluster.until_serving(2).await;
        let load = Load::start(plan(&cluster));
        let enough = 2 + times("CLUSTER_RECYCLED", 8);
        until("many have served their share", || (lives(&cluster) >= enough).then_some(())).await;
        settle(cluster, load).await;
    });
}

fn lives(cluster: &UnderTest) -> usize {
    cluster.journal().iter().filter(|(_, record)| matches!(record, Record::Ready(_))).count()
}

pub(crate) fn more_and_fewer() {
    runtime::run(async {
        let cluster = UnderTest::start("sizes", "").await;
        cluster.until_serving(2).await;
        let load = Load::start(plan(&cluster));
        for (signal, workers) in [
            (Signal::SIGTTIN, 3),
            (Signal::SIGTTOU, 2),
            (Signal::SIGTTOU, 1),
            // There has to be one.
            (Signal::SIGTTOU, 1),
            (Signal::SIGTTIN, 2),
        ] {
            let said = cluster.log().len();
            cluster.signal(signal);
            until("it is said", || (cluster.log().len() > said).then_some(())).await;
            cluster.until_serving(workers).await;
            let before = load.acknowledged();
            until("they reply", || (load.acknowledged() > before + 200).then_some(())).await;
        }
        settle(cluster, load).await;
    });
}

/// Short connections, one request each: how many each worker has had, the most of them over their mean.
pub(crate) fn shares() {
    runtime::run(async {
        for (listeners, settings) in [("shared", ""), ("reuseport", "listeners=reuseport")] {
            let cluster = UnderTest::start("shares", settings).await;
            cluster.until_serving(2).await;
            let plan = Plan { requests_per_connection: 1, clients: 32, ..plan(&cluster) };
            let load = Load::start(plan);
            let enough = times("CLUSTER_CONNECTIONS", 2_000);
            until("enough have come", || (load.acknowledged() >= enough).then_some(())).await;
            load.stop().await;
            let mut shares = BTreeMap::new();
            for (worker, record) in cluster.journal() {
                *shares.entry(worker).or_insert(0_usize) +=
                    usize::from(matches!(record, Record::Accepted(_)));
            }
            let (most, all) = (shares.values().max().expect("two workers"), shares.values().sum::<usize>());
            let imbalance = (*most * shares.len()) as f64 / all as f64;
            println!("{listeners}: {all} connections, shares {:?}, max/mean {imbalance:.2}", shares.values());
            assert_eq!(shares.len(), 2);
            assert!(imbalance < 1.8, "one worker does it all: {shares:?}");
            assert!(cluster.stop().await.success());
        }
    });
}
