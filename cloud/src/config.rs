//! Every setting of `serve` once: its option, its default, and one sentence.

use core::fmt::Write;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ringside_protocol::DEFAULT_PORT;
use ringside_protocol::token::MAX_HOST_LEN;

use crate::alerts::channel::{MailServer, Security};
use crate::db::{Place, Server};
use crate::network::Network;
use crate::release;

/// Where the database and the certificates are kept, unless `--data` says otherwise.
pub const DEFAULT_DATA: &str = "/var/lib/ringside-cloud";

/// The port of pages and API, unless `--web` says otherwise.
pub const DEFAULT_WEB_PORT: u16 = 8443;

/// One setting, as `--help` shows it.
pub struct Setting {
    /// Its option with its value.
    pub option: &'static str,
    /// What it is for, and its default.
    pub help: &'static str,
}

/// All of them.
pub const SETTINGS: &[Setting] = &[
    Setting {
        option: "--data DIR",
        help: "folder of database and certificates (/var/lib/ringside-cloud)",
    },
    Setting {
        option: "--database URL",
        help: "sqlite: (in DIR), or a server of PostgreSQL 15 or newer, which several processes may \
               share, as postgresql://USER:PASSWORD@HOST/DATABASE (sqlite:)",
    },
    Setting { option: "--sensors ADDR:PORT", help: "where sensors connect ([::]:60023)" },
    Setting { option: "--web ADDR:PORT", help: "where people and programs connect ([::]:8443)" },
    Setting {
        option: "--web-proxy ADDR",
        help: "a reverse proxy before the web port, as an address or a network: its \
               X-Forwarded-For is believed; may be repeated (none)",
    },
    Setting {
        option: "--name HOST",
        help: "a name of this service, for its certificate; sensors dial the first; may be \
               repeated (this machine's)",
    },
    Setting {
        option: "--tls-cert FILE",
        help: "certificate chain, PEM, with its CA last, in place of the service's own",
    },
    Setting { option: "--tls-key FILE", help: "its key, PEM" },
    Setting {
        option: "--upgrade-key KEY",
        help: "minisign public key by which packages of the sensor are checked when they come; \
               sensors check them in any case (none)",
    },
    Setting {
        option: "--web-url URL",
        help: "where people open the pages, for links in alerts (https:// with the first name and \
               the web port)",
    },
    Setting {
        option: "--mail URL",
        help: "mail server for alerts: smtps://[USER@]HOST[:465], smtp://[USER@]HOST[:587] with \
               STARTTLS, or smtp+plain://HOST[:25] (none)",
    },
    Setting { option: "--mail-from ADDRESS", help: "sender of its mails" },
    Setting { option: "--mail-password FILE", help: "file whose first line is USER's password" },
    Setting {
        option: "--alert-network ADDR",
        help: "an address or a network that webhooks, syslog and mail servers of customers may \
               have although it is not public; may be repeated (none)",
    },
];

