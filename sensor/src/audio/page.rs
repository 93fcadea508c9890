//! Twenty seconds of a call's sound.
//!
//! Every page is decoded by itself: reading begins a second early with new decoders, which have
//! settled when the page begins. So a page sounds the same wherever playing begins, and any part of
//! a long call is made without what came before it. A page is all the sound that is held at once.

use core::ops::ControlFlow;
use std::collections::BTreeMap;
use std::io;

use super::feed::{Content, Feed, Step};
use super::marks::Mark;
use super::packets::Packets;
use super::player::{Canvas, Player};
use super::survey::Survey;
use crate::call::dialog::Side;

/// Seconds of one page: 3.7 MiB at 48 kHz.
pub(super) const PAGE_SECONDS: u64 = 20;

/// Seconds that are decoded before.
const LEAD_SECONDS: i64 = 1;

/// A packet is read so much longer after its latest time: packets of a stream wait for each other,
/// microseconds.
const SLACK: i64 = 1_000_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Caller, callee, caller, callee ...
    pub(super) samples: Vec<i16>,
    /// Those that end in the page.
    pub(super) marks: Vec<Mark>,
}

/// Makes the page of this number; beyond the end it is empty.
pub(super) fn render(
    packets: &mut Packets,
    feed: &mut Feed,
    survey: &Survey,
    number: u64,
) -> io::Result<Page> {
    let len = PAGE_SECONDS * u64::from(survey.rate);
    let from = number.saturating_mul(len);
    let to = (from + len).min(survey.len);
    if from >= to {
        return Ok(Page::default());
    }
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let rate = i64::from(survey.rate);
    let mut canvas = Canvas::new(signed(from), signed(to), to == survey.len);
    let lead = signed(from) - LEAD_SECONDS * rate;
    let moment = |sample: i64| survey.zero + sample * 1_000_000 / rate;
    let until = moment(signed(to)) + survey.lateness + SLACK;
    let (place, mut trackers) = survey.before(moment(lead) - SLACK);
    let mut players: BTreeMap<usize, Player> = BTreeMap::new();
    let mut scratch = Vec::new();
    packets.read(place, &mut |datagram, _| {
        if i64::try_from(datagram.at.as_micros()).unwrap_or(i64::MAX) > until {
            return ControlFlow::Break(());
        }
        let is_new = |stream: usize| !players.contains_key(&stream);
        let Some((step, before)) = feed.step(datagram, &mut trackers, is_new, &mut scratch) else {
            return ControlFlow::Continue(());
        };
        if !survey.streams.get(step.stream).is_some_and(|stream| stream.is_chosen) {
            return ControlFlow::Continue(());
        }
        if let Some(before) = before {
            // A stream begins with its first packet of media at or behind the lead.
            let media = step.placed.media;
            let at = media.and_then(|(run, ticks)| survey.sample(step.stream, run, ticks));
            if at.is_none_or(|at| at < lead) {
                return ControlFlow::Continue(());
            }
            players.insert(step.stream, Player::new(survey, step.stream, &before));
        }
        if let Some(player) = players.get_mut(&step.stream) {
            player.take(&step, survey, &mut canvas);
        }
        ControlFlow::Continue(())
    })?;
    for (stream, tracker) in trackers.iter().enumerate() {
        if survey.streams.get(stream).is_some_and(|stream| stream.is_chosen) {
            let player =
                players.entry(stream).or_insert_with(|| Player::new(survey, stream, tracker));
            player.finish(survey, &mut canvas);
        }
    }
    let (samples, marks) = canvas.finish();
    Ok(Page { samples, marks })
}

/// The payload of a step, if there is one to hear.
pub(super) const fn heard<'a>(step: &Step<'a>) -> Option<&'a [u8]> {
    match step.content {
        Content::Clear(payload) => Some(payload),
        Content::Encrypted | Content::Missing => None,
    }
}

/// The channel of what a side sends.
pub(super) const fn channel(sender: Side) -> usize {
    match sender {
        Side::Caller => 0,
        Side::Callee => 1,
    }
}
