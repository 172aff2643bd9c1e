//! The redis crate on our streams: pipelines and pub/sub.
