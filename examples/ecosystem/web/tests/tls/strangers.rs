//! What OpenSSL and curl make of our side.

use crate::authority::Authority;
use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use runtime::{
    hyper::{LocalExecutor, Timer},
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Error},
    net::Server,
    process::{Command, Stdio},
    spawn,
    time::Duration,
    tls::Acceptor,
};
use std::{cell::RefCell, convert::Infallible, net::SocketAddr, process::Output, rc::Rc};
use support::{Folder, find};

/// A server that shouts what it is told, by lines, and what becomes of its connections.
async fn shouter(acceptor: Acceptor) -> (Server, Rc<RefCell<Vec<String>>>) {
    let errors = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&errors);
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let server = server.on_error(move |_, error| noted.borrow_mut().push(error.to_string()));
    let serving = server.serve(async move |stream, _peer| {
        let mut stream = BufReader::new(acceptor.accept(stream).await?);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let mut stream = stream.into_inner();
        stream.write_all(line.to_uppercase().as_bytes()).await?;
        stream.graceful_close().await
    });
    spawn(serving).detach();
    (server, errors)
}

#[runtime::test]
async fn openssl_verifies_us_and_talks_with_us() {
    let Some(openssl) = find("openssl", "openssl") else { return };
    let authority = Authority::new();
    let folder = Folder::new("openssl");
    let file = authority.file(&folder);
    let (server, errors) = shouter(Acceptor::new(authority.server(&["http/1.1"]))).await;
    let address = server.local_addr().unwrap().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let mut command = Command::new(openssl.clone());
        command.args(["s_client", "-connect", &address, "-servername", "localhost", version]);
        command.args(["-verify_return_error", "-verify_hostname", "localhost", "-alpn", "h2,http/1.1"]);
        command.arg("-ign_eof").arg("-CAfile").arg(&file);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = command.spawn().unwrap();
        client.stdin.as_mut().unwrap().write_all(b"hello\n").await.unwrap();
        let output = client.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        for expected in ["Verify return code: 0 (ok)", "ALPN protocol: http/1.1", "HELLO\n"] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
    assert!(errors.borrow().is_empty(), "{errors:?}");
    // Who does not know the authority does not talk with us.
    let mut command = Command::new(openssl);
    command.args(["s_client", "-connect", &address, "-verify_return_error"]).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    assert!(!output.status.success());
    server.drain(Duration::from_secs(10)).await;
    assert_eq!(errors.borrow().len(), 1, "{errors:?}");
    assert!(errors.borrow()[0].contains("UnknownCA"), "{errors:?}");
}

async fn curl(address: SocketAddr, arguments: &[&str]) -> Output {
    let mut command = Command::new(find("curl", "curl").expect("it was there"));
    command.args(["--silent", "--show-error", "--max-time", "30"]).args(arguments);
    command.args(["--resolve", &format!("localhost:{}:127.0.0.1", address.port())]);
    command.args(["--write-out", "\n%{http_version} %{http_code}"]);
    command.arg(format!("https://localhost:{}/", address.port()));
    command.output().await.unwrap()
}

#[runtime::test]
async fn curl_speaks_http_with_us_in_both_versions() {
    if find("curl", "curl").is_none() {
        return;
    }
    let authority = Authority::new();
    let folder = Folder::new("curl");
    let file = authority.file(&folder);
    let acceptor = Acceptor::new(authority.server(&["h2", "http/1.1"]));
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let serving = server.serve(async move |stream, _peer| {
        let stream = acceptor.accept(stream).await?;
        let hello = service_fn(async |request: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(format!("hello by {:?}", request.version())))
        });
        let served = if stream.session().alpn_protocol() == Some(b"h2") {
            http2::Builder::new(LocalExecutor).timer(Timer).serve_connection(stream, hello).await
        } else {
            http1::Builder::new().timer(Timer).serve_connection(stream, hello).await
        };
        served.map_err(Error::other)
    });
    spawn(serving).detach();

    let file = file.to_str().unwrap();
    for (version, answer) in
        [("--http1.1", "hello by HTTP/1.1\n1.1 200"), ("--http2", "hello by HTTP/2.0\n2 200")]
    {
        let output = curl(address, &[version, "--cacert", file]).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), answer, "{output:?}");
    }
    let output = curl(address, &["--insecure"]).await;
    assert!(output.status.success(), "{output:?}");
    let output = curl(address, &[]).await;
    assert_eq!(output.status.code(), Some(60), "an authority that nobody knows: {output:?}");
    server.drain(Duration::from_secs(10)).await;
}
