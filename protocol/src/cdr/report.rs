//! What phones themselves reported (RFC 6035).

use serde::{Deserialize, Serialize};

use super::{Direction, Offset};

/// A phone's own report about the stream that it received (RFC 6035).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityReport {
    /// When it was seen.
    pub at: Offset,
    /// Which way the reported stream flows: the reporting phone is at its end.
    pub direction: Direction,
    /// What it is about.
    pub kind: ReportKind,
    /// `MOSLQ`, 1/100.
    pub mos_lq: Option<u16>,
    /// `MOSCQ`, 1/100.
    pub mos_cq: Option<u16>,
    /// `NLR`: packets lost in the network, 1/1000.
    pub network_packet_loss_rate: Option<u16>,
    /// `JDR`: packets that its jitter buffer threw away, 1/1000.
    pub jitter_buffer_discard_rate: Option<u16>,
    /// `IAJ`, milliseconds.
    pub interarrival_jitter: Option<u16>,
    /// `RTD`, milliseconds.
    pub round_trip_delay: Option<u16>,
}

/// What a [`QualityReport`] is about. New ones are appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportKind {
    /// The whole session (`VQSessionReport: CallTerm`).
    #[default]
    Session,
    /// A part of it (`VQIntervalReport`).
    Interval,
    /// A threshold was crossed (`VQAlertReport`).
    Alert,
}
