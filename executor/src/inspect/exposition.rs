//! Numbers as a page for Prometheus, in its text format (version 0.0.4).
//!
//! The format wants all samples of a metric together, under one heading, so a page is collected before it is written: the
//! numbers of several runtimes, and those of the program, come in any order. What the format forbids is refused when it is
//! added, at the line that adds it.

use super::{Histogram, Stats};
use std::{
    collections::BTreeMap,
    fmt::{self, Display, Write},
    time::Duration,
};

/// Metrics for Prometheus: collected in any order, written by [`Display`] as a page that it reads.
///
/// A metric has one name, one help text, and a sample for each set of labels that it was given.
///
/// ```
/// use runtime_executor::{Executor, inspect::{Exposition, stats}};
///
/// let page = Executor::builder().build().block_on(async {
///     let mut page = Exposition::new();
///     page.runtime(&[("reactor", "main")], &stats());
///     page.counter("orders_total", "Orders that were taken.", &[("shop", "the \"old\" one")], 3);
///     page.to_string()
/// });
/// assert!(page.contains("runtime_tasks{reactor=\"main\"} 0\n"));
/// assert!(page.ends_with(concat!(
///     "# HELP orders_total Orders that were taken.\n",
///     "# TYPE orders_total counter\n",
///     "orders_total{shop=\"the \\\"old\\\" one\"} 3\n",
/// )));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    /// In the order of their first samples.
    families: Vec<Family>,
}

/// The numbers of the runtime that runs on this thread as a page for Prometheus; with others on the same page it is
/// [`Exposition::runtime`]. Serve it as [`Exposition::CONTENT_TYPE`].
///
/// ```
/// # runtime_executor::Executor::builder().build().block_on(async {
/// let page = runtime_executor::inspect::prometheus();
/// assert!(page.contains("# TYPE runtime_polls_total counter\n"));
/// # });
/// ```
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn prometheus() -> String {
    super::stats().to_prometheus()
}

impl Stats {
    /// These numbers alone, as a page for Prometheus.
    pub fn to_prometheus(&self) -> String {
        let mut page = Exposition::new();
        page.runtime(&[], self);
        page.to_string()
    }
}

