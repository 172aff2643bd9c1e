//! Routers of `axum`: what they are told of the connection, and what their handlers may do.

use super::*;
use axum::{
    Extension, Json, Router,
    extract::{State, rejection::StringRejection},
    routing::{get, post},
};
use runtime::{
    http::RequestBodyTimeout,
    io::AsyncReadExt,
    net::TcpStream,
    task::yield_now,
    time::{Duration, advance},
};
use std::{
    cell::RefCell,
    convert::Infallible,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::layer_fn;

async fn curl(url: &str) -> Option<String> {
    said("curl", "curl", &["--silent", "--fail", "--max-time", "60", url]).await
}

#[runtime::test]
async fn a_router_has_state_and_speaks_json() {
    let names = Arc::new(vec!["Ada", "Grace"]);
    let app = Router::new()
        .route("/", get(async |State(names): State<Arc<Vec<&'static str>>>| Json(names.to_vec())))
        .with_state(names);
    let (_server, url, _serving) = run(http::serve(listen().await, app));
    let Some(said) = curl(&url).await else { return };
    assert_eq!(said, r#"["Ada","Grace"]"#);
}

#[runtime::test]
async fn a_handler_learns_who_asks() {
    let who = async |Extension(http::ConnectInfo(peer)): Extension<http::ConnectInfo<SocketAddr>>| {
        peer.ip().to_string()
    };
    let app = Router::new().route("/", get(who));
    let (_server, url, _serving) = run(http::serve(listen().await, app).with_connect_info());
    let Some(said) = curl(&url).await else { return };
    assert_eq!(said, "127.0.0.1");
}

/// As a whole, and one of its routes.
#[runtime::test(start_paused = true)]
async fn a_router_waits_for_bodies_only_so_long() {
    let length = async |body: Result<String, StringRejection>| {
        body.map_or("late".to_owned(), |body| body.len().to_string())
    };
    let limit = |seconds| layer_fn(move |route| RequestBodyTimeout::new(route, Duration::from_secs(seconds)));
    let app = Router::new().route("/", post(length)).route("/short", post(length).layer(limit(10)));
    let app = RequestBodyTimeout::new(app, Duration::from_secs(60));
    let (server, _url, _serving) = run(http::serve(listen().await, app));
    let address = server.local_addr().expect("it listens");
    for (path, seconds) in [("/", 60), ("/short", 10)] {
        let client = TcpStream::connect(address).await.expect("it listens");
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: 5\r\n\r\n");
        client.write_all(format!("{head}1234").as_bytes()).await.expect("it is open");
        for _ in 0..1_000 {
            yield_now().await;
        }
        advance(Duration::from_secs(seconds - 1)).await;
        assert!(client.try_read(&mut [0]).is_err(), "{path}: it is answered too early");
        advance(Duration::from_secs(1)).await;
        let mut said = String::new();
        (&mut &client).read_to_string(&mut said).await.expect("it is text");
        assert!(said.ends_with("\r\n\r\nlate"), "{path}: {said}");
    }
}

/// What `into_make_service` gives is served too.
#[runtime::test]
async fn a_make_service_is_served() {
    let app = Router::new().route("/", get(async || "made")).into_make_service();
    let (_server, url, _serving) = run(http::serve(listen().await, app));
    let Some(said) = curl(&url).await else { return };
    assert_eq!(said, "made");
}

/// As `into_make_service_with_connect_info` does it, for which `axum` wants tokio.
#[runtime::test]
async fn a_service_may_be_made_of_the_address() {
    #[derive(Clone)]
    struct Make;

    impl tower_service::Service<SocketAddr> for Make {
        type Response = Router;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Router, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, peer: SocketAddr) -> Self::Future {
            let app = Router::new().route("/", get(async move || peer.ip().to_string()));
            std::future::ready(Ok(app))
        }
    }

    let (_server, url, _serving) = run(http::serve(listen().await, Make));
    let Some(said) = curl(&url).await else { return };
    assert_eq!(said, "127.0.0.1");
}

/// `axum` insists on `Send`; `task::local` gives it, and what is within need not be.
#[runtime::test]
async fn a_handler_may_wait_for_what_is_not_send() {
    let handler = async || {
        runtime::task::local(async {
            let log = Rc::new(RefCell::new(vec!["before"]));
            yield_now().await;
            log.borrow_mut().push("after");
            log.borrow().join(" and ")
        })
        .await
    };
    let app = Router::new().route("/", get(handler));
    let (_server, url, _serving) = run(http::serve(listen().await, app));
    let Some(said) = curl(&url).await else { return };
    assert_eq!(said, "before and after");
}
