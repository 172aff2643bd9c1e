//! Jobs on NATS JetStream: a [`Broker`] by way of `async-nats`, which knows no other runtime than tokio.
//!
//! Of a queue `q` the server keeps three streams:
//!
//! | stream | subjects | what |
//! |---|---|---|
//! | `q` | `q.jobs` | the jobs, each until it is acknowledged; their common consumer, `workers`, has the leases |
//! | `q-dead` | `q.dead.NUMBER` | the dead, by the numbers that they had as jobs |
//! | `q-early` | `q.early.NUMBER` | how often a delayed job was delivered before its time |
//!
//! JetStream has no delayed messages (before 2.12). So a delayed job is an ordinary one that carries its delay. The server
//! delivers it as soon as anybody pulls; who gets it too early notes that, and hands it back until its time has come. The notes
//! are what makes the number of an attempt exact, as the server counts every delivery.
//!
//! JetStream does not say whose lease is over: it takes `extend` and `nack` from anybody who ever had the job. So the clock of
//! the client decides, and for caution a tenth of the lease early. An acknowledgement is taken from anybody too, which is as it
//! should be.

mod lease;

use async_nats::{
    Client, HeaderMap, Request,
    connection::State,
    jetstream::{
        self, AckKind, Context, ErrorCode, Message,
        consumer::{
            AckPolicy, Consumer,
            pull::{self, Batch, BatchError},
        },
        context::{CreateStreamError, CreateStreamErrorKind, PublishError, PublishErrorKind},
        stream::{Config, DiscardPolicy, RawMessageErrorKind, RetentionPolicy, Stream},
    },
};
use bytes::Bytes;
use futures_util::StreamExt;
use lease::{Leases, Receipt};
use runtime::{
    broker::{Broker, DeadJob, Delivery, Error, JobId, MAX_BATCH, Options},
    time::{Instant, timeout},
    tokio_context::in_tokio,
};
use std::{
    error, fmt,
    time::{Duration, SystemTime},
};

/// How long the server may take for an answer: a restart in the meantime goes unnoticed. Shorter than the 5 s after which
/// `async-nats` takes silence for the end of a batch.
const ANSWER: Duration = Duration::from_secs(4);
/// For so long a request for jobs lies with the server; then it is asked again, as after a restart it has forgotten us.
const ROUND: Duration = Duration::from_secs(2);
/// By this much the end of a round may be late.
const GRACE: Duration = Duration::from_secs(1);
/// No delay is longer: the server counts them in nanoseconds, and not for ever.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Of a job: how many milliseconds after it was pushed its time comes.
const DELAY: &str = "Delay-Ms";
/// Of a dead job: how often it was delivered.
const ATTEMPTS: &str = "Attempts";

/// A queue of jobs on a NATS server.
///
/// ```no_run
/// use runtime::{broker::{Broker, Options}, tokio_context::in_tokio};
/// use std::time::Duration;
/// use tokio_context::Nats;
///
/// # #[runtime::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = in_tokio(async_nats::connect("localhost:4222")).await?;
/// let jobs = Nats::open(client, "thumbnails", Options::default()).await?;
/// jobs.push(b"resize 1.png").await?;
/// for delivery in jobs.pull(10, Duration::from_secs(5)).await? {
///     jobs.ack(&delivery).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct Nats {
    jetstream: Context,
    queue: String,
    options: Options,
    workers: Consumer<pull::Config>,
    dead: Stream,
    early: Stream,
    leases: Leases,
}

