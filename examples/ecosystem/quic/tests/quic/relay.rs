//! A bad road: datagrams between one client and one server, of which some are lost and some overtake each other.

use runtime::{JoinHandle, net::UdpSocket, spawn};
use std::{cell::Cell, io, net::SocketAddr, rc::Rc};

/// Of so many datagrams each way one is lost, and another one comes after its successor.
const LOST: u64 = 11;
const LATE: u64 = 7;

/// Whoever connects to its address gets to the server, on a bad road.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    /// Whether nothing gets through any more.
    is_cut: Rc<Cell<bool>>,
    ways: [JoinHandle<io::Result<()>>; 2],
}

impl Relay {
    pub(crate) async fn to(server: SocketAddr) -> io::Result<Self> {
        let (near, far) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
        far.connect(server).await?;
        let (address, is_cut) = (near.local_addr()?, Rc::new(Cell::new(false)));
        let (near, far) = (Rc::new(near), Rc::new(far));
        // The client's port; it has asked before anything is to be answered.
        let client = Rc::new(Cell::new(address));

        let there = {
            let (near, far, client) = (Rc::clone(&near), Rc::clone(&far), Rc::clone(&client));
            let mut road = Road::new(&is_cut);
            async move {
                let mut buf = vec![0; 65_535];
                loop {
                    let (length, from) = near.recv_from(&mut buf).await?;
                    client.set(from);
                    for datagram in road.after(&buf[..length]) {
                        far.send(&datagram).await?;
                    }
                }
            }
        };
        let mut road = Road::new(&is_cut);
        let back = async move {
            let mut buf = vec![0; 65_535];
            loop {
                let length = far.recv(&mut buf).await?;
                for datagram in road.after(&buf[..length]) {
                    near.send_to(&datagram, client.get()).await?;
                }
            }
        };
        Ok(Self { address, is_cut, ways: [spawn(there), spawn(back)] })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing gets through, and nobody is told.
    pub(crate) fn cut(&self) {
        self.is_cut.set(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for way in &self.ways {
            way.cancel();
        }
    }
}

/// One way.
struct Road {
    count: u64,
    late: Option<Vec<u8>>,
    is_cut: Rc<Cell<bool>>,
}

impl Road {
    fn new(is_cut: &Rc<Cell<bool>>) -> Self {
        Self { count: 0, late: None, is_cut: Rc::clone(is_cut) }
    }

    /// What arrives once this has been sent.
    fn after(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.count += 1;
        if self.is_cut.get() || self.count.is_multiple_of(LOST) {
            return Vec::new();
        }
        if self.count.is_multiple_of(LATE) && self.late.is_none() {
            self.late = Some(datagram.to_vec());
            return Vec::new();
        }
        [Some(datagram.to_vec()), self.late.take()].into_iter().flatten().collect()
    }
}
