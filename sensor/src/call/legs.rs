//! Which calls are legs of one: through a B2BUA, or one that replaces another.
//!
//! A leg shares a key with the others. It comes from what the legs themselves carry, in this order:
//!
//! 1. `Session-ID` (RFC 7989): the UUID of the one who calls, which every hop keeps;
//! 2. a header that names the Call-ID of the leg before (`X-CID` unless configured otherwise);
//! 3. `Replaces` (RFC 3891), in INVITE or in the Refer-To of a REFER: the call that is transferred;
//! 4. media: an INVITE that offers the very address for media that another offered within
//!    [`JOIN_WITHIN`]: what stands between signals only;
//! 5. number and time: an INVITE that leaves the address at which another, to the same number, has
//!    arrived within [`JOIN_WITHIN`].
//!
//! Of 2 to 5 the key is the Call-ID of the first leg.

use core::net::IpAddr;

use ringside_protocol::cdr::LegSource;

use super::hash::Keyed;
use super::slab::Slot;
use super::text::Text;
use crate::decode::Datagram;
use crate::limits::MAX_RECENT_INVITES;
use crate::wire::sip::{HeaderName, Message, Uri};

/// The second leg's INVITE follows the first one's within this time, microseconds.
pub const JOIN_WITHIN: u64 = 2_000_000;

/// Digits at a number's end that two ways of writing it share.
const SAME_DIGITS: usize = 7;

/// What a call shares with its other legs.
#[derive(Clone, Copy, Debug)]
pub struct Legs {
    /// What told so.
    pub source: LegSource,
    /// The key.
    pub key: Text,
}

/// What an INVITE itself says of its other legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// A session's UUID.
    Session(&'a [u8]),
    /// The Call-ID of another leg.
    CallId(&'a [u8], LegSource),
}

/// Reads it; `header` is the name of the header that carries the Call-ID of the leg before.
#[must_use]
pub fn said<'a>(message: &Message<'a>, header: Option<&str>) -> Option<Said<'a>> {
    if let Some(uuid) = message.header(HeaderName::SessionId).and_then(session_uuid) {
        return Some(Said::Session(uuid));
    }
    if let Some(value) = header.and_then(|name| message.custom_header(name.as_bytes()))
        && !value.is_empty()
        && value != message.call_id()
    {
        return Some(Said::CallId(value, LegSource::Header));
    }
    replaced(message).map(|call_id| Said::CallId(call_id, LegSource::Replaces))
}

/// The Call-ID that Replaces names.
#[must_use]
pub fn replaced<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    let value = message.header(HeaderName::Replaces)?;
    let call_id = value.split(|&byte| byte == b';').next()?.trim_ascii();
    (!call_id.is_empty()).then_some(call_id)
}

/// The UUID of a `Session-ID: 32 hex digits;remote=…`; the nil one is none (RFC 7989 §6).
fn session_uuid(value: &[u8]) -> Option<&[u8]> {
    let uuid = value.split(|&byte| byte == b';').next()?.trim_ascii();
    let is_uuid = uuid.len() == 32 && uuid.iter().all(u8::is_ascii_hexdigit);
    (is_uuid && uuid.iter().any(|&byte| byte != b'0')).then_some(uuid)
}

/// The Call-ID of a `Replaces` that Refer-To carries in its URI's headers (RFC 3515, RFC 3891 §9),
/// its escapes resolved.
#[must_use]
pub fn referred(message: &Message<'_>) -> Option<Vec<u8>> {
    let refer_to = message.header(HeaderName::ReferTo)?;
    let (_, headers) = refer_to.split_at(refer_to.iter().position(|&byte| byte == b'?')? + 1);
    let headers = headers.split(|&byte| byte == b'>').next()?;
    let value = headers.split(|&byte| byte == b'&').find_map(|header| {
        let at = header.iter().position(|&byte| byte == b'=')?;
        header[..at].eq_ignore_ascii_case(b"Replaces").then_some(&header[at + 1..])
    })?;
    let plain = unescaped(value);
    let call_id = plain.split(|&byte| byte == b';').next()?.trim_ascii();
    (!call_id.is_empty()).then(|| call_id.to_vec())
}

fn unescaped(value: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut plain, mut left) = (Vec::with_capacity(value.len()), value);
    while let Some((&byte, rest)) = left.split_first() {
        left = rest;
        let escaped = match rest {
            [high, low, ..] if byte == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                plain.push(high << 4 | low);
                left = &rest[2..];
            }
            None => plain.push(byte),
        }
    }
    plain
}

/// An INVITE that began a call.
#[derive(Clone, Copy, Debug)]
struct Invite {
    slot: Slot,
    /// Of the call: tells whether the slot still holds it.
    number: u64,
    at: u64,
    caller: u64,
    callee: u64,
    /// Where the caller receives media: a slot of [`super::places::Places`].
    media: Option<Slot>,
    came_from: IpAddr,
    arrived_at: IpAddr,
}

/// A call that another may be the next leg of, and what tells so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// Its slot.
    pub slot: Slot,
    /// Its number: whether the slot still holds it.
    pub number: u64,
    /// Media, or number and time.
    pub source: LegSource,
}