impl Nats {
    /// Opens a queue, which is made unless it is there.
    ///
    /// # Errors
    /// [`Error::Refused`] on a name with anything but letters, digits, `-` and `_`, and if the queue is there with other options.
    /// [`Error::Unreachable`].
    pub async fn open(client: Client, queue: &str, options: Options) -> Result<Self, Error> {
        let is_usual = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if queue.is_empty() || !queue.chars().all(is_usual) {
            let why = format!("`{queue}` is no name for a queue on NATS: that has letters, digits, - and _");
            return Err(Error::Refused(why.into()));
        }
        let capacity = i64::try_from(options.capacity).unwrap_or(i64::MAX);
        let config = |name: String, subject: &str| Config {
            name,
            subjects: vec![format!("{queue}.{subject}")],
            max_messages: capacity,
            ..Config::default()
        };
        let jobs = Config {
            retention: RetentionPolicy::WorkQueue,
            discard: DiscardPolicy::New,
            ..config(queue.to_owned(), "jobs")
        };
        // One message for each job, the latest; and if there are too many jobs, the oldest go.
        let aside = |what: &str| Config {
            max_messages_per_subject: 1,
            ..config(format!("{queue}-{what}"), &format!("{what}.*"))
        };
        let workers = pull::Config {
            durable_name: Some("workers".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: options.lease,
            // How much is with workers is their affair.
            max_ack_pending: -1,
            ..pull::Config::default()
        };
        in_tokio(async {
            let mut jetstream = jetstream::new(client);
            jetstream.set_timeout(ANSWER);
            let jobs = jetstream.create_stream(jobs).await.map_err(not_made)?;
            let dead = jetstream.create_stream(aside("dead")).await.map_err(not_made)?;
            let early = jetstream.create_stream(aside("early")).await.map_err(not_made)?;
            let workers = jobs.create_consumer(workers).await.map_err(unreachable)?;
            let (queue, leases) = (queue.to_owned(), Leases::default());
            Ok(Self { jetstream, queue, options, workers, dead, early, leases })
        })
        .await
    }

    async fn publish(&self, headers: HeaderMap, body: &[u8]) -> Result<JobId, Error> {
        let (subject, body) = (format!("{}.jobs", self.queue), Bytes::copy_from_slice(body));
        let stored = self.jetstream.publish_with_headers(subject, headers, body).await.map_err(not_stored)?;
        let stored = stored.await.map_err(not_stored)?;
        Ok(JobId::new(stored.sequence.to_string()))
    }

    /// What comes in answer to a request, within `limit`. What has come is given even if then something went wrong.
    async fn receive(
        &self,
        request: impl Future<Output = Result<Batch, BatchError>>,
        limit: Duration,
    ) -> Result<Vec<Message>, Error> {
        let mut messages = Vec::new();
        let receive_all = async {
            let mut batch = request.await.map_err(unreachable)?;
            while let Some(message) = batch.next().await {
                messages.push(message.map_err(Error::Unreachable)?);
            }
            Ok(())
        };
        let outcome = timeout(limit, receive_all).await.map_err(unreachable);
        if messages.is_empty() {
            outcome.flatten()?;
        }
        Ok(messages)
    }

    /// What is there, up to `max`.
    async fn fetch(&self, max: usize) -> Result<Vec<Message>, Error> {
        self.receive(self.workers.fetch().max_messages(max).messages(), ANSWER).await
    }

    /// The next one, unless none comes within `wait`.
    async fn await_one(&self, wait: Duration) -> Result<Vec<Message>, Error> {
        let wait = wait.min(ROUND);
        let request = self.workers.batch().max_messages(1).expires(wait).messages();
        match self.receive(request, wait + GRACE).await {
            // The server was away in the meantime, and has forgotten the request.
            Err(_) if self.jetstream.client().connection_state() == State::Connected => Ok(Vec::new()),
            outcome => outcome,
        }
    }

    /// Those of the messages that are to be delivered. If something goes wrong on the way, the rest comes back when its lease is
    /// over; it is told if there is nothing else to tell.
    async fn deliver(&self, messages: Vec<Message>) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = Vec::new();
        for message in messages {
            match self.examine(message).await {
                Ok(delivery) => deliveries.extend(delivery),
                Err(error) if deliveries.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(deliveries)
    }

    /// Delivers a job, unless it came before its time or too often.
    async fn examine(&self, message: Message) -> Result<Option<Delivery>, Error> {
        let until = lease::now() + self.options.lease * 9 / 10;
        let info = message.info().map_err(Error::Refused)?;
        let (number, reply) = (info.stream_sequence, message.reply.as_ref().expect("all that is from there"));
        let mut attempt = u32::try_from(info.delivered).unwrap_or(u32::MAX);
        let delay = message.headers.as_ref().and_then(|headers| number_in(headers, DELAY));
        if let Some(delay) = delay {
            let pushed =
                Duration::from_nanos(u64::try_from(info.published.unix_timestamp_nanos()).unwrap_or(0));
            let early = pushed.saturating_add(Duration::from_millis(delay)).saturating_sub(wall_clock());
            if !early.is_zero() {
                self.note_early(number, attempt).await?;
                self.answer(reply, AckKind::Nak(Some(early))).await?;
                return Ok(None);
            }
            attempt = attempt.saturating_sub(self.early_deliveries(number).await?);
        }
        if attempt > self.options.max_deliveries {
            // The last who had it was not heard of again.
            self.bury(number, attempt - 1, &message.payload, reply).await?;
            return Ok(None);
        }
        let receipt = Receipt { until, is_delayed: delay.is_some(), reply }.to_string();
        Ok(Some(Delivery::new(JobId::new(number.to_string()), attempt, message.payload.to_vec(), receipt)))
    }

    /// All deliveries of this job so far were early.
    async fn note_early(&self, number: u64, deliveries: u32) -> Result<(), Error> {
        let (subject, note) = (format!("{}.early.{number}", self.queue), Bytes::from(deliveries.to_string()));
        let noted = self.jetstream.publish(subject, note).await.map_err(not_stored)?;
        noted.await.map(drop).map_err(not_stored)
    }

    async fn early_deliveries(&self, number: u64) -> Result<u32, Error> {
        let subject = format!("{}.early.{number}", self.queue);
        match self.early.raw_message_builder().last_by_subject(subject).send().await {
            Ok(note) => {
                Ok(str::from_utf8(&note.payload).ok().and_then(|note| note.parse().ok()).unwrap_or(0))
            }
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(0),
            Err(error) => Err(unreachable(error)),
        }
    }

    /// Puts a job with the dead, then takes it from the living: if only the first succeeds, the second time changes nothing.
    async fn bury(&self, number: u64, attempts: u32, body: &[u8], reply: &str) -> Result<(), Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ATTEMPTS, attempts.to_string());
        let (subject, body) = (format!("{}.dead.{number}", self.queue), Bytes::copy_from_slice(body));
        let buried = self.jetstream.publish_with_headers(subject, headers, body).await.map_err(not_stored)?;
        buried.await.map_err(not_stored)?;
        self.answer(reply, AckKind::Ack).await
    }

