//! A stored peer relation as JSON.

use core::net::{IpAddr, SocketAddr};

use ringside_protocol::cdr::Method;
use ringside_protocol::diagnosis::{self, Finding};
use ringside_protocol::json;
use ringside_protocol::peer::{Peer, State};
use serde_json::{Value, json};

use crate::db::peers::{Stored, state};
use crate::routes::names::Names;
use crate::routes::stored::{decoded, finding, unreadable, verdict};

/// A peer relation as lists show it.
pub(super) fn summary(stored: &Stored, names: &Names) -> Value {
    let (peer, findings) = read(stored);
    let mut object = json::peer(&peer, Some(stored.id));
    object.insert("sensor".to_owned(), names.object(stored.id.device));
    object.insert("verdict".to_owned(), verdict(&findings));
    Value::Object(object)
}

/// A peer relation with everything that is known about it.
pub(super) fn whole(stored: &Stored, names: &Names) -> Value {
    let (_, findings) = read(stored);
    let mut object = summary(stored, names);
    object["arrived_at"] = json!(stored.arrived_at.to_rfc3339());
    object["findings"] = findings.iter().map(finding).collect();
    object
}

/// The record and what it says. One that cannot be read leaves what its columns know.
fn read(stored: &Stored) -> (Peer, Vec<Finding>) {
    let Some(mut peer) = decoded::<Peer>(stored.version, &stored.record) else {
        return (from_columns(stored), vec![unreadable(stored.version)]);
    };
    let findings = diagnosis::peer(&peer);
    // A record whose own time is impossible was filed under the day of its arrival.
    if peer.made_at() != stored.ended_at {
        peer.first_at.0 = stored.ended_at.0.saturating_sub(peer.made);
    }
    (peer, findings)
}

fn from_columns(stored: &Stored) -> Peer {
    let known = State::ALL.iter().find(|&&known| i64::from(state(known)) == stored.state);
    let unknown = Peer::default();
    let address = |text: &str, port: u16| {
        text.parse::<IpAddr>().map_or(unknown.src, |ip| SocketAddr::new(ip, port))
    };
    Peer {
        number: stored.id.number,
        first_at: stored.ended_at,
        state: known.copied().unwrap_or_default(),
        method: Method::from_token(stored.method.as_bytes()),
        event: Some(stored.event.clone()).filter(|event| !event.is_empty()),
        src: address(&stored.src, 0),
        dst: address(&stored.dst, 0),
        ..unknown
    }
}
