//! The command line: what was asked for, nothing done yet.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::config::{self, DEFAULT_DATA, Given, Settings, dialled};
use crate::db::Place;
use crate::db::customers::Role;
use crate::db::rights::{MAX_RECENT_MINUTES, Rights, TermsChange};

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The service.
    Serve(Settings),
    /// Something to do in the database there or in this folder, whether or not the service runs.
    Admin(Place, PathBuf, Admin),
    /// A copy of the database in the folder, to this file.
    Backup(PathBuf, PathBuf),
    /// A copy of a database, from this file into the folder.
    Restore(PathBuf, PathBuf),
    /// The version line.
    Version,
    /// [`usage`].
    Help,
}

/// What `admin` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// `customer add NAME`.
    CustomerAdd(String),
    /// `customer list`.
    CustomerList,
    /// `user add`.
    UserAdd {
        /// `--customer`.
        customer: String,
        /// What they log in with.
        login: String,
        /// `--role`.
        role: Role,
        /// `--password-stdin`: the password is the first line of standard input.
        from_stdin: bool,
    },
    /// `user list`.
    UserList {
        /// `--customer`.
        customer: Option<String>,
    },
    /// `user passwd`.
    UserPasswd {
        /// Whose.
        login: String,
        /// `--password-stdin`.
        from_stdin: bool,
    },
    /// `token new`.
    TokenNew {
        /// `--customer`.
        customer: String,
        /// `--server`.
        server: Option<(String, u16)>,
    },
    /// `user rights LOGIN RIGHTS`.
    UserRights {
        /// Whose.
        login: String,
        /// What they may have from now on.
        rights: Rights,
    },
    /// `customer retrieval NAME`.
    CustomerRetrieval {
        /// Whose.
        customer: String,
        /// `--reason`, `--relay`, `--direct`, `--live`, `--recent`.
        change: TermsChange,
    },
    /// `number erase NUMBER`.
    NumberErase {
        /// `--customer`.
        customer: String,
        /// Whole.
        number: String,
    },
    /// `package add FILE`: a release for all customers.
    PackageAdd {
        /// The archive; its signature stands beside it.
        file: PathBuf,
        /// `--upgrade-key`.
        key: Option<String>,
    },
    /// `package list`.
    PackageList,
    /// `package remove NUMBER`.
    PackageRemove(i64),
    /// `sensor list`.
    SensorList {
        /// `--customer`.
        customer: Option<String>,
    },
    /// `sensor revoke ID`.
    SensorRevoke(String),
    /// `sensor remove ID`.
    SensorRemove(String),
}

/// Printed by `--help`.
#[must_use]
pub fn usage() -> String {
    format!(
        "\
ringside-cloud takes call records from sensors and shows them to people.

usage:
  ringside-cloud serve [SETTING]...
  ringside-cloud admin customer add NAME
  ringside-cloud admin customer list
  ringside-cloud admin customer retrieval NAME [--reason asked|free] [--relay on|off]
      [--direct on|off] [--live on|off] [--recent MINUTES|off]
  ringside-cloud admin user add --customer NAME LOGIN [--role admin|viewer] [--password-stdin]
  ringside-cloud admin user list [--customer NAME]
  ringside-cloud admin user rights LOGIN packets,audio,live,upgrades,share,masked|none
  ringside-cloud admin user passwd LOGIN [--password-stdin]
  ringside-cloud admin token new --customer NAME [--server HOST[:PORT]]
  ringside-cloud admin package add FILE [--upgrade-key KEY]
  ringside-cloud admin package list
  ringside-cloud admin package remove NUMBER
  ringside-cloud admin sensor list [--customer NAME]
  ringside-cloud admin sensor revoke|remove ID
  ringside-cloud admin number erase --customer NAME NUMBER
  ringside-cloud backup FILE
  ringside-cloud restore FILE
  ringside-cloud version

settings of serve, with their defaults:
{}
backup copies SQLite's database while the service runs; restore puts a copy into a folder without
one. For PostgreSQL use its own pg_dump or pg_basebackup.
admin works on the folder that --data names ({DEFAULT_DATA}), or on the server of --database, while
the service runs too.
An ID is a device's fingerprint, or its first digits.
Without --password-stdin a password is made and printed.
RINGSIDE_LOG=debug|info|warn|error sets what is logged to standard error.
Exit codes: 0 done, 1 failed, 2 wrong usage.
",
        config::help()
    )
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// One sentence that says what is wrong with them.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut words = Words::default();
    while let Some(argument) = parser.next().map_err(sentence)? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Value(word) => words.values.push(text(word)?),
            Long(option) => {
                let option = option.to_owned();
                words.take(&option, &mut parser)?;
            }
            other => return Err(sentence(other.unexpected())),
        }
    }
    words.command()
}

