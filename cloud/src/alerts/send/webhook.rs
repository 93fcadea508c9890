//! Webhooks: a POST of JSON whose sender and age the receiver can check.
//!
//! ```text
//! Ringside-Timestamp: 1795521600
//! Ringside-Signature: v1=HEX(HMAC-SHA256(secret, TIMESTAMP "." BODY))
//! Ringside-Delivery: the same for every attempt to tell the same
//! ```
//!
//! A receiver compares the signature, refuses timestamps older than some minutes, and remembers
//! deliveries that it has had.

use std::net::SocketAddr;

use data_encoding::HEXLOWER;
use ring::hmac;
use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde_json::Value;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::{SendStep, Sender, TIMEOUT};

/// Seconds since 1970.
pub const TIMESTAMP: &str = "Ringside-Timestamp";

/// Of timestamp and body.
pub const SIGNATURE: &str = "Ringside-Signature";

/// Names what is told.
pub const DELIVERY: &str = "Ringside-Delivery";

/// The addresses that were judged: ureq connects to these and looks nothing up.
#[derive(Debug)]
struct Fixed(Vec<SocketAddr>);

impl Resolver for Fixed {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        // As many as it has room for.
        for address in self.0.iter().take(4) {
            found.push(*address);
        }
        Ok(found)
    }
}

/// The value of [`SIGNATURE`].
#[must_use]
pub fn signature(secret: &str, timestamp: u64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    format!("v1={}", HEXLOWER.encode(context.sign().as_ref()))
}

pub(super) fn post(
    sender: &Sender,
    (url, secret): (&str, &str),
    id: &str,
    at: UnixMicros,
    body: &Value,
) -> Vec<SendStep> {
    let Some((host, port)) = place(url) else {
        return vec![SendStep::failed("lookup", "The address cannot be read: write it anew.")];
    };
    let addresses = match sender.reach.resolve(&host, port) {
        Ok(addresses) => addresses,
        Err(error) => return vec![SendStep::failed("lookup", error.to_string())],
    };
    let found = addresses.first().map(ToString::to_string).unwrap_or_default();
    let mut steps = vec![SendStep::ok("lookup", format!("{host} is {found}."))];
    let config = Config::builder()
        .timeout_global(Some(TIMEOUT))
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent("ringside-cloud")
        .build();
    let agent = Agent::with_parts(config, DefaultConnector::default(), Fixed(addresses));
    let bytes = body.to_string().into_bytes();
    let timestamp = at.0 / MICROS_PER_SECOND;
    let answer = agent
        .post(url)
        .header("Content-Type", "application/json")
        .header(TIMESTAMP, timestamp.to_string())
        .header(SIGNATURE, signature(secret, timestamp, &bytes))
        .header(DELIVERY, id)
        .send(&bytes);
    steps.push(match answer {
        Ok(response) if response.status().is_success() => {
            SendStep::ok("send", format!("Taken: it answered {}.", response.status()))
        }
        Ok(response) if response.status().is_redirection() => SendStep::failed(
            "send",
            format!(
                "It answered {}: write down the address that it leads to, redirects are not \
                 followed.",
                response.status()
            ),
        ),
        Ok(response) => {
            let says = format!("It answered {}, not 2xx.", response.status());
            SendStep::failed("send", says)
        }
        Err(error) => SendStep::failed("send", format!("No answer came: {error}.")),
    });
    steps
}

/// Host and port of an address.
fn place(url: &str) -> Option<(String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let usual = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    Some((uri.host()?.to_owned(), uri.port_u16().unwrap_or(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 §4.3 has the key "Jefe" and a message without a point; here the whole scheme is
    /// pinned, so that receivers stay able to check.
    #[test]
    fn the_signature_of_a_body_never_changes() {
        let made = signature("Jefe", 1_795_521_600, b"{}");
        assert_eq!(made.len(), 3 + 64);
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        let whole = hmac::sign(&key, b"1795521600.{}");
        assert_eq!(made, format!("v1={}", HEXLOWER.encode(whole.as_ref())));
    }

    #[test]
    fn the_place_of_an_address() {
        let of = |url| place(url);
        assert_eq!(of("https://example.net/a"), Some(("example.net".to_owned(), 443)));
        assert_eq!(of("http://example.net:8080"), Some(("example.net".to_owned(), 8080)));
        assert_eq!(of("https://[2001:db8::1]/"), Some(("[2001:db8::1]".to_owned(), 443)));
    }
}
