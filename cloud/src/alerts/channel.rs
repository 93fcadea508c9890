//! Where alerts go: e-mail, a webhook, syslog. What a person writes down of each, and what is
//! checked of it.

use serde::{Deserialize, Serialize};

use super::rule::MAX_NAME;
use crate::config::is_host;
use crate::filter::Invalid;

/// Addresses that one e-mail channel writes to.
pub const MAX_RECIPIENTS: usize = 10;

/// Bytes of a webhook's address.
pub const MAX_URL: usize = 1024;

/// Where one channel goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// SMTP (RFC 5321).
    Email {
        /// Whom.
        to: Vec<String>,
        /// The customer's own mail server; `None`: the service's.
        #[serde(default)]
        server: Option<MailServer>,
    },
    /// HTTP POST of JSON, signed.
    Webhook {
        /// `https://…`.
        url: String,
        /// The key of its signatures; empty until the service makes one.
        #[serde(default)]
        secret: String,
    },
    /// RFC 5424.
    Syslog {
        /// Name or address.
        host: String,
        /// Usually 514.
        port: u16,
        /// UDP (RFC 5426), or TCP with octet counting (RFC 6587 §3.4.1).
        transport: Transport,
        /// RFC 5424 §6.2.1; 16 is local0.
        #[serde(default = "local0")]
        facility: u8,
    },
}

/// How a syslog message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// One message a datagram.
    Udp,
    /// One connection a message.
    Tcp,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailServer {
    /// Name or address.
    pub host: String,
    /// Usually 465 or 587.
    pub port: u16,
    /// How the connection is kept private.
    pub security: Security,
    /// Empty: no login.
    #[serde(default)]
    pub user: String,
    /// Of that user.
    #[serde(default)]
    pub password: String,
    /// The sender.
    pub from: String,
}

/// How a connection to a mail server is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// TLS from the first byte (RFC 8314), port 465.
    Tls,
    /// STARTTLS (RFC 3207), and nothing without it; port 587.
    Starttls,
    /// Nothing: within one's own network.
    None,
}

const fn local0() -> u8 {
    16
}

impl Target {
    /// As the API names it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::Webhook { .. } => "webhook",
            Self::Syslog { .. } => "syslog",
        }
    }

    /// Where to, without anything secret.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Email { to, .. } => format!("e-mail to {}", to.join(", ")),
            Self::Webhook { url, .. } => {
                // What stands behind the host is often a secret by itself.
                let place = url.split('/').take(3).collect::<Vec<_>>().join("/");
                format!("webhook at {place}")
            }
            Self::Syslog { host, port, .. } => format!("syslog to {host}:{port}"),
        }
    }

    /// Seconds between two messages of alerts; what comes meanwhile goes into the next one.
    #[must_use]
    pub const fn pause_seconds(&self) -> u64 {
        match self {
            Self::Email { .. } => 300,
            Self::Webhook { .. } => 10,
            Self::Syslog { .. } => 1,
        }
    }

    /// Fills in what the API never gives out, from the channel as it was.
    pub fn keep_secrets(&mut self, old: &Self) {
        match (self, old) {
            (Self::Webhook { secret, .. }, Self::Webhook { secret: old, .. })
                if secret.is_empty() =>
            {
                secret.clone_from(old);
            }
            (Self::Email { server: Some(new), .. }, Self::Email { server: Some(old), .. }) => {
                // A password goes only to the server that it was written down for.
                let is_same = new.host == old.host && new.port == old.port && new.user == old.user;
                if new.password.is_empty() && is_same {
                    new.password.clone_from(&old.password);
                }
            }
            _ => {}
        }
    }

    /// Refuses what means nothing.
    ///
    /// # Errors
    /// What must be changed, by the name of the field.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Email { to, server } => {
                if to.is_empty()
                    || to.len() > MAX_RECIPIENTS
                    || !to.iter().all(|text| is_mailbox(text))
                {
                    let allowed = format!("1 to {MAX_RECIPIENTS} addresses, as in noc@example.net");
                    return Err(invalid("to", &allowed));
                }
                server.as_ref().map_or(Ok(()), MailServer::check)
            }
            Self::Webhook { url, .. } => {
                let parsed = url.parse::<ureq::http::Uri>().ok();
                let is_web = parsed.is_some_and(|uri| {
                    matches!(uri.scheme_str(), Some("https" | "http"))
                        && uri.host().is_some_and(|host| !host.is_empty())
                        && uri.authority().is_some_and(|it| !it.as_str().contains('@'))
                });
                if url.len() > MAX_URL || !is_web {
                    let allowed = "an address, as in https://example.net/hook, without a login";
                    return Err(invalid("url", allowed));
                }
                Ok(())
            }
            Self::Syslog { host, port, facility, .. } => {
                if !is_host(host) {
                    return Err(invalid("host", "a name or an address, without a port"));
                }
                if *port == 0 {
                    return Err(invalid("port", "a number from 1 to 65535"));
                }
                if *facility > 23 {
                    return Err(invalid("facility", "a number from 0 to 23"));
                }
                Ok(())
            }
        }
    }
}

