//! The pages as HTML: whole without scripts and without anything from elsewhere.

use core::fmt::Write as _;
use core::time::Duration;

use ringside_protocol::counters::Counter;

use super::snapshot::Snapshot;
use super::ticks::{Tick, TickState, second};
use crate::uplink::ClaimCode;
use crate::version;

/// Between two looks of an open page, seconds.
const REFRESH_SECONDS: u32 = 5;

/// Figures that are older are marked: the analysis publishes every second.
const OLD: Duration = Duration::from_secs(5);

/// The page with everything.
pub(super) fn status(snapshot: &Snapshot, has_pin: bool) -> String {
    let mut body = String::new();
    let failed = snapshot.ticks.iter().filter(|tick| tick.state == TickState::Failed).count();
    let waiting = snapshot.ticks.iter().filter(|tick| tick.state == TickState::Waiting).count();
    let (class, verdict) = match (failed, waiting) {
        (0, 0) => ("ok", "Everything works".to_owned()),
        (0, 1) => ("waiting", "One step is still to come".to_owned()),
        (0, some) => ("waiting", format!("{some} steps are still to come")),
        (1, _) => ("failed", "One step needs you".to_owned()),
        (some, _) => ("failed", format!("{some} steps need you")),
    };
    let _ = write!(
        body,
        "<header><p class=\"brand\">Ringside sensor</p><h1>{}</h1>\
         <p class=\"verdict {class}\">{verdict}</p>{}</header>",
        escaped(&snapshot.name),
        age(snapshot)
    );
    notices(&mut body, snapshot);
    body += "<ol class=\"ticks\">";
    snapshot.ticks.iter().for_each(|tick| body += &tick_item(tick));
    body += "</ol>";
    figures(&mut body, snapshot);
    losses(&mut body, snapshot);
    device(&mut body, snapshot);
    let join = if has_pin { "<a class=\"button\" href=\"/join\">Join a cloud</a>" } else { "" };
    let claim = match snapshot.is_claiming {
        true => "<a class=\"button\" href=\"/claim\">Show the claim code</a>",
        false => "",
    };
    let _ = write!(
        body,
        "<nav>{claim}<a class=\"button\" href=\"/support.tar.gz\">Download support bundle</a>{join}\
         <a class=\"quiet\" href=\"/status.json\">As JSON</a></nav>\
         <p class=\"note\">The bundle holds this status, the configuration without secrets, and the \
         newest log lines with telephone numbers masked. This page refreshes itself every \
         {REFRESH_SECONDS} s.</p>"
    );
    let refresh = format!("<meta http-equiv=\"refresh\" content=\"{REFRESH_SECONDS}\">");
    let mark = match class {
        "ok" => "✓",
        "failed" => "✗",
        _ => "…",
    };
    document(&format!("{mark} {}", snapshot.name), &refresh, &body)
}

/// The form for a token, with what was wrong with the last one.
pub(super) fn join(has_pin: bool, wrong: Option<&str>) -> String {
    let wrong = wrong
        .map(|says| format!("<p class=\"notice failed\" role=\"alert\">{}</p>", escaped(says)));
    let form = if has_pin {
        "<form method=\"post\" action=\"/join\">\
         <label for=\"token\">Enrolment token</label>\
         <input id=\"token\" name=\"token\" required autocomplete=\"off\" autocapitalize=\"off\" \
         spellcheck=\"false\" placeholder=\"rs1-…\" aria-describedby=\"where\">\
         <p class=\"note\" id=\"where\">The cloud makes one under Sensors, Add. It names the server, too.</p>\
         <label for=\"pin\">PIN</label>\
         <input id=\"pin\" name=\"pin\" type=\"password\" required inputmode=\"numeric\" autocomplete=\"off\" \
         aria-describedby=\"label\"><p class=\"note\" id=\"label\">It is on the device's label.</p>\
         <button class=\"button\">Join</button></form>"
    } else {
        "<p class=\"notice\">No PIN is set on this device, so nothing can be changed here. Run \
         <code>ringside-sensor enrol</code>, or set <code>status_pin_file</code>.</p>"
    };
    let body = format!(
        "<header><p class=\"brand\">Ringside sensor</p><h1>Join a cloud</h1></header>{}{form}{BACK}",
        wrong.unwrap_or_default()
    );
    document("Join a cloud", "", &body)
}

