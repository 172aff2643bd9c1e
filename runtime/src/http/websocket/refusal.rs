//! Requests that are no opening of a WebSocket, and what they are answered.

use ::hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use axum_core::response::IntoResponse;
use http_body_util::Full;
use std::{error::Error, fmt};

/// Why a request opens no WebSocket, by the rules of RFC 6455, section 4.2.1, and for HTTP/2 of RFC 8441.
///
/// As the rejection of an extractor it is the answer of the handler; elsewhere [`response`](Self::response) is.
///
/// ```
/// use runtime::http::websocket::UpgradeRefused;
///
/// let response = UpgradeRefused::Version.response();
/// assert_eq!(response.status(), 426);
/// assert_eq!(response.headers()["sec-websocket-version"], "13");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UpgradeRefused {
    /// The method is not `GET`. Status 405.
    Method,
    /// In HTTP/2, where nothing is upgraded, the method is not `CONNECT`: an ordinary request. Status 405.
    NotConnect,
    /// In HTTP/2 it is to be connected to something else. Status 501, as RFC 9220 has it.
    Protocol,
    /// It does not ask for an upgrade to WebSocket: an ordinary request. Status 426, "upgrade required".
    NotAsked,
    /// It wants another version of WebSocket than 13, which all browsers have. Status 426.
    Version,
    /// There is not exactly one `sec-websocket-key` of 16 bytes in base64. Status 400.
    Key,
    /// The connection cannot be upgraded: HTTP/1.0, a server without upgrades, or somebody else has taken it over. Status 501.
    Connection,
}

impl UpgradeRefused {
    /// The status of the [`response`](Self::response).
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method | Self::NotConnect => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAsked | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key => StatusCode::BAD_REQUEST,
            Self::Protocol | Self::Connection => StatusCode::NOT_IMPLEMENTED,
        }
    }

    /// What the client is told: why, and what it should have asked for.
    pub fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        let advice: &[(HeaderName, &'static str)] = match self {
            Self::Method => &[(ALLOW, "GET")],
            Self::NotConnect => &[(ALLOW, "CONNECT")],
            Self::NotAsked => &[(CONNECTION, "upgrade"), (UPGRADE, "websocket")],
            Self::Version => &[(SEC_WEBSOCKET_VERSION, "13")],
            Self::Protocol | Self::Key | Self::Connection => &[],
        };
        for (name, value) in advice {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl fmt::Display for UpgradeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "a WebSocket is opened by GET",
            Self::NotConnect => "in HTTP/2 a WebSocket is opened by CONNECT",
            Self::Protocol => "to be connected to here there is nothing but a WebSocket",
            Self::NotAsked => "this is the place of a WebSocket, and the request does not ask for one",
            Self::Version => "of WebSocket only version 13 is spoken here",
            Self::Key => "a WebSocket is opened with one sec-websocket-key of 16 bytes in base64",
            Self::Connection => "this connection cannot become a WebSocket",
        })
    }
}

impl Error for UpgradeRefused {}

impl IntoResponse for UpgradeRefused {
    fn into_response(self) -> axum_core::response::Response {
        self.response().into_response()
    }
}
