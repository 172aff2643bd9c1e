//! `Redis`: a queue on a Redis or Valkey server, for any number of processes on any number of machines.
//!
//! What a job is on the server, and how it goes from one place to another, is in `scripts/`: each step is one script, so that no
//! death of a client, a connection or the server finds a job in two places or in none. `server.rs` makes connections,
//! `link.rs` makes them again, `fetch.rs` is a pull.

mod fetch;
mod link;
mod server;

use super::{Broker, Counts, DeadJob, Delivery, Error, JobId, MAX_BATCH, Options};
#[cfg(feature = "tls")]
use crate::tls::Connector;
use crate::{sync::oneshot, task};
use ::redis::{Cmd, FromRedisValue, RedisResult, Script, ToRedisArgs, aio::MultiplexedConnection, cmd};
use fetch::{Fetch, Turn};
use link::{Link, Resend};
use server::Server;
use std::{collections::HashMap, fmt, rc::Rc, time::Duration};

/// How long an operation tries to reach the server, unless [`Redis::patience`] says otherwise: a server that is restarted is back
/// by then if it has little to load.
const PATIENCE: Duration = Duration::from_secs(5);

/// Leases that are over are looked for this often per lease, by whichever client asks first,
const SWEEPS_PER_LEASE: u32 = 10;

/// but at most once in this time, as it takes the server a moment.
const SHORTEST_SWEEP: Duration = Duration::from_millis(20);

/// And at least once in this time, as it is a matter of seconds.
const LONGEST_SWEEP: Duration = Duration::from_secs(1);

/// More milliseconds than anybody waits and more jobs than anybody has, and a number that Redis and its Lua count exactly.
const MOST: u64 = 1 << 50;

/// A string has 512 MiB at most on a server (`proto-max-bulk-len`), and that of a delayed job has its name, too.
const LARGEST_BODY: usize = (512 << 20) - 1024;

/// A queue on a Redis server (feature `redis`), by the `redis` crate: Redis 7.0 or Valkey 7.2, or newer.
///
/// ```no_run
/// use runtime::broker::{Broker, Options, Redis};
/// use std::time::Duration;
///
/// #[runtime::main]
/// async fn main() -> Result<(), runtime::broker::Error> {
///     let jobs = Redis::new("redis://127.0.0.1:6379", "thumbnails", Options::default())?;
///     jobs.push(b"resize 1.png").await?;
///     for delivery in jobs.pull(10, Duration::from_secs(5)).await? {
///         println!("{}", String::from_utf8_lossy(delivery.body()));
///         jobs.ack(&delivery).await?;
///     }
///     Ok(())
/// }
/// ```
///
/// Clones share two connections: one for everything that is answered at once, and one for those who wait, who take turns at it.
/// Connections are made when they are needed, and again when they break.
///
/// # On the server
/// A queue `q` is the keys `{q}:jobs` (a stream with the consumer group `workers`), `{q}:delayed` (a sorted set), `{q}:dead` (a
/// stream), `{q}:ids` and `{q}:swept`. All clients of a queue must have the same [`Options`]: else the shortest lease is
/// everybody's. Jobs are best small, as they are copied at every step, and a pull brings all of them at once: what has megabytes
/// belongs into a file, and its name into the job.
///
/// The server's clock is the only one that counts. If it is set back, delayed jobs come later by as much, and leases begin anew; if
/// it is set forward, they are over at once, and jobs are done twice.
///
/// How safe a job is when it was pushed is the server's business: with `appendonly yes` and `appendfsync always` it survives a
/// loss of power, with `everysec`, the usual, that of the process; replicas may lag. A server whose `maxmemory-policy` throws
/// away what never expires (`allkeys-…`) is refused.
///
/// # Sentinel and cluster
/// When another server takes over, the address must lead to it: that of a proxy, or a name that is looked up anew, as Kubernetes
/// and most providers have them. A server that has become a replica is left for whoever the address leads to then, within the
/// [`patience`](Self::patience); what had not reached the new one is lost with the old one. Sentinels are not asked.
///
/// In a cluster all keys of a queue are on one node, as the braces say that they belong together (as long as the name of the queue
/// does not begin with `}`, and is not empty). The node that has them can be used like a server of its own; every other refuses
/// ([`Error::Refused`]), and names the one that has them. Redirections are not followed, so a queue that moves to another node has to
/// be opened anew.
///
/// # What is late
/// Who waits in [`pull`](Broker::pull) hears at once of jobs that are pushed or given back. Delayed jobs may be late by half a
/// second, and a lease that is over is noticed within a tenth of it, or a second, by whoever pulls next.
#[derive(Clone)]
pub struct Redis {
    shared: Rc<Shared>,
    patience: Duration,
}

