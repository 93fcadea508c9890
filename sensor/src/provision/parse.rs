//! The lines of `ringside.conf`, each checked.

use core::fmt;
use core::net::IpAddr;

use ringside_protocol::token::Token;

/// What a technician has written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provision {
    /// `token`: as written.
    pub token: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// `capture`.
    pub capture: Vec<String>,
    /// `management`.
    pub management: Option<String>,
    /// `vlan`, 1 to 4094.
    pub vlan: Option<u16>,
    /// `address` and its prefix length.
    pub address: Option<(IpAddr, u8)>,
    /// `gateway`.
    pub gateway: Option<IpAddr>,
    /// `dns`.
    pub dns: Vec<IpAddr>,
    /// `ntp`: names or addresses.
    pub ntp: Vec<String>,
    /// `ssh_key`; lines add up.
    pub ssh_keys: Vec<String>,
    /// `wifi`.
    pub is_wifi_on: bool,
    /// `wifi_name`.
    pub wifi_name: Option<String>,
    /// `wifi_password`.
    pub wifi_password: Option<String>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1; `None` when a line is missing.
    pub line: Option<usize>,
    /// What is wrong and what would be right.
    pub says: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.says),
            None => f.write_str(&self.says),
        }
    }
}

const NAMES: &str = "token, name, capture, management, vlan, address, gateway, dns, ntp, ssh_key, \
                     wifi, wifi_name and wifi_password";

/// Settings whose values are wiped once they are taken over.
const SECRETS: [&str; 2] = ["token", "wifi_password"];

/// Reads a file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(text: &str) -> Result<Provision, Vec<Problem>> {
    let mut provision = Provision::default();
    let mut problems = Vec::new();
    let mut seen = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut wrong = |says: String| problems.push(Problem { line: Some(number), says });
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            wrong("write NAME = VALUE".to_owned());
            continue;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if value.is_empty() {
            continue;
        }
        if name != "ssh_key" && seen.contains(&name) {
            wrong(format!("{name} stands twice: leave one of them out"));
            continue;
        }
        if let Err(says) = provision.set(&name, value) {
            wrong(says);
        }
        seen.push(name);
    }
    problems.extend(provision.together().map(|says| Problem { line: None, says }));
    if problems.is_empty() { Ok(provision) } else { Err(problems) }
}

/// What stands in a secret's place.
#[must_use]
pub(super) fn taken_over(name: &str) -> String {
    format!("# {name} was taken over")
}

/// The text with the values of secrets taken out.
#[must_use]
pub(super) fn without_secrets(text: &str) -> String {
    let line = |line: &str| {
        let (name, _) = line.split_once('=').unwrap_or((line, ""));
        let name = name.trim();
        match SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
            true => taken_over(&name.to_ascii_lowercase()) + "\n",
            false => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

impl Provision {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "token" => {
                value.parse::<Token>().map_err(|error| {
                    format!("the token cannot be read ({error}): copy it again, whole")
                })?;
                self.token = Some(value.to_owned());
            }
            "name" => self.name = Some(plain(value, 255)?),
            "capture" => self.capture = list(value).map(interface).collect::<Result<_, _>>()?,
            "management" => self.management = Some(interface(value)?),
            "vlan" => {
                let vlan = value.parse().ok().filter(|vlan| (1..=4094).contains(vlan));
                self.vlan = Some(vlan.ok_or("vlan is a number from 1 to 4094")?);
            }
            "address" => self.address = Some(address(value)?),
            "gateway" => self.gateway = Some(ip(value)?),
            "dns" => self.dns = list(value).map(ip).collect::<Result<_, _>>()?,
            "ntp" => self.ntp = list(value).map(host).collect::<Result<_, _>>()?,
            "ssh_key" => self.ssh_keys.push(ssh_key(value)?),
            "wifi" => self.is_wifi_on = yes(value)?,
            "wifi_name" => self.wifi_name = Some(plain(value, 32)?),
            "wifi_password" => {
                let is_right = (8..=63).contains(&value.len()) && value.is_ascii();
                self.wifi_password = Some(
                    is_right
                        .then(|| value.to_owned())
                        .ok_or("wifi_password has 8 to 63 characters")?,
                );
            }
            _ => return Err(format!("there is no setting {name}: there are {NAMES}")),
        }
        Ok(())
    }

    /// What is wrong only in sum.
    fn together(&self) -> impl Iterator<Item = String> {
        let mut wrong = Vec::new();
        if let (Some((address, prefix)), Some(gateway)) = (self.address, self.gateway)
            && !is_in(gateway, address, prefix)
        {
            wrong.push(format!("gateway {gateway} is not in the network of {address}/{prefix}"));
        }
        if self.address.is_none() && self.gateway.is_some() {
            wrong
                .push("gateway needs an address beside it: without one DHCP gives both".to_owned());
        }
        if let Some(management) = &self.management
            && self.vlan.is_none()
            && self.capture.contains(management)
            && self.capture.len() > 1
        {
            wrong.push(format!("{management} is both management and one of several to capture on"));
        }
        if self.is_wifi_on && self.wifi_name.is_none() {
            wrong.push("wifi = yes needs wifi_name".to_owned());
        }
        if !self.is_wifi_on && self.wifi_name.is_some() {
            wrong.push("wifi_name is set and Wi-Fi is off: write wifi = yes, too".to_owned());
        }
        wrong.into_iter()
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\t']).filter(|part| !part.is_empty())
}

fn plain(text: &str, most: usize) -> Result<String, String> {
    if text.len() <= most && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("write at most {most} bytes"))
    }
}

fn interface(text: &str) -> Result<String, String> {
    let is_name = (1..=15).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !text.starts_with(['.', '-']);
    if is_name { Ok(text.to_owned()) } else { Err(format!("{text} is no interface, such as eth0")) }
}

fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text} is no address, such as 192.0.2.1"))
}

fn address(text: &str) -> Result<(IpAddr, u8), String> {
    let says = || format!("{text} is no address with its prefix length, such as 192.0.2.10/24");
    let (address, prefix) = text.split_once('/').ok_or_else(says)?;
    let address: IpAddr = address.parse().map_err(|_| says())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.parse().ok().filter(|prefix| (1..=most).contains(prefix));
    Ok((address, prefix.ok_or_else(says)?))
}

fn host(text: &str) -> Result<String, String> {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_host = text.parse::<IpAddr>().is_ok()
        || ((1..=253).contains(&text.len()) && text.bytes().all(name) && !text.starts_with('-'));
    if is_host {
        Ok(text.to_owned())
    } else {
        Err(format!("{text} is no server's name or address"))
    }
}

fn ssh_key(text: &str) -> Result<String, String> {
    let mut words = text.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let body = words.next().unwrap_or_default();
    let is_key = (kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-"))
        && body.len() > 40
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
        && !text.chars().any(char::is_control);
    if is_key {
        Ok(text.to_owned())
    } else {
        Err("ssh_key is a line of a .pub file, such as ssh-ed25519 AAAA… name".to_owned())
    }
}

fn yes(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" | "1" => Ok(true),
        "no" | "off" | "false" | "0" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}

fn is_in(gateway: IpAddr, address: IpAddr, prefix: u8) -> bool {
    match (gateway, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            a.to_bits() & mask == b.to_bits() & mask
        }
        // A router's link-local address is usual.
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            a.is_unicast_link_local() || a.to_bits() & mask == b.to_bits() & mask
        }
        _ => false,
    }
}