/// Everything on the command line, in whatever order it came.
#[derive(Default)]
struct Words {
    values: Vec<String>,
    given: Given,
    customer: Option<String>,
    role: Option<Role>,
    server: Option<(String, u16)>,
    from_stdin: bool,
    terms: TermsChange,
    /// The options that came, to find those that do not belong.
    options: Vec<String>,
}

fn on_or_off(option: &str, word: &str) -> Result<bool, String> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("--{option} {other:?}: write on or off")),
    }
}

fn minutes(word: &str) -> Result<u16, String> {
    if word == "off" {
        return Ok(0);
    }
    let minutes = word.parse().ok().filter(|minutes| (1..=MAX_RECENT_MINUTES).contains(minutes));
    minutes.ok_or_else(|| {
        format!("--recent {word:?}: write 1 to {MAX_RECENT_MINUTES} minutes, or off")
    })
}

impl Words {
    fn take(&mut self, option: &str, parser: &mut lexopt::Parser) -> Result<(), String> {
        self.options.push(option.to_owned());
        if option == "password-stdin" {
            self.from_stdin = true;
            return Ok(());
        }
        let mut value = || parser.value().map_err(sentence);
        match option {
            "data" => self.given.data = Some(value()?.into()),
            "database" => self.given.database = Some(text(value()?)?),
            "sensors" => self.given.sensors = Some(text(value()?)?),
            "web" => self.given.web = Some(text(value()?)?),
            "web-proxy" => self.given.web_proxies.push(text(value()?)?),
            "name" => self.given.names.push(text(value()?)?),
            "tls-cert" => self.given.tls_cert = Some(value()?.into()),
            "tls-key" => self.given.tls_key = Some(value()?.into()),
            "upgrade-key" => self.given.upgrade_key = Some(text(value()?)?),
            "web-url" => self.given.web_url = Some(text(value()?)?),
            "mail" => self.given.mail = Some(text(value()?)?),
            "mail-from" => self.given.mail_from = Some(text(value()?)?),
            "mail-password" => self.given.mail_password = Some(value()?.into()),
            "alert-network" => self.given.alert_networks.push(text(value()?)?),
            "customer" => self.customer = Some(text(value()?)?),
            "reason" => {
                self.terms.asks_reason = Some(match text(value()?)?.as_str() {
                    "asked" => true,
                    "free" => false,
                    other => return Err(format!("--reason {other:?}: write asked or free")),
                });
            }
            "relay" => self.terms.relay = Some(on_or_off(option, &text(value()?)?)?),
            "direct" => self.terms.direct = Some(on_or_off(option, &text(value()?)?)?),
            "live" => self.terms.live = Some(on_or_off(option, &text(value()?)?)?),
            "recent" => self.terms.recent_minutes = Some(minutes(&text(value()?)?)?),
            "server" => self.server = Some(dialled(&text(value()?)?)?),
            "role" => {
                let role = text(value()?)?;
                let found = Role::named(&role);
                self.role =
                    Some(found.ok_or_else(|| {
                        format!("--role {role:?} is none: write admin or viewer")
                    })?);
            }
            other => {
                return Err(format!("there is no option --{other}: see ringside-cloud --help"));
            }
        }
        Ok(())
    }

    fn command(mut self) -> Result<Command, String> {
        let values = core::mem::take(&mut self.values);
        let words: Vec<&str> = values.iter().map(String::as_str).collect();
        match words[..] {
            [] => Err("name a command, for example `ringside-cloud serve`".to_owned()),
            ["version"] => self.only(&[]).map(|()| Command::Version),
            ["serve"] => {
                let names = [
                    "data",
                    "database",
                    "sensors",
                    "web",
                    "web-proxy",
                    "name",
                    "tls-cert",
                    "tls-key",
                    "upgrade-key",
                ];
                self.only(&names)?;
                self.given.check().map(Command::Serve)
            }
            ["backup", file] => {
                self.only(&["data"])?;
                Ok(Command::Backup(self.data(), file.into()))
            }
            ["restore", file] => {
                self.only(&["data"])?;
                Ok(Command::Restore(self.data(), file.into()))
            }
            ["admin", ref words @ ..] => {
                let admin = self.admin(words)?;
                let place = config::place(self.given.database.as_deref())?;
                Ok(Command::Admin(place, self.data(), admin))
            }
            [other, ..] => Err(format!(
                "{other:?} is no command, or has too many words: see ringside-cloud --help"
            )),
        }
    }

