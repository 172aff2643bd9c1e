//! What makes a request one that opens a WebSocket.

use super::UpgradeRefused;
use ::hyper::{
    HeaderMap, Method, Version,
    ext::Protocol,
    header::{
        CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    http::Extensions,
};
use async_tungstenite::tungstenite::handshake::derive_accept_key;

/// Of a request that opens a WebSocket.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Opening {
    /// What proves to the client that we know of WebSocket. HTTP/2 wants no proof.
    pub(super) accept: Option<HeaderValue>,
    /// What the client offers to speak above WebSocket.
    pub(super) offered: Vec<String>,
}

impl Opening {
    pub(super) fn read(
        method: &Method,
        version: Version,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Self, UpgradeRefused> {
        let accept = if version >= Version::HTTP_2 {
            check_connect(method, headers, extensions.get())?;
            None
        } else {
            Some(check_upgrade(method, headers)?)
        };
        let offered = words(headers, &SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        Ok(Self { accept, offered })
    }
}

/// RFC 8441, section 5: a stream takes the place of the connection, a pseudo-header that of the ceremony.
fn check_connect(
    method: &Method,
    headers: &HeaderMap,
    protocol: Option<&Protocol>,
) -> Result<(), UpgradeRefused> {
    match protocol {
        _ if method != Method::CONNECT => Err(UpgradeRefused::NotConnect),
        Some(protocol) if protocol.as_str() == "websocket" => check_version(headers),
        _ => Err(UpgradeRefused::Protocol),
    }
}

/// RFC 6455, section 4.2.1. Gives the proof that the client wants.
fn check_upgrade(method: &Method, headers: &HeaderMap) -> Result<HeaderValue, UpgradeRefused> {
    let lists = |name, word| words(headers, name).any(|listed| listed.eq_ignore_ascii_case(word));
    if method != Method::GET {
        return Err(UpgradeRefused::Method);
    }
    if !lists(&CONNECTION, "upgrade") || !lists(&UPGRADE, "websocket") {
        return Err(UpgradeRefused::NotAsked);
    }
    check_version(headers)?;
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key.as_bytes()) => {
            let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
            Ok(accept.expect("base64 may stand in a header"))
        }
        _ => Err(UpgradeRefused::Key),
    }
}

fn check_version(headers: &HeaderMap) -> Result<(), UpgradeRefused> {
    let is_ours = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    if is_ours { Ok(()) } else { Err(UpgradeRefused::Version) }
}

/// The words of a header that is a list, in however many lines it comes.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

/// Whether this is 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::hyper::Request;

    /// The request of RFC 6455, section 1.3, with some of its lines replaced: nothing takes one away.
    fn opening(changes: &[(&'static str, &[&str])]) -> Request<()> {
        let mut request = Request::get("/chat");
        let lines: [(&str, &[&str]); 5] = [
            ("upgrade", &["websocket"]),
            ("connection", &["Upgrade"]),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZQ=="]),
            ("sec-websocket-protocol", &["chat, superchat"]),
            ("sec-websocket-version", &["13"]),
        ];
        for (name, values) in lines {
            let changed = changes.iter().find(|(changed, _)| *changed == name);
            for value in changed.map_or(values, |(_, values)| values) {
                request = request.header(name, *value);
            }
        }
        request.body(()).unwrap()
    }

    fn read(request: &Request<()>) -> Result<Opening, UpgradeRefused> {
        Opening::read(request.method(), request.version(), request.headers(), request.extensions())
    }

    #[test]
    fn the_opening_of_the_rfc_is_answered_as_there() {
        let opening = read(&opening(&[])).unwrap();
        assert_eq!(opening.accept.unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(opening.offered, ["chat", "superchat"]);
    }

    #[test]
    fn words_come_in_any_case_in_lists_and_in_several_lines() {
        for changes in [
            [("connection", &["keep-alive, UPGRADE"][..]), ("upgrade", &["WebSocket"])],
            [("connection", &["keep-alive", "x,,upgrade ,"]), ("upgrade", &["h2c", "websocket"])],
        ] {
            assert!(read(&opening(&changes)).is_ok(), "{changes:?}");
        }
        let offered = |lines| read(&opening(&[("sec-websocket-protocol", lines)])).unwrap().offered;
        assert_eq!(offered(&["a", "b , c"]), ["a", "b", "c"]);
        assert!(offered(&[]).is_empty());
    }

    #[test]
    fn what_is_no_opening_is_refused_and_for_what() {
        use UpgradeRefused::*;
        let cases: [(&str, &[&str], UpgradeRefused); 12] = [
            ("upgrade", &[], NotAsked),
            ("upgrade", &["h2c"], NotAsked),
            ("upgrade", &["websocketx"], NotAsked),
            ("connection", &[], NotAsked),
            ("connection", &["keep-alive"], NotAsked),
            ("sec-websocket-version", &[], Version),
            ("sec-websocket-version", &["8"], Version),
            ("sec-websocket-version", &["13, 8"], Version),
            ("sec-websocket-key", &[], Key),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="], Key),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25j"], Key),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZ!=="], Key),
        ];
        for (name, values, why) in cases {
            assert_eq!(read(&opening(&[(name, values)])), Err(why), "{name}: {values:?}");
        }
        let mut posted = opening(&[]);
        *posted.method_mut() = ::hyper::Method::POST;
        assert_eq!(read(&posted), Err(Method));
    }

    #[test]
    fn in_http_2_a_stream_is_connected() {
        let mut request = opening(&[]);
        *request.version_mut() = ::hyper::Version::HTTP_2;
        assert_eq!(read(&request), Err(UpgradeRefused::NotConnect));
        *request.method_mut() = ::hyper::Method::CONNECT;
        assert_eq!(read(&request), Err(UpgradeRefused::Protocol));
        request.extensions_mut().insert(Protocol::from_static("connect-udp"));
        assert_eq!(read(&request), Err(UpgradeRefused::Protocol));
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        assert_eq!(read(&request).unwrap().accept, None);
        request.headers_mut().remove("sec-websocket-version");
        assert_eq!(read(&request), Err(UpgradeRefused::Version));
    }
}
