//! The command line: what was asked for, nothing done yet.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use ringside_protocol::slot::Slot;

use crate::commands::{SlotsAsked, Upgrade};
use crate::upgrade::setup::Wish;

use crate::store::export::FileFormat;

/// Printed by `--help`.
pub const USAGE: &str = "\
ringside-sensor captures SIP and RTP, judges every call, and sends records to the cloud.

usage:
  ringside-sensor run [--config FILE] [--rules FILE] [--read FILE [--speed realtime|max]]
  ringside-sensor analyze FILE... [--format table|json|csv]
                          [--records calls|registrations|peers|all] [--config FILE]
                          [--rules FILE [--store DIR]]
  ringside-sensor doctor [--config FILE] [--format table|json]
  ringside-sensor enrol --server HOST[:PORT] --token TOKEN [--config FILE]
  ringside-sensor install [--no-start | --take-over]
  ringside-sensor upgrade FILE [--allow-downgrade] [--config FILE]
  ringside-sensor upgrade --forget [--config FILE]
  ringside-sensor config check [FILE] [--format table|json]
  ringside-sensor store list [--format table|json] [--store DIR] [--config FILE]
  ringside-sensor store export CALL [--format pcapng|pcap|wav|overview] [--output FILE] [--store DIR] [--config FILE]
  ringside-sensor store verify [--store DIR] [--config FILE]
  ringside-sensor version
on a box, for its start scripts:
  ringside-sensor run --config FILE --early FILE
  ringside-sensor provision FILE --into DIR
  ringside-sensor slots show|try|judge|install-begun|installed|up|healthy|unhealthy
                  --running A|B --block FILE --block FILE [--autoboot FILE]
                  [--version VERSION] [--config FILE]

CALL is a call's id, or its SIP Call-ID. A rules file has one capture rule a line, as in
  keep sip, rtp, rtcp when caller = +4930*
A FILE to read is pcap or pcapng, gzipped or not; `-` is standard input.
Without --config, /etc/ringside/sensor.conf is read, or /etc/voipmonitor.conf where that exists alone.
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.
";

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for people.
    #[default]
    Table,
    /// One JSON object a line.
    Json,
    /// RFC 4180, with a head line.
    Csv,
}

/// Which records `analyze` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Records {
    /// Calls alone.
    #[default]
    Calls,
    /// Registrations alone.
    Registrations,
    /// Peer relations alone.
    Peers,
    /// Everything.
    All,
}

/// How fast a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speed {
    /// As fast as it can be analysed.
    #[default]
    Max,
    /// By its time stamps.
    Realtime,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The sensor itself.
    Run {
        /// `--config`.
        config: Option<PathBuf>,
        /// `--early`: what holds until that file is there.
        early: Option<PathBuf>,
        /// `--read`: a file in the interface's place.
        read: Option<PathBuf>,
        /// `--speed`.
        speed: Speed,
        /// `--rules`: capture rules in a file.
        rules: Option<PathBuf>,
    },
    /// Calls of files.
    Analyze {
        /// At least one.
        files: Vec<PathBuf>,
        /// `--format`.
        format: Format,
        /// `--records`.
        records: Records,
        /// `--config`.
        config: Option<PathBuf>,
        /// `--rules`: what they would keep.
        rules: Option<PathBuf>,
        /// `--store`: where they keep it, a data directory.
        store: Option<PathBuf>,
    },
    /// Each step to the cloud.
    Doctor {
        /// `--config`.
        config: Option<PathBuf>,
        /// `--format`.
        format: Format,
    },
    /// Join a customer.
    Enrol {
        /// `--server`; the token names one too.
        server: Option<String>,
        /// `--token`.
        token: String,
        /// `--config`.
        config: Option<PathBuf>,
    },
    /// What a configuration means.
    ConfigCheck {
        /// The file.
        file: Option<PathBuf>,
        /// `--format`.
        format: Format,
    },
    /// The local ring store.
    Store {
        /// What of it.
        command: StoreCommand,
        /// `--store`: its data directory, in the configuration's place.
        directory: Option<PathBuf>,
        /// `--config`.
        config: Option<PathBuf>,
    },
    /// Another program in this one's place.
    Upgrade {
        /// What exactly.
        asked: Upgrade,
        /// `--config`.
        config: Option<PathBuf>,
    },
    /// A service of this machine.
    Install(Wish),
    /// A box's slots.
    Slots {
        /// What exactly.
        asked: SlotsAsked,
        /// `--config`.
        config: Option<PathBuf>,
    },
    /// A box's first start.
    Provision {
        /// The file on the boot partition.
        file: PathBuf,
        /// `--into`.
        into: PathBuf,
    },
    /// The version line.
    Version,
    /// [`USAGE`].
    Help,
}

