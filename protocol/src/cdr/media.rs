//! What else a record says about a stream: facts that only the sensor can know, as bits and small
//! figures, from which [`crate::diagnosis`] makes its sentences.

use serde::{Deserialize, Serialize};

/// Bits of [`super::Stream::observed`], with the names that the JSON uses.
pub mod observed {
    /// Its payload type is not in the receiver's description.
    pub const NOT_AGREED: u16 = 1 << 0;
    /// Its encoding is not the one that the answer put first ([`super::super::Stream::preferred`]).
    pub const NOT_PREFERRED: u16 = 1 << 1;
    /// G.711, and nobody speaks.
    pub const SILENT: u16 = 1 << 2;
    /// It began before a session description named its address.
    pub const BEFORE_SDP: u16 = 1 << 3;
    /// Its source said BYE (RFC 3550 §6.6).
    pub const BYE: u16 = 1 << 4;

    /// Every bit with its name in JSON, API and GUI.
    pub const NAMES: &[(u16, &str)] = &[
        (NOT_AGREED, "not_agreed"),
        (NOT_PREFERRED, "not_preferred"),
        (SILENT, "silent"),
        (BEFORE_SDP, "before_sdp"),
        (BYE, "bye"),
    ];
}

/// How loud a stream of G.711 is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Percent of the packets that were not silent.
    pub active: u8,
    /// Mean level of those, dBm0; `None` where all were silent.
    pub dbm0: Option<i8>,
    /// Packets whose waveform is cut off at the law's largest value.
    pub clipped: u32,
}

/// What a receiver measured: the newest VoIP metrics block of RTCP XR (RFC 3611 §4.7), as on the
/// wire. 127 stands for "unavailable" in levels and opinions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoipMetrics {
    /// Blocks seen about the stream.
    pub reports: u32,
    /// Packets lost in the network, 1/256.
    pub loss_rate: u8,
    /// Packets thrown away by the jitter buffer, 1/256.
    pub discard_rate: u8,
    /// Lost or thrown away within bursts, 1/256.
    pub burst_density: u8,
    /// Lost or thrown away within gaps, 1/256.
    pub gap_density: u8,
    /// Mean length of bursts, ms.
    pub burst_duration: u16,
    /// Mean length of gaps, ms.
    pub gap_duration: u16,
    /// The newest round trip between the two RTP interfaces, ms; 0: unknown.
    pub round_trip_delay: u16,
    /// Delay within the end system, ms; 0: unknown.
    pub end_system_delay: u16,
    /// Speech level, dBm0, two's complement.
    pub signal_level: i8,
    /// Level in silence, dBm0, two's complement.
    pub noise_level: i8,
    /// Residual echo return loss, dB.
    pub rerl: u8,
    /// Threshold between gap and burst, packets.
    pub gmin: u8,
    /// R of the RTP segment, 0 to 100.
    pub r_factor: u8,
    /// R of a segment behind it.
    pub ext_r_factor: u8,
    /// MOS-LQ, 1/10.
    pub mos_lq: u8,
    /// MOS-CQ, 1/10.
    pub mos_cq: u8,
    /// Concealment, and whether the jitter buffer adapts (RFC 3611 §4.7.6).
    pub rx_config: u8,
    /// The jitter buffer's present delay, ms.
    pub jb_nominal: u16,
    /// Its present greatest, ms.
    pub jb_maximum: u16,
    /// Its greatest at all, ms.
    pub jb_abs_max: u16,
}