struct Shared {
    queue: String,
    keys: [String; 5],
    options: Options,
    scripts: Scripts,
    /// For what is answered at once.
    quick: Link,
    /// For those who wait: a request that blocks holds up all behind it.
    slow: Link,
    turn: Turn,
}

struct Scripts {
    push: Script,
    take: Script,
    ack: Script,
    nack: Script,
    extend: Script,
    counts: Script,
}

macro_rules! script {
    // To pull and to finish a job must work when the memory of the server is full, or it would stay so.
    (frees $file:literal) => {
        Script::new(concat!(
            "#!lua flags=allow-oom\n",
            include_str!("scripts/common.lua"),
            include_str!($file)
        ))
    };
    ($file:literal) => {
        Script::new(concat!("#!lua\n", include_str!("scripts/common.lua"), include_str!($file)))
    };
}

/// A stream entry: its name, and its fields.
type Entry = (String, HashMap<String, Vec<u8>>);

impl Redis {
    /// The queue of that name on the server at `url`: `redis://[user:password@]host[:port][/database]`, or `redis+unix:///path`.
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// [`Error::Refused`]: `url` is none, or one for TLS.
    pub fn new(url: &str, queue: &str, options: Options) -> Result<Self, Error> {
        Ok(Self::on(Server::new(url)?, queue, options))
    }

