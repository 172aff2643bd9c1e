//! Nodes of a cluster, whose redirections are not followed.

use super::{LONG, SECOND, administer, queue};
use runtime::{
    broker::{Broker, Error},
    time::{sleep, timeout},
};
use support::free_address;

/// Two nodes, of which each has half of all slots.
async fn cluster() -> Option<[support::Redis; 2]> {
    let buses = [free_address().port().to_string(), free_address().port().to_string()];
    let start = |bus| support::Redis::start_with(&["--cluster-enabled", "yes", "--cluster-port", bus]);
    let nodes = [start(&buses[0])?, start(&buses[1])?];
    administer(&nodes[0], "CLUSTER ADDSLOTSRANGE 0 8191");
    administer(&nodes[1], "CLUSTER ADDSLOTSRANGE 8192 16383");
    administer(&nodes[1], "CLUSTER SET-CONFIG-EPOCH 2");
    administer(&nodes[0], &format!("CLUSTER MEET 127.0.0.1 {} {}", nodes[1].address().port(), buses[1]));
    Some(nodes)
}

#[runtime::test]
async fn in_a_cluster_the_node_that_has_the_queue_has_all_of_it_and_others_refuse() {
    let Some(nodes) = cluster().await else { return };
    // "queue" lies in the second half.
    let (other, home) = (queue(&nodes[0]), queue(&nodes[1]).patience(LONG));
    home.push(b"job").await.unwrap();
    home.push_after(SECOND / 100, b"job").await.unwrap();
    let job = home.pull(1, LONG).await.unwrap().remove(0);
    home.nack(&job, SECOND / 100).await.unwrap();
    let refusal = timeout(LONG, async {
        loop {
            match other.push(b"job").await {
                // The nodes get to know each other.
                Err(Error::Unreachable(_)) => sleep(SECOND / 10).await,
                outcome => return outcome,
            }
        }
    });
    let refusal = refusal.await.unwrap().unwrap_err();
    assert!(matches!(refusal, Error::Refused(_)), "{refusal}");
    let home = nodes[1].address().to_string();
    assert!(refusal.to_string().contains("cluster") && refusal.to_string().contains(&home), "{refusal}");
}
