//! Jobs on a Redis server, which survive workers and the server itself.
