//! `https_get`.

use crate::{authority::Authority, program};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use runtime::{
    http,
    net::TcpListener,
    process::Command,
    spawn,
    tls::{Acceptor, Listener},
};
use std::{convert::Infallible, net::SocketAddr, process::Output};
use support::Folder;

async fn serve(authority: &Authority, protocols: &[&str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Listener::new(listener, Acceptor::new(authority.server(protocols)));
    let page =
        async |request: Request<Incoming>| Ok::<_, Infallible>(Response::new(format!("{:?}", request.uri())));
    spawn(http::serve(listener, service_fn(page))).detach();
    address
}

async fn fetch(url: &str, authority: &Authority) -> Output {
    let folder = Folder::new("https-get");
    let mut command = Command::new(program::path("https_get"));
    command.arg(url).env("SSL_CERT_FILE", authority.file(&folder)).env_remove("SSL_CERT_DIR");
    command.output().await.unwrap()
}

#[runtime::test]
async fn the_version_is_the_one_that_both_like_best() {
    let authority = Authority::new();
    for (spoken, version) in
        [(&["h2", "http/1.1"][..], "HTTP/2.0"), (&["http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")]
    {
        let address = serve(&authority, spoken).await;
        let url = format!("https://localhost:{}/some/page?x=1", address.port());
        let output = fetch(&url, &authority).await;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with(&format!("{version} 200 OK, TLSv1_3, ")), "{output:?}");
    }
}

#[runtime::test]
async fn who_is_not_certified_is_not_believed() {
    let address = serve(&Authority::new(), &[]).await;
    let output = fetch(&format!("https://{address}/"), &Authority::new()).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("invalid peer certificate"), "{output:?}");
}

/// A reply that is cut short is no reply.
#[runtime::test]
async fn a_part_is_not_taken_for_the_page() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = authority.acceptor();
    spawn(async move {
        use runtime::io::{AsyncReadExt, AsyncWriteExt};
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        // No length: the end of the connection is the end of the page, if somebody says that it is.
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\npay Eve 100").await.unwrap();
        stream.flush().await.unwrap();
    })
    .detach();
    let output = fetch(&format!("https://{address}/"), &authority).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("body"), "{output:?}");
}
