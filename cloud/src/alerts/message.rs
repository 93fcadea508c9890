//! One message to a channel: of several alerts, of a test, of finished calls; as e-mail, JSON or
//! syslog lines.

use core::fmt::Write;

use ringside_protocol::time::UnixMicros;
use ringside_protocol::words::plural;
use serde_json::{Value, json};

use super::rule::Severity;
use super::words::{minute, readable, with_end};
use crate::db::alerts::log::Alert;

/// What is told of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The alert.
    pub alert: Alert,
    /// It opened; else it closed.
    pub is_opening: bool,
    /// What its sensor is called.
    pub sensor: Option<String>,
}

/// A message of alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Whose.
    pub customer: String,
    /// Where the pages are: `https://cloud.example.net:8443`, without a slash at its end.
    pub pages: String,
    /// What is told; nothing in a test.
    pub items: Vec<Item>,
    /// When.
    pub at: UnixMicros,
    /// The same for every attempt to tell the same: a receiver may recognize a repetition.
    pub id: String,
}

impl Item {
    /// Where: the sensor, or all of them.
    fn place(&self) -> String {
        match (&self.sensor, self.alert.device) {
            (Some(name), _) => name.clone(),
            (None, Some(device)) => device.to_string(),
            (None, None) => "all sensors".to_owned(),
        }
    }

    fn line(&self) -> String {
        let Alert { name, severity, .. } = &self.alert;
        let state = if self.is_opening { severity.name() } else { "closed" };
        format!("[{state}] {name}: {}", self.place())
    }

    fn link(&self, pages: &str) -> String {
        format!("{pages}{}", with_end(&self.alert.link, self.alert.closed_at))
    }

    fn object(&self, pages: &str) -> Value {
        let alert = &self.alert;
        json!({
            "id": alert.id,
            "event": if self.is_opening { "opened" } else { "closed" },
            "rule": alert.rule,
            "name": alert.name,
            "severity": alert.severity.name(),
            "sensor": alert.device.map(|device| json!({
                "id": device.to_string(),
                "name": self.sensor,
            })),
            "sentence": readable(&alert.sentence),
            "value": alert.value,
            "opened_at": alert.opened_at.to_rfc3339(),
            "closed_at": alert.closed_at.map(UnixMicros::to_rfc3339),
            "why_closed": alert.why_closed,
            "url": self.link(pages),
        })
    }
}

impl Message {
    /// The subject of an e-mail.
    #[must_use]
    pub fn subject(&self) -> String {
        let opened = self.items.iter().filter(|item| item.is_opening).count();
        match self.items.as_slice() {
            [] => "Ringside: a test".to_owned(),
            [one] => {
                let state = if one.is_opening { "" } else { "Closed: " };
                format!("{state}{}: {}", one.alert.name, one.place())
            }
            [first, rest @ ..] => {
                let is_one_rule = rest.iter().all(|item| item.alert.name == first.alert.name);
                let what = if is_one_rule { first.alert.name.as_str() } else { "Alerts" };
                match self.items.len() - opened {
                    0 => format!("{what}: {opened} opened"),
                    closed if opened == 0 => format!("{what}: {closed} closed"),
                    closed => format!("{what}: {opened} opened, {closed} closed"),
                }
            }
        }
    }