/// What a call is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// A capture file.
    Packets(FileFormat),
    /// WAV: the caller left, the callee right.
    Wav,
    /// What a player shows before it plays: see docs/audio.md.
    Overview,
}

/// By its name.
fn export_format(name: &str) -> Option<ExportFormat> {
    Some(match name {
        "pcapng" => ExportFormat::Packets(FileFormat::Pcapng),
        "pcap" => ExportFormat::Packets(FileFormat::Pcap),
        "wav" => ExportFormat::Wav,
        "overview" => ExportFormat::Overview,
        _ => return None,
    })
}

impl Default for ExportFormat {
    fn default() -> Self {
        Self::Packets(FileFormat::default())
    }
}

/// What is asked of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreCommand {
    /// Its calls.
    List {
        /// `--format`.
        format: Format,
    },
    /// The packets of a call, or its sound.
    Export {
        /// Its id, or its SIP Call-ID.
        call: String,
        /// `--format`.
        format: ExportFormat,
        /// `--output`; standard output without it.
        output: Option<PathBuf>,
    },
    /// Whether it is whole.
    Verify,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// One sentence that says what is wrong with them.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let Some(first) = parser.next().map_err(sentence)? else {
        return Err("name a command, for example `ringside-sensor analyze FILE`".to_owned());
    };
    let name = match first {
        Value(name) => name.to_string_lossy().into_owned(),
        Short('h') | Long("help") => return Ok(Command::Help),
        Short('V') | Long("version") => return Ok(Command::Version),
        other => return Err(sentence(other.unexpected())),
    };
    let mut options = Options::read(&mut parser)?;
    if options.wants_help {
        return Ok(Command::Help);
    }
    let command = match name.as_str() {
        "run" => Command::Run {
            config: options.config.take(),
            early: options.early.take(),
            read: options.read.take(),
            speed: options.speed.take().unwrap_or_default(),
            rules: options.rules.take(),
        },
        "analyze" => {
            if options.values.is_empty() {
                return Err("analyze needs a capture file".to_owned());
            }
            let format = options.format.take().unwrap_or_default();
            let records = options.records.take().unwrap_or_default();
            if format == Format::Csv && records == Records::All {
                return Err(
                    "CSV holds one kind of record: choose one with --records, or use --format json"
                        .to_owned(),
                );
            }
            Command::Analyze {
                files: core::mem::take(&mut options.values),
                format,
                records,
                config: options.config.take(),
                store: options.store.take_if(|_| options.rules.is_some()),
                rules: options.rules.take(),
            }
        }
        "store" => {
            let command = options.store_command()?;
            let directory = options.store.take();
            Command::Store { command, directory, config: options.config.take() }
        }
        "doctor" => Command::Doctor {
            config: options.config.take(),
            format: options.tabular_or_json("doctor")?,
        },
        "enrol" | "enroll" => Command::Enrol {
            server: options.server.take(),
            token: options.token.take().ok_or("enrol needs --token TOKEN")?,
            config: options.config.take(),
        },
        "upgrade" => Command::Upgrade {
            asked: Upgrade {
                file: options.upgrade_file()?,
                allows_downgrade: core::mem::take(&mut options.allows_downgrade),
                forgets: core::mem::take(&mut options.forgets),
            },
            config: options.config.take(),
        },
        "install" => {
            let take = core::mem::take::<bool>;
            let wishes = (take(&mut options.no_start), take(&mut options.takes_over));
            Command::Install(match wishes {
                (false, false) => Wish::Start,
                (true, false) => Wish::Install,
                (false, true) => Wish::TakeOver,
                (true, true) => return Err("--take-over starts the sensor".to_owned()),
            })
        }
        "slots" => options.slots()?,
        "provision" => {
            if options.values.len() != 1 {
                return Err("provision needs one FILE".to_owned());
            }
            let into = options.into.take().ok_or("provision needs --into DIR")?;
            Command::Provision { file: options.values.remove(0), into }
        }
        "config" => {
            let mut values = core::mem::take(&mut options.values).into_iter();
            if values.next().is_none_or(|verb| verb.as_os_str() != "check") {
                return Err("the command is `config check [FILE]`".to_owned());
            }
            let file = values.next().or_else(|| options.config.take());
            options.values = values.collect();
            Command::ConfigCheck { file, format: options.tabular_or_json("config check")? }
        }
        "version" => Command::Version,
        "help" => Command::Help,
        _ => return Err(format!("there is no command {name}")),
    };
    options.none_left(&name)?;
    Ok(command)
}

