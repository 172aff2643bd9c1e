//! Libraries that insist on tokio: NATS, reqwest, sqlx.
