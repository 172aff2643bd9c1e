//! What can be served, and what of the connection it is told.

use super::*;
use runtime::net::{UnixListener, UnixStream};
use std::{
    cell::Cell,
    future::{Ready, ready},
    net::SocketAddr,
    rc::Rc,
    task::{Context, Poll},
};

/// A service of `tower`, which has to be asked twice whether it is ready.
#[derive(Clone)]
struct Reluctant {
    name: Rc<str>,
    asked: Cell<u32>,
}

impl Reluctant {
    fn new(name: &str) -> Self {
        Self { name: name.into(), asked: Cell::new(0) }
    }
}

impl tower_service::Service<Request<Incoming>> for Reluctant {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.asked.set(self.asked.get() + 1);
        if self.asked.get() < 2 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        assert_eq!(self.asked.get(), 2, "called before it was ready");
        let peer = request.extensions().get::<http::ConnectInfo<SocketAddr>>();
        ready(Ok(Response::new(format!("{} {:?}", self.name, peer.map(|info| info.0)))))
    }
}

/// Makes a service for each connection.
#[derive(Clone)]
struct Maker;

impl tower_service::Service<SocketAddr> for Maker {
    type Response = Reluctant;
    type Error = io::Error;
    type Future = Ready<Result<Reluctant, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, peer: SocketAddr) -> Self::Future {
        ready(Ok(Reluctant::new(&format!("made for {peer},"))))
    }
}

#[runtime::test]
async fn a_service_of_tower_is_asked_before_it_is_called() {
    let (server, _serving) = run(http::serve(listen().await, Reluctant::new("tower")));
    let mut client = Client::connect(&server).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.1, "tower None");
    }
}

#[runtime::test]
async fn a_service_is_made_for_each_connection_of_its_peer() {
    let (server, _serving) = run(http::serve(listen().await, Maker));
    let mut clients = [Client::connect(&server).await, Client::connect(&server).await];
    for client in &mut clients {
        let peer = client.stream.local_addr().unwrap();
        assert_eq!(client.get("/").await.1, format!("made for {peer}, None"));
    }
}

#[runtime::test]
async fn requests_show_who_has_sent_them_if_they_are_told_to() {
    let (server, _serving) = run(http::serve(listen().await, Reluctant::new("to")).with_connect_info());
    let mut client = Client::connect(&server).await;
    let peer = client.stream.local_addr().unwrap();
    assert_eq!(client.get("/").await.1, format!("to Some({peer})"));
}

#[runtime::test]
async fn a_unix_socket_is_as_good() {
    let path = std::env::temp_dir().join(format!("http-apps-{}", std::process::id()));
    let serve = http::serve(UnixListener::bind(&path).await.unwrap(), app()).with_connect_info();
    let (server, _serving) = (serve.server(), spawn(serve));
    let client = UnixStream::connect(&path).await.unwrap();
    client.write_all(b"GET /unix HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut reply = String::new();
    (&mut &client).read_to_string(&mut reply).await.unwrap();
    assert!(reply.ends_with("hello /unix"), "{reply}");
    server.drain(SECOND).await;
    assert!(!path.exists());
}

#[runtime::test]
async fn tasks_are_said_to_come_from_where_the_server_does() {
    let (line, serve) = (line!(), http::serve(listen().await, app()));
    let (server, _serving) = run(serve);
    let mut client = Client::connect(&server).await;
    client.get("/").await;
    let peer = client.stream.local_addr().unwrap();
    let name = format!("http {peer}");
    let tasks = runtime::task::list();
    let task = &tasks.iter().find(|status| status.task.name() == Some(&name)).unwrap().task;
    let place = task.spawned_at().unwrap();
    assert_eq!((place.file(), place.line()), (file!(), line));
}

#[runtime::test]
#[should_panic(expected = "this server runs already: tell it how before it is polled")]
async fn a_server_that_runs_is_told_nothing_more() {
    let mut serve = http::serve(listen().await, app());
    let _ = poll_once(&mut serve).await;
    drop(serve.max_headers(3));
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|context| match Pin::new(&mut *future).poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
