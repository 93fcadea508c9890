//! `config check`: what a file means, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::setting::Area;
use super::{Config, Loaded, Note, Problem, Reason, table};
use crate::terminal::{printable, printable_json, width, wrap};
use ringside_protocol::words::plural;

/// The report as text of at most `columns` columns, long names excepted. `file` is its first word.
#[must_use]
pub fn check_table(file: &str, loaded: &Loaded, problems: &[Problem], columns: usize) -> String {
    let mut page = Page { text: String::new(), columns: columns.max(40) };
    page.hanging(0, 2, &format!("{}: {}", printable(file), totals(loaded, problems)));
    page.problems(problems);
    page.unknown(loaded);
    page.notes(&loaded.notes);
    page.settings(loaded);
    page.ignored(loaded);
    page.line(0, "");
    page.line(0, &verdict(&loaded.config, problems));
    page.text
}

fn totals(loaded: &Loaded, problems: &[Problem]) -> String {
    let mut used: Vec<&str> = loaded.understood.iter().map(|line| line.key.as_str()).collect();
    used.sort_unstable();
    used.dedup();
    format!(
        "{} used, {} ignored, {} unknown, {}",
        plural(used.len(), "setting"),
        loaded.ignored.len(),
        loaded.unknown.len(),
        match problems.len() {
            0 => "no errors".to_owned(),
            some => plural(some, "error"),
        }
    )
}

fn verdict(config: &Config, problems: &[Problem]) -> String {
    if !problems.is_empty() {
        return "The sensor does not start with this file: correct the errors above.".to_owned();
    }
    let servers: Vec<_> =
        config.servers().iter().map(|(host, port)| format!("{host}:{port}")).collect();
    match (config.uplink_on(), servers.is_empty()) {
        (true, false) => format!("Uplink: on, records go to {}.", servers.join(", then ")),
        (true, true) => "Uplink: on, but no server is named.".to_owned(),
        (false, _) => {
            "Uplink: off, records stay in data_dir until a sensor is enrolled.".to_owned()
        }
    }
}

struct Page {
    text: String,
    columns: usize,
}

impl Page {
    /// A line, wrapped, with its continuation indented alike.
    fn line(&mut self, indent: usize, text: &str) {
        self.hanging(indent, indent, text);
    }

    /// A line whose continuation is indented by `hang`.
    fn hanging(&mut self, indent: usize, hang: usize, text: &str) {
        let lines = wrap(text, self.columns - hang);
        if lines.is_empty() {
            self.text.push('\n');
        }
        for (index, line) in lines.iter().enumerate() {
            let spaces = if index == 0 { indent } else { hang };
            let _ = writeln!(self.text, "{:spaces$}{line}", "");
        }
    }

    fn heading(&mut self, text: &str) {
        let _ = writeln!(self.text, "\n{text}");
    }

    fn problems(&mut self, problems: &[Problem]) {
        if problems.is_empty() {
            return;
        }
        self.heading("ERRORS");
        for problem in problems {
            self.hanging(2, 4, &printable(&problem.to_string()));
        }
    }

    fn unknown(&mut self, loaded: &Loaded) {
        if loaded.unknown.is_empty() {
            return;
        }
        self.heading("UNKNOWN");
        for unknown in &loaded.unknown {
            let guess = match unknown.nearest {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => "not a setting of Ringside or VoIPmonitor".to_owned(),
            };
            let key = printable(&unknown.key);
            self.hanging(2, 4, &format!("line {}: {key}: {guess}", unknown.line));
        }
    }

    fn notes(&mut self, notes: &[Note]) {
        if notes.is_empty() {
            return;
        }
        self.heading("NOTES");
        for note in notes {
            self.hanging(2, 4, &printable(&note.to_string()));
        }
    }