/// Every option of every command; those that a command does not take are refused afterwards.
#[derive(Default)]
struct Options {
    config: Option<PathBuf>,
    read: Option<PathBuf>,
    speed: Option<Speed>,
    format: Option<Format>,
    export_format: Option<ExportFormat>,
    rules: Option<PathBuf>,
    store: Option<PathBuf>,
    output: Option<PathBuf>,
    records: Option<Records>,
    server: Option<String>,
    token: Option<String>,
    allows_downgrade: bool,
    forgets: bool,
    no_start: bool,
    takes_over: bool,
    into: Option<PathBuf>,
    blocks: Vec<PathBuf>,
    autoboot: Option<PathBuf>,
    early: Option<PathBuf>,
    running: Option<Slot>,
    version: Option<String>,
    wants_help: bool,
    values: Vec<PathBuf>,
}

impl Options {
    fn read(parser: &mut lexopt::Parser) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = parser.next().map_err(sentence)? {
            match argument {
                Short('h') | Long("help") => options.wants_help = true,
                Long("config") => options.config = Some(parser.value().map_err(sentence)?.into()),
                Long("read") => options.read = Some(parser.value().map_err(sentence)?.into()),
                Long("speed") => {
                    let speed = parser.value().map_err(sentence)?;
                    options.speed = Some(match speed.to_str() {
                        Some("max") => Speed::Max,
                        Some("realtime") => Speed::Realtime,
                        _ => return Err("--speed is realtime or max".to_owned()),
                    });
                }
                Long("format") => {
                    let format = parser.value().map_err(sentence)?;
                    options.format = Some(match format.to_str() {
                        Some("table") => Format::Table,
                        Some("json") => Format::Json,
                        Some("csv") => Format::Csv,
                        Some(other) if export_format(other).is_some() => {
                            options.export_format = export_format(other);
                            continue;
                        }
                        _ => return Err("--format is table, json or csv".to_owned()),
                    });
                }
                Long("rules") => options.rules = Some(parser.value().map_err(sentence)?.into()),
                Long("store") => options.store = Some(parser.value().map_err(sentence)?.into()),
                Long("output") => options.output = Some(parser.value().map_err(sentence)?.into()),
                Long("records") => {
                    let records = parser.value().map_err(sentence)?;
                    options.records = Some(match records.to_str() {
                        Some("calls") => Records::Calls,
                        Some("registrations") => Records::Registrations,
                        Some("peers") => Records::Peers,
                        Some("all") => Records::All,
                        _ => {
                            return Err(
                                "--records is calls, registrations, peers or all".to_owned()
                            );
                        }
                    });
                }
                Long("server") => options.server = Some(text(parser, "--server")?),
                Long("token") => options.token = Some(text(parser, "--token")?),
                Long("allow-downgrade") => options.allows_downgrade = true,
                Long("no-start") => options.no_start = true,
                Long("take-over") => options.takes_over = true,
                Long("forget") => options.forgets = true,
                Long("into") => options.into = Some(parser.value().map_err(sentence)?.into()),
                Long("block") => options.blocks.push(parser.value().map_err(sentence)?.into()),
                Long("early") => options.early = Some(parser.value().map_err(sentence)?.into()),
                Long("autoboot") => {
                    options.autoboot = Some(parser.value().map_err(sentence)?.into());
                }
                Long("running") => {
                    let slot = text(parser, "--running")?;
                    options.running = Some(slot.parse().map_err(|_| "--running is A or B")?);
                }
                Long("version") => options.version = Some(text(parser, "--version")?),
                Value(value) => options.values.push(value.into()),
                other => return Err(sentence(other.unexpected())),
            }
        }
        Ok(options)
    }

    /// The one file of `upgrade`; none with `--forget`.
    fn upgrade_file(&mut self) -> Result<Option<PathBuf>, String> {
        match (self.values.len(), self.forgets) {
            (1, false) => Ok(self.values.pop()),
            (0, true) => Ok(None),
            (_, true) => Err("upgrade --forget takes no file".to_owned()),
            (_, false) => Err("upgrade needs one FILE".to_owned()),
        }
    }

    fn slots(&mut self) -> Result<Command, String> {
        let blocks = core::mem::take(&mut self.blocks);
        let blocks = blocks.try_into().map_err(|_| "slots needs --block FILE twice")?;
        let verb = self.values.pop().ok_or("slots needs a word, such as show")?;
        let asked = SlotsAsked {
            verb: verb.display().to_string(),
            blocks,
            autoboot: self.autoboot.take(),
            running: self.running.take(),
            version: self.version.take(),
        };
        Ok(Command::Slots { asked, config: self.config.take() })
    }

    fn tabular_or_json(&mut self, command: &str) -> Result<Format, String> {
        match self.format.take().unwrap_or_default() {
            Format::Csv => Err(format!("{command} prints table or json")),
            format => Ok(format),
        }
    }

    fn store_command(&mut self) -> Result<StoreCommand, String> {
        let mut values = core::mem::take(&mut self.values).into_iter();
        let verb = values.next().unwrap_or_default();
        let command = match verb.to_str() {
            Some("list") => StoreCommand::List { format: self.tabular_or_json("store list")? },
            Some("verify") => StoreCommand::Verify,
            Some("export") => StoreCommand::Export {
                call: values
                    .next()
                    .and_then(|call| call.to_str().map(str::to_owned))
                    .ok_or("name the call: `store export CALL`")?,
                format: self.export_format.take().unwrap_or_default(),
                output: self.output.take(),
            },
            _ => return Err("the commands are `store list|export CALL|verify`".to_owned()),
        };
        self.values = values.collect();
        Ok(command)
    }

    fn none_left(&self, command: &str) -> Result<(), String> {
        let left = [
            ("--config", self.config.is_some()),
            ("--read", self.read.is_some()),
            ("--speed", self.speed.is_some()),
            ("--format", self.format.is_some() || self.export_format.is_some()),
            ("--rules", self.rules.is_some()),
            ("--store without --rules", self.store.is_some()),
            ("--output", self.output.is_some()),
            ("--records", self.records.is_some()),
            ("--server", self.server.is_some()),
            ("--token", self.token.is_some()),
            ("--allow-downgrade", self.allows_downgrade),
            ("--forget", self.forgets),
            ("--no-start", self.no_start),
            ("--take-over", self.takes_over),
            ("--into", self.into.is_some()),
            ("--block", !self.blocks.is_empty()),
            ("--autoboot", self.autoboot.is_some()),
            ("--early", self.early.is_some()),
            ("--running", self.running.is_some()),
            ("--version", self.version.is_some()),
        ];
        if let Some((option, _)) = left.iter().find(|(_, is_left)| *is_left) {
            return Err(format!("{command} takes no {option}"));
        }
        match self.values.first() {
            Some(value) => Err(format!("{command} does not expect {}", value.display())),
            None => Ok(()),
        }
    }
}