    /// The text of an e-mail: what, where, since when, figures, and a link, for each alert; those
    /// that opened first, and the worst of them.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if self.items.is_empty() {
            text.push_str("This is a test: alerts of Ringside come here.\n\n");
        }
        let mut items: Vec<_> = self.items.iter().collect();
        items.sort_by_key(|item| (!item.is_opening, core::cmp::Reverse(item.alert.severity)));
        for item in items {
            let Alert { sentence, opened_at, closed_at, why_closed, .. } = &item.alert;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", item.line());
            if item.is_opening {
                let _ = writeln!(text, "  {}\n  Since {}.", readable(sentence), day(*opened_at));
            } else {
                let why = why_closed.as_deref().unwrap_or("It is over.");
                let end = closed_at.map(day).unwrap_or_default();
                let _ = writeln!(text, "  {why} Open from {} to {end}.", day(*opened_at));
            }
            let _ = writeln!(text, "  {}\n", item.link(&self.pages));
        }
        let _ = write!(
            text,
            "-- \n{}. Rules, channels and silences: {}/alerts\n",
            self.customer, self.pages
        );
        text
    }

    /// The body of a webhook.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "event": if self.items.is_empty() { "test" } else { "alerts" },
            "id": self.id,
            "at": self.at.to_rfc3339(),
            "customer": self.customer,
            "alerts": self.items.iter().map(|item| item.object(&self.pages)).collect::<Vec<_>>(),
        })
    }

    /// Syslog messages (RFC 5424 §6), one an alert, of this facility and from `host`.
    #[must_use]
    pub fn syslog(&self, facility: u8, host: &str) -> Vec<String> {
        let head = |severity: u8, id: &str| {
            let priority = facility * 8 + severity;
            let host = if host.is_empty() { "-" } else { host };
            let at = self.at.to_rfc3339();
            format!("<{priority}>1 {at} {host} ringside-cloud - {id} - ")
        };
        if self.items.is_empty() {
            let customer = quoted(&self.customer);
            return vec![format!(
                "{}customer={customer} A test of Ringside's alerts.",
                head(6, "TEST")
            )];
        }
        let line = |item: &Item| {
            let (severity, id) = match (item.is_opening, item.alert.severity) {
                (false, _) => (5, "CLOSED"),
                (true, Severity::Critical) => (2, "OPENED"),
                (true, Severity::Warning) => (4, "OPENED"),
                (true, Severity::Info) => (6, "OPENED"),
            };
            format!(
                "{}customer={} alert={} rule={} sensor={} {} {}",
                head(severity, id),
                quoted(&self.customer),
                item.alert.id,
                quoted(&item.alert.name),
                quoted(&item.place()),
                one_line(&readable(&item.alert.sentence)),
                item.link(&self.pages)
            )
        };
        self.items.iter().map(line).collect()
    }

    /// Says in a sentence what is told, for the log.
    #[must_use]
    pub fn words(&self) -> String {
        plural(self.items.len(), "alert")
    }
}

/// A time as people read it.
fn day(at: UnixMicros) -> String {
    readable(&minute(at))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", one_line(text).replace('\\', "\\\\").replace('"', "\\\""))
}

fn one_line(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use ringside_protocol::cdr::Fingerprint;

    use super::*;

    pub(crate) const NOW: UnixMicros = UnixMicros(1_795_521_600_000_000);

    pub(crate) fn offline(number: u8) -> Item {
        let alert = Alert {
            id: i64::from(number),
            rule: 7,
            device: Some(Fingerprint([number; 16])),
            name: "Sensor offline".to_owned(),
            severity: Severity::Critical,
            sentence: "Not heard of for 6 min, more than 5 min.".to_owned(),
            link: format!("/sensors/{}", Fingerprint([number; 16])),
            value: 6.0,
            from: NOW,
            opened_at: NOW,
            closed_at: None,
            why_closed: None,
            seen: None,
            note: None,
            is_told: true,
        };
        Item { alert, is_opening: true, sensor: Some(format!("Box {number}")) }
    }

    pub(crate) fn message(items: Vec<Item>) -> Message {
        Message {
            customer: "Acme".to_owned(),
            pages: "https://cloud.example.net:8443".to_owned(),
            items,
            at: NOW,
            id: "d1".to_owned(),
        }
    }

    #[test]
    fn one_alert_is_a_short_mail() {
        let message = message(vec![offline(1)]);
        assert_eq!(message.subject(), "Sensor offline: Box 1");
        let device = "01".repeat(16);
        assert_eq!(
            message.text(),
            format!(
                "[critical] Sensor offline: Box 1\n  Not heard of for 6 min, more than 5 min.\n  \
                 Since 2026-11-24 12:00 UTC.\n  https://cloud.example.net:8443/sensors/{device}\n\n\
                 -- \nAcme. Rules, channels and silences: https://cloud.example.net:8443/alerts\n"
            )
        );
    }

    #[test]
    fn many_alerts_are_one_mail() {
        let message = message((1..=50).map(offline).collect());
        assert_eq!(message.subject(), "Sensor offline: 50 opened");
        assert_eq!(message.text().matches("[critical]").count(), 50);
    }

    #[test]
    fn a_hostile_name_stays_on_one_syslog_line() {
        let mut item = offline(1);
        item.sensor = Some("a\"\n<0>1 - - - - - -".to_owned());
        let lines = message(vec![item]).syslog(16, "cloud.example.net");
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("<130>1 2026-11-24T12:00:00"), "{}", lines[0]);
        assert!(
            !lines[0].contains('\n') && lines[0].contains("sensor=\"a\\\" <0>1"),
            "{}",
            lines[0]
        );
    }
}
