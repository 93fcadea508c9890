//! What a sensor sends of a call, and its word where it sends nothing.

use ringside_protocol::retrieval::{KeptCall, KeptNoted, Refuse, RefuseNoted};

use super::{Answer, Refusal, Request, Uplink, limit, open};
use crate::events::Kind;
use crate::relay;

/// Where a transfer is posted to; its number follows.
pub(super) const TRANSFERS: &str = "/uplink/transfer/";

/// Bytes of a refusal's envelope, at most.
const MAX_REFUSE_BYTES: usize = 1024;

impl Uplink {
    /// A transfer begins: its body goes where its browser waits.
    pub(super) fn transfer(&self, request: &Request<'_>) -> Result<Answer, Refusal> {
        let (_, session) = self.enter(request)?;
        let number = request.path.strip_prefix(TRANSFERS).and_then(relay::number);
        let key = self.relay.as_ref().zip(number).and_then(|(relay, number)| {
            relay.begin(session.customer, session.device, number, request.now)
        });
        match key {
            Some(key) => Ok(Answer::Pour(key)),
            None => Err(Refusal::Status(404, "nobody waits for this transfer".to_owned())),
        }
    }

    /// A sensor has kept a call that no rule has kept, or has let it go before.
    pub(super) fn take_kept(&self, request: &Request<'_>) -> Result<KeptNoted, Refusal> {
        let (_, session) = self.enter(request)?;
        limit(request.body, MAX_REFUSE_BYTES)?;
        let kept: KeptCall = open(request.body)?;
        if kept.call.device == session.device && self.db.answer_claim(session.customer, &kept)? {
            self.events.bump(session.customer, Kind::Calls);
            if let Some(relay) = &self.relay {
                relay.wake_keeping(kept.call);
            }
        }
        Ok(KeptNoted {})
    }

    /// A sensor does not send what it was asked for.
    pub(super) fn take_refusal(&self, request: &Request<'_>) -> Result<RefuseNoted, Refusal> {
        let (_, session) = self.enter(request)?;
        limit(request.body, MAX_REFUSE_BYTES)?;
        let Refuse { transfer, refusal } = open(request.body)?;
        log::info!("{} does not send a call: {refusal}", session.device);
        if let Some(relay) = &self.relay {
            relay.refuse(session.customer, session.device, transfer, refusal, request.now);
        }
        Ok(RefuseNoted {})
    }
}