    fn settings(&mut self, loaded: &Loaded) {
        for area in Area::ALL {
            self.heading(&area.title().to_uppercase());
            for setting in table::SETTINGS.iter().filter(|setting| setting.area == area) {
                let value = setting.show(&loaded.config);
                let value = printable(&value);
                let from = match origin(loaded, setting.name).as_slice() {
                    [] => "default".to_owned(),
                    [line] => format!("line {line}"),
                    lines => format!("lines {}", join(lines)),
                };
                let room = self.columns.saturating_sub(NAME + 2 + from.len() + 2);
                let fill = room.saturating_sub(width(&value));
                if width(&value) <= room {
                    let _ =
                        writeln!(self.text, "  {:NAME$}{value}{:fill$}  {from}", setting.name, "");
                } else {
                    let text = format!("{value}  ({from})");
                    let _ = write!(self.text, "  {:NAME$}", setting.name);
                    self.hanging(0, NAME + 2, &text);
                }
            }
        }
    }

    fn ignored(&mut self, loaded: &Loaded) {
        if loaded.ignored.is_empty() {
            return;
        }
        self.heading("IGNORED");
        for &reason in Reason::ALL {
            let keys = keys_of(loaded, reason);
            if keys.is_empty() {
                continue;
            }
            self.line(2, &format!("{} ({})", reason.title(), keys.len()));
            self.line(4, reason.sentence());
            self.line(4, &keys.join(", "));
        }
    }
}

/// Columns of a setting's name and the space after it.
const NAME: usize = 25;

fn join(lines: &[usize]) -> String {
    lines.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn origin(loaded: &Loaded, name: &str) -> Vec<usize> {
    let of_name = loaded.understood.iter().filter(|line| line.key == name);
    of_name.map(|line| line.line).collect()
}

fn keys_of(loaded: &Loaded, reason: Reason) -> Vec<&str> {
    let of_reason = loaded.ignored.iter().filter(|(_, why)| *why == reason);
    let mut keys: Vec<&str> = of_reason.map(|(line, _)| line.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The same report as JSON, over several lines.
#[must_use]
pub fn check_json(file: &str, loaded: &Loaded, problems: &[Problem]) -> String {
    printable_json(&format!("{:#}\n", check_value(file, loaded, problems)))
}

fn check_value(file: &str, loaded: &Loaded, problems: &[Problem]) -> Value {
    let config = &loaded.config;
    let settings: Vec<Value> = table::SETTINGS
        .iter()
        .map(|setting| {
            let lines = origin(loaded, setting.name);
            json!({
                "name": setting.name,
                "value": setting.json(config),
                "unit": setting.unit(),
                "says": setting.sentence,
                "default": lines.is_empty(),
                "lines": lines,
            })
        })
        .collect();
    let ignored: Vec<Value> = loaded
        .ignored
        .iter()
        .map(|(line, reason)| {
            json!({
                "name": line.key,
                "line": line.line,
                "reason": reason.name(),
                "sentence": reason.sentence(),
            })
        })
        .collect();
    let unknown: Vec<Value> = loaded
        .unknown
        .iter()
        .map(|unknown| {
            json!({ "name": unknown.key, "line": unknown.line, "nearest": unknown.nearest })
        })
        .collect();
    let notes: Vec<Value> = loaded
        .notes
        .iter()
        .map(|note| json!({ "line": note.line, "name": note.key, "says": note.says }))
        .collect();
    let problems: Vec<Value> = problems
        .iter()
        .map(|problem| {
            json!({
                "line": problem.line,
                "name": problem.key,
                "value": problem.value,
                "says": problem.says,
            })
        })
        .collect();
    json!({
        "file": file,
        "ok": problems.is_empty(),
        "uplink": {
            "on": config.uplink_on(),
            "servers": config
                .servers()
                .iter()
                .map(|(host, port)| json!({ "host": host, "port": port }))
                .collect::<Vec<_>>(),
        },
        "outbox_bytes": config.outbox_bytes(),
        "settings": settings,
        "notes": notes,
        "ignored": ignored,
        "unknown": unknown,
        "problems": problems,
    })
}