/// The form for the PIN that opens the claim code, with what was wrong with the last one.
pub(super) fn claim(has_pin: bool, wrong: Option<&str>) -> String {
    let wrong = wrong
        .map(|says| format!("<p class=\"notice failed\" role=\"alert\">{}</p>", escaped(says)));
    let form = if has_pin {
        "<form method=\"post\" action=\"/claim\">\
         <label for=\"pin\">PIN</label>\
         <input id=\"pin\" name=\"pin\" type=\"password\" required inputmode=\"numeric\" autocomplete=\"off\" \
         aria-describedby=\"label\"><p class=\"note\" id=\"label\">It is on the device's label. Whoever has \
         the claim code can make this device theirs.</p>\
         <button class=\"button\">Show it</button></form>"
    } else {
        "<p class=\"notice\">No PIN is set on this device, so the claim code is not shown here. Run \
         <code>ringside-sensor doctor</code> as root, or set <code>status_pin_file</code>.</p>"
    };
    let body = format!(
        "<header><p class=\"brand\">Ringside sensor</p><h1>Claim code</h1></header>{}{form}{BACK}",
        wrong.unwrap_or_default()
    );
    document("Claim code", "", &body)
}

/// The claim code.
pub(super) fn claim_code(shown: &ClaimCode, digits: &str) -> String {
    let body = format!(
        "<header><p class=\"brand\">Ringside sensor</p><h1>Claim code</h1></header>\
         <section class=\"claim\"><p class=\"code\">{}</p>\
         <p class=\"note\">Good until {}, and then followed by another one.</p></section>\
         <section><h2>What to do with it</h2><p>Enter it in the cloud under Sensors, Add sensor, Claim \
         code. The cloud then shows this device's fingerprint, which has to be:</p>\
         <p class=\"finger\">{}</p></section>{BACK}",
        shown.code,
        second(shown.until),
        fingerprint(digits)
    );
    document("Claim code", "", &body)
}

/// A page that says one thing.
pub(super) fn message(title: &str, says: &str) -> String {
    let body = format!(
        "<header><p class=\"brand\">Ringside sensor</p><h1>{}</h1></header><p>{}</p>{BACK}",
        escaped(title),
        escaped(says)
    );
    document(title, "", &body)
}

const BACK: &str = "<nav><a class=\"quiet\" href=\"/\">Back to the status</a></nav>";

fn document(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">{head}<title>{}</title>\
         <link rel=\"stylesheet\" href=\"/style.css\"><link rel=\"icon\" href=\"data:,\"></head>\
         <body><main>{body}</main></body></html>\n",
        escaped(title)
    )
}

/// How old the figures are; the analysis publishes none while it has no time.
fn age(snapshot: &Snapshot) -> String {
    let at = second(snapshot.at);
    match snapshot.age {
        None => format!("<p class=\"age\">{at} · no figures yet</p>"),
        Some(age) if age > OLD => format!(
            "<p class=\"age old\">{at} · figures are {} s old: the analysis has no time</p>",
            age.as_secs()
        ),
        Some(age) => format!(
            "<p class=\"age\">{at} · figures {}.{} s old</p>",
            age.as_secs(),
            age.subsec_millis() / 100
        ),
    }
}

fn notices(body: &mut String, snapshot: &Snapshot) {
    if !snapshot.refused.is_empty() {
        let lines: String =
            snapshot.refused.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect();
        let _ = write!(
            body,
            "<div class=\"notice failed\"><p><b>ringside.conf was not taken over.</b> Correct these \
             lines and start the box again:</p><ul>{lines}</ul></div>"
        );
    }
    if let Some(report) = snapshot.upgrade().filter(|report| report.failure.is_some()) {
        let _ = write!(
            body,
            "<p class=\"notice failed\"><b>{}</b> {}.</p>",
            second(report.at),
            escaped(&report.sentence())
        );
    }
}

fn tick_item(tick: &Tick) -> String {
    let (class, mark, word) = match tick.state {
        TickState::Ok => ("ok", "✓", "ok"),
        TickState::Failed => ("failed", "✗", "failed"),
        TickState::Waiting => ("waiting", "…", "waiting"),
    };
    format!(
        "<li class=\"{class}\"><span class=\"mark\" aria-hidden=\"true\">{mark}</span>\
         <div><h2>{} <span class=\"word\">{word}</span></h2><p>{}</p></div></li>",
        tick.name,
        with_code(&escaped(&tick.sentence))
    )
}