/// What the command line says, unchecked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--database`.
    pub database: Option<String>,
    /// `--sensors`.
    pub sensors: Option<String>,
    /// `--web`.
    pub web: Option<String>,
    /// Each `--web-proxy`.
    pub web_proxies: Vec<String>,
    /// Each `--name`.
    pub names: Vec<String>,
    /// `--tls-cert`.
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`.
    pub tls_key: Option<PathBuf>,
    /// `--upgrade-key`.
    pub upgrade_key: Option<String>,
    /// `--web-url`.
    pub web_url: Option<String>,
    /// `--mail`.
    pub mail: Option<String>,
    /// `--mail-from`.
    pub mail_from: Option<String>,
    /// `--mail-password`.
    pub mail_password: Option<PathBuf>,
    /// Each `--alert-network`.
    pub alert_networks: Vec<String>,
}

/// The settings of a service that can start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Folder of database and certificates.
    pub data: PathBuf,
    /// Where the database is.
    pub database: Place,
    /// Where sensors connect.
    pub sensors: SocketAddr,
    /// Where people and programs connect.
    pub web: SocketAddr,
    /// Reverse proxies before it.
    pub web_proxies: Vec<Network>,
    /// Names and addresses of this service; may be empty.
    pub names: Vec<String>,
    /// Certificate chain and key of one's own.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The key that releases of the sensor are signed with.
    pub upgrade_key: Option<String>,
    /// Where alerts come from and may go to.
    pub alerts: Box<AlertSettings>,
}

/// What alerts need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertSettings {
    /// Where people open the pages, without a slash at its end.
    pub web_url: Option<String>,
    /// The service's mail server.
    pub mail: Option<MailServer>,
    /// Networks that are reached although they are not public.
    pub networks: Vec<Network>,
}

impl Given {
    /// Checks the settings and fills in the defaults.
    ///
    /// # Errors
    /// One sentence that says what to change.
    pub fn check(self) -> Result<Settings, String> {
        let database = place(self.database.as_deref())?;
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err("--tls-cert and --tls-key belong together: give both".to_owned()),
        };
        if let Some(name) = self.names.iter().find(|name| !is_host(name)) {
            return Err(format!(
                "--name {name:?} is no host name or address: give it alone, without port"
            ));
        }
        if self.upgrade_key.as_ref().is_some_and(|key| !release::is_key(key)) {
            return Err("--upgrade-key is no minisign public key: give the second line of \
                        minisign.pub"
                .to_owned());
        }
        let web_proxies = self
            .web_proxies
            .iter()
            .map(|text| network("--web-proxy", text))
            .collect::<Result<_, _>>()?;
        let alerts = AlertSettings {
            web_url: self.web_url.as_deref().map(web_url).transpose()?,
            mail: match (&self.mail, &self.mail_from) {
                (Some(url), Some(from)) => {
                    Some(mail_server(url, from, self.mail_password.as_deref())?)
                }
                (None, None) if self.mail_password.is_none() => None,
                _ => return Err("--mail and --mail-from belong together: give both".to_owned()),
            },
            networks: (self.alert_networks.iter())
                .map(|text| network("--alert-network", text))
                .collect::<Result<_, _>>()?,
        };
        Ok(Settings {
            alerts: Box::new(alerts),
            data: self.data.unwrap_or_else(|| DEFAULT_DATA.into()),
            database,
            sensors: address("--sensors", self.sensors.as_deref(), DEFAULT_PORT)?,
            web: address("--web", self.web.as_deref(), DEFAULT_WEB_PORT)?,
            web_proxies,
            names: self.names,
            tls,
            upgrade_key: self.upgrade_key,
        })
    }
}

/// Where the database is.
///
/// # Errors
/// One sentence that says what to change.
pub fn place(url: Option<&str>) -> Result<Place, String> {
    match url {
        None | Some("sqlite" | "sqlite:") => Ok(Place::Folder),
        Some(url) if url.starts_with("postgres:") || url.starts_with("postgresql:") => {
            Server::parse(url).map(Place::Server)
        }
        Some(_) => Err("--database takes sqlite: or postgresql://USER:PASSWORD@HOST/DATABASE: \
                        leave it out for SQLite, and choose the folder with --data"
            .to_owned()),
    }
}

/// `ADDR:PORT`, or one of the two with the other's default.
fn address(option: &str, text: Option<&str>, port: u16) -> Result<SocketAddr, String> {
    let Some(text) = text else {
        return Ok((Ipv6Addr::UNSPECIFIED, port).into());
    };
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        return Ok(SocketAddr::new(ip, port));
    }
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
        return Ok((Ipv6Addr::UNSPECIFIED, port).into());
    }
    Err(format!("{option} {text:?} is no address: write it as 0.0.0.0:{port} or [::]:{port}"))
}

fn web_url(text: &str) -> Result<String, String> {
    let bare = text.trim_end_matches('/');
    let rest = bare.strip_prefix("https://").or_else(|| bare.strip_prefix("http://"));
    if rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Ok(bare.to_owned());
    }
    Err(format!("--web-url {text:?} is no address: write it as https://cloud.example.net"))
}

/// A mail server as an address, and its password from a file: command lines are seen by everybody
/// on the machine.
fn mail_server(url: &str, from: &str, password: Option<&Path>) -> Result<MailServer, String> {
    let wrong = || {
        format!("--mail {url:?} is no mail server: write it as smtps://user@mail.example.net:465")
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let (security, usual) = match scheme {
        "smtps" => (Security::Tls, 465),
        "smtp" => (Security::Starttls, 587),
        "smtp+plain" => (Security::None, 25),
        _ => return Err(wrong()),
    };
    let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (host, port) = match place.rsplit_once(':') {
        _ if place.parse::<Ipv6Addr>().is_ok() => (place, usual),
        Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (place, usual),
    };
    let password = match password {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("--mail-password {}: {error}", path.display()))?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        None => String::new(),
    };
    let server = MailServer {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port,
        security,
        user: user.to_owned(),
        password,
        from: from.to_owned(),
    };
    server.check().map_err(|invalid| format!("--mail: {invalid}"))?;
    Ok(server)
}

fn network(option: &str, text: &str) -> Result<Network, String> {
    Network::parse(text).ok_or_else(|| {
        format!("{option} {text:?} is no address: write it as 127.0.0.1 or 10.0.0.0/24")
    })
}

/// A name or address that a sensor can dial.
#[must_use]
pub fn is_host(text: &str) -> bool {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= MAX_HOST_LEN && text.split('.').all(is_label)
}

/// `HOST:PORT` or `HOST`, as sensors dial it. A literal IPv6 address with a port is in brackets.
///
/// # Errors
/// One sentence that says what to change.
pub fn dialled(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("{text:?} is no server: write it as HOST or HOST:{DEFAULT_PORT}");
    let (host, port) = match text.rsplit_once(':') {
        _ if text.parse::<Ipv6Addr>().is_ok() => (text, DEFAULT_PORT),
        Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (text, DEFAULT_PORT),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if !is_host(host) || port == 0 {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

/// A host and port as [`dialled`] reads them.
#[must_use]
pub fn dial(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The settings, one a line.
#[must_use]
pub fn help() -> String {
    let mut help = String::new();
    for setting in SETTINGS {
        // Writing to a String cannot fail.
        let _ = writeln!(help, "  {:21} {}", setting.option, setting.help);
    }
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_given_is_the_defaults() {
        let settings = Given::default().check().expect("fine");
        assert_eq!(settings.data, PathBuf::from(DEFAULT_DATA));
        assert_eq!(settings.sensors.to_string(), "[::]:60023");
        assert_eq!(settings.web.to_string(), "[::]:8443");
    }

    #[test]
    fn addresses_may_leave_out_one_half() {
        let read = |text| address("--web", Some(text), 8443).map(|address| address.to_string());
        assert_eq!(read("127.0.0.1:0"), Ok("127.0.0.1:0".to_owned()));
        assert_eq!(read("127.0.0.1"), Ok("127.0.0.1:8443".to_owned()));
        assert_eq!(read("[::1]"), Ok("[::1]:8443".to_owned()));
        assert_eq!(read(":443"), Ok("[::]:443".to_owned()));
        assert!(read("cloud.example.net:443").is_err());
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let given = |text: &str| Given { web_proxies: vec![text.to_owned()], ..Given::default() };
        let settings = given("10.0.0.0/24").check().expect("fine");
        assert!(settings.web_proxies[0].holds("10.0.0.9"));
        let sentence = given("nginx.example.net").check().expect_err("refused");
        assert!(sentence.contains("write it as 127.0.0.1"), "{sentence}");
    }

    #[test]
    fn a_database_is_a_file_or_a_server() {
        assert_eq!(place(Some("sqlite:")), Ok(Place::Folder));
        let server = place(Some("postgresql://ringside:secret@db/ringside")).expect("an address");
        assert!(!format!("{server:?}").contains("secret"), "{server:?}");
        for wrong in ["mysql://db", "postgresql://db?sslmode=require", "postgresql://db:port/x"] {
            let sentence = place(Some(wrong)).expect_err(wrong);
            assert!(sentence.contains("--database"), "{sentence}");
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let given = Given { tls_cert: Some("cert.pem".into()), ..Given::default() };
        assert!(given.check().is_err());
    }

    #[test]
    fn servers_are_read_as_people_write_them() {
        let read = |text| dialled(text).ok();
        assert_eq!(read("cloud.example.net"), Some(("cloud.example.net".to_owned(), 60023)));
        assert_eq!(read("cloud.example.net:1"), Some(("cloud.example.net".to_owned(), 1)));
        assert_eq!(read("[2001:db8::1]:5"), Some(("2001:db8::1".to_owned(), 5)));
        assert_eq!(read("[2001:db8::1]"), Some(("2001:db8::1".to_owned(), 60023)));
        assert_eq!(read("2001:db8::1"), Some(("2001:db8::1".to_owned(), 60023)));
        for wrong in ["", ":60023", "a b", "host:", "host:0", "host:99999", "https://host"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(dial("2001:db8::1", 5), "[2001:db8::1]:5");
    }
}
