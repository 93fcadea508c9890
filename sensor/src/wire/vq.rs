//! Voice quality reports of phones, `application/vq-rtcpxr` (RFC 6035 §4.6).
//!
//! ```text
//! VQSessionReport: CallTerm
//! CallID: 6dg37f1890463
//! LocalID: <sip:alice@example.org>
//! LocalAddr: IP=192.0.2.10 PORT=5000 SSRC=1a3b5c7d
//! LocalMetrics:
//! PacketLoss: NLR=5.0 JDR=2.0
//! Delay: RTD=200 IAJ=2
//! QualityEst: RLQ=90 MOSLQ=4.2 MOSCQ=4.3
//! RemoteMetrics: …
//! ```
//!
//! What stands under `LocalMetrics` is of the stream that the reporting phone received. What the
//! phone tells about the other side (`RemoteMetrics`) is left to that side.

use core::net::IpAddr;

use crate::limits::MAX_VQ_LINES;

/// What the report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The whole session, at its end (`VQSessionReport`).
    Session,
    /// A part of it, or the session while it lasts (`VQIntervalReport`).
    Interval,
    /// A threshold was crossed (`VQAlertReport`).
    Alert,
}

/// One report. A figure that is not there, or means nothing, is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// What it is about.
    pub kind: Kind,
    /// SIP Call-ID of the call.
    pub call_id: &'a [u8],
    /// Who reports, as a name-addr.
    pub local_id: &'a [u8],
    /// Where the reporting phone receives.
    pub local_ip: Option<IpAddr>,
    /// `NLR`: packets lost in the network, 1/1000.
    pub network_packet_loss_rate: Option<u16>,
    /// `JDR`: packets that its jitter buffer threw away, 1/1000.
    pub jitter_buffer_discard_rate: Option<u16>,
    /// `RTD`, milliseconds.
    pub round_trip_delay: Option<u16>,
    /// `IAJ`, milliseconds.
    pub interarrival_jitter: Option<u16>,
    /// `MOSLQ`, 1/100.
    pub mos_lq: Option<u16>,
    /// `MOSCQ`, 1/100.
    pub mos_cq: Option<u16>,
}

/// RFC 6035's range of a MOS, 1/100.
const MOS: core::ops::RangeInclusive<u16> = 100..=500;

impl<'a> Report<'a> {
    /// Reads a body; `None` where it begins no report or names no call.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let mut lines = body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let mut report = Self::new(kind(lines.next()?)?);
        // Alerts may carry metrics without a heading.
        let mut is_local = true;
        for line in lines.take(MAX_VQ_LINES) {
            let (name, value) = split(line, b':');
            match Name::of(name) {
                Some(Name::CallId) if report.call_id.is_empty() => report.call_id = value,
                Some(Name::LocalId) if report.local_id.is_empty() => report.local_id = value,
                Some(Name::LocalAddress) => {
                    let ip = core::str::from_utf8(token(value, b"IP").unwrap_or_default());
                    report.local_ip = ip.ok().and_then(|ip| ip.parse().ok());
                }
                Some(Name::LocalMetrics) => is_local = true,
                Some(Name::RemoteMetrics) => is_local = false,
                Some(Name::PacketLoss) if is_local => {
                    report.network_packet_loss_rate = share(value, b"NLR");
                    report.jitter_buffer_discard_rate = share(value, b"JDR");
                }
                Some(Name::Delay) if is_local => {
                    report.round_trip_delay = scaled(value, b"RTD", 1);
                    report.interarrival_jitter = scaled(value, b"IAJ", 1);
                }
                Some(Name::Quality) if is_local => {
                    let mos = |name| scaled(value, name, 100).filter(|mos| MOS.contains(mos));
                    report.mos_lq = mos(b"MOSLQ");
                    report.mos_cq = mos(b"MOSCQ");
                }
                _ => {}
            }
        }
        (!report.call_id.is_empty()).then_some(report)
    }

    const fn new(kind: Kind) -> Self {
        Self {
            kind,
            call_id: &[],
            local_id: &[],
            local_ip: None,
            network_packet_loss_rate: None,
            jitter_buffer_discard_rate: None,
            round_trip_delay: None,
            interarrival_jitter: None,
            mos_lq: None,
            mos_cq: None,
        }
    }
}

/// The lines that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    CallId,
    LocalId,
    LocalAddress,
    LocalMetrics,
    RemoteMetrics,
    PacketLoss,
    Delay,
    Quality,
}

impl Name {
    fn of(name: &[u8]) -> Option<Self> {
        const NAMES: &[(&[u8], Name)] = &[
            (b"CallID", Name::CallId),
            (b"LocalID", Name::LocalId),
            (b"LocalAddr", Name::LocalAddress),
            (b"LocalMetrics", Name::LocalMetrics),
            (b"RemoteMetrics", Name::RemoteMetrics),
            (b"PacketLoss", Name::PacketLoss),
            (b"Delay", Name::Delay),
            (b"QualityEst", Name::Quality),
        ];
        let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map(|&(_, name)| name)
    }
}

fn kind(line: &[u8]) -> Option<Kind> {
    const KINDS: &[(&[u8], Kind)] = &[
        (b"VQSessionReport", Kind::Session),
        (b"VQIntervalReport", Kind::Interval),
        (b"VQAlertReport", Kind::Alert),
    ];
    let (name, value) = split(line, b':');
    let (_, kind) = KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    // A session report without CallTerm comes while the session lasts.
    let is_end = value.get(..8).is_some_and(|word| word.eq_ignore_ascii_case(b"CallTerm"));
    Some(if *kind == Kind::Session && !is_end { Kind::Interval } else { *kind })
}