/// `` `words` `` as code, as the terminal's reader knows them.
fn with_code(html: &str) -> String {
    let parts: Vec<_> = html.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return html.to_owned();
    }
    let part = |(index, part): (usize, &&str)| match index % 2 {
        0 => (*part).to_owned(),
        _ => format!("<code>{part}</code>"),
    };
    parts.iter().enumerate().map(part).collect()
}

/// In groups, as people read it out to each other.
fn fingerprint(digits: &str) -> String {
    let groups: Vec<_> = digits.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

fn figures(body: &mut String, snapshot: &Snapshot) {
    let (cdrs, bytes, limit) = snapshot.outbox;
    let figure = |name: &str, value: String, beside: String| {
        format!("<div><dt>{name}</dt><dd>{value}<small>{beside}</small></dd></div>")
    };
    *body += "<section><h2>Now</h2><dl class=\"figures\">";
    *body +=
        &figure("Calls in progress", count(u64::from(snapshot.health.channels)), String::new());
    *body += &figure(
        "Calls since start",
        count(snapshot.counter(Counter::CallsStarted)),
        format!("in {}", time(snapshot.uptime)),
    );
    *body +=
        &figure("Waiting to be sent", count(cdrs), format!("{} of {}", size(bytes), size(limit)));
    let memory = size(snapshot.health.memory_bytes);
    *body += &figure("Memory", memory, "of this program".to_owned());
    *body += "</dl></section>";
}

fn losses(body: &mut String, snapshot: &Snapshot) {
    *body += "<section><h2>Capture</h2><div class=\"wide\"><table><thead><tr><th>Interface</th>\
              <th class=\"n\">Frames</th><th class=\"n\">Dropped by kernel</th></tr></thead><tbody>";
    if snapshot.health.interfaces.is_empty() {
        *body += "<tr><td colspan=\"3\">No interface is captured from.</td></tr>";
    }
    for interface in &snapshot.health.interfaces {
        let _ = write!(
            body,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(&interface.name),
            count(interface.frames),
            count(interface.kernel_dropped)
        );
    }
    *body += "</tbody></table></div>";
    let rows: String = snapshot
        .health
        .counters
        .iter()
        .map(|(counter, n)| {
            format!("<tr><td>{}</td><td class=\"n\">{}</td></tr>", counter.help().trim(), count(*n))
        })
        .collect();
    let _ = write!(
        body,
        "<details><summary>All counters since the start</summary><table><tbody>{rows}</tbody></table>\
         </details></section>"
    );
}

fn device(body: &mut String, snapshot: &Snapshot) {
    let mut rows = vec![
        ("Fingerprint".to_owned(), fingerprint(&snapshot.fingerprint)),
        ("Cloud".to_owned(), snapshot.server.clone().unwrap_or_else(|| "none yet".to_owned())),
        ("Version".to_owned(), format!("{} ({})", version::SOFTWARE, version::COMMIT)),
        ("Built for".to_owned(), version::TARGET.to_owned()),
        ("Running for".to_owned(), time(snapshot.uptime)),
    ];
    rows.extend(snapshot.slots.iter().cloned());
    *body += "<section><h2>Device</h2><dl class=\"rows\">";
    for (name, value) in rows {
        let _ = write!(body, "<div><dt>{}</dt><dd>{}</dd></div>", escaped(&name), escaped(&value));
    }
    *body += "</dl></section>";
}

/// With a thin space between thousands.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{}.{} MiB", bytes >> 20, (bytes >> 10 & 1023) * 10 / 1024),
    }
}

fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Text as HTML; everything that comes from elsewhere goes through here.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#39;",
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!((count(0), count(999)), ("0".to_owned(), "999".to_owned()));
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(28_311_552), "27.0 MiB");
        assert_eq!(time(Duration::from_secs(3 * 86_400 + 7200)), "3 d 2 h");
        assert_eq!(fingerprint("db3d69e121"), "db3d 69e1 21");
    }

    #[test]
    fn code_is_marked_and_a_lone_backtick_is_left() {
        assert_eq!(with_code("run `a b` now"), "run <code>a b</code> now");
        assert_eq!(with_code("a ` b"), "a ` b");
        assert_eq!(escaped("<a href='x'>&"), "&lt;a href=&#39;x&#39;&gt;&amp;");
    }
}
