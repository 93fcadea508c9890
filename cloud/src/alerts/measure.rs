//! What an alert rule measures: its name in the API, its unit, and which way is bad.

use serde::{Deserialize, Serialize};

/// What is measured. Those of calls look at the calls of a window of time, those of sensors at a
/// sensor as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Of the calls that `among` chooses, the part that `filter` chooses too, per cent.
    Share,
    /// Calls that `filter` chooses.
    Calls,
    /// Mean MOS of the calls that `filter` chooses and that have one.
    Mos,
    /// Answer-seizure ratio (ITU-T E.411) of the calls that `filter` chooses, per cent.
    Asr,
    /// Network effectiveness ratio (ITU-T E.425) of the same, per cent.
    Ner,
    /// Average duration of the answered calls that `filter` chooses, seconds.
    Acd,
    /// A sensor was not heard of, minutes.
    Offline,
    /// Of the frames that came in the window, those that were dropped before analysis, per cent.
    CaptureDrops,
    /// No frame came on a sensor's interfaces, minutes.
    MirrorSilent,
    /// A sensor says that one of its interfaces does not work.
    CaptureFault,
    /// A sensor's clock is off by so much, seconds.
    Clock,
    /// A sensor's outbox is filled, per cent of its limit.
    Outbox,
    /// A sensor's version is older than this service's.
    Version,
    /// Calls in progress, per cent of the customer's limit.
    Channels,
    /// This service's certificate is still valid, days.
    Certificate,
}

/// Which way a value crosses its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// More than the threshold is bad.
    Above,
    /// Less than the threshold is bad.
    Below,
}

/// What a measure is about, and so what it is evaluated on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The calls of a window.
    Calls,
    /// Each sensor by itself.
    Sensor,
    /// All sensors of the customer together.
    Customer,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 15] = [
        Self::Share,
        Self::Calls,
        Self::Mos,
        Self::Asr,
        Self::Ner,
        Self::Acd,
        Self::Offline,
        Self::CaptureDrops,
        Self::MirrorSilent,
        Self::CaptureFault,
        Self::Clock,
        Self::Outbox,
        Self::Version,
        Self::Channels,
        Self::Certificate,
    ];

    /// What it is about.
    #[must_use]
    pub const fn about(self) -> About {
        match self {
            Self::Share | Self::Calls | Self::Mos | Self::Asr | Self::Ner | Self::Acd => {
                About::Calls
            }
            Self::Channels | Self::Certificate => About::Customer,
            _ => About::Sensor,
        }
    }

    /// Whether it has no figure: it holds or it does not.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        matches!(self, Self::CaptureFault | Self::Version)
    }

    /// The thresholds that mean something, in the measure's unit.
    #[must_use]
    pub const fn range(self) -> (f64, f64) {
        match self {
            Self::Share | Self::Asr | Self::Ner | Self::CaptureDrops | Self::Outbox => (0.0, 100.0),
            Self::Channels => (1.0, 100.0),
            Self::Calls => (0.0, 10_000_000.0),
            Self::Mos => (1.0, 5.0),
            Self::Acd => (0.0, 86_400.0),
            Self::Offline | Self::MirrorSilent => (1.0, 1440.0),
            Self::Clock => (0.1, 600.0),
            Self::Certificate => (1.0, 90.0),
            Self::CaptureFault | Self::Version => (0.0, 1.0),
        }
    }

    /// By how much a value must be better than the threshold before an alert closes, so that one
    /// that trembles about it does not open again and again; in the measure's unit.
    #[must_use]
    pub const fn margin(self, threshold: f64) -> f64 {
        match self {
            Self::Mos => 0.05,
            Self::Asr | Self::Ner => 2.0,
            Self::Certificate => 0.0,
            _ => threshold * 0.1,
        }
    }

    /// A value as people read it.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Share | Self::Asr | Self::Ner | Self::CaptureDrops => format!("{value:.1} %"),
            Self::Outbox | Self::Channels => format!("{value:.0} %"),
            Self::Calls => format!("{value:.0}"),
            Self::Mos => format!("{value:.2}"),
            Self::Acd => format!("{value:.0} s"),
            Self::Clock => format!("{value:.1} s"),
            Self::Offline | Self::MirrorSilent => format!("{value:.0} min"),
            Self::Certificate => format!("{value:.0} days"),
            Self::CaptureFault | Self::Version => String::new(),
        }
    }

    /// What is measured, as the beginning of a sentence.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Share => "Share of calls",
            Self::Calls => "Number of calls",
            Self::Mos => "Mean MOS",
            Self::Asr => "Answered calls (ASR)",
            Self::Ner => "Network effectiveness (NER)",
            Self::Acd => "Average call duration (ACD)",
            Self::Offline => "Not heard of for",
            Self::CaptureDrops => "Frames dropped before analysis",
            Self::MirrorSilent => "No packet from the mirror port for",
            Self::CaptureFault => "Capture does not work",
            Self::Clock => "Clock is off by",
            Self::Outbox => "Outbox filled",
            Self::Version => "Version is behind",
            Self::Channels => "Calls in progress, of the limit",
            Self::Certificate => "Certificate is still valid",
        }
    }
}