fn split(line: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match line.iter().position(|&byte| byte == separator) {
        Some(at) => (line[..at].trim_ascii(), line[at + 1..].trim_ascii()),
        None => (line, &[]),
    }
}

/// The value of `NAME=value` among others.
fn token<'a>(line: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    line.split(u8::is_ascii_whitespace).find_map(|part| {
        let at = part.iter().position(|&byte| byte == b'=')?;
        part[..at].eq_ignore_ascii_case(wanted).then_some(&part[at + 1..])
    })
}

/// A decimal number in units of 1/`scale`; further digits are cut.
fn scaled(line: &[u8], name: &[u8], scale: u32) -> Option<u16> {
    let text = core::str::from_utf8(token(line, name)?).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut value = whole.parse::<u32>().ok()?.checked_mul(scale)?;
    let mut unit = scale;
    for digit in fraction.bytes() {
        unit /= 10;
        value = value.checked_add(char::from(digit).to_digit(10)? * unit)?;
    }
    u16::try_from(value).ok()
}

/// A percentage as 1/1000.
fn share(line: &[u8], name: &[u8]) -> Option<u16> {
    scaled(line, name, 10).filter(|&permille| permille <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6035 §4.6.4, shortened.
    const REPORT: &str = "VQSessionReport: CallTerm\r\n\
        CallID: 6dg37f1890463\r\n\
        LocalID: Alice <sip:alice@example.org>\r\n\
        RemoteID: Bill <sip:bill@example.net>\r\n\
        LocalAddr: IP=10.10.1.100 PORT=5000 SSRC=1a3b5c7d\r\n\
        RemoteAddr: IP=11.1.1.150 PORT=5002 SSRC=0x2468abcd\r\n\
        LocalMetrics:\r\n\
        Timestamps: START=2004-10-10T18:23:43Z STOP=2004-10-01T18:26:02Z\r\n\
        PacketLoss: NLR=5.0 JDR=2.25\r\n\
        BurstGapLoss: BLD=0 BD=0 GLD=2.0 GD=500 GMIN=16\r\n\
        Delay: RTD=200 ESD=140 IAJ=2 MAJ=10\r\n\
        QualityEst: RLQ=90 RCQ=85 MOSLQ=4.2 MOSCQ=4.3 QoEEstAlg=P.564\r\n\
        RemoteMetrics:\r\n\
        PacketLoss: NLR=9.0 JDR=9.0\r\n\
        QualityEst: MOSLQ=1.1\r\n\
        DialogID: 1890463548\r\n";

    #[test]
    fn the_rfc_s_report_gives_the_local_figures() {
        let report = Report::parse(REPORT.as_bytes()).unwrap();
        assert_eq!((report.kind, report.call_id), (Kind::Session, &b"6dg37f1890463"[..]));
        assert_eq!(report.local_ip, Some("10.10.1.100".parse().unwrap()));
        assert_eq!(report.local_id, b"Alice <sip:alice@example.org>");
        assert_eq!(report.network_packet_loss_rate, Some(50));
        assert_eq!(report.jitter_buffer_discard_rate, Some(22));
        assert_eq!((report.round_trip_delay, report.interarrival_jitter), (Some(200), Some(2)));
        assert_eq!((report.mos_lq, report.mos_cq), (Some(420), Some(430)));
    }

    #[test]
    fn the_kinds_are_told_apart_in_any_case() {
        let kind = |line: &str| {
            let text = format!("{line}\nCallID: a\n");
            Report::parse(text.as_bytes()).map(|report| report.kind)
        };
        assert_eq!(kind("VQSESSIONREPORT : callterm"), Some(Kind::Session));
        assert_eq!(kind("VQSessionReport:"), Some(Kind::Interval));
        assert_eq!(kind("VQIntervalReport"), Some(Kind::Interval));
        assert_eq!(kind("VQAlertReport: Type=NLR Severity=Critical Dir=local"), Some(Kind::Alert));
        assert_eq!(kind("Hello: CallTerm"), None);
        assert_eq!(Report::parse(b"VQIntervalReport\nLocalID: a\n"), None, "it names no call");
    }

    #[test]
    fn figures_that_mean_nothing_are_none() {
        let quality = |line: &str| {
            let text = format!("VQSessionReport: CallTerm\nCallID: a\nQualityEst: {line}\n");
            Report::parse(text.as_bytes()).unwrap().mos_lq
        };
        for line in ["MOSLQ=127", "MOSLQ=0.5", "MOSLQ=x", "MOSLQ=4.x", "MOSLQ=-4", "MOSLQ", ""] {
            assert_eq!(quality(line), None, "{line}");
        }
        assert_eq!(quality("MOSLQ=4.199"), Some(419));
        assert_eq!(quality("MOSLQ=5"), Some(500));
    }

    #[test]
    fn lines_beyond_the_limit_are_not_read() {
        let many = "X: y\n".repeat(MAX_VQ_LINES);
        let text = format!("VQSessionReport: CallTerm\n{many}CallID: a\n");
        assert_eq!(Report::parse(text.as_bytes()), None);
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, cut in 0usize..REPORT.len()) {
            let _ = Report::parse(&bytes);
            let mut mixed = REPORT.as_bytes()[..cut].to_vec();
            mixed.extend(&bytes);
            if let Some(report) = Report::parse(&mixed) {
                proptest::prop_assert!(!report.call_id.is_empty());
                proptest::prop_assert!(report.mos_lq.is_none_or(|mos| (100..=500).contains(&mos)));
            }
        }
    }
}
