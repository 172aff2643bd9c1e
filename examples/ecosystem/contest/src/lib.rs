//! The same programs on our runtime and on tokio's, measured.
