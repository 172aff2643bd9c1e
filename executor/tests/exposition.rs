//! Pages for Prometheus: what stands on them, and what is refused.

mod common;

use runtime_executor::{
    Executor,
    inspect::{self, Exposition, Stats},
    spawn,
    task::yield_now,
    time::{Clock, Instant, sleep, sleep_until},
};
use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// Statistics that are the same every time: of one task that waits, and one timer that fired in time.
fn stats() -> Stats {
    Executor::builder().clock(Clock::paused()).build().block_on(async {
        spawn(pending::<()>()).detach();
        sleep(Duration::from_secs(1)).await;
        inspect::stats()
    })
}

#[test]
fn a_page_has_a_heading_per_metric_and_a_histogram_with_its_sum() {
    let expected = "\
# HELP runtime_turns_total Turns of the loop: batches of ready tasks.
# TYPE runtime_turns_total counter
runtime_turns_total 3
# HELP runtime_polls_total Polls of tasks.
# TYPE runtime_polls_total counter
runtime_polls_total 2
# HELP runtime_sleeps_total Times that the loop had nothing to do and slept.
# TYPE runtime_sleeps_total counter
runtime_sleeps_total 0
# HELP runtime_tasks_spawned_total Tasks spawned.
# TYPE runtime_tasks_spawned_total counter
runtime_tasks_spawned_total 1
# HELP runtime_tasks Tasks that have not ended.
# TYPE runtime_tasks gauge
runtime_tasks 1
# HELP runtime_tasks_ready Tasks that wait for their turn.
# TYPE runtime_tasks_ready gauge
runtime_tasks_ready 0
# HELP runtime_remote_wakes_total Tasks that other threads have woken.
# TYPE runtime_remote_wakes_total counter
runtime_remote_wakes_total 0
# HELP runtime_lag_seconds How late the loop was when it fired timers.
# TYPE runtime_lag_seconds histogram
runtime_lag_seconds_bucket{le=\"0.000001024\"} 1
runtime_lag_seconds_bucket{le=\"0.000004096\"} 1
runtime_lag_seconds_bucket{le=\"0.000016384\"} 1
runtime_lag_seconds_bucket{le=\"0.000065536\"} 1
runtime_lag_seconds_bucket{le=\"0.000262144\"} 1
runtime_lag_seconds_bucket{le=\"0.001048576\"} 1
runtime_lag_seconds_bucket{le=\"0.004194304\"} 1
runtime_lag_seconds_bucket{le=\"0.016777216\"} 1
runtime_lag_seconds_bucket{le=\"0.067108864\"} 1
runtime_lag_seconds_bucket{le=\"0.268435456\"} 1
runtime_lag_seconds_bucket{le=\"1.073741824\"} 1
runtime_lag_seconds_bucket{le=\"4.294967296\"} 1
runtime_lag_seconds_bucket{le=\"17.179869184\"} 1
runtime_lag_seconds_bucket{le=\"68.719476736\"} 1
runtime_lag_seconds_bucket{le=\"+Inf\"} 1
runtime_lag_seconds_sum 0
runtime_lag_seconds_count 1
# HELP runtime_timers Timers that will fire.
# TYPE runtime_timers gauge
runtime_timers 0
# HELP runtime_sources Sources of events that the reactor knows.
# TYPE runtime_sources gauge
runtime_sources 0
# HELP runtime_source_waiters Waits for a source of events.
# TYPE runtime_source_waiters gauge
runtime_source_waiters 0
# HELP runtime_blocking_jobs_queued Blocking jobs that wait for a thread.
# TYPE runtime_blocking_jobs_queued gauge
runtime_blocking_jobs_queued 0
# HELP runtime_blocking_jobs_running Blocking jobs that run.
# TYPE runtime_blocking_jobs_running gauge
runtime_blocking_jobs_running 0
# HELP runtime_blocking_threads Threads for blocking jobs.
# TYPE runtime_blocking_threads gauge
runtime_blocking_threads 0
";
    assert_eq!(stats().to_prometheus(), expected);
}

#[test]
fn samples_of_several_runtimes_stand_together_in_the_order_of_their_labels() {
    let stats = stats();
    let mut page = Exposition::new();
    page.runtime(&[("thread", "b")], &stats).gauge("between", "", &[], 0).runtime(&[("thread", "a")], &stats);
    let page = page.to_string();
    assert_eq!(page.matches("# TYPE runtime_tasks gauge\n").count(), 1);
    assert!(page.contains("\nruntime_tasks{thread=\"a\"} 1\nruntime_tasks{thread=\"b\"} 1\n"), "{page}");
    assert!(page.contains("\nruntime_lag_seconds_bucket{thread=\"a\",le=\"+Inf\"} 1\n"), "{page}");
    assert!(page.contains("\nruntime_lag_seconds_count{thread=\"b\"} 1\n"), "{page}");
}

#[test]
fn what_would_end_a_line_or_quotes_is_escaped_and_numbers_are_whole() {
    let mut page = Exposition::new();
    page.gauge("a:b", "a \\ and\na \"quote\"", &[("z", "1"), ("a", "\\ \n \" é")], u64::MAX >> 11)
        .gauge("a:b", "a \\ and\na \"quote\"", &[("z", "")], Duration::from_micros(1500))
        .counter("c_total", "", &[], f64::INFINITY)
        .gauge("d", "", &[("n", "1")], f64::NEG_INFINITY)
        .gauge("d", "", &[("n", "2")], f64::NAN)
        .gauge("d", "", &[("n", "3")], -1e-9);
    let expected = r#"# HELP a:b a \\ and\na "quote"
# TYPE a:b gauge
a:b 0.0015
a:b{a="\\ \n \" é",z="1"} 9007199254740991
# HELP c_total 
# TYPE c_total counter
c_total +Inf
# HELP d 
# TYPE d gauge
d{n="1"} -Inf
d{n="2"} NaN
d{n="3"} -0.000000001
"#;
    assert_eq!(page.to_string(), expected);
}

#[test]
fn the_sum_of_a_histogram_is_exact_and_late_ones_are_in_late_buckets() {
    common::executor().block_on(async {
        let start = Instant::now();
        let overdue = spawn(sleep_until(start + Duration::from_millis(1)));
        yield_now().await;
        // Keeps the thread from everybody else.
        while start.elapsed() < Duration::from_millis(20) {}
        overdue.await.unwrap();
        let stats = inspect::stats();
        let sum = stats.lag.sum();
        assert!(sum >= Duration::from_millis(19) && sum < stats.lag.quantile(1.0), "{sum:?}");
        let page = stats.to_prometheus();
        assert!(page.contains("_bucket{le=\"0.004194304\"} 0\n"), "{page}");
        assert!(page.contains("_bucket{le=\"+Inf\"} 1\n"), "{page}");
        assert!(page.contains(&format!("runtime_lag_seconds_sum {}\n", sum.as_secs_f64())), "{page}");
    });
}

#[test]
fn what_prometheus_would_not_read_is_refused_and_leaves_the_page_as_it_was() {
    let page = {
        let mut page = Exposition::new();
        page.gauge("a", "help", &[("b", "c")], 1);
        page
    };
    let refusal = |add: fn(&mut Exposition) -> &mut Exposition| {
        let mut copy = page.clone();
        let added = catch_unwind(AssertUnwindSafe(|| {
            add(&mut copy);
        }));
        let payload = added.expect_err("it is refused");
        assert_eq!(copy.to_string(), page.to_string());
        *payload.downcast::<String>().expect("a text")
    };
    let no_metric = [
        refusal(|page| page.gauge("", "", &[], 1)),
        refusal(|page| page.gauge("1a", "", &[], 1)),
        refusal(|page| page.gauge("a-b", "", &[], 1)),
        refusal(|page| page.gauge("é", "", &[], 1)),
    ];
    assert!(no_metric.iter().all(|text| text.contains("is no name for a metric")), "{no_metric:?}");
    let no_label = [
        refusal(|page| page.gauge("n", "", &[("", "")], 1)),
        refusal(|page| page.gauge("n", "", &[("__name__", "")], 1)),
        refusal(|page| page.gauge("n", "", &[("a:b", "")], 1)),
        refusal(|page| page.gauge("n", "", &[("le", "1")], 1)),
    ];
    assert!(no_label.iter().all(|text| text.contains("is no name for a label")), "{no_label:?}");
    let text = refusal(|page| page.gauge("n", "", &[("b", "1"), ("b", "2")], 1));
    assert!(text.contains("the label b is given twice"), "{text}");
    let text = refusal(|page| page.counter("a", "help", &[], 1));
    assert!(text.contains("on this page already, as a gauge: \"help\""), "{text}");
    let text = refusal(|page| page.gauge("a", "other", &[], 1));
    assert!(text.contains("one help text"), "{text}");
    let text = refusal(|page| page.gauge("a", "help", &[("b", "c")], 2));
    assert!(text.contains("tell the two apart by a label"), "{text}");
    // To Prometheus a label without a value is none.
    let text = refusal(|page| page.gauge("a", "help", &[("a", ""), ("b", "c"), ("d", "")], 2));
    assert!(text.contains("tell the two apart by a label"), "{text}");
}

#[test]
fn the_samples_of_a_histogram_have_their_names_for_themselves() {
    for name in ["runtime_lag_seconds_bucket", "runtime_lag_seconds_sum", "runtime_lag_seconds_count"] {
        let before = || _ = Exposition::new().gauge(name, "", &[], 1).runtime(&[], &stats());
        let after = || _ = Exposition::new().runtime(&[], &stats()).gauge(name, "", &[], 1);
        for added in [catch_unwind(before), catch_unwind(after)] {
            let text = *added.expect_err("it is refused").downcast::<String>().expect("a text");
            assert!(text.contains("samples of the name of another metric"), "{text}");
        }
    }
    Exposition::new().gauge("runtime_lag_seconds_max", "", &[], 1).runtime(&[], &stats());
}
