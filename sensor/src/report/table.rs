//! One line a call for people, and a second one where something is to be said about it.

use std::fmt::Write as _;

use ringside_protocol::band::{Band, why_no_audio};
use ringside_protocol::cdr::{Cdr, Party};
use ringside_protocol::diagnosis::{self, Finding, Severity};
use ringside_protocol::json::ended_by;
use ringside_protocol::time::UnixMicros;

use super::{printable, worst_jitter_micros, worst_loss_permille};
use crate::terminal::{Colour, Style, cut, fit, wrap};

/// Columns between two columns of the table.
const GAP: usize = 2;
/// `<` where the call began before the capture, then `08:00:57.960`; narrow tables leave out the
/// milliseconds.
const START: usize = 13;
const SHORT_START: usize = 9;
const STATUS: usize = 6;
const ENDED_BY: usize = 11;
const DURATION: usize = 8;
const MOS: usize = 14;
const LOSS: usize = 6;
const JITTER: usize = 8;

/// FROM and TO get what is left, at least and at most so much each.
const PARTY: core::ops::RangeInclusive<usize> = 10..=32;

/// How the table is divided for a terminal's width.
struct Layout {
    start: usize,
    party: usize,
    /// Whether there is room for LOSS and JITTER.
    has_media_figures: bool,
}

impl Layout {
    fn of(style: Style) -> Self {
        const ALWAYS: usize = STATUS + ENDED_BY + DURATION + MOS + 6 * GAP;
        const FULL: usize = START + ALWAYS + LOSS + JITTER + 2 * GAP;
        let has_media_figures = style.columns >= FULL + 2 * PARTY.start();
        let start = if has_media_figures { START } else { SHORT_START };
        let used = if has_media_figures { FULL } else { SHORT_START + ALWAYS };
        let party = (style.columns.saturating_sub(used) / 2).clamp(*PARTY.start(), *PARTY.end());
        Self { start, party, has_media_figures }
    }

    /// The cells of one line, each with its width, in their order.
    fn line(&self, style: Style, cells: &Cells<'_>) -> String {
        let mut line = String::new();
        let mut put = |text: &str, columns: usize, colour: Option<Colour>| {
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            line.push_str(&style.paint(colour, &fit(text, columns)));
        };
        put(cells.start, self.start, None);
        put(cells.from, self.party, None);
        put(cells.to, self.party, None);
        put(cells.status, STATUS, None);
        put(cells.ended_by, ENDED_BY, None);
        put(cells.duration, DURATION, None);
        put(cells.mos, MOS, cells.mos_colour);
        if self.has_media_figures {
            put(cells.loss, LOSS, None);
            put(cells.jitter, JITTER, None);
        }
        format!("{}\n", line.trim_end())
    }
}

struct Cells<'a> {
    start: &'a str,
    from: &'a str,
    to: &'a str,
    status: &'a str,
    ended_by: &'a str,
    duration: &'a str,
    mos: &'a str,
    mos_colour: Option<Colour>,
    loss: &'a str,
    jitter: &'a str,
}

/// The head line.
pub(super) fn head(style: Style) -> String {
    let cells = Cells {
        start: " START",
        from: "FROM",
        to: "TO",
        status: "STATUS",
        ended_by: "ENDED BY",
        duration: "DURATION",
        mos: "MOS",
        mos_colour: None,
        loss: "LOSS",
        jitter: "JITTER",
    };
    Layout::of(style).line(style, &cells)
}

/// A line with the date, before the first line of a day.
pub(super) fn date(at: UnixMicros, style: Style) -> String {
    let date = format!("{} UTC", at.to_date());
    format!("{}\n", style.paint(Some(Colour::Faint), &date))
}

/// The call's line, and what is to be said about it.
pub(super) fn call(cdr: &Cdr, style: Style) -> String {
    let layout = Layout::of(style);
    let cells = Cells {
        start: &start(cdr, layout.start),
        from: &party(&cdr.caller),
        to: &party(&cdr.callee),
        status: &or_dash(cdr.status.as_ref().map(|status| status.code.to_string())),
        ended_by: &ended_by(cdr.ended_by).replace('_', " "),
        duration: &or_dash(cdr.duration().map(clock)),
        mos: &mos_text(cdr),
        mos_colour: Band::of(cdr).map(|band| word(band).1),
        loss: &or_dash(worst_loss_permille(cdr).map(|n| format!("{}.{} %", n / 10, n % 10))),
        jitter: &or_dash(worst_jitter_micros(cdr).map(tenths_of_millis)),
    };
    layout.line(style, &cells) + &finding(cdr, style)
}

/// The most severe finding, unless all is well.
fn finding(cdr: &Cdr, style: Style) -> String {
    let found = diagnosis::findings(cdr);
    let first = found.first().filter(|first| first.severity > Severity::Ok);
    first.map_or_else(String::new, |first| said(first, style))
}

/// A finding below its line.
pub(super) fn said(first: &Finding, style: Style) -> String {
    let indent = Layout::of(style).start + GAP;
    let mut text = format!("{}: {}", first.severity.name(), first.sentence);
    if !first.evidence.is_empty() {
        text.truncate(text.trim_end_matches('.').len());
        let _ = write!(text, " ({}).", first.evidence.join(", "));
    }
    let colour = match first.severity {
        Severity::Problem => Colour::Red,
        Severity::Warning => Colour::Yellow,
        Severity::Info | Severity::Ok => Colour::Faint,
    };
    let columns = style.columns.saturating_sub(indent);
    wrap(&printable(&text), columns).iter().fold(String::new(), |mut lines, line| {
        let line = cut(line, columns);
        let _ = writeln!(lines, "{:indent$}{}", "", style.paint(Some(colour), &line));
        lines
    })
}

fn start(cdr: &Cdr, columns: usize) -> String {
    let began_before = if cdr.start.is_some() { ' ' } else { '<' };
    let at = cdr.first_at.plus(cdr.start.unwrap_or(0)).to_rfc3339();
    // The time of day within 2026-11-23T08:00:57.960454Z, as precise as there is room.
    format!("{began_before}{}", at.get(11..10 + columns).unwrap_or_default())
}

fn party(party: &Party) -> String {
    match (party.user.as_str(), party.host.as_str()) {
        ("", "") => "-".to_owned(),
        ("", name) | (name, _) => printable(name).into_owned(),
    }
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// `0:30`, `2:05` or `1:02:05`: minutes and seconds, with hours where there are some.
fn clock(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

fn tenths_of_millis(micros: u32) -> String {
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}

fn hundredths(value: u16) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

/// The worst direction's MOS and the call's band.
fn mos_text(cdr: &Cdr) -> String {
    let mos = cdr.worst(|stream| stream.adaptive).map(|(score, _)| hundredths(score.mos));
    match (mos, Band::of(cdr)) {
        (_, Some(Band::NoAudio)) => why_no_audio(cdr.flags).to_owned(),
        (Some(mos), Some(band)) => format!("{mos} {}", word(band).0),
        (mos, _) => or_dash(mos),
    }
}

/// The word for a call's band, and its colour.
const fn word(band: Band) -> (&'static str, Colour) {
    match band {
        // What was heard of a call in one direction is no quality of the call.
        Band::NoAudio => ("no audio", Colour::Red),
        Band::Degraded => ("degraded", Colour::Red),
        Band::Fair => ("fair", Colour::Yellow),
        Band::Good => ("good", Colour::Green),
        Band::Excellent => ("excellent", Colour::Green),
    }
}