    fn data(&mut self) -> PathBuf {
        self.given.data.take().unwrap_or_else(|| DEFAULT_DATA.into())
    }

    fn admin(&mut self, words: &[&str]) -> Result<Admin, String> {
        let (allowed, admin): (&[&str], Admin) = match *words {
            ["customer", "add", name] => (&[], Admin::CustomerAdd(label("customer", name)?)),
            ["customer", "list"] => (&[], Admin::CustomerList),
            ["customer", "retrieval", name] => (
                &["reason", "relay", "direct", "live", "recent"],
                Admin::CustomerRetrieval { customer: label("customer", name)?, change: self.terms },
            ),
            ["user", "rights", login, rights] => {
                (&[], Admin::UserRights { login: login.to_owned(), rights: rights_named(rights)? })
            }
            ["user", "add", login] => (
                &["customer", "role", "password-stdin"],
                Admin::UserAdd {
                    customer: self.needed_customer()?,
                    login: label("login", login)?,
                    role: self.role.unwrap_or_default(),
                    from_stdin: self.from_stdin,
                },
            ),
            ["user", "list"] => (&["customer"], Admin::UserList { customer: self.customer.take() }),
            ["user", "passwd", login] => (
                &["password-stdin"],
                Admin::UserPasswd { login: login.to_owned(), from_stdin: self.from_stdin },
            ),
            ["token", "new"] => (
                &["customer", "server"],
                Admin::TokenNew { customer: self.needed_customer()?, server: self.server.take() },
            ),
            ["number", "erase", number] => (
                &["customer"],
                Admin::NumberErase {
                    customer: self.needed_customer()?,
                    number: label("number", number)?,
                },
            ),
            ["package", "add", file] => (
                &["upgrade-key"],
                Admin::PackageAdd { file: file.into(), key: self.given.upgrade_key.take() },
            ),
            ["package", "list"] => (&[], Admin::PackageList),
            ["package", "remove", number] => {
                let number = number.parse();
                let says = || "name it by its number, as `admin package list` shows it".to_owned();
                (&[], Admin::PackageRemove(number.map_err(|_| says())?))
            }
            ["sensor", "list"] => {
                (&["customer"], Admin::SensorList { customer: self.customer.take() })
            }
            ["sensor", "revoke", id] => (&[], Admin::SensorRevoke(id.to_owned())),
            ["sensor", "remove", id] => (&[], Admin::SensorRemove(id.to_owned())),
            _ => {
                return Err(format!(
                    "`admin {}` is no command, or lacks a word: see ringside-cloud --help",
                    words.join(" ")
                ));
            }
        };
        let mut allowed = allowed.to_vec();
        allowed.extend(["data", "database"]);
        self.only(&allowed)?;
        Ok(admin)
    }

    fn needed_customer(&mut self) -> Result<String, String> {
        self.customer.take().ok_or_else(|| {
            "say whose it is with --customer NAME; `admin customer list` shows the names".to_owned()
        })
    }

    fn only(&self, allowed: &[&str]) -> Result<(), String> {
        match self.options.iter().find(|option| !allowed.contains(&option.as_str())) {
            None => Ok(()),
            Some(other) => {
                Err(format!("--{other} does not belong here: see ringside-cloud --help"))
            }
        }
    }
}

/// What a person may have and do; `none` for nothing.
fn rights_named(names: &str) -> Result<Rights, String> {
    let rights = if names == "none" { Some(Rights::default()) } else { Rights::named(names) };
    rights.ok_or_else(|| {
        format!("{names:?}: write packets, audio, live, upgrades, share, masked, or none")
    })
}

/// A name that fits on one line.
fn label(what: &str, text: &str) -> Result<String, String> {
    let trimmed = text.trim();
    let is_fine = !trimmed.is_empty()
        && trimmed.chars().count() <= 100
        && !trimmed.chars().any(char::is_control);
    if is_fine {
        Ok(trimmed.to_owned())
    } else {
        Err(format!("{text:?} is no {what}: take 1 to 100 characters on one line"))
    }
}

