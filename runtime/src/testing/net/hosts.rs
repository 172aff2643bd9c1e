//! The hosts of a simulation: who listens where, and the ways between them.

use super::{
    Network,
    connection::{Connection, Wire},
    link::Link,
    listener::Backlog,
    shared::Shared,
    stream::{Addresses, MemoryStream},
};
use crate::{
    net::{ToSocketAddrs, lookup_host},
    testing::{note, random::Random},
    time::{Elapsed, Instant, sleep, sleep_until, timeout},
};
use runtime_executor::current;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// As Linux gives up after six unanswered attempts.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(127);
/// Until an attempt that got no answer is repeated; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Where ports begin that nobody chose, as with the kernel.
const FIRST_EPHEMERAL_PORT: u16 = 32_768;
/// The streams of a seed: links and connections have one each.
const LINKS: u64 = 1 << 20;
const CONNECTIONS: u64 = 1 << 40;
/// Where those are who do not say so.
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The network of one run; on its shelf.
pub(crate) struct Hosts {
    network: Network,
    seed: u64,
    listeners: RefCell<BTreeMap<SocketAddr, Arc<Backlog>>>,
    links: RefCell<BTreeMap<(IpAddr, IpAddr), Arc<Link>>>,
    connections: Cell<u64>,
    next_port: Cell<u16>,
}

impl Hosts {
    pub(crate) fn new(network: Network, seed: u64) -> Self {
        Self {
            network,
            seed,
            listeners: RefCell::default(),
            links: RefCell::default(),
            connections: Cell::new(0),
            next_port: Cell::new(FIRST_EPHEMERAL_PORT),
        }
    }

    /// The network of the simulation that runs on this thread.
    pub(super) fn current() -> io::Result<Rc<Self>> {
        current::with_extension(|hosts: &Rc<Self>| Rc::clone(hosts)).ok_or_else(|| {
            io::Error::other(
                "testing::net exists only inside a simulation: call this in a program that `testing::Sim` runs, or use \
                 `runtime::net`, or `testing::duplex`",
            )
        })
    }

    /// The way between two hosts, whichever is asked for first.
    pub(super) fn link(&self, one: IpAddr, other: IpAddr) -> Arc<Link> {
        let key = (one.min(other), one.max(other));
        let mut links = self.links.borrow_mut();
        let number = links.len() as u64;
        let link = links.entry(key).or_insert_with(|| {
            let random = Random::stream(self.seed, LINKS + number);
            let misfortune = &self.network.partitions;
            let outage = random.chance(misfortune.probability).then(|| {
                let start = Instant::now() + random.duration(&misfortune.within);
                let end = start + random.duration(&self.network.outage);
                note(format_args!("net: nothing gets between {} and {} for {:?}", key.0, key.1, end - start));
                start..end
            });
            Arc::new(Link::new(outage))
        });
        Arc::clone(link)
    }

    pub(super) fn listen(&self, mut addr: SocketAddr) -> io::Result<(SocketAddr, Arc<Backlog>)> {
        if addr.port() == 0 {
            addr.set_port(self.free_port(addr.ip())?);
        }
        let mut listeners = self.listeners.borrow_mut();
        let clash = |other: &SocketAddr| {
            let same_host =
                other.ip() == addr.ip() || other.ip().is_unspecified() || addr.ip().is_unspecified();
            same_host && other.port() == addr.port()
        };
        if listeners.keys().any(clash) {
            return Err(ErrorKind::AddrInUse.into());
        }
        let backlog = Arc::new(Backlog::default());
        listeners.insert(addr, Arc::clone(&backlog));
        Ok((addr, backlog))
    }

    pub(super) fn forget(&self, addr: SocketAddr) {
        let backlog = self.listeners.borrow_mut().remove(&addr);
        drop(backlog);
    }

    fn listener(&self, addr: SocketAddr) -> Option<Arc<Backlog>> {
        let listeners = self.listeners.borrow();
        let everywhere = |ip: &SocketAddr| ip.ip().is_unspecified() && ip.port() == addr.port();
        let found = listeners
            .get(&addr)
            .or_else(|| listeners.iter().find(|(at, _)| everywhere(at)).map(|(_, it)| it));
        found.cloned()
    }

