//! Whether a sensor can have said that: what is larger than its own [limits] is broken or
//! hostile, and neither kept nor shown.
//!
//! Only sizes are looked at, since they are what fills memory and disks. A record that contradicts
//! itself (an index that names no address, an end before its beginning) is as harmless as any, and
//! tells whoever looks at it that something is wrong.

use core::fmt;

use crate::cdr::{Cdr, Stream};
use crate::counters::Counter;
use crate::limits::{
    MAX_ADDRESSES, MAX_AUTHORITY, MAX_DTMF, MAX_ENCODING_NAME, MAX_INTERFACE_NAME, MAX_INTERFACES,
    MAX_INTERVALS, MAX_LIVE_DISPLAY, MAX_PEER_CHANGES, MAX_QUALITY_REPORTS, MAX_REPORTED_STREAMS,
    MAX_RULE_NAME, MAX_SENTENCE, MAX_SIP_EVENTS, MAX_STREAMS, MAX_TEXT, MAX_VERSION_TEXT,
};
use crate::live::MAX_LIVE_CALLS;
use crate::message::Heartbeat;
use crate::peer::Peer;
use crate::record::Record;
use crate::registration::Registration;

#[cfg(test)]
mod tests;

/// Something that is larger than a sensor can make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Implausible {
    /// What, as in "streams of a call".
    pub what: &'static str,
    /// How many there are, or how many bytes.
    pub found: usize,
    /// How many are possible.
    pub most: usize,
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, found, most } = self;
        write!(f, "{what}: {found}, and a sensor makes at most {most}")
    }
}

impl core::error::Error for Implausible {}

/// Whether a sensor can have made this record.
///
/// # Errors
/// The first thing in it that is too large.
pub fn check(record: &Record) -> Result<(), Implausible> {
    match record {
        Record::Call(cdr) => check_call(cdr),
        Record::Registration(registration) => check_registration(registration),
        Record::Peer(peer) => check_peer(peer),
    }
}

fn check_call(cdr: &Cdr) -> Result<(), Implausible> {
    let metrics = cdr.streams.iter().filter(|stream| stream.voip_metrics.is_some()).count();
    let names = cdr.streams.iter().filter(|stream| stream.cname.is_some()).count();
    for (what, found, most) in [
        ("addresses of a call", cdr.addresses.len(), MAX_ADDRESSES),
        ("SIP messages of a call", cdr.sip.len(), MAX_SIP_EVENTS),
        ("streams of a call", cdr.streams.len(), MAX_STREAMS),
        ("CNAMEs of a call", names, MAX_REPORTED_STREAMS),
        ("VoIP metrics of a call", metrics, MAX_REPORTED_STREAMS),
        ("quality reports of a call", cdr.quality_reports.len(), MAX_QUALITY_REPORTS),
        ("DTMF digits of a call", cdr.dtmf.len(), MAX_DTMF),
    ] {
        at_most(what, found, most)?;
    }
    let parties = [&cdr.caller, &cdr.callee];
    texts(parties.iter().flat_map(|party| [&party.user, &party.host]))?;
    texts(parties.iter().filter_map(|party| party.display.as_ref()))?;
    texts([&cdr.call_id].into_iter().chain(&cdr.request_uri))?;
    texts(cdr.caller_agent.iter().chain(&cdr.callee_agent))?;
    texts(cdr.status.iter().map(|status| &status.reason_phrase))?;
    texts(cdr.legs.iter().map(|legs| &legs.key))?;
    if let Some(stored) = &cdr.stored {
        at_most("bytes of a rule's name", stored.rule.len(), MAX_RULE_NAME)?;
    }
    cdr.streams.iter().try_for_each(check_stream)
}

fn check_stream(stream: &Stream) -> Result<(), Implausible> {
    at_most("intervals of a stream", stream.intervals.len(), MAX_INTERVALS)?;
    for name in [&stream.encoding_name].into_iter().chain(&stream.preferred) {
        at_most("bytes of an encoding's name", name.len(), MAX_ENCODING_NAME)?;
    }
    texts(&stream.cname)
}

