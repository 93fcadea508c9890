//! Who asks whom for what.

use core::net::SocketAddr;

use ringside_protocol::cdr::Method;

use crate::call::hash::Keyed;
use crate::decode::Datagram;
use crate::wire::sip::{Message, NameAddr, Uri};

/// What makes two requests ones of the same peer relation: the method, who asks, who is asked, and
/// for what.
///
/// The port of the one who asks is none of it: over TCP it is another one each time. That of the one
/// who is asked is: behind a NAT it tells phones apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// What is asked.
    pub method: Method,
    /// Who asks.
    pub src: SocketAddr,
    /// Who is asked.
    pub dst: SocketAddr,
    /// The event package of SUBSCRIBE, NOTIFY and PUBLISH, without parameters (RFC 6665 §8.2.1).
    pub event: Option<&'a [u8]>,
    /// Users of From and To, for MESSAGE; the host where there is no user.
    pub users: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> Relation<'a> {
    /// The relation that a request belongs to.
    #[must_use]
    pub fn of(method: Method, message: &Message<'a>, datagram: &Datagram<'_>) -> Self {
        let has_event = matches!(method, Method::Subscribe | Method::Notify | Method::Publish);
        let is_message = method == Method::Message;
        Self {
            method,
            src: datagram.src,
            dst: datagram.dst,
            event: if has_event { Some(event(message)) } else { None },
            users: is_message.then(|| (user(message.from()), user(message.to()))),
        }
    }

    /// Its hash.
    #[must_use]
    pub fn key(&self, keyed: &Keyed) -> u64 {
        let (from, to) = self.users.unwrap_or_default();
        let no_port = SocketAddr::new(self.src.ip(), 0);
        keyed.parts(&[
            self.method.as_str().as_bytes(),
            &keyed.address(no_port).to_be_bytes(),
            &keyed.address(self.dst).to_be_bytes(),
            self.event.unwrap_or_default(),
            from,
            to,
        ])
    }
}

/// The event package (RFC 6665 §8.2.1, compact `o`); empty where none is named.
fn event<'a>(message: &Message<'a>) -> &'a [u8] {
    let value = message.custom_header(b"event").or_else(|| message.custom_header(b"o"));
    value.unwrap_or_default().split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

fn user(party: NameAddr<'_>) -> &[u8] {
    let uri = Uri::parse(party.uri);
    if uri.user.is_empty() { uri.host } else { uri.user }
}