/// Names and values that tell the samples of one metric apart.
type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// What an HTTP server says that such a page is.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the numbers of one runtime, as metrics that begin with `runtime_`. With several runtimes on a page `labels` says
    /// which this is.
    ///
    /// # Panics
    /// As [`gauge`](Self::gauge).
    #[track_caller]
    pub fn runtime(&mut self, labels: &[(&str, &str)], stats: &Stats) -> &mut Self {
        let Stats { turns, polls, sleeps, spawned, tasks, ready, remote_wakes, lag, .. } = stats;
        let Stats { timers, sources, source_waiters, jobs_queued, jobs_running, job_threads, .. } = stats;
        self.counter("runtime_turns_total", "Turns of the loop: batches of ready tasks.", labels, *turns);
        self.counter("runtime_polls_total", "Polls of tasks.", labels, *polls);
        let help = "Times that the loop had nothing to do and slept.";
        self.counter("runtime_sleeps_total", help, labels, *sleeps);
        self.counter("runtime_tasks_spawned_total", "Tasks spawned.", labels, *spawned);
        self.gauge("runtime_tasks", "Tasks that have not ended.", labels, *tasks);
        self.gauge("runtime_tasks_ready", "Tasks that wait for their turn.", labels, *ready);
        let help = "Tasks that other threads have woken.";
        self.counter("runtime_remote_wakes_total", help, labels, *remote_wakes);
        let help = "How late the loop was when it fired timers.";
        self.lag("runtime_lag_seconds", help, labels, lag);
        self.gauge("runtime_timers", "Timers that will fire.", labels, *timers);
        let help = "Sources of events that the reactor knows.";
        self.gauge("runtime_sources", help, labels, *sources);
        let help = "Waits for a source of events.";
        self.gauge("runtime_source_waiters", help, labels, *source_waiters);
        let help = "Blocking jobs that wait for a thread.";
        self.gauge("runtime_blocking_jobs_queued", help, labels, *jobs_queued);
        self.gauge("runtime_blocking_jobs_running", "Blocking jobs that run.", labels, *jobs_running);
        self.gauge("runtime_blocking_threads", "Threads for blocking jobs.", labels, *job_threads)
    }

    /// Adds a sample of a metric that only grows, and begins again at 0 with the process. By custom its name ends in `_total`.
    ///
    /// # Panics
    /// As [`gauge`](Self::gauge).
    #[track_caller]
    pub fn counter(
        &mut self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl Into<Number>,
    ) -> &mut Self {
        self.add(name, Kind::Counter, help, labels, Sample::Number(value.into()))
    }

    /// Adds a sample of a metric that goes up and down.
    ///
    /// # Panics
    /// If the page would not be one that Prometheus reads: a name of a metric that has other characters than
    /// `[a-zA-Z0-9_:]`, a name of a label that has other characters than `[a-zA-Z0-9_]`, either of them beginning with a
    /// digit, or the latter with `__`; a label called `le`, which histograms have; the same name once as a gauge and once as a
    /// counter, or with another help text; a name that the samples of a histogram have; the same labels twice, where an empty label
    /// is as good as none.
    #[track_caller]
    pub fn gauge(
        &mut self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        value: impl Into<Number>,
    ) -> &mut Self {
        self.add(name, Kind::Gauge, help, labels, Sample::Number(value.into()))
    }

    #[track_caller]
    fn lag(&mut self, name: &str, help: &str, labels: Labels<'_>, lag: &Histogram) -> &mut Self {
        self.add(name, Kind::Histogram, help, labels, Sample::Histogram(Box::new(lag.clone())))
    }

    #[track_caller]
    fn add(&mut self, name: &str, kind: Kind, help: &str, labels: Labels<'_>, sample: Sample) -> &mut Self {
        check_metric(name);
        let labels = written(labels);
        let known = self.families.iter().position(|family| family.name == name);
        let place = known.unwrap_or(self.families.len());
        if known.is_none() {
            let is_taken =
                |family: &Family| family.kind == Kind::Histogram && is_sample_of(&family.name, name);
            let takes = |family: &Family| kind == Kind::Histogram && is_sample_of(name, &family.name);
            assert!(
                !self.families.iter().any(|family| is_taken(family) || takes(family)),
                "a histogram on this page has samples of the name of another metric: {name}"
            );
            let (name, help) = (name.to_owned(), help.to_owned());
            self.families.push(Family { name, kind, help, samples: BTreeMap::new() });
        }
        let family = &mut self.families[place];
        assert!(
            family.kind == kind && family.help == help,
            "the metric {name} is on this page already, as a {}: {:?}; one name has one type and one help text",
            family.kind,
            family.help
        );
        assert!(
            !family.samples.contains_key(&labels),
            "a sample of the metric {name} with these labels is on this page already: tell the two apart by a label"
        );
        family.samples.insert(labels, sample);
        self
    }
}

impl Display for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.families.iter().try_for_each(|family| family.fmt(f))
    }
}

/// The value of a sample. Made from any number, and from a [`Duration`], which becomes seconds, as Prometheus wants them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Number(f64);

impl From<Duration> for Number {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs_f64())
    }
}

/// Prometheus knows but one kind of number; it is exact up to 2⁵³.
macro_rules! numbers_from {
    ($($type:ty)*) => {
        $(impl From<$type> for Number {
            fn from(number: $type) -> Self {
                Self(number as f64)
            }
        })*
    };
}

numbers_from!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize f32 f64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number => number.fmt(f),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// One metric.
#[derive(Clone, Debug)]
struct Family {
    name: String,
    kind: Kind,
    help: String,
    /// By their labels, as they are written.
    samples: BTreeMap<String, Sample>,
}

