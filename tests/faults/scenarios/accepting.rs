//! Listeners: a server with several clients, a burst in the queue.

use super::{both, read_to_end, run};
use runtime::{
    join_all,
    net::{Server, Shutdown, TcpListener, TcpStream},
};
use std::{cell::RefCell, io, rc::Rc, time::Duration};

/// Each client gets its answer, or an error that says why not.
pub(super) fn server() -> io::Result<()> {
    run(async {
        let failed = Rc::new(RefCell::new(Vec::new()));
        let noted = failed.clone();
        let server = Server::bind("127.0.0.1:0").await?.on_error(move |_, error| {
            noted.borrow_mut().push(error.to_string());
        });
        let address = server.local_addr()?;
        let serving = server.serve(async |stream: TcpStream, _| {
            let mut request = [0; 4];
            stream.read_exact(&mut request).await?;
            stream.write_all(&request).await?;
            stream.graceful_close().await
        });
        let asking = async {
            let asked = join_all((0..3_u8).map(async |number| {
                let stream = TcpStream::connect(address).await?;
                stream.write_all(&[number; 4]).await?;
                let reply = read_to_end(&stream).await?;
                if reply.is_empty() {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
                assert_eq!(reply, [number; 4]);
                Ok(())
            }))
            .await;
            server.drain(Duration::from_secs(10)).await;
            asked.into_iter().collect::<io::Result<()>>()
        };
        let served = both(serving, asking).await.map(drop);
        // What the server has told tells more than a client that was cut off.
        served.map_err(|error| io::Error::other(format!("{error}; {}", failed.borrow().join("; "))))
    })
}

/// Connections that are all there before the first is accepted.
pub(super) fn burst() -> io::Result<()> {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let clients = join_all((0..8).map(|_| TcpStream::connect(address)))
            .await
            .into_iter()
            .collect::<io::Result<Vec<_>>>()?;
        let mut expected = clients.iter().map(TcpStream::local_addr).collect::<io::Result<Vec<_>>>()?;
        while !expected.is_empty() {
            let (stream, peer) = listener.accept().await?;
            let place = expected.iter().position(|client| *client == peer).expect("one of ours, once");
            expected.remove(place);
            stream.shutdown(Shutdown::Write)?;
        }
        for client in clients {
            assert_eq!(client.read(&mut [0; 1]).await?, 0);
        }
        Ok(())
    })
}
