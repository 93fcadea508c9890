//! What `doctor` asks of capture, step by step.

use std::time::{Duration, Instant};

use super::LinkType;
use super::interface::{self, InterfaceSettings};

/// How long frames are waited for.
const LISTEN: Duration = Duration::from_secs(2);
/// How often one looks for them meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was tried, for example `open eth0`.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// What was found; where it does not work, what to do.
    pub sentence: String,
}

/// Tries to capture from each interface for two seconds. That no frame comes is no failure: the
/// wire may be silent.
#[must_use]
pub fn probe(interfaces: &[String], settings: &InterfaceSettings) -> Vec<Check> {
    interfaces.iter().flat_map(|interface| probe_one(interface, settings)).collect()
}

/// Asks one question after the other until one fails.
fn probe_one(interface: &str, settings: &InterfaceSettings) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut check = |name: &str, answer: Result<String, String>| {
        let ok = answer.is_ok();
        let sentence = answer.unwrap_or_else(|sentence| sentence);
        checks.push(Check { name: format!("{name} {interface}"), ok, sentence });
        ok
    };
    let found = if interface::exists(interface) {
        Ok(format!("interface {interface} is there"))
    } else {
        link(interface)
    };
    if !check("find", found) {
        return checks;
    }
    check("up", up(interface));
    let without_filter = InterfaceSettings { filter: None, ..settings.clone() };
    let capture = match interface::open(interface, &without_filter) {
        Ok(capture) => {
            check("open", Ok("it can be captured from".to_owned()));
            capture
        }
        Err(fault) => {
            check("open", Err(fault.to_string()));
            return checks;
        }
    };
    check("link type", link_type(interface::link_type(&capture)));
    drop(capture);
    if let Some(filter) = &settings.filter {
        let compiled = interface::open(interface, settings)
            .map(|_| format!("the filter `{filter}` is understood"))
            .map_err(|fault| fault.to_string());
        if !check("filter", compiled) {
            return checks;
        }
    }
    check("frames", listen(interface, settings));
    checks
}

/// Whether an interface is there, up, and has a link.
///
/// # Errors
/// It has none: what to do.
pub fn link(interface: &str) -> Result<String, String> {
    if interface::exists(interface) {
        up(interface)
    } else {
        let known = interface::known().join(", ");
        Err(format!("there is no interface {interface}; there are {known}"))
    }
}

fn up(interface: &str) -> Result<String, String> {
    if !interface::is_up(interface) {
        Err(format!("it is down; bring it up: ip link set {interface} up"))
    } else if !interface::has_link(interface) {
        Err("it is up but has no link; look at the cable and the switch's port".to_owned())
    } else {
        Ok("it is up and has a link".to_owned())
    }
}

fn link_type(link_type: LinkType) -> Result<String, String> {
    match link_type {
        LinkType::Other(number) => Err(format!(
            "frames of link type {number} are not read; capture from an Ethernet interface, or any"
        )),
        known => Ok(format!("frames are {known:?}")),
    }
}

/// Counts frames for [`LISTEN`], or until there are some.
fn listen(interface: &str, settings: &InterfaceSettings) -> Result<String, String> {
    let refused = |error: pcap::Error| interface::diagnose(interface, &error).to_string();
    let capture = interface::open(interface, settings).map_err(|fault| fault.to_string())?;
    let mut capture = capture.setnonblock().map_err(refused)?;
    let begun = Instant::now();
    let mut frames = 0;
    while begun.elapsed() < LISTEN {
        frames += capture.dispatch(None, |_| {}).map_err(refused)?;
        std::thread::sleep(LOOK);
    }
    Ok(match frames {
        0 => format!(
            "no frame in {} s; if calls are running, look at the mirror port and the filter",
            LISTEN.as_secs()
        ),
        frames => format!("{frames} frames in {} s", LISTEN.as_secs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_is_the_only_question() {
        let settings =
            InterfaceSettings { snap_len: 96, promiscuous: true, ring_mib: 1, filter: None };
        let checks = probe(&["eth-nowhere".to_owned()], &settings);
        assert_eq!(checks.len(), 1);
        assert!(!checks[0].ok && checks[0].name == "find eth-nowhere");
        assert!(checks[0].sentence.contains("there are "), "{}", checks[0].sentence);
    }

    #[test]
    fn a_link_type_that_is_not_read_says_what_to_do() {
        assert!(link_type(LinkType::Other(147)).expect_err("not read").contains("any"));
        assert!(link_type(LinkType::Ethernet).expect("read").contains("Ethernet"));
    }
}
