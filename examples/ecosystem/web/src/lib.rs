//! HTTP, TLS and WebSocket: examples, and tests with real clients.