#[derive(Clone, Debug)]
enum Sample {
    Number(Number),
    Histogram(Box<Histogram>),
}

/// The bounds of a histogram on a page: powers of two of nanoseconds, from a microsecond to a minute and a bit. Each is four
/// times the one before: every bucket is a time series of its own to Prometheus, and has its price there.
fn bounds() -> impl Iterator<Item = Duration> {
    (10..=36).step_by(2).map(|power| Duration::from_nanos(1 << power))
}

impl Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, help, samples } = self;
        writeln!(f, "# HELP {name} {}", Escaped { text: help, is_quoted: false })?;
        writeln!(f, "# TYPE {name} {kind}")?;
        samples.iter().try_for_each(|(labels, sample)| match sample {
            Sample::Number(number) => writeln!(f, "{name}{} {number}", Braced(labels, "")),
            Sample::Histogram(histogram) => write_histogram(f, name, labels, histogram),
        })
    }
}

/// A histogram: how many stayed below each bound, their sum, and how many there are.
fn write_histogram(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    labels: &str,
    histogram: &Histogram,
) -> fmt::Result {
    for bound in bounds() {
        let within = histogram.buckets().filter(|(limit, _)| *limit <= bound).map(|(_, count)| count);
        let le = format!("le=\"{}\"", Number::from(bound));
        writeln!(f, "{name}_bucket{} {}", Braced(labels, &le), within.sum::<u64>())?;
    }
    writeln!(f, "{name}_bucket{} {}", Braced(labels, "le=\"+Inf\""), histogram.count())?;
    writeln!(f, "{name}_sum{} {}", Braced(labels, ""), Number::from(histogram.sum()))?;
    writeln!(f, "{name}_count{} {}", Braced(labels, ""), histogram.count())
}

/// Whether the samples of that histogram have this name.
fn is_sample_of(histogram: &str, name: &str) -> bool {
    name.strip_prefix(histogram).is_some_and(|end| ["_bucket", "_sum", "_count"].contains(&end))
}

/// Labels, and perhaps one more, in braces; nothing if there are none.
struct Braced<'a>(&'a str, &'a str);

impl Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            ("", "") => Ok(()),
            ("", one) | (one, "") => write!(f, "{{{one}}}"),
            (some, other) => write!(f, "{{{some},{other}}}"),
        }
    }
}

/// A text that does not end its line, nor the quotes that it may be in.
struct Escaped<'a> {
    text: &'a str,
    is_quoted: bool,
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            '"' if self.is_quoted => f.write_str("\\\""),
            other => f.write_char(other),
        })
    }
}

/// As they stand on the page, in the order of their names: the same labels are the same text. To Prometheus a label without a
/// value is none.
#[track_caller]
fn written(labels: Labels<'_>) -> String {
    let mut labels = labels.to_vec();
    labels.sort_unstable();
    let mut text = String::new();
    for (place, (name, value)) in labels.iter().enumerate() {
        check_label(name);
        assert!(place == 0 || labels[place - 1].0 != *name, "the label {name} is given twice");
        if value.is_empty() {
            continue;
        }
        let comma = if text.is_empty() { "" } else { "," };
        let value = Escaped { text: value, is_quoted: true };
        write!(text, "{comma}{name}=\"{value}\"").expect("a string takes everything");
    }
    text
}

#[track_caller]
fn check_metric(name: &str) {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    assert!(
        is_name(name, is_fit),
        "{name:?} is no name for a metric: use letters, digits, `_` and `:`, and no digit first"
    );
}

#[track_caller]
fn check_label(name: &str) {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    assert!(
        is_name(name, is_fit) && !name.starts_with("__") && name != "le",
        "{name:?} is no name for a label: use letters, digits and `_`, no digit first and no `__`; \
         `le` belongs to histograms"
    );
}

fn is_name(name: &str, is_fit: impl Fn(u8) -> bool) -> bool {
    !name.is_empty() && name.bytes().all(is_fit) && !name.as_bytes()[0].is_ascii_digit()
}
