//! E-mail (RFC 5321), plain text.

use core::error::Error;
use std::net::SocketAddr;

use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{SmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message as Mail};

use super::super::channel::{MailServer, Security};
use super::super::message::Message;
use super::super::reach::Reach;
use super::{SendStep, Sender, TIMEOUT};

pub(super) fn send(
    sender: &Sender,
    (to, own): (&[String], Option<&MailServer>),
    message: &Message,
) -> Vec<SendStep> {
    let mut steps = Vec::new();
    let Some(server) = own.or(sender.mail.as_ref()) else {
        let says = "This service has no mail server of its own: name yours in this channel, or \
                    ask its operator for one (--mail).";
        return vec![SendStep::failed("lookup", says)];
    };
    // The operator's own server may stand anywhere.
    let anywhere = Reach { allowed: everywhere() };
    let reach = if own.is_some() { &sender.reach } else { &anywhere };
    let addresses = match reach.resolve(&server.host, server.port) {
        Ok(addresses) => addresses,
        Err(error) => return vec![SendStep::failed("lookup", error.to_string())],
    };
    let found = addresses.first().map(ToString::to_string).unwrap_or_default();
    steps.push(SendStep::ok("lookup", format!("{} is {found}.", server.host)));
    steps.extend(talk(sender, server, &addresses, to, message));
    steps
}

fn everywhere() -> Vec<crate::network::Network> {
    ["0.0.0.0/0", "::/0"].into_iter().filter_map(crate::network::Network::parse).collect()
}

fn talk(
    sender: &Sender,
    server: &MailServer,
    addresses: &[SocketAddr],
    to: &[String],
    message: &Message,
) -> Vec<SendStep> {
    let mut steps = Vec::new();
    let hello = ClientId::Domain(sender.host.clone());
    let tls = match TlsParameters::new(server.host.clone()) {
        Ok(tls) => tls,
        Err(error) => return vec![SendStep::failed("connect", told(&error))],
    };
    let at_once = (server.security == Security::Tls).then_some(&tls);
    let connected = SmtpConnection::connect(addresses, Some(TIMEOUT), &hello, at_once, None);
    let mut connection = match connected {
        Ok(connection) => connection,
        Err(error) => return vec![SendStep::failed("connect", told(&error))],
    };
    if server.security == Security::Starttls
        && let Err(error) = connection.starttls(&tls, &hello)
    {
        connection.abort();
        return vec![SendStep::failed("connect", told(&error))];
    }
    let private = if connection.is_encrypted() { "over TLS" } else { "without TLS" };
    let greeting = connection.server_info().name().to_owned();
    steps.push(SendStep::ok("connect", format!("{greeting} answers, {private}.")));
    if !server.user.is_empty() {
        let login = Credentials::new(server.user.clone(), server.password.clone());
        match connection.auth(&[Mechanism::Plain, Mechanism::Login], &login) {
            Ok(_) => steps.push(SendStep::ok("login", format!("Logged in as {}.", server.user))),
            Err(error) => {
                connection.abort();
                steps.push(SendStep::failed("login", told(&error)));
                return steps;
            }
        }
    }
    let sent = match mail(server, to, message) {
        Ok(mail) => {
            connection.send(mail.envelope(), &mail.formatted()).map_err(|error| told(&error))
        }
        Err(sentence) => Err(sentence),
    };
    steps.push(match sent {
        Ok(response) => {
            let line = response.first_line().unwrap_or_default();
            let says = format!("Taken for {}: {} {line}", to.join(", "), response.code());
            SendStep::ok("send", says.trim_end().to_owned())
        }
        Err(sentence) => SendStep::failed("send", sentence),
    });
    connection.abort();
    steps
}

fn mail(server: &MailServer, to: &[String], message: &Message) -> Result<Mail, String> {
    let wrong = |what: &dyn core::fmt::Display| format!("The message cannot be written: {what}.");
    let address = |text: &str| text.parse::<Address>().map_err(|error| wrong(&error));
    let from = address(&server.from)?;
    let id = format!("<{}@{}>", message.id, from.domain());
    let mut mail = Mail::builder()
        .from(lettre::message::Mailbox::new(Some("Ringside".to_owned()), from))
        .subject(message.subject())
        .message_id(Some(id))
        .date(std::time::UNIX_EPOCH + core::time::Duration::from_micros(message.at.0))
        .header(ContentType::TEXT_PLAIN);
    for recipient in to {
        mail = mail.to(address(recipient)?.into());
    }
    mail.body(message.text()).map_err(|error| wrong(&error))
}

/// What lettre says, with the cause behind it: an answer of the server word for word.
fn told(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    let text = text.trim_end_matches('.');
    format!("The mail server did not take it: {text}.")
}
