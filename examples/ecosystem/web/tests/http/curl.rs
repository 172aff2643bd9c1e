//! curl, with every version of HTTP that it speaks.

use super::*;
use axum::{
    Router,
    body::{Body, Bytes},
    http::Version,
    routing::{get, post},
};

fn app() -> Router {
    Router::new()
        .route("/version", get(async |version: Version| format!("{version:?}")))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route("/parts", get(async || Body::from_stream(futures_util::stream::iter(parts()))))
        .layer(axum::extract::DefaultBodyLimit::max(100 << 20))
}

fn parts() -> impl Iterator<Item = io::Result<String>> {
    (0..1000).map(|n| Ok(format!("part {n}\n")))
}

async fn curl(arguments: &[&str]) -> Option<String> {
    said("curl", "curl", &[&["--silent", "--show-error", "--fail", "--max-time", "60"], arguments].concat())
        .await
}

#[runtime::test]
async fn every_version_is_answered_in_kind() {
    let (_server, url, _serving) = run(http::serve(listen().await, app()));
    let url = format!("{url}/version");
    for (option, version) in
        [("--http1.0", "HTTP/1.0"), ("--http1.1", "HTTP/1.1"), ("--http2-prior-knowledge", "HTTP/2.0")]
    {
        let Some(said) = curl(&[option, &url]).await else { return };
        assert_eq!(said, version);
    }
}

#[runtime::test]
async fn bodies_come_whole_however_they_are_sent() {
    let (_server, url, _serving) = run(http::serve(listen().await, app()));
    let folder = support::Folder::new("curl");
    let file = folder.path().join("body");
    std::fs::write(&file, vec![b'x'; 10 << 20]).expect("there is room");
    let (data, url) = (format!("@{}", file.display()), format!("{url}/length"));
    for options in [
        &["--http1.0"][..],
        &["--http1.1"],
        &["--http1.1", "--header", "transfer-encoding: chunked"],
        &["--http1.1", "--header", "expect: 100-continue"],
        &["--http1.1", "--header", "expect:"],
        &["--http2-prior-knowledge"],
    ] {
        let Some(said) = curl(&[options, &["--data-binary", &data, &url]].concat()).await else { return };
        assert_eq!(said, (10 << 20).to_string(), "{options:?}");
    }
}

#[runtime::test]
async fn a_body_in_parts_arrives_whole() {
    let (_server, url, _serving) = run(http::serve(listen().await, app()));
    let url = format!("{url}/parts");
    let whole: String = parts().map(Result::unwrap).collect();
    for option in ["--http1.0", "--http1.1", "--http2-prior-knowledge"] {
        let Some(said) = curl(&[option, &url]).await else { return };
        assert_eq!(said, whole, "{option}");
    }
}

#[runtime::test]
async fn a_connection_is_kept_for_the_next_request() {
    let (server, url, _serving) = run(http::serve(listen().await, app()));
    let url = format!("{url}/version");
    // Not of HTTP/2: curl 7.88 knows beforehand only for its first request, and complains of the next without a byte sent.
    let Some(said) = curl(&["--http1.1", &url, &url, &url]).await else { return };
    assert_eq!(said, "HTTP/1.1".repeat(3));
    assert_eq!(server.stats().accepted, 1);
}
