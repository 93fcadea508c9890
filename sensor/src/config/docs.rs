//! The reference of all settings: `docs/CONFIG.md`.
//!
//! A test compares the file with what the tables give; with `BLESS=1` it writes the file anew.

use std::fmt::Write as _;

use super::setting::Area;
use super::table::SETTINGS;
use super::{Config, Reason, ignored};
use crate::terminal::wrap;

const INTRODUCTION: &str = "\
# Configuration

`ringside-sensor` reads `/etc/ringside/sensor.conf`, or `/etc/voipmonitor.conf` where that exists
alone, or the file that `--config` names. Syntax and keys are those of `voipmonitor.conf`: an
existing file works as it is.

    [general]                          # may be left out
    interface = eth0, eth1             # a comment may follow a value
    sipport = 5060
    sipport = 5070-5080                # lines of a list add up
    cloud_token = rs1-…                # enough to join the cloud

A comment begins with `#` or `;` at the start of a line, or with `#` after white space. Where a
setting that is no list stands twice, its first line holds, as in VoIPmonitor.

`ringside-sensor config check [FILE]` says what a file means: each value that holds, what is
ignored and why, names that are not known with what was perhaps meant, and everything that is
wrong, at once. With an error in its file the sensor does not start (exit code 2).

Two things differ from VoIPmonitor on purpose. No setting makes the sensor store packets: `save*`
settings are ignored, and capture rules in the cloud decide. And no setting makes it send raw
packets: the uplink carries call records only.

This file is generated from the tables in `sensor/src/config`.
";

/// The reference as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    for area in Area::ALL {
        let _ = write!(
            text,
            "\n## {}\n\n| setting | default | takes | |\n| --- | --- | --- | --- |\n",
            area.title()
        );
        for setting in SETTINGS.iter().filter(|setting| setting.area == area) {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                setting.name,
                setting.show(&Config::default()),
                setting.allowed(),
                setting.sentence
            );
        }
    }
    text.push_str("\n## Settings of VoIPmonitor that are known and not used\n");
    for &reason in Reason::ALL {
        let _ = write!(text, "\n**{}.** {}\n\n", reason.title(), reason.sentence());
        let names: Vec<_> =
            ignored::names().filter(|&(_, why)| why == reason).map(|(name, _)| name).collect();
        for line in wrap(&names.join(" "), 96) {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn config_md_is_what_the_tables_generate() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CONFIG.md");
        let generated = reference();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == generated,
            "docs/CONFIG.md differs from the tables: \
             run `BLESS=1 cargo test -p ringside-sensor config_md`"
        );
    }
}
