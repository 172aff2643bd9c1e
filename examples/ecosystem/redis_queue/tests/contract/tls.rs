//! The same by TLS, with a certificate of our own.

use super::{LONG, SECOND, url};
use runtime::{
    broker::{Broker, Error, Options, Redis},
    spawn,
    testing::broker::conformance,
    time::{sleep, timeout},
    tls::{
        Connector,
        rustls::{ClientConfig, RootCertStore},
    },
};
use std::{cell::RefCell, collections::HashMap, fs};
use support::{Folder, free_address};

/// A server that is `localhost` and can prove it, the address, and who trusts it.
struct Trusted {
    server: support::Redis,
    address: String,
    connector: Connector,
    _files: Folder,
}

fn trusted() -> Option<Trusted> {
    let files = Folder::new("tls");
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("certificate"), path("key"));
    fs::write(&certificate, certified.cert.pem()).unwrap();
    fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let port = free_address().port().to_string();
    let server = support::Redis::start_with(
        &[
            ["--tls-port", &port],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
            ["--tls-auth-clients", "no"],
        ]
        .concat(),
    )?;
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let address = format!("rediss://localhost:{port}");
    Some(Trusted { server, address, connector: trusting(roots), _files: files })
}

fn trusting(roots: RootCertStore) -> Connector {
    Connector::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

#[runtime::test]
async fn by_tls_it_keeps_to_the_contract_too() {
    let Some(Trusted { server: _server, address, connector, .. }) = trusted() else { return };
    let queues = RefCell::new(HashMap::new());
    conformance(async |name, options| {
        let open = || Redis::with_tls(&address, name, options, &connector).unwrap();
        queues.borrow_mut().entry(name.to_owned()).or_insert_with(open).clone()
    })
    .await;
}

#[runtime::test]
async fn by_tls_a_server_that_is_killed_and_restarted_loses_nobody_either() {
    let Some(mut trusted) = trusted() else { return };
    let open = || {
        let options = Options::default();
        Redis::with_tls(&trusted.address, "queue", options, &trusted.connector).unwrap().patience(LONG)
    };
    let (jobs, waiting) = (open(), open());
    jobs.push(b"before").await.unwrap();
    let first = jobs.pull(1, SECOND).await.unwrap().remove(0);
    let waiter = spawn(async move { waiting.pull(1, LONG).await });
    sleep(SECOND / 5).await;
    trusted.server.kill();
    sleep(SECOND / 5).await;
    trusted.server.restart();
    let pushed = loop {
        match jobs.push(b"after").await {
            Ok(id) => break id,
            Err(Error::Unreachable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(*waiter.await.unwrap().unwrap()[0].id(), pushed);
    jobs.ack(&first).await.unwrap();
}

/// At once, and it has been asked nothing.
#[runtime::test]
async fn a_server_that_cannot_prove_who_it_is_is_refused() {
    let Some(Trusted { server, address, connector, .. }) = trusted() else { return };
    let strangers = trusting(RootCertStore::empty());
    let elsewhere = address.replace("localhost", "127.0.0.1");
    for (address, connector) in [(&address, &strangers), (&elsewhere, &connector)] {
        let jobs = Redis::with_tls(address, "queue", Options::default(), connector).unwrap().patience(LONG);
        let refused = timeout(LONG / 2, jobs.push(b"job")).await.unwrap();
        assert!(matches!(&refused, Err(Error::Refused(_))), "{address}: {refused:?}");
    }
    let jobs = Redis::new(&url(&server), "queue", Options::default()).unwrap();
    assert_eq!(jobs.counts().await.unwrap().ready, 0);
}

/// Nobody speaks plainly by mistake, and whoever was given an address for TLS is told what to call.
#[test]
fn an_address_says_whether_it_wants_tls() {
    let plain = Redis::new("rediss://localhost", "queue", Options::default()).unwrap_err();
    assert!(plain.to_string().contains("Redis::with_tls"), "{plain}");
    let connector = trusting(RootCertStore::empty());
    for address in ["redis://localhost", "redis+unix:///socket", "rediss://", ""] {
        let refused = Redis::with_tls(address, "queue", Options::default(), &connector);
        assert!(matches!(refused, Err(Error::Refused(_))), "{address}: {refused:?}");
    }
}