fn text(parser: &mut lexopt::Parser, option: &str) -> Result<String, String> {
    parser
        .value()
        .map_err(sentence)?
        .into_string()
        .map_err(|_| format!("the value of {option} is not UTF-8"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn sentence(error: lexopt::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Command, String> {
        parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_contract_s_commands_are_understood() {
        assert_eq!(
            parse_words("run --config a.conf --read - --speed realtime"),
            Ok(Command::Run {
                config: Some("a.conf".into()),
                early: None,
                read: Some("-".into()),
                speed: Speed::Realtime,
                rules: None
            })
        );
        assert_eq!(
            parse_words("analyze a.pcap b.pcap --format json"),
            Ok(Command::Analyze {
                files: vec!["a.pcap".into(), "b.pcap".into()],
                format: Format::Json,
                records: Records::Calls,
                config: None,
                rules: None,
                store: None
            })
        );
        assert_eq!(
            parse_words("store export a@b --format pcap --output x.pcap"),
            Ok(Command::Store {
                command: StoreCommand::Export {
                    call: "a@b".to_owned(),
                    format: ExportFormat::Packets(FileFormat::Pcap),
                    output: Some("x.pcap".into())
                },
                directory: None,
                config: None
            })
        );
        let exported_as =
            |format: &str| match parse_words(&format!("store export x --format {format}")) {
                Ok(Command::Store { command: StoreCommand::Export { format, .. }, .. }) => {
                    Some(format)
                }
                _ => None,
            };
        assert_eq!(exported_as("wav"), Some(ExportFormat::Wav));
        assert_eq!(exported_as("overview"), Some(ExportFormat::Overview));
        assert_eq!(exported_as("mp3"), None);
        assert_eq!(
            parse_words("store verify --store d --config a.conf"),
            Ok(Command::Store {
                command: StoreCommand::Verify,
                directory: Some("d".into()),
                config: Some("a.conf".into())
            })
        );
        assert_eq!(
            parse_words("config check x.conf"),
            Ok(Command::ConfigCheck { file: Some("x.conf".into()), format: Format::Table })
        );
        assert_eq!(parse_words("version"), Ok(Command::Version));
    }

    #[test]
    fn what_a_command_does_not_take_is_refused_with_a_sentence() {
        for (words, says) in [
            ("", "name a command"),
            ("fly", "no command fly"),
            ("analyze", "needs a capture file"),
            ("analyze a.pcap --token x", "takes no --token"),
            ("run extra", "does not expect extra"),
            ("enrol --server a", "--token"),
            ("config tidy", "config check"),
            ("store", "store list|export CALL|verify"),
            ("store export", "name the call"),
            ("store list --output x", "takes no --output"),
            ("analyze a --format pcap", "takes no --format"),
            ("analyze a --store d", "takes no --store without --rules"),
            ("doctor --format csv", "table or json"),
            ("run --speed fast", "realtime or max"),
            ("upgrade", "one FILE"),
            ("upgrade a b", "one FILE"),
            ("upgrade --forget a", "takes no file"),
            ("slots show", "--block FILE twice"),
            ("slots show --block a --block b --running C", "A or B"),
            ("provision a", "--into DIR"),
            ("run --forget", "takes no --forget"),
            ("run --take-over", "takes no --take-over"),
            ("install --no-start --take-over", "starts the sensor"),
            ("run --records all", "takes no --records"),
            ("analyze a.pcap --records x", "calls, registrations, peers or all"),
            ("analyze a.pcap --records all --format csv", "CSV holds one kind of record"),
            ("run --nonsense", "nonsense"),
        ] {
            let error = parse_words(words).expect_err(words);
            assert!(error.contains(says), "{words}: {error}");
        }
    }
}
