//! A job as it travels: by what name, how often delivered, with which bytes.

use std::fmt;

/// The name of a job, unique in its queue and the same in every delivery: what to remember in order to do it once.
///
/// ```
/// use runtime::broker::JobId;
/// assert_eq!(JobId::new("1700-0").to_string(), "1700-0");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId(Box<str>);

impl JobId {
    /// For implementations of [`Broker`](super::Broker), and for names that were kept somewhere.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A job that was pulled, and the lease on it. Dropping it does nothing: the lease runs out.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    id: JobId,
    attempt: u32,
    body: Vec<u8>,
    receipt: Box<str>,
}

impl Delivery {
    /// For implementations of [`Broker`](super::Broker): `receipt` is whatever they need to find the job again.
    pub fn new(id: JobId, attempt: u32, body: Vec<u8>, receipt: impl Into<Box<str>>) -> Self {
        Self { id, attempt, body, receipt: receipt.into() }
    }

    /// Which job it is.
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// The how manieth delivery of the job this is: 1, unless something has gone wrong.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The bytes that were pushed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The bytes that were pushed, for good.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// By what the implementation finds the job again.
    pub fn receipt(&self) -> &str {
        &self.receipt
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "Delivery", &self.id, self.attempt, &self.body)
    }
}

/// A job that was delivered as often as it may be, and was never done.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadJob {
    id: JobId,
    attempts: u32,
    body: Vec<u8>,
    receipt: Box<str>,
}

impl DeadJob {
    /// For implementations of [`Broker`](super::Broker): `receipt` is whatever they need to find the job again.
    pub fn new(id: JobId, attempts: u32, body: Vec<u8>, receipt: impl Into<Box<str>>) -> Self {
        Self { id, attempts, body, receipt: receipt.into() }
    }

    /// Which job it was.
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// How often it was delivered.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The bytes that were pushed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The bytes that were pushed, for good.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// By what the implementation finds the job again.
    pub fn receipt(&self) -> &str {
        &self.receipt
    }
}

impl fmt::Debug for DeadJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "DeadJob", &self.id, self.attempts, &self.body)
    }
}

/// The bytes are somebody's data, and long: a log shows how many they are.
fn debug(f: &mut fmt::Formatter<'_>, name: &str, id: &JobId, attempts: u32, body: &[u8]) -> fmt::Result {
    f.debug_struct(name)
        .field("id", id)
        .field("attempt", &attempts)
        .field("body", &format_args!("{} bytes", body.len()))
        .finish()
}