/// The newest [`MAX_RECENT_INVITES`]; the oldest leaves.
#[derive(Debug, Default)]
pub struct RecentInvites {
    invites: heapless::Deque<Invite, MAX_RECENT_INVITES>,
}

impl RecentInvites {
    /// Notes the INVITE of call `number` in `slot`, whose caller receives at `media`, and finds the
    /// call that it may be the next leg of: the newest that receives there; else, of several to the
    /// same number, the newest; where only the calling number is the same, the only one.
    pub fn note(
        &mut self,
        (slot, number): (Slot, u64),
        media: Option<Slot>,
        message: &Message<'_>,
        datagram: &Datagram<'_>,
        keyed: &Keyed,
    ) -> Option<Near> {
        let invite = Invite {
            slot,
            number,
            at: datagram.at.as_micros(),
            caller: party(message.from().uri, keyed),
            callee: party(message.to().uri, keyed),
            media,
            came_from: datagram.src.ip(),
            arrived_at: datagram.dst.ip(),
        };
        let is_recent = |known: &&Invite| invite.at.saturating_sub(known.at) <= JOIN_WITHIN;
        let may_join = |known: &&Invite| {
            // What one address sends to itself, or sends twice, is no next leg.
            known.arrived_at == datagram.src.ip()
                && known.came_from != datagram.src.ip()
                && is_recent(known)
        };
        // Private addresses are not unique: one more thing has to agree.
        let same_media = self.invites.iter().rfind(|known| {
            let is_same_party = known.caller == invite.caller || known.callee == invite.callee;
            media.is_some()
                && known.media == media
                && known.came_from != datagram.src.ip()
                && (is_same_party || known.arrived_at == datagram.src.ip())
                && is_recent(known)
        });
        let candidates = || self.invites.iter().filter(may_join);
        let same_callee = candidates().rfind(|known| known.callee == invite.callee);
        let same_caller = || {
            let mut calling = candidates().filter(|known| known.caller == invite.caller);
            calling.next().filter(|_| calling.next().is_none())
        };
        let of = |known: &Invite, source| Near { slot: known.slot, number: known.number, source };
        let by_number = same_callee.or_else(same_caller);
        let found = same_media
            .map(|known| of(known, LegSource::Media))
            .or_else(|| by_number.map(|known| of(known, LegSource::NumberAndTime)));
        if self.invites.is_full() {
            self.invites.pop_front();
        }
        // There is room.
        let _ = self.invites.push_back(invite);
        found
    }
}

/// A party by the end of its number, or by its whole name.
fn party(uri: &[u8], keyed: &Keyed) -> u64 {
    let user = Uri::parse(uri).user;
    let digits = user.strip_prefix(b"+").unwrap_or(user);
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let end = if is_number { &digits[digits.len().saturating_sub(SAME_DIGITS)..] } else { user };
    keyed.parts(&[end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &str) -> String {
        format!(
            "INVITE sip:b@c SIP/2.0\r\nFrom: <sip:a@c>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: own@c\r\n\
             CSeq: 1 INVITE\r\n{headers}\r\n"
        )
    }

    #[test]
    fn each_header_says_its_key() {
        let uuid = "ab30317f1a784dc48ff824d0d3715d86";
        for (headers, expected) in [
            (format!("Session-ID: {uuid};remote=0\r\n"), Some(Said::Session(uuid.as_bytes()))),
            ("Session-ID: 00000000000000000000000000000000\r\n".to_owned(), None),
            ("Session-ID: abc\r\n".to_owned(), None),
            ("x-cid: first@c\r\n".to_owned(), Some(Said::CallId(b"first@c", LegSource::Header))),
            ("X-CID: own@c\r\n".to_owned(), None),
            (
                "Replaces: old@c;to-tag=1;from-tag=2\r\n".to_owned(),
                Some(Said::CallId(b"old@c", LegSource::Replaces)),
            ),
            (String::new(), None),
        ] {
            let text = message(&headers);
            let parsed = Message::parse(text.as_bytes()).unwrap();
            assert_eq!(said(&parsed, Some("X-CID")), expected, "{headers}");
        }
    }

    #[test]
    fn a_refer_names_the_call_that_is_replaced() {
        let named = |refer_to: &str| {
            let text = message(&format!("Refer-To: {refer_to}\r\n"));
            referred(&Message::parse(text.as_bytes()).unwrap())
        };
        let attended = "<sip:b@c?Subject=x&replaces=12%4034%3Bto-tag%3D1%3Bfrom-tag%3D2>";
        assert_eq!(named(attended).as_deref(), Some(&b"12@34"[..]));
        assert_eq!(named("<sip:b@c>"), None);
        assert_eq!(named("<sip:b@c?Replaces=>"), None);
        assert_eq!(named("<sip:b@c?Replaces=a%2>").as_deref(), Some(&b"a%2"[..]));
    }

    #[test]
    fn numbers_are_the_same_however_they_are_written() {
        let keyed = Keyed::new(1);
        let same = |a: &[u8], b: &[u8]| party(a, &keyed) == party(b, &keyed);
        assert!(same(b"sip:+49301234567@a", b"sip:0301234567@b"));
        assert!(same(b"sip:200@a", b"sip:200@b"));
        assert!(!same(b"sip:200@a", b"sip:201@a"));
        assert!(!same(b"sip:door@a", b"sip:floor@a"));
    }
}