    /// Tells the server what became of a delivery, and waits until it has heard it.
    async fn answer(&self, reply: &str, answer: AckKind) -> Result<(), Error> {
        let request = Request::new().payload(answer.into()).timeout(Some(ANSWER));
        self.jetstream.client().send_request(reply.to_owned(), request).await.map(drop).map_err(unreachable)
    }

    /// The receipt, if its lease still lasts.
    fn leased<'a>(&self, delivery: &'a Delivery) -> Result<Receipt<'a>, Error> {
        let receipt = receipt(delivery)?;
        if self.leases.lasts(&receipt) { Ok(receipt) } else { Err(Error::LeaseLost) }
    }
}

impl Broker for Nats {
    fn options(&self) -> Options {
        self.options
    }

    async fn push(&self, body: &[u8]) -> Result<JobId, Error> {
        in_tokio(self.publish(HeaderMap::new(), body)).await
    }

    async fn push_after(&self, delay: Duration, body: &[u8]) -> Result<JobId, Error> {
        // Rounded up, as it may not come too early.
        let delay_ms = delay.as_nanos().div_ceil(1_000_000).min(u128::from(u64::MAX));
        let mut headers = HeaderMap::new();
        headers.insert(DELAY, delay_ms.to_string());
        in_tokio(self.publish(headers, body)).await
    }

    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        let (max, end) = (max.min(MAX_BATCH), Instant::now().saturating_add(wait));
        if max == 0 {
            return Ok(Vec::new());
        }
        in_tokio(async {
            let mut messages = self.fetch(max).await?;
            loop {
                let is_empty = messages.is_empty();
                let deliveries = self.deliver(messages).await?;
                if !deliveries.is_empty() {
                    return Ok(deliveries);
                }
                let left = end.saturating_duration_since(Instant::now());
                // What has come was not to be delivered: behind it there may be some that are.
                messages = if !is_empty {
                    self.fetch(max).await?
                } else if left.is_zero() {
                    return Ok(deliveries);
                } else {
                    self.await_one(left).await?
                };
            }
        })
        .await
    }

    async fn ack(&self, delivery: &Delivery) -> Result<(), Error> {
        let receipt = receipt(delivery)?;
        in_tokio(self.answer(receipt.reply, AckKind::Ack)).await?;
        self.leases.forget(&receipt);
        if receipt.is_delayed {
            // If that fails, it lies there until there are too many.
            let subject = format!("{}.early.{}", self.queue, delivery.id());
            let _ = in_tokio(async { self.early.purge().filter(subject).await }).await;
        }
        Ok(())
    }

    async fn nack(&self, delivery: &Delivery, delay: Duration) -> Result<(), Error> {
        let receipt = self.leased(delivery)?;
        if delivery.attempt() < self.options.max_deliveries {
            let delay = (!delay.is_zero()).then(|| delay.min(FOREVER));
            in_tokio(self.answer(receipt.reply, AckKind::Nak(delay))).await?;
        } else {
            let number = delivery.id().as_str().parse().map_err(|_| foreign(delivery))?;
            in_tokio(self.bury(number, delivery.attempt(), delivery.body(), receipt.reply)).await?;
        }
        self.leases.change(&receipt, lease::now());
        Ok(())
    }

    async fn extend(&self, delivery: &Delivery) -> Result<(), Error> {
        let receipt = self.leased(delivery)?;
        // From when it was asked for: the server's begins later.
        let until = lease::now() + self.options.lease * 9 / 10;
        in_tokio(self.answer(receipt.reply, AckKind::Progress)).await?;
        self.leases.change(&receipt, until);
        Ok(())
    }

    async fn dead(&self, max: usize) -> Result<Vec<DeadJob>, Error> {
        let subject = format!("{}.dead.", self.queue);
        let (mut dead, mut next) = (Vec::new(), 1);
        while dead.len() < max {
            let request =
                self.dead.raw_message_builder().sequence(next).next_by_subject(format!("{subject}*"));
            let message = match in_tokio(request.send()).await {
                Ok(message) => message,
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => break,
                Err(error) => return Err(unreachable(error)),
            };
            next = message.sequence + 1;
            let id = JobId::new(message.subject.strip_prefix(&subject).unwrap_or_default());
            let attempts = number_in(&message.headers, ATTEMPTS).unwrap_or(0);
            let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
            dead.push(DeadJob::new(id, attempts, message.payload.to_vec(), message.sequence.to_string()));
        }
        Ok(dead)
    }

    async fn forget(&self, dead: &DeadJob) -> Result<(), Error> {
        let subject = format!("{}.dead.{}", self.queue, dead.id());
        in_tokio(async { self.dead.purge().filter(subject).await }).await.map(drop).map_err(unreachable)
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("queue", &self.queue)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn receipt(delivery: &Delivery) -> Result<Receipt<'_>, Error> {
    Receipt::parse(delivery.receipt()).ok_or_else(|| foreign(delivery))
}

