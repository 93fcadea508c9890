//! Readers of SIP, SDP, RTP and RTCP: bytes in, borrowed values out, no state and no clock.

pub mod reader;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod vq;
