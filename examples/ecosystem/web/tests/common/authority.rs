//! An authority for one test: it certifies that a server is `localhost`, and who trusts it believes that.

#![allow(dead_code, reason = "each story uses a part of it")]

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use runtime::tls::{Acceptor, Connector};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};
use std::{fs, path::PathBuf, sync::Arc};
use support::Folder;

pub(crate) struct Authority {
    root: CertificateDer<'static>,
    root_pem: String,
    server: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name.push(DnType::CommonName, "an authority for tests");
        root.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let root_key = KeyPair::generate().unwrap();
        let root_certificate = root.self_signed(&root_key).unwrap();

        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut server = CertificateParams::new(names).unwrap();
        server.distinguished_name.push(DnType::CommonName, "a server for tests");
        let key = KeyPair::generate().unwrap();
        let server = server.signed_by(&key, &Issuer::from_params(&root, &root_key)).unwrap();

        Self {
            root: root_certificate.der().clone(),
            root_pem: root_certificate.pem(),
            server: server.der().clone(),
            key,
        }
    }

    /// A server that speaks these protocols above TLS.
    pub(crate) fn server(&self, protocols: &[&str]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let mut config = config.with_single_cert(vec![self.server.clone()], key).unwrap();
        config.alpn_protocols = names(protocols);
        Arc::new(config)
    }

    /// What a server shows that has several certificates.
    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        Arc::new(CertifiedKey::new(vec![self.server.clone()], any_supported_type(&key).unwrap()))
    }

    pub(crate) fn acceptor(&self) -> Acceptor {
        Acceptor::new(self.server(&[]))
    }

    /// A client that trusts this authority, and nobody else.
    pub(crate) fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = names(protocols);
        Arc::new(config)
    }

    pub(crate) fn connector(&self) -> Connector {
        Connector::new(self.client(&[]))
    }

    /// The certificate of the authority as a file, for the programs of others.
    pub(crate) fn file(&self, folder: &Folder) -> PathBuf {
        let path = folder.path().join("authority.pem");
        fs::write(&path, &self.root_pem).unwrap();
        path
    }
}

fn names(protocols: &[&str]) -> Vec<Vec<u8>> {
    protocols.iter().map(|name| name.as_bytes().to_vec()).collect()
}