fn check_registration(it: &Registration) -> Result<(), Implausible> {
    texts([&it.aor.user, &it.aor.host, &it.registrar, &it.contact, &it.call_id])?;
    texts(it.aor.display.iter().chain(&it.user_agent).chain(&it.registrar_agent))?;
    texts(it.status.iter().map(|status| &status.reason_phrase))
}

fn check_peer(it: &Peer) -> Result<(), Implausible> {
    at_most("changes of a peer relation", it.changes.len(), MAX_PEER_CHANGES)?;
    texts(it.event.iter().chain(&it.from).chain(&it.to).chain(&it.allow_events))?;
    texts(it.user_agent.iter().chain(&it.peer_agent))?;
    texts(it.status.iter().map(|status| &status.reason_phrase))
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Result<(), Implausible> {
    texts.into_iter().try_for_each(|text| at_most("bytes of a text", text.len(), MAX_TEXT))
}

const fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), Implausible> {
    if found > most { Err(Implausible { what, found, most }) } else { Ok(()) }
}

/// Cuts what is too large out of a heartbeat, which is too dear to lose: it keeps the session, and
/// gives channels back. Answers the first thing that was cut.
///
/// The sensor does so before it sends one, the cloud when it comes.
pub fn cut(heartbeat: &mut Heartbeat) -> Option<Implausible> {
    let mut cut = Cut(None);
    cut.list("counters of a heartbeat", &mut heartbeat.counters, Counter::ALL.len());
    cut.list("interfaces of a heartbeat", &mut heartbeat.interfaces, MAX_INTERFACES);
    for interface in &mut heartbeat.interfaces {
        cut.text("bytes of an interface's name", &mut interface.name, MAX_INTERFACE_NAME);
        if let Some(fault) = &mut interface.fault {
            cut.text("bytes of an interface's fault", fault, MAX_SENTENCE);
        }
    }
    cut.list("calls in a heartbeat", &mut heartbeat.live.worst, MAX_LIVE_CALLS);
    for call in &mut heartbeat.live.worst {
        cut.text("bytes of a text", &mut call.caller, MAX_TEXT);
        cut.text("bytes of a text", &mut call.callee, MAX_TEXT);
        cut.text("bytes of a display name", &mut call.caller_display, MAX_LIVE_DISPLAY);
        cut.text("bytes of a display name", &mut call.callee_display, MAX_LIVE_DISPLAY);
    }
    if let Some(upgrade) = &mut heartbeat.upgrade {
        cut.text("bytes of a version", &mut upgrade.to, MAX_VERSION_TEXT);
        cut.text("bytes of a version", &mut upgrade.running, MAX_VERSION_TEXT);
        if let Some(failure) = &mut upgrade.failure {
            cut.text("bytes of an upgrade's failure", failure, MAX_SENTENCE);
        }
    }
    if heartbeat.direct.as_ref().is_some_and(|page| page.authority.len() > MAX_AUTHORITY) {
        let page = heartbeat.direct.take();
        let found = page.map_or(0, |page| page.authority.len());
        cut.note("bytes of the authority of a sensor's page", found, MAX_AUTHORITY);
    }
    cut.0
}

/// What was cut first.
struct Cut(Option<Implausible>);

impl Cut {
    fn list<T>(&mut self, what: &'static str, list: &mut Vec<T>, most: usize) {
        self.note(what, list.len(), most);
        list.truncate(most);
    }

    fn text(&mut self, what: &'static str, text: &mut String, most: usize) {
        self.note(what, text.len(), most);
        text.truncate(text.floor_char_boundary(most));
    }

    fn note(&mut self, what: &'static str, found: usize, most: usize) {
        self.0 = self.0.or(at_most(what, found, most).err());
    }
}
