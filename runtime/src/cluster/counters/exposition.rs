//! The figures of a cluster on a page for Prometheus.
//!
//! Names and numbers of workers are read from memory that all workers can write to. Whatever is in there, each is on the page
//! once.

use super::Stats;
use runtime_executor::inspect::Exposition;
use std::collections::BTreeMap;

impl Stats {
    /// Adds these figures to a page for Prometheus: those of the cluster as `runtime_cluster_…`, those of each living worker as
    /// `runtime_worker_…` with the labels `worker` (its slot) and `life`, as during a reload a slot has two.
    ///
    /// All workers say the same of the cluster, whichever of them a scrape happens to meet. What the loop of one worker does
    /// only that worker knows: on a page that any of them may serve, tell these apart by a label.
    ///
    /// ```
    /// use runtime::{cluster, inspect::{self, Exposition}};
    ///
    /// async fn metrics() -> String {
    ///     let mut page = Exposition::new();
    ///     let slot = cluster::me().map_or_else(String::new, |me| me.slot.to_string());
    ///     page.runtime(&[("worker", &slot)], &inspect::stats());
    ///     cluster::stats().expose(&mut page);
    ///     page.to_string()
    /// }
    /// # runtime::run(async { assert!(metrics().await.contains("\nruntime_cluster_workers 0\n")) });
    /// ```
    ///
    /// # Panics
    /// If they are on that page already.
    #[track_caller]
    pub fn expose(&self, page: &mut Exposition) {
        page.gauge("runtime_cluster_workers", "Workers that live.", &[], self.workers().len());
        let help = "Workers started since the cluster was, the first ones included.";
        page.counter("runtime_cluster_workers_started_total", help, &[], self.workers_started());
        let help = "Workers that ended without being asked to.";
        page.counter("runtime_cluster_workers_died_total", help, &[], self.workers_died());
        let help = "Workers that were killed because their heart had stopped.";
        page.counter("runtime_cluster_workers_hung_total", help, &[], self.workers_hung());
        let help = "Times that the program was loaded anew, with success.";
        page.counter("runtime_cluster_reloads_total", help, &[], self.reloads());
        let help = "Connections accepted, by workers living and gone.";
        page.counter("runtime_cluster_connections_accepted_total", help, &[], self.accepted());
        let help = "Connections that are open.";
        page.gauge("runtime_cluster_connections_open", help, &[], self.open());
        let help = "Connections that were cut because a grace period was over.";
        page.counter("runtime_cluster_connections_forced_total", help, &[], self.connections_forced());
        let counters: BTreeMap<_, _> = self.counters().collect();
        for (name, count) in &counters {
            let help = "What workers, living and gone, have counted under a name.";
            page.counter("runtime_cluster_counted_total", help, &[("name", name)], *count);
        }
        let workers: BTreeMap<_, _> = self.workers().iter().map(|it| ((it.slot(), it.life()), it)).collect();
        for ((slot, life), worker) in workers {
            let [slot, life] = [slot.to_string(), life.to_string()];
            let [slot, life] = [("worker", slot.as_str()), ("life", life.as_str())];
            let help = "Connections that a worker has accepted.";
            page.counter("runtime_worker_connections_accepted_total", help, &[slot, life], worker.accepted());
            let help = "Connections that a worker has open.";
            page.gauge("runtime_worker_connections_open", help, &[slot, life], worker.open());
            for name in counters.keys() {
                let help = "What a worker has counted under a name.";
                let labels = [slot, life, ("name", name)];
                page.counter("runtime_worker_counted_total", help, &labels, worker.counter(name));
            }
        }
    }
}
