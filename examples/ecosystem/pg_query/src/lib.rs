//! PostgreSQL by tokio-postgres on our streams: pipelines, LISTEN and NOTIFY.