impl MailServer {
    /// Refuses what means nothing.
    ///
    /// # Errors
    /// What must be changed, by the name of the field.
    pub fn check(&self) -> Result<(), Invalid> {
        if !is_host(&self.host) {
            return Err(invalid("server.host", "a name or an address, without a port"));
        }
        if self.port == 0 {
            return Err(invalid("server.port", "a number from 1 to 65535"));
        }
        if !is_mailbox(&self.from) {
            return Err(invalid("server.from", "an address, as in ringside@example.net"));
        }
        let is_login = |text: &str| text.len() <= 256 && !text.chars().any(char::is_control);
        if !is_login(&self.user) || !is_login(&self.password) {
            return Err(invalid("server.user and server.password", "one line of text each"));
        }
        if self.security == Security::None && !self.password.is_empty() {
            let allowed = "tls or starttls where there is a password: it would go in the clear";
            return Err(invalid("server.security", allowed));
        }
        Ok(())
    }
}

fn invalid(name: &str, allowed: &str) -> Invalid {
    Invalid { name: name.to_owned(), allowed: allowed.to_owned() }
}

/// An address alone, without a name before it.
fn is_mailbox(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}

/// What a channel is called.
///
/// # Errors
/// What must be changed.
pub fn check_name(name: &str) -> Result<String, Invalid> {
    let name = name.trim();
    let is_fine =
        !name.is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control);
    let allowed = format!("1 to {MAX_NAME} characters on one line");
    is_fine.then(|| name.to_owned()).ok_or_else(|| invalid("name", &allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: serde_json::Value) -> Option<String> {
        let target: Target = serde_json::from_value(json).expect("a target");
        target.check().err().map(|invalid| invalid.name)
    }

    #[test]
    fn targets_that_mean_nothing_are_refused_by_the_name_of_their_field() {
        use serde_json::json;
        let email = |to: &str| json!({ "kind": "email", "to": [to] });
        assert_eq!(refused(email("noc@example.net")), None);
        for bad in ["", "noc", "a@b\r\nRCPT TO:<c@d>", "Noc <noc@example.net>"] {
            assert_eq!(refused(email(bad)), Some("to".to_owned()), "{bad:?}");
        }
        let hook = |url: &str| json!({ "kind": "webhook", "url": url });
        assert_eq!(refused(hook("https://example.net:8443/a?b=c")), None);
        for bad in [
            "",
            "ftp://example.net",
            "https://",
            "/hook",
            "https://a:b@example.net/",
            "file:///etc/passwd",
        ] {
            assert_eq!(refused(hook(bad)), Some("url".to_owned()), "{bad:?}");
        }
        let syslog =
            |host: &str| json!({ "kind": "syslog", "host": host, "port": 514, "transport": "udp" });
        assert_eq!(refused(syslog("logs.example.net")), None);
        assert_eq!(refused(syslog("logs:514 x")), Some("host".to_owned()));
        let clear = json!({ "kind": "email", "to": ["a@example.net"], "server": {
            "host": "mail.example.net", "port": 25, "security": "none", "user": "u",
            "password": "made-for-a-test", "from": "r@example.net" } });
        assert_eq!(refused(clear), Some("server.security".to_owned()));
    }

    #[test]
    fn a_password_stays_with_its_server() {
        let server = |host: &str, password: &str| MailServer {
            host: host.to_owned(),
            port: 465,
            security: Security::Tls,
            user: "u".to_owned(),
            password: password.to_owned(),
            from: "r@example.net".to_owned(),
        };
        let email =
            |server| Target::Email { to: vec!["a@example.net".to_owned()], server: Some(server) };
        let old = email(server("mail.example.net", "p"));
        let mut same = email(server("mail.example.net", ""));
        same.keep_secrets(&old);
        assert_eq!(same, old);
        let mut other = email(server("evil.example.net", ""));
        other.keep_secrets(&old);
        assert_eq!(other, email(server("evil.example.net", "")));
    }
}