    /// As [`new`](Self::new), by TLS (features `redis` and `tls`): `rediss://[user:password@]host[:port][/database]`. Whom to
    /// trust, and which certificate to show, if any, is said in the configuration of `connector`, and not in the address.
    ///
    /// ```no_run
    /// use runtime::{broker::{Error, Options, Redis}, tls::{Connector, rustls::{ClientConfig, RootCertStore}}};
    ///
    /// fn open(trusted: RootCertStore) -> Result<Redis, Error> {
    ///     let config = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
    ///     Redis::with_tls("rediss://redis.example:6380", "thumbnails", Options::default(), &Connector::new(config))
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`]: `url` is none, or not one for TLS. Operations are refused when the server is not who it should be.
    #[cfg(feature = "tls")]
    pub fn with_tls(url: &str, queue: &str, options: Options, connector: &Connector) -> Result<Self, Error> {
        Ok(Self::on(Server::by_tls(url, connector)?, queue, options))
    }

    fn on(server: Server, queue: &str, options: Options) -> Self {
        let server = Rc::new(server);
        let scripts = Scripts {
            push: script!("scripts/push.lua"),
            take: script!(frees "scripts/take.lua"),
            ack: script!(frees "scripts/ack.lua"),
            nack: script!(frees "scripts/nack.lua"),
            extend: script!(frees "scripts/extend.lua"),
            counts: script!(frees "scripts/counts.lua"),
        };
        let shared = Shared {
            queue: queue.to_owned(),
            keys: ["jobs", "delayed", "dead", "ids", "swept"].map(|part| format!("{{{queue}}}:{part}")),
            options,
            scripts,
            quick: Link::new(Rc::clone(&server)),
            slow: Link::new(server),
            turn: Turn::new(()),
        };
        Self { shared: Rc::new(shared), patience: PATIENCE }
    }

    /// Tries for so long to reach the server, and to get an answer, before an operation is [`Error::Unreachable`].
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many jobs are where. Jobs whose time has come, or whose lease is over, may still be counted where they were.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub async fn counts(&self) -> Result<Counts, Error> {
        let [ready, delayed, leased, dead]: [usize; 4] =
            self.run(&self.shared.scripts.counts, Resend::Yes, &[]).await?;
        Ok(Counts { ready, delayed, leased, dead })
    }

    /// Has the server run a script on the keys of the queue.
    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        resend: Resend,
        arguments: &[Argument<'_>],
    ) -> Result<T, Error> {
        let mut call = script.key(&self.shared.keys[..]);
        for argument in arguments {
            call.arg(argument);
        }
        self.shared
            .quick
            .ask(self.patience, self.patience, resend, async |connection| call.invoke_async(connection).await)
            .await
    }

    async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let ask = async |connection: &mut MultiplexedConnection| -> RedisResult<T> {
            command.query_async(connection).await
        };
        self.shared.quick.ask(self.patience, self.patience, Resend::Yes, ask).await
    }

    /// Gives back what was lent: `counts` says whether the delivery counts.
    async fn give_back(&self, receipt: &str, delay: Duration, counts: bool) -> Result<(), Error> {
        let options = &self.shared.options;
        let arguments = [
            Argument::Text(receipt),
            Argument::ms(delay),
            Argument::Number(options.max_deliveries.into()),
            Argument::count(options.capacity),
            Argument::Number(counts.into()),
        ];
        let was_lent: bool = self.run(&self.shared.scripts.nack, Resend::Yes, &arguments).await?;
        if was_lent { Ok(()) } else { Err(Error::LeaseLost) }
    }
}

impl Broker for Redis {
    fn options(&self) -> Options {
        self.shared.options
    }

    async fn push(&self, body: &[u8]) -> Result<JobId, Error> {
        self.push_after(Duration::ZERO, body).await
    }

    /// # Errors
    /// [`Error::Refused`] of a job of 512 MiB or more, which no server takes.
    async fn push_after(&self, delay: Duration, body: &[u8]) -> Result<JobId, Error> {
        if body.len() > LARGEST_BODY {
            return Err(Error::Refused(format!("a job of {} bytes is too large", body.len()).into()));
        }
        let arguments =
            [Argument::count(self.shared.options.capacity), Argument::ms(delay), Argument::Bytes(body)];
        // It would be pushed twice if the answer was lost: to try again is for whoever knows what the job is.
        let id: Option<String> = self.run(&self.shared.scripts.push, Resend::No, &arguments).await?;
        id.map(JobId::new).ok_or(Error::Full)
    }

    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        if max == 0 {
            return Ok(Vec::new());
        }
        // What was sent to the server will be answered, so somebody has to stay there who takes what comes, even if we are dropped.
        let (answer, coming) = oneshot::channel();
        let fetch = Fetch::new(self.clone(), max.min(MAX_BATCH), wait);
        task::Builder::new().name("redis pull").daemon(true).spawn(fetch.run(answer)).detach();
        match coming.await {
            Ok(outcome) => Ok(outcome?.accept()),
            Err(_) => Err(Error::Unreachable("the runtime ends".into())),
        }
    }

    async fn ack(&self, delivery: &Delivery) -> Result<(), Error> {
        self.run(&self.shared.scripts.ack, Resend::Yes, &[Argument::Text(delivery.receipt())]).await
    }

    /// # Errors
    /// [`Error::LeaseLost`] also if the connection broke when the job had been given back: it is not ours any more then, either.
    async fn nack(&self, delivery: &Delivery, delay: Duration) -> Result<(), Error> {
        self.give_back(delivery.receipt(), delay, true).await
    }

    async fn extend(&self, delivery: &Delivery) -> Result<(), Error> {
        let arguments = [Argument::Text(delivery.receipt())];
        let was_lent: bool = self.run(&self.shared.scripts.extend, Resend::Yes, &arguments).await?;
        if was_lent { Ok(()) } else { Err(Error::LeaseLost) }
    }

    async fn dead(&self, max: usize) -> Result<Vec<DeadJob>, Error> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let mut command = cmd("XRANGE");
        command.arg(&self.shared.keys[2]).arg("-").arg("+").arg("COUNT").arg(Argument::count(max));
        let entries: Vec<Entry> = self.command(&command).await?;
        let dead = entries.into_iter().map(|entry| {
            let (receipt, id, attempts, body) = job_of(entry);
            DeadJob::new(id, attempts, body, receipt)
        });
        Ok(dead.collect())
    }

    async fn forget(&self, dead: &DeadJob) -> Result<(), Error> {
        self.command(cmd("XDEL").arg(&self.shared.keys[2]).arg(dead.receipt())).await
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("queue", &self.shared.queue)
            .field("options", &self.shared.options)
            .field("patience", &self.patience)
            .finish()
    }
}

/// Receipt, name, earlier attempts, body, as the scripts write them.
fn job_of((entry, mut fields): Entry) -> (String, JobId, u32, Vec<u8>) {
    let mut text = |name| fields.remove(name).and_then(|bytes| String::from_utf8(bytes).ok());
    let id = JobId::new(text("id").unwrap_or_else(|| entry.clone()));
    let attempts = text("attempts").and_then(|attempts| attempts.parse().ok()).unwrap_or(0);
    (entry, id, attempts, fields.remove("body").unwrap_or_default())
}

fn delivery_of(entry: Entry) -> Delivery {
    let (receipt, id, earlier, body) = job_of(entry);
    Delivery::new(id, earlier.saturating_add(1), body, receipt)
}

/// What a script is called with.
#[derive(Clone, Copy)]
enum Argument<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Number(u64),
}

impl Argument<'_> {
    fn count(count: usize) -> Self {
        Self::Number(u64::try_from(count).map_or(MOST, |count| count.min(MOST)))
    }

    /// Milliseconds, rounded up: nothing comes too early.
    fn ms(duration: Duration) -> Self {
        Self::Number(ms(duration))
    }
}

impl ToRedisArgs for Argument<'_> {
    fn write_redis_args<W: ?Sized + ::redis::RedisWrite>(&self, out: &mut W) {
        match self {
            Self::Text(text) => text.write_redis_args(out),
            // As one argument, which is not what a slice of numbers would be.
            Self::Bytes(bytes) => out.write_arg(bytes),
            Self::Number(number) => number.write_redis_args(out),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(MOST).min(MOST)
}