fn text(word: OsString) -> Result<String, String> {
    word.into_string().map_err(|word| format!("{} is not UTF-8", word.to_string_lossy()))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn sentence(error: lexopt::Error) -> String {
    format!("{error}: see ringside-cloud --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn admin(line: &str) -> Admin {
        match read(line) {
            Ok(Command::Admin(Place::Folder, data, admin)) if data.as_os_str() == "d" => admin,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_command_is_read() {
        let Ok(Command::Admin(_, _, Admin::UserRights { rights, .. })) =
            read("admin user rights eva packets,live")
        else {
            panic!("rights are read");
        };
        assert_eq!(rights.names(), ["packets", "live"]);
        let terms = |options: &str| match read(&format!("admin customer retrieval Acme {options}"))
        {
            Ok(Command::Admin(_, _, Admin::CustomerRetrieval { change, .. })) => change,
            other => panic!("{other:?}"),
        };
        let asked = TermsChange { asks_reason: Some(true), ..TermsChange::default() };
        assert_eq!(terms("--reason asked"), asked);
        let all = terms("--relay off --direct on --live on --recent 10");
        assert_eq!((all.relay, all.direct, all.live), (Some(false), Some(true), Some(true)));
        assert_eq!((all.recent_minutes, terms("--recent off").recent_minutes), (Some(10), Some(0)));
        assert_eq!(read("version"), Ok(Command::Version));
        assert_eq!(read("serve --help"), Ok(Command::Help));
        let serve = "serve --data d --sensors 127.0.0.1:0 --web 127.0.0.1:0 --name a --name b \
                     --tls-cert c --tls-key k";
        let Ok(Command::Serve(settings)) = read(serve) else { panic!("{:?}", read(serve)) };
        assert_eq!((settings.names.len(), settings.sensors.port()), (2, 0));
        assert_eq!(settings.tls, Some(("c".into(), "k".into())));

        assert_eq!(admin("admin customer add Acme --data d"), Admin::CustomerAdd("Acme".into()));
        assert_eq!(admin("admin --data d customer list"), Admin::CustomerList);
        let added = Admin::UserAdd {
            customer: "Acme".into(),
            login: "eva".into(),
            role: Role::Admin,
            from_stdin: true,
        };
        let line = "admin user add --customer Acme eva --role admin --password-stdin --data=d";
        assert_eq!(admin(line), added);
        assert_eq!(admin("admin user list --data d"), Admin::UserList { customer: None });
        let passwd = Admin::UserPasswd { login: "eva".into(), from_stdin: false };
        assert_eq!(admin("admin user passwd eva --data d"), passwd);
        let token = Admin::TokenNew { customer: "A".into(), server: Some(("h".into(), 5)) };
        assert_eq!(admin("admin token new --customer A --server h:5 --data d"), token);
        let add = Admin::PackageAdd { file: "a.tar.gz".into(), key: Some("k".into()) };
        assert_eq!(admin("admin package add a.tar.gz --upgrade-key k --data d"), add);
        assert_eq!(admin("admin package list --data d"), Admin::PackageList);
        assert_eq!(admin("admin package remove 7 --data d"), Admin::PackageRemove(7));
        assert_eq!(admin("admin sensor list --data d"), Admin::SensorList { customer: None });
        let erase = Admin::NumberErase { customer: "A".into(), number: "+4930".into() };
        assert_eq!(admin("admin number erase +4930 --customer A --data d"), erase);
        let backup = Command::Backup("d".into(), "f".into());
        assert_eq!(read("backup f --data d"), Ok(backup));
        assert_eq!(read("restore f --data d"), Ok(Command::Restore("d".into(), "f".into())));
        assert_eq!(admin("admin sensor revoke ab --data d"), Admin::SensorRevoke("ab".into()));
        assert_eq!(admin("admin sensor remove ab --data d"), Admin::SensorRemove("ab".into()));
    }

    #[test]
    fn a_wrong_use_is_one_sentence() {
        for line in [
            "admin user rights eva pictures",
            "admin customer retrieval Acme --relay maybe",
            "admin customer retrieval Acme --direct 1",
            "admin customer retrieval Acme --recent 61",
            "admin customer retrieval Acme --recent 0",
            "admin customer retrieval Acme --reason 7",
            "",
            "server",
            "serve extra",
            "serve --customer Acme",
            "serve --web here",
            "serve --database mysql://db",
            "serve --tls-key k",
            "serve --name https://x",
            "admin",
            "admin customer",
            "admin customer add",
            "admin user add eva",
            "admin user add eva --customer A --role owner",
            "admin package remove last",
            "admin package add",
            "admin token new",
            "admin token new --customer A --server :",
            "admin sensor list --role admin",
            "admin user add --customer",
            "serve --password-stdin",
            "serve -x",
            "version --data d",
        ] {
            let sentence = read(line).expect_err(line);
            assert!(!sentence.contains('\n') && sentence.len() > 20, "{line}: {sentence}");
        }
    }

    #[test]
    fn usage_names_every_setting() {
        for setting in config::SETTINGS {
            assert!(usage().contains(setting.option), "{}", setting.option);
        }
    }
}