fn foreign(delivery: &Delivery) -> Error {
    Error::Refused(format!("job {} was not delivered by NATS", delivery.id()).into())
}

fn number_in(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.as_str().parse().ok()
}

/// The time since 1970, as the server counts it.
fn wall_clock() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "the only clock that different machines have in common")]
    let now = SystemTime::now();
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn unreachable(error: impl Into<Box<dyn error::Error + Send + Sync>>) -> Error {
    Error::Unreachable(error.into())
}

fn not_made(error: CreateStreamError) -> Error {
    match error.kind() {
        // There is such a stream, and it is another; or the server has no JetStream.
        CreateStreamErrorKind::JetStream(_) => Error::Refused(error.into()),
        _ => unreachable(error),
    }
}

fn not_stored(error: PublishError) -> Error {
    let source = error::Error::source(&error).and_then(|source| source.downcast_ref::<jetstream::Error>());
    match (error.kind(), source) {
        (_, Some(refusal)) if is_full(refusal) => Error::Full,
        (PublishErrorKind::MaxPayloadExceeded, _) | (_, Some(_)) => Error::Refused(error.into()),
        _ => unreachable(error),
    }
}

/// The server has one code for all reasons not to store a message, and tells them apart in words.
fn is_full(refusal: &jetstream::Error) -> bool {
    refusal.error_code() == ErrorCode::STREAM_STORE_FAILED && refusal.to_string().contains("maximum messages")
}
