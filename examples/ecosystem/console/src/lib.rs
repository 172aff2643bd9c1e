//! Tasks as tokio-console shows them, statistics as Prometheus collects them.
