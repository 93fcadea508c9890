//! The pages as HTML. A script takes the ticket out of the address, and shows the sound; nothing
//! comes from elsewhere.

use core::fmt::Write as _;

use data_encoding::HEXLOWER;
use ringside_protocol::retrieval::{Action, Ticket};
use ringside_protocol::time::UnixMicros;

use super::server::Answer;
use crate::http::html::escaped;
use crate::store::ring::reader::StoredCall;

/// What somebody sees who comes with a ticket, for as long as it is checked, or without one.
pub(super) fn door(sensor: &str) -> String {
    let body = format!(
        "<header><p class=\"brand\">Ringside sensor {}</p><h1 id=\"title\">Calls of this sensor</h1></header>\
         <p id=\"says\" role=\"status\">The cloud sends you here from a call's page: choose \
         <b>directly</b> there.</p><noscript><p class=\"notice\">This page needs its script: allow it \
         for this address.</p></noscript>",
        escaped(sensor)
    );
    document("Calls of this sensor", &body)
}

/// A call.
pub(super) fn call(sensor: &str, ticket: &Ticket, stored: &StoredCall) -> String {
    let facts = &stored.facts;
    let title = format!("{} → {}", named(&facts.caller), named(&facts.callee));
    let (first, last) = (UnixMicros(facts.first_at), UnixMicros(facts.last_at));
    let mut body = format!(
        "<header><p class=\"brand\">Ringside sensor {}</p><h1>{}</h1>\
         <p class=\"age\"><time datetime=\"{}\">{} UTC</time>, {}</p></header>",
        escaped(sensor),
        escaped(&title),
        first.to_rfc3339(),
        first.to_the_second(),
        lasting(last.since(first) / 1_000_000)
    );
    body += match ticket.action {
        Action::Packets => "<section><h2>Packets</h2>",
        Action::Audio | Action::Live => "<section><h2>Sound</h2>",
    };
    if ticket.action == Action::Packets {
        let rule = if facts.rule.is_empty() { "without a name" } else { &facts.rule };
        let _ = write!(
            body,
            "<p>{} packets, about {}, kept by the rule <b>{}</b>.</p><nav><a class=\"button\" \
             href=\"/call/{}/packets.pcapng\" download>Download PCAP</a></nav>",
            facts.packets,
            size(stored.chunk_bytes()),
            escaped(rule),
            HEXLOWER.encode(&ticket.number),
        );
    } else {
        body += SOUND;
    }
    body += "</section>";
    let _ = write!(
        body,
        "<section><h2>This way</h2><p>It comes from the sensor itself: nothing of this call passes \
         the cloud. This page is open for you for 15 minutes from the last use.</p>\
         <dl class=\"rows\"><div><dt>Sensor</dt><dd>{}</dd></div>\
         <div><dt>Fingerprint</dt><dd>{}</dd></div><div><dt>Call</dt><dd>{}</dd></div>\
         <div><dt>For</dt><dd>{}</dd></div></dl></section>",
        escaped(sensor),
        ticket.call.device,
        escaped(&facts.call_id),
        escaped(&ticket.user),
    );
    document(&title, &body)
}

/// Filled by the script.
const SOUND: &str = "<div id=\"sound\"><p id=\"says\" role=\"status\">The sensor looks through the call…</p>\
    <div id=\"waves\" hidden><div class=\"wave\"><p><b>Caller</b> <span>left</span></p><canvas aria-hidden=\"true\"></canvas></div>\
    <div class=\"wave\"><p><b>Callee</b> <span>right</span></p><canvas aria-hidden=\"true\"></canvas></div></div>\
    <audio id=\"audio\" controls preload=\"none\" hidden></audio>\
    <details id=\"marks\" hidden><summary></summary><ol></ol></details>\
    <nav id=\"files\" hidden><a class=\"button\" download>Download WAV</a></nav></div>";

/// A page that says one thing.
pub(super) fn notice(status: u16, title: &str, says: &str) -> Answer {
    let body = format!(
        "<header><p class=\"brand\">Ringside sensor</p><h1>{}</h1></header><p>{}</p>",
        escaped(title),
        escaped(says)
    );
    Answer::html(status, document(title, &body))
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{}</title>\
         <link rel=\"stylesheet\" href=\"/style.css\"><link rel=\"icon\" href=\"data:,\">\
         <script src=\"/page.js\" defer></script></head><body><main>{body}</main></body></html>\n",
        escaped(title)
    )
}

fn named(user: &str) -> &str {
    if user.is_empty() { "unknown" } else { user }
}

fn lasting(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}
