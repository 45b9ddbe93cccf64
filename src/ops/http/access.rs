//! Who may ask what of the admin port. Every route passes here; a new one has nothing to add.
//!
//! ```text
//! request ─► /livez, /readyz? ────────────────────────────────────────────► served
//!         ─► a token is set ──► right bearer? ──► yes: served   no: 401
//!         └► none is set (loopback only) ─► would change something, and a browser's or for another host? ─► 403
//! ```
//!
//! The last rule is against web pages: a page that is open on this host can make its browser send requests to loopback,
//! but cannot leave out `Origin`, nor, with a name of its own that resolves to loopback, send another `Host`.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret;
use sha2::{Digest as _, Sha256};

use crate::config::{Admin, SecretError};

/// Probes have no secrets, and get none.
const OPEN_PATHS: [&str; 2] = ["/livez", "/readyz"];

/// What the admin port asks of a request.
#[derive(Clone, Copy, Default)]
pub struct Access {
    /// Of the token: what is not kept cannot be printed, and comparing digests tells nothing about the token.
    token_sha256: Option<[u8; 32]>,
}

impl Access {
    /// As configured; without a token everything that reaches the port may ask.
    ///
    /// # Errors
    /// [`SecretError`], when a token is named and cannot be had.
    pub fn load(admin: &Admin) -> Result<Self, SecretError> {
        let token = admin.token.read("admin.token")?;
        Ok(Self { token_sha256: token.map(|token| Sha256::digest(token.expose_secret()).into()) })
    }

    fn refusal(self, request: &Request) -> Option<Response> {
        if OPEN_PATHS.contains(&request.uri().path()) {
            return None;
        }
        match self.token_sha256 {
            Some(expected) => (!bears(request.headers(), &expected)).then(unauthorized),
            None => (!request.method().is_safe()).then(|| foreign(request)).flatten(),
        }
    }
}

/// The layer.
pub(super) async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.refusal(&request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// Whether the request carries the token.
fn bears(headers: &HeaderMap, expected: &[u8; 32]) -> bool {
    let Some((scheme, token)) = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
    else {
        return false;
    };
    let found: [u8; 32] = Sha256::digest(token.trim()).into();
    // Every byte is looked at, so that the time taken is the same for every token.
    let differences = found.iter().zip(expected).fold(0, |all, (found, expected)| all | (found ^ expected));
    scheme.eq_ignore_ascii_case("bearer") && differences == 0
}

fn unauthorized() -> Response {
    let scheme = [(header::WWW_AUTHENTICATE, "Bearer realm=\"assize\"")];
    (StatusCode::UNAUTHORIZED, scheme, "send the token of admin.token: Authorization: Bearer TOKEN\n").into_response()
}

/// Refuses what a browser sends, or what was meant for another host.
fn foreign(request: &Request) -> Option<Response> {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let local = host.and_then(|host| host.parse::<Authority>().ok()).is_some_and(|host| is_loopback(host.host()));
    (headers.contains_key(header::ORIGIN) || !local).then(|| {
        let why = "requests that change something come from this host and not from a browser, or carry admin.token\n";
        (StatusCode::FORBIDDEN, why).into_response()
    })
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Method};

    use super::*;

    fn status(access: Access, method: Method, path: &str, headers: &[(&str, &str)]) -> u16 {
        let request = headers
            .iter()
            .fold(Request::builder().method(method).uri(path), |request, (name, value)| request.header(*name, *value));
        let refusal = access.refusal(&request.body(Body::empty()).unwrap());
        refusal.map_or(200, |refusal| refusal.status().as_u16())
    }

    #[test]
    fn with_a_token_only_probes_go_without_it() {
        let access = Access { token_sha256: Some(Sha256::digest("sesame").into()) };
        let get = |path, headers: &[_]| status(access, Method::GET, path, headers);
        assert_eq!((get("/livez", &[]), get("/readyz", &[])), (200, 200));
        for path in ["/metrics", "/partitions", "/livez/", "/"] {
            assert_eq!(get(path, &[]), 401, "{path}");
            assert_eq!(get(path, &[("authorization", "Bearer sesame")]), 200, "{path}");
        }
        for wrong in ["Bearer sesam", "Bearer sesame2", "Bearer", "Basic sesame", "sesame", ""] {
            assert_eq!(get("/metrics", &[("authorization", wrong)]), 401, "{wrong}");
        }
        let host = ("host", "localhost");
        assert_eq!(status(access, Method::POST, "/partitions/0/resume", &[host]), 401);
        assert_eq!(status(access, Method::POST, "/x", &[host, ("authorization", "bearer sesame")]), 200);
    }

    #[test]
    fn without_a_token_changes_come_from_this_host_and_no_browser() {
        let access = Access::default();
        assert_eq!(status(access, Method::GET, "/metrics", &[("host", "evil.example")]), 200);
        for host in ["localhost:9464", "127.0.0.1:9464", "127.8.8.8", "[::1]:9464", "LOCALHOST"] {
            assert_eq!(status(access, Method::POST, "/x", &[("host", host)]), 200, "{host}");
            let origin = [("host", host), ("origin", "http://localhost:9464")];
            assert_eq!(status(access, Method::POST, "/x", &origin), 403, "{host} with an origin");
        }
        for host in ["evil.example:9464", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            assert_eq!(status(access, Method::POST, "/x", &[("host", host)]), 403, "{host}");
        }
        assert_eq!(status(access, Method::DELETE, "/x", &[]), 403, "no host at all");
    }
}
