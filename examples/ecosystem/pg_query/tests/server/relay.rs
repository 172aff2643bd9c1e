//! A road to the server on which answers can be held back, and statements are counted.

use runtime::{
    JoinHandle,
    net::{TcpListener, TcpStream},
    spawn,
    sync::watch,
};
use std::{io, net::SocketAddr, rc::Rc};

/// What every statement ends with: its type, and the length of nothing.
const SYNC: &[u8] = b"S\x00\x00\x00\x04";

/// Serves one client.
pub(crate) struct Relay {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
    statements: watch::Receiver<usize>,
    _task: JoinHandle<io::Result<()>>,
}

impl Relay {
    pub(crate) async fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (is_open, mut opened) = watch(true);
        let (counted, statements) = watch(0);
        let task = spawn(async move {
            let (near, _) = listener.accept().await?;
            let (near, far) = (Rc::new(near), Rc::new(TcpStream::connect(server).await?));
            let back = {
                let (near, far) = (Rc::clone(&near), Rc::clone(&far));
                spawn(async move {
                    let mut buf = vec![0; 8192];
                    loop {
                        let length = far.read(&mut buf).await?;
                        let _ = opened.wait_for(|is_open| *is_open).await;
                        if length == 0 {
                            return near.shutdown(std::net::Shutdown::Write);
                        }
                        near.write_all(&buf[..length]).await?;
                    }
                })
            };
            // The tail of what came before, in which a message may have begun.
            let mut seen = Vec::new();
            let mut buf = vec![0; 8192];
            loop {
                let length = near.read(&mut buf).await?;
                if length == 0 {
                    far.shutdown(std::net::Shutdown::Write)?;
                    return back.await.unwrap_or(Ok(()));
                }
                seen.extend_from_slice(&buf[..length]);
                let count = seen.windows(SYNC.len()).filter(|window| *window == SYNC).count();
                let tail = seen.len().saturating_sub(SYNC.len() - 1);
                seen.drain(..tail);
                counted.send_modify(|sum| *sum += count);
                far.write_all(&buf[..length]).await?;
            }
        });
        Ok(Self { address, is_open, statements, _task: task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many statements have passed.
    pub(crate) fn statements(&self) -> usize {
        *self.statements.borrow()
    }

    /// Waits until so many have passed.
    pub(crate) async fn passed(&mut self, count: usize) {
        self.statements.wait_for(|sum| *sum >= count).await.unwrap();
    }

    /// From now on answers wait.
    pub(crate) fn hold(&self) {
        self.is_open.send_replace(false);
    }

    /// They go on.
    pub(crate) fn release(&self) {
        self.is_open.send_replace(true);
    }
}
