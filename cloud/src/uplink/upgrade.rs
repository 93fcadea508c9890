//! A sensor is told what to install, fetches it in pieces, and tells how far it is.

use ringside_protocol::push::{News, NewsNoted, Order, Piece, PieceWanted};
use ringside_protocol::time::MICROS_PER_SECOND;

use super::session::Session;
use super::{MAX_HANDSHAKE_BYTES, Refusal, Request, Uplink, limit, open};
use crate::events::Kind;

/// An order is not told again within this time: a sensor that is busy with it tells news meanwhile.
const REPEAT_SECONDS: u64 = 60;

impl Uplink {
    /// The order that a sensor has to be told now, if there is one.
    pub(super) fn upgrade(
        &self,
        session: &Session,
        request: &Request<'_>,
    ) -> Result<Option<Order>, Refusal> {
        let due = self.db.order_for(session.device)?;
        let was_told = |order: &Order| {
            session.told_upgrade.is_some_and(|(number, at)| {
                number == order.order && request.now.since(at) < REPEAT_SECONDS * MICROS_PER_SECOND
            })
        };
        Ok(due.filter(|order| !was_told(order)))
    }

    /// "Give me the piece that begins here."
    pub(super) fn piece(&self, request: &Request<'_>) -> Result<Piece, Refusal> {
        let (_, session) = self.enter(request)?;
        limit(request.body, MAX_HANDSHAKE_BYTES)?;
        let wanted: PieceWanted = open(request.body)?;
        let (bytes, is_news) =
            self.db.fetch_piece(session.device, wanted.order, wanted.offset, request.now)?;
        if is_news {
            self.events.bump(session.customer, Kind::Sensors);
        }
        Ok(Piece { bytes })
    }

    /// "I am so far."
    pub(super) fn news(&self, request: &Request<'_>) -> Result<NewsNoted, Refusal> {
        let (_, session) = self.enter(request)?;
        limit(request.body, MAX_HANDSHAKE_BYTES)?;
        let News { order, progress } = open(request.body)?;
        let (stands, next) =
            self.db.note_progress(session.device, order, &progress, request.now)?;
        if progress.is_last() {
            log::info!("{}: an upgrade from here is over: {progress:?}", session.device);
        }
        self.push(&next);
        self.events.bump(session.customer, Kind::Sensors);
        Ok(NewsNoted { stands })
    }
}
