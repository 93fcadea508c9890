//! Readers of SIP, SDP, RTP and RTCP: bytes in, borrowed values out, no state and no clock.
