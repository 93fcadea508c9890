//! The last lines: how much was read, and what was not, by reason.

use std::fmt::Write as _;

use ringside_protocol::counters::Counter;

use crate::counters::Counters;

/// What was lost or passed over, in the order of a packet's way. Anything else is not worth a line.
const NOT_READ: &[Counter] = &[
    Counter::KernelDropped,
    Counter::InterfaceDropped,
    Counter::RtpShed,
    Counter::SipShed,
    Counter::UnknownLinkType,
    Counter::NotIp,
    Counter::BadIp,
    Counter::OtherProtocol,
    Counter::BadTransport,
    Counter::Truncated,
    Counter::FragmentsTimedOut,
    Counter::FragmentTableFull,
    Counter::FragmentsBad,
    Counter::TcpTableFull,
    Counter::TcpGaps,
    Counter::TcpSkippedBytes,
    Counter::SipTooLarge,
    Counter::SipBad,
    Counter::SdpBad,
    Counter::RtpUnclaimed,
    Counter::RtpBad,
    Counter::RtcpBad,
    Counter::SipTlsConnections,
    Counter::SipOutsideCalls,
    Counter::CallsOverAllowance,
    Counter::CallsRefused,
    Counter::EvictedEnded,
    Counter::EvictedUnanswered,
    Counter::EvictedIdle,
    Counter::StreamsRefused,
    Counter::SipEventsOmitted,
    Counter::MediaTableFull,
    Counter::RegistrationsRefused,
    Counter::RegistrationsUntold,
    Counter::PeersRefused,
    Counter::PeersUntold,
    Counter::PeerRequestsUnfollowed,
];

/// `others`: records of other kinds, as far as they were asked for, and what they are called.
pub(super) fn of<'a>(
    calls: u64,
    streams: u64,
    others: impl Iterator<Item = (u64, &'a str)>,
    counters: &Counters,
) -> String {
    let others: String = others.map(|(many, what)| count(many, what) + ", ").collect();
    let mut text = format!(
        "{}, {}, {others}{}.\n",
        count(calls, "call"),
        count(streams, "stream"),
        count(counters.of(Counter::FramesSeen), "frame")
    );
    let mut heading = "Not read, or not in full:\n";
    for &counter in NOT_READ {
        let many = counters.of(counter);
        if many > 0 {
            let _ = writeln!(text, "{heading}{many:>10}  {}", counter.help().trim());
            heading = "";
        }
    }
    if counters.of(Counter::SipTlsConnections) > 0 {
        text.push_str(TLS_ADVICE);
    }
    text
}

/// What to do about SIP that cannot be read.
const TLS_ADVICE: &str = "\
SIP over TLS cannot be read on the wire: have the PBX send a copy of it by HEP (a HEP agent, to a
sensor with `hep = yes`), or capture where it is not encrypted.
";

fn count(many: u64, what: &str) -> String {
    let plural = if many == 1 { "" } else { "s" };
    format!("{many} {what}{plural}")
}
