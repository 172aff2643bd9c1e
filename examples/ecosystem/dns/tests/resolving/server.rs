//! A name server in the same program, which does as it is told.

use dns::Provider;
use hickory_net::proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType},
};
use hickory_resolver::{
    Resolver, ResolverBuilder,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
};
use runtime::{
    JoinHandle,
    net::{TcpListener, TcpStream, UdpSocket},
    spawn,
    sync::Event,
};
use std::{
    cell::RefCell,
    io,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Datagram,
    Stream,
}

/// What a server does about a question.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Address([u8; 4]),
    /// More than a datagram has room for; by a stream these.
    TooLong([u8; 4]),
    NoSuchName,
    Silence,
    /// The address, once this is set.
    Later(Rc<Event>, [u8; 4]),
}

/// Serves until it is dropped, and notes what it was asked.
pub(crate) struct NameServer {
    address: SocketAddr,
    asked: Rc<RefCell<Vec<(String, Way)>>>,
    tasks: [JoinHandle<io::Result<()>>; 2],
}

impl NameServer {
    /// One that answers what `reply` says to the `n`-th question and its name.
    pub(crate) async fn start(reply: impl Fn(usize, &str) -> Reply + 'static) -> io::Result<Self> {
        let (listener, datagrams) = both_at_one_port().await?;
        let address = datagrams.local_addr()?;
        let asked = Rc::new(RefCell::new(Vec::new()));
        let notes = Rc::clone(&asked);
        let told = Rc::new(move |question: &Message, way| {
            let name = question.queries[0].name().to_utf8();
            let number = notes.borrow().len();
            notes.borrow_mut().push((name.clone(), way));
            reply(number, &name)
        });
        let by_stream = {
            let told = Rc::clone(&told);
            async move {
                loop {
                    let (stream, _) = listener.accept().await?;
                    let told = Rc::clone(&told);
                    spawn(async move { serve_stream(&stream, &*told).await }).detach();
                }
            }
        };
        let by_datagram = async move {
            let socket = Rc::new(datagrams);
            let mut buf = [0; 1500];
            loop {
                let (length, client) = socket.recv_from(&mut buf).await?;
                let question = Message::from_vec(&buf[..length]).expect("hickory asks in order");
                let (reply, socket) = (told(&question, Way::Datagram), Rc::clone(&socket));
                spawn(async move {
                    if let Some(answer) = answer(&question, Way::Datagram, reply).await {
                        socket.send_to(&answer, client).await?;
                    }
                    io::Result::Ok(())
                })
                .detach();
            }
        };
        Ok(Self { address, asked, tasks: [spawn(by_stream), spawn(by_datagram)] })
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<(String, Way)> {
        self.asked.borrow().clone()
    }

    /// A resolver that asks nobody else, only for IPv4 addresses, and not twice.
    pub(crate) fn resolver(&self) -> ResolverBuilder<Provider> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = self.address.port();
            connection
        });
        let server = NameServerConfig::new(self.address.ip(), true, connections.into());
        let mut builder =
            Resolver::builder_with_config(ResolverConfig::from_name_servers(vec![server]), Provider);
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4Only;
        options.attempts = 0;
        options.timeout = Duration::from_secs(10);
        builder
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.cancel();
        }
    }
}

/// The ports of the two protocols are not the same ones: what is free for one may be taken for the other.
async fn both_at_one_port() -> io::Result<(TcpListener, UdpSocket)> {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        match UdpSocket::bind(listener.local_addr()?).await {
            Ok(socket) => return Ok((listener, socket)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}

/// Each message has its length before it (RFC 1035, 4.2.2).
async fn serve_stream(stream: &TcpStream, told: &dyn Fn(&Message, Way) -> Reply) -> io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length).await?;
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut question).await?;
        let question = Message::from_vec(&question).expect("hickory asks in order");
        let reply = told(&question, Way::Stream);
        if let Some(answer) = answer(&question, Way::Stream, reply).await {
            let length = u16::try_from(answer.len()).expect("answers are short").to_be_bytes();
            stream.write_all(&[&length[..], &answer].concat()).await?;
        }
    }
}

async fn answer(question: &Message, way: Way, reply: Reply) -> Option<Vec<u8>> {
    let query = question.queries[0].clone();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.recursion_available = true;
    let address = match reply {
        Reply::Silence => return None,
        Reply::NoSuchName => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            None
        }
        Reply::TooLong(_) if way == Way::Datagram => {
            answer.metadata.truncation = true;
            None
        }
        Reply::Address(address) | Reply::TooLong(address) => Some(address),
        Reply::Later(event, address) => {
            event.wait().await;
            Some(address)
        }
    };
    if let Some([a, b, c, d]) = address {
        assert_eq!(query.query_type(), RecordType::A);
        let address = RData::from(Ipv4Addr::new(a, b, c, d));
        answer.add_answer(Record::from_rdata(query.name().clone(), 3600, address));
    }
    answer.add_query(query);
    Some(answer.to_vec().expect("it is in order"))
}
