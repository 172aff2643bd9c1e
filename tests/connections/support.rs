//! What the stories share: places to listen, and people in the middle.

use runtime::{
    JoinHandle,
    net::{TcpListener, TcpStream},
    process::{Address, Client, Connection, Key, Listener},
    spawn,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    cell::{Cell, RefCell},
    env, fs,
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// A folder of this test's own, for as long as it runs. It does not exist yet.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("connections-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        Self(env::temp_dir().join(name))
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn loopback() -> Address {
    "127.0.0.1:0".parse().unwrap()
}

pub(crate) fn key() -> Key {
    Key::from_bytes(&[7; 32])
}

pub(crate) fn tcp_listener() -> Listener {
    Listener::builder().key(key()).bind(loopback()).unwrap()
}

pub(crate) fn port(listener: &Listener) -> SocketAddr {
    match listener.address() {
        Address::Tcp(address) => *address,
        other => panic!("{other} is no port"),
    }
}

/// Both ends of a connection, by way of `address` to a listener behind it.
pub(crate) async fn pair_by<Out, In>(
    listener: &mut Listener,
    address: impl Into<Address>,
) -> (Connection<Out, In>, Connection<In, Out>)
where
    Out: Serialize + DeserializeOwned + 'static,
    In: Serialize + DeserializeOwned + 'static,
{
    let address = address.into();
    let client = Client::builder();
    let client = if matches!(address, Address::Tcp(_)) { client.key(key()) } else { client };
    let client = spawn(async move { client.connect(address).await });
    let server = listener.accept().await.unwrap();
    (server, client.await.unwrap().unwrap())
}

/// Both ends of a connection.
pub(crate) async fn pair<Out, In>(listener: &mut Listener) -> (Connection<Out, In>, Connection<In, Out>)
where
    Out: Serialize + DeserializeOwned + 'static,
    In: Serialize + DeserializeOwned + 'static,
{
    let address = listener.address().clone();
    pair_by(listener, address).await
}

/// Somebody between a client and a listener, who passes on what both say, as long as he likes.
pub(crate) struct Between {
    pub(crate) address: SocketAddr,
    /// What the client has said, all of it.
    pub(crate) heard: Rc<RefCell<Vec<u8>>>,
    /// So many bytes of the client he passes on, and then ends both connections.
    pub(crate) cut_after: Rc<Cell<usize>>,
    /// That byte of the client he changes.
    pub(crate) change: Rc<Cell<Option<usize>>>,
    _task: JoinHandle<()>,
}

impl Between {
    pub(crate) async fn new(listener: SocketAddr) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = door.local_addr().unwrap();
        let heard = Rc::new(RefCell::new(Vec::new()));
        let cut_after = Rc::new(Cell::new(usize::MAX));
        let change = Rc::new(Cell::new(None));
        let (hears, cuts, changes) = (Rc::clone(&heard), Rc::clone(&cut_after), Rc::clone(&change));
        let task = spawn(async move {
            let (client, _) = door.accept().await.unwrap();
            let listener = TcpStream::connect(listener).await.unwrap();
            let to_client = async {
                let mut buf = [0; 4096];
                while let Ok(n @ 1..) = listener.read(&mut buf).await {
                    if client.write_all(&buf[..n]).await.is_err() {
                        break;
                    }
                }
            };
            let to_listener = async {
                // One byte at a time: he can stop anywhere.
                let mut byte = [0];
                while hears.borrow().len() < cuts.get() && matches!(client.read(&mut byte).await, Ok(1)) {
                    if changes.get() == Some(hears.borrow().len()) {
                        byte[0] ^= 1;
                    }
                    hears.borrow_mut().push(byte[0]);
                    if listener.write_all(&byte).await.is_err() {
                        break;
                    }
                }
            };
            runtime::select! {
                () = to_client => {}
                () = to_listener => {}
            }
        });
        Self { address, heard, cut_after, change, _task: task }
    }
}
