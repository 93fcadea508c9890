//! What a message means to the call that it belongs to.

use ringside_protocol::cdr::Method;

/// Which party of a call: the one that sent the first INVITE, or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The From of the first INVITE.
    Caller,
    /// Its To.
    Callee,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// What a message means to the call that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// An INVITE without a To tag.
    Invite {
        /// Hash of the topmost Via's branch.
        branch: u64,
        /// Its number.
        cseq: u32,
        /// It carries Authorization or Proxy-Authorization.
        has_credentials: bool,
    },
    /// A response to INVITE.
    Response {
        /// Hash of the topmost Via's branch.
        branch: u64,
        /// The request's number.
        cseq: u32,
        /// Who sent the INVITE.
        to_request_of: Side,
        /// 100 to 699.
        status_code: u16,
        /// Hash of the To tag.
        to_tag: Option<u64>,
        /// It describes media.
        has_sdp: bool,
    },
    /// ACK.
    Ack {
        /// Hash of the topmost Via's branch.
        branch: u64,
        /// The number of the INVITE that it acknowledges.
        cseq: u32,
        /// Who sent it.
        side: Side,
    },
    /// CANCEL.
    Cancel {
        /// Hash of the topmost Via's branch: the INVITE's.
        branch: u64,
    },
    /// BYE.
    Bye {
        /// Who hangs up.
        side: Side,
        /// Hash of the callee's tag in its dialog.
        callee_tag: Option<u64>,
    },
    /// Anything else within the call.
    Other(Method),
}
