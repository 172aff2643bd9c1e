//! Figures: what a cluster costs, and what it brings. The short forms show that they can be taken; the long ones are in
//! `benches/README.md`.

use super::{
    load::{Load, Plan},
    times,
    under_test::{UnderTest, cpu_time, switches},
};
use nix::{
    sys::resource::{UsageWho, getrusage},
    unistd::Pid,
};
use runtime::time::sleep;
use std::time::Duration;

/// What a run of the load found.
struct Figures {
    per_second: f64,
    /// Processor time of the workers for each request.
    cost: Duration,
    /// Processor time of the clients, of that of a core.
    clients_share: f64,
}

async fn measure(settings: &str, plan: Plan) -> Figures {
    let cluster = UnderTest::start("bars", &format!("{settings} journal=brief")).await;
    let workers = if settings.contains("single") {
        vec![cluster.supervisor()]
    } else {
        cluster.until_serving(if settings.contains("workers=1") { 1 } else { 2 }).await
    };
    let load = Load::start(Plan { address: cluster.address, ..plan });
    // Connections are made and caches are warm.
    sleep(Duration::from_millis(200)).await;
    let all = |workers: &[Pid]| workers.iter().map(|&worker| cpu_time(worker)).sum::<Duration>();
    let own = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("it is there");
        let micros = |time: nix::sys::time::TimeVal| (time.tv_sec() * 1_000_000 + time.tv_usec()) as u64;
        Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
    };
    let before = (load.acknowledged(), all(&workers), own(), crate::journal::now());
    sleep(Duration::from_millis(times("CLUSTER_BAR_MS", 300) as u64)).await;
    let after = (load.acknowledged(), all(&workers), own(), crate::journal::now());
    let (requests, took) = (after.0 - before.0, after.3 - before.3);
    let seen = load.stop().await;
    assert!(seen.failures.is_empty() && requests > 0, "all is answered: {:?}", seen.failures);
    Figures {
        per_second: requests as f64 / took.as_secs_f64(),
        cost: (after.1 - before.1) / u32::try_from(requests).expect("not so many"),
        clients_share: (after.2 - before.2).as_secs_f64() / took.as_secs_f64(),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn plan(work: u64) -> Plan {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    Plan {
        address,
        clients: 16,
        requests_per_connection: if work == 0 { 1_000 } else { 20 },
        body_bytes: 100,
        work,
        think: 0,
    }
}

/// Requests that keep a worker busy, in the long form for a millisecond, so that the clients are next to nothing beside
/// them.
pub(crate) fn two_workers_beside_one() {
    runtime::run(async {
        let work = times("CLUSTER_BAR_WORK", 50) as u64;
        let mut ratios = Vec::new();
        for _ in 0..times("CLUSTER_BAR_ROUNDS", 1) {
            let one = measure("workers=1", plan(work)).await;
            let two = measure("workers=2", plan(work)).await;
            ratios.push(two.per_second / one.per_second);
            println!(
                "one worker {:.0}/s (clients {:.1} % of a core), two {:.0}/s (clients {:.1} %): {:.2} times",
                one.per_second,
                one.clients_share * 100.0,
                two.per_second,
                two.clients_share * 100.0,
                two.per_second / one.per_second
            );
        }
        println!("median {:.2} times", median(ratios));
    });
}

/// Requests that are nothing but requests.
pub(crate) fn cost_of_a_request() {
    runtime::run(async {
        let mut ratios = [Vec::new(), Vec::new()];
        for _ in 0..times("CLUSTER_BAR_ROUNDS", 1) {
            let single = measure("mode=single", plan(0)).await;
            let one = measure("workers=1", plan(0)).await;
            let two = measure("workers=2", plan(0)).await;
            for (ratios, cluster) in ratios.iter_mut().zip([&one, &two]) {
                ratios.push(cluster.cost.as_secs_f64() / single.cost.as_secs_f64());
            }
            println!(
                "processor time per request: single reactor {:.2?} ({:.0}/s), one worker {:.2?} ({:.0}/s), two workers {:.2?} ({:.0}/s)",
                single.cost, single.per_second, one.cost, one.per_second, two.cost, two.per_second
            );
        }
        let [one, two] = ratios.map(median);
        println!("median, of the single reactor's: one worker {one:.3}, two workers {two:.3}");
    });
}

/// An idle cluster wakes up for the heartbeat, once a second, and for nothing else.
pub(crate) fn idle() {
    runtime::run(async {
        let cluster = UnderTest::start("idle", "").await;
        let workers = cluster.until_serving(2).await;
        // Whatever follows the start is over.
        sleep(Duration::from_millis(500)).await;
        let seconds = times("CLUSTER_IDLE_SECONDS", 4);
        for (name, process) in
            [("supervisor", cluster.supervisor()), ("worker", workers[0]), ("worker", workers[1])]
        {
            let (before, cpu) = (switches(process), cpu_time(process));
            sleep(Duration::from_secs(seconds as u64)).await;
            let (woken, cpu) = (switches(process) - before, cpu_time(process) - cpu);
            println!("{name}: woken {woken} times in {seconds} s, processor time {cpu:.1?}");
            // Twice as often would be a wake-up for something else.
            assert!(woken <= seconds as u64 * 3 / 2 + 2, "the {name} was woken {woken} times");
        }
        assert!(cluster.stop().await.success());
    });
}
