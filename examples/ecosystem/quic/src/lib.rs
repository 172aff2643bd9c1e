//! QUIC by quinn on our sockets and timers.