    /// A port of that host that nobody listens on.
    fn free_port(&self, host: IpAddr) -> io::Result<u16> {
        for _ in FIRST_EPHEMERAL_PORT..=u16::MAX {
            let port = self.next_port.get();
            self.next_port.set(port.checked_add(1).unwrap_or(FIRST_EPHEMERAL_PORT));
            if self.listener(SocketAddr::new(host, port)).is_none() {
                return Ok(port);
            }
        }
        Err(ErrorKind::AddrInUse.into())
    }

    /// Both ends of a new connection, with their fate.
    fn make(&self, link: &Arc<Link>, addresses: Addresses) -> (MemoryStream, MemoryStream) {
        let number = self.connections.get();
        self.connections.set(number + 1);
        let (random, now) = (Random::stream(self.seed, CONNECTIONS + number), Instant::now());
        let wire = Wire::new(Arc::clone(link), random, self.network.clone(), now);
        let Addresses { local, peer } = addresses;
        if let Some(at) = wire.doom {
            note(format_args!("net: {local} to {peer} will be reset in {:?}", at - now));
        }
        if let Some((at, side)) = wire.half_close {
            let whose = [local, peer][side];
            note(format_args!("net: {local} to {peer}: {whose} will end its side in {:?}", at - now));
        }
        let shared = Shared::new(Connection::new(self.network.buffer, Some(wire)));
        link.add(Arc::downgrade(&shared));
        MemoryStream::pair(shared, Some(addresses))
    }
}

/// Whoever waited has ended with the run. An end that outlives it must not wake who has their runtime's number by then, such
/// as another simulation, in which nothing happens that the seed has not decided.
impl Drop for Hosts {
    fn drop(&mut self) {
        let (links, listeners) = (self.links.take(), self.listeners.take());
        links.values().for_each(|link| link.forget_waiting());
        listeners.values().for_each(|backlog| backlog.forget_waiting());
    }
}

/// One way between two hosts: what is sent now arrives when this is ready.
async fn travel(link: &Link, random: &Random, network: &Network) {
    let due = Instant::now() + random.duration(&network.delay);
    loop {
        let arrival = poll_fn(|context| link.poll_arrival(due, context)).await;
        if arrival <= Instant::now() {
            return;
        }
        sleep_until(arrival).await;
    }
}

pub(super) async fn connect(from: Option<IpAddr>, addr: impl ToSocketAddrs) -> io::Result<MemoryStream> {
    let hosts = Hosts::current()?;
    let mut last_error = None;
    for peer in lookup_host(addr).await? {
        let local = SocketAddr::new(from.unwrap_or(HOME), hosts.free_port(from.unwrap_or(HOME))?);
        match timeout(CONNECT_TIMEOUT, connect_one(&hosts, Addresses { local, peer })).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last_error = Some(error),
            Err(Elapsed { .. }) => last_error = Some(ErrorKind::TimedOut.into()),
        }
    }
    Err(last_error.unwrap_or_else(|| ErrorKind::InvalidInput.into()))
}

async fn connect_one(hosts: &Hosts, addresses: Addresses) -> io::Result<MemoryStream> {
    let Addresses { local, peer } = addresses;
    let link = hosts.link(local.ip(), peer.ip());
    // The handshake's delays; the connection, once there is one, draws its own.
    let random = Random::stream(hosts.seed, CONNECTIONS - 1 - u64::from(local.port()));
    let mut retry = FIRST_RETRY;
    loop {
        travel(&link, &random, &hosts.network).await;
        let Some(backlog) = hosts.listener(peer) else {
            travel(&link, &random, &hosts.network).await;
            return Err(ErrorKind::ConnectionRefused.into());
        };
        if backlog.has_room() {
            let (client, server) = hosts.make(&link, addresses);
            backlog.push(server, local);
            travel(&link, &random, &hosts.network).await;
            return Ok(client);
        }
        sleep(retry).await;
        retry *= 2;
    }
}
