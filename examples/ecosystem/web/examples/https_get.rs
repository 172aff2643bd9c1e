//! Fetches a page by HTTPS, in HTTP/2 or HTTP/1.1, whichever the server prefers.
//!
//! ```text
//! $ cargo run --example https_get -- https://www.rust-lang.org/
//! HTTP/2.0 200 OK, TLSv1_3, 19132 bytes
//! ```
//!
//! Believed are the authorities that the system believes; with `SSL_CERT_FILE=FILE` those in that file instead.

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, Uri,
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
    header::HOST,
};
use runtime::{
    hyper::{LocalExecutor, Timer},
    net::TcpStream,
    spawn,
    time::timeout,
    tls::{
        Connector, TlsStream,
        rustls::{ClientConfig, RootCertStore},
    },
};
use std::{
    env,
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

/// For all of it.
const LIMIT: Duration = Duration::from_secs(60);

type Failure = Box<dyn Error + Send + Sync>;

#[runtime::main]
async fn main() -> ExitCode {
    let Some(url) = env::args().nth(1) else {
        let _ = writeln!(io::stderr(), "usage: https_get https://HOST[:PORT]/[PATH]");
        return ExitCode::from(2);
    };
    match timeout(LIMIT, fetch(&url)).await.unwrap_or_else(|late| Err(late.into())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "https_get: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn fetch(url: &str) -> Result<(), Failure> {
    let url: Uri = url.parse()?;
    let host = url.host().ok_or("a URL has a host in it")?;
    if url.scheme_str() != Some("https") {
        return Err("this speaks https only".into());
    }
    let stream = TcpStream::connect(format!("{host}:{}", url.port_u16().unwrap_or(443))).await?;
    let stream = Connector::new(config()?).connect(host, stream).await?;
    let version = stream.session().protocol_version().ok_or("the handshake is over")?;

    let response = ask(stream, &url).await?;
    let (head, mut body) = response.into_parts();
    let mut bytes = 0;
    // The body has said beforehand how long it is, or says when it is over: a part is never taken for the whole.
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, Bytes::len);
    }
    let _ = writeln!(io::stdout(), "{:?} {}, {version:?}, {bytes} bytes", head.version, head.status);
    Ok(())
}

/// What is believed, and what is spoken: HTTP/2 rather than HTTP/1.1.
fn config() -> Result<ClientConfig, Failure> {
    let mut believed = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = believed.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err("the system believes no authority (apt-get install ca-certificates)".into());
    }
    let mut config = ClientConfig::builder().with_root_certificates(believed).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn ask(stream: TlsStream<TcpStream>, url: &Uri) -> Result<Response<Incoming>, Failure> {
    if stream.session().alpn_protocol() == Some(b"h2") {
        let (mut sender, connection) =
            http2::Builder::new(LocalExecutor).timer(Timer).handshake(stream).await?;
        spawn(connection).detach();
        // In HTTP/2 the URL says it all.
        return Ok(sender.send_request(Request::get(url).body(Empty::<Bytes>::new())?).await?);
    }
    let (mut sender, connection) = http1::handshake(stream).await?;
    spawn(connection).detach();
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let host = url.host().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    Ok(sender.send_request(Request::get(path).header(HOST, host).body(Empty::<Bytes>::new())?).await?)
}
