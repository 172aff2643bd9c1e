//! Routers of `axum`: what they are told of the connection, and what their handlers may do.

use super::*;
use axum::{Extension, Json, Router, extract::State, routing::get};
use std::{
    cell::RefCell,
    convert::Infallible,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

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
            runtime::task::yield_now().await;
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
