//! Whom a request is for: whether it says so as it must.

use hyper::{Request, Version, header::HOST};

/// Whether a request of HTTP/1 names its host once, by what may be one (RFC 9112 §3.2). Others are answered 400: what two
/// servers in a chain take for different hosts is a way past the first of them. An empty name is one, as there are URIs
/// without an authority; nginx refuses it, Go does not. Requests of HTTP/1.0 may do without.
///
/// `hyper` leaves this to services. HTTP/2 has `:authority`, which `h2` looks at.
#[inline]
pub(super) fn is_named<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.as_bytes().iter().all(|&byte| MAY_BE_IN_HOST[usize::from(byte)]),
        (None, _) => request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

/// What RFC 3986 has in a host and a port. In which order is left to whoever takes it apart.
static MAY_BE_IN_HOST: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"-._~!$&'()*+,;=%:[]";
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn is_named_by(version: Version, hosts: &[&[u8]]) -> bool {
        let mut request = Request::builder().version(version);
        for &host in hosts {
            request = request.header(HOST, host);
        }
        is_named(&request.body(()).unwrap())
    }

    #[test]
    fn a_host_is_named_once() {
        assert!(is_named_by(Version::HTTP_11, &[b"here"]));
        assert!(!is_named_by(Version::HTTP_11, &[]));
        assert!(!is_named_by(Version::HTTP_11, &[b"here", b"here"]));
        assert!(is_named_by(Version::HTTP_10, &[]));
        assert!(!is_named_by(Version::HTTP_10, &[b"here", b"there"]));
    }

    #[test]
    fn a_host_is_made_of_what_may_be_in_one() {
        let hosts: [&[u8]; 5] =
            [b"", b"example.org:8080", b"[::1]:80", b"xn--bcher-kva.example", b"a_b%20(c)"];
        for host in hosts {
            assert!(is_named_by(Version::HTTP_11, &[host]), "{host:?}");
        }
        let others: [&[u8]; 8] =
            [b"a b", b"a/b", b"user@here", b"here#there", b"a?b", b"a\\b", b"a\tb", b"b\xfccher"];
        for host in others {
            assert!(!is_named_by(Version::HTTP_11, &[host]), "{host:?}");
        }
    }
}
