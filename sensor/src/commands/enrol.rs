//! `ringside-sensor enrol`: joins a customer.

use std::path::Path;

use ringside_protocol::DEFAULT_PORT;

use super::{DONE, Stop, load, print, uplink_settings};
use crate::identity::Server;
use crate::uplink::enrol::enrol as join;

pub(super) fn enrol(server: Option<&str>, token: &str, config: Option<&Path>) -> Result<u8, Stop> {
    let config = load(config)?.config;
    let server = server.map(parse_server).transpose()?;
    let directory = config.data_dir.clone();
    let enrolled =
        join(token, server, uplink_settings(&config, directory)).map_err(Stop::failed)?;
    print(&format!(
        "This sensor belongs to {} now. `ringside-sensor doctor` shows each step to the cloud; \
         `ringside-sensor run` starts it.\n",
        enrolled.customer
    ))?;
    Ok(DONE)
}

/// `HOST[:PORT]`, IPv6 in brackets.
fn parse_server(text: &str) -> Result<Server, Stop> {
    let wrong = || Stop::wrong(format!("--server {text}: write HOST or HOST:PORT"));
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
            (host, after.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|&port| port > 0).ok_or_else(wrong)?,
        None => DEFAULT_PORT,
    };
    if host.is_empty() {
        return Err(wrong());
    }
    Ok(Server { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_name_or_address_with_or_without_a_port() {
        for (text, host, port) in [
            ("cloud.example.net", "cloud.example.net", 60023),
            ("cloud.example.net:7000", "cloud.example.net", 7000),
            ("192.0.2.1:7000", "192.0.2.1", 7000),
            ("[2001:db8::1]:7000", "2001:db8::1", 7000),
            ("2001:db8::1", "2001:db8::1", 60023),
        ] {
            let server = parse_server(text).unwrap();
            assert_eq!((server.host.as_str(), server.port), (host, port), "{text}");
        }
        for text in ["", ":1", "a:b", "a:0", "[::1"] {
            assert!(parse_server(text).is_err(), "{text}");
        }
    }
}
