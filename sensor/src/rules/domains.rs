//! Domain tests by host.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use ringside_protocol::rule::Domain;

use super::TestId;

/// The longest host that is looked up (RFC 1035 §2.3.4), bytes.
const MAX_HOST: usize = 255;

/// Domain tests. A host is looked up as it is and without each of its first labels.
#[derive(Debug, Default)]
pub(super) struct Domains {
    by_host: HashMap<Box<[u8]>, Vec<(bool, TestId)>, FixedState>,
}

impl Domains {
    pub(super) fn add(&mut self, domain: &Domain, test: TestId) {
        let host = domain.host.as_bytes().into();
        self.by_host.entry(host).or_default().push((domain.is_below, test));
    }

    /// Hands out the tests that a host (which may name its port) meets.
    pub(super) fn find(&self, host: &[u8], found: &mut impl FnMut(TestId)) {
        let host = without_port(host);
        if self.by_host.is_empty() || host.is_empty() || host.len() > MAX_HOST {
            return;
        }
        let mut lower = [0; MAX_HOST];
        let lower = &mut lower[..host.len()];
        lower.copy_from_slice(host);
        lower.make_ascii_lowercase();
        let behind_dots = lower.iter().zip(1..).filter(|(byte, _)| **byte == b'.');
        let starts = core::iter::once(0).chain(behind_dots.map(|(_, next)| next));
        for start in starts {
            for &(is_below, test) in self.by_host.get(&lower[start..]).into_iter().flatten() {
                if is_below == (start > 0) {
                    found(test);
                }
            }
        }
    }
}

/// `host:port` without the port; an IPv6 address keeps its brackets.
fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|&byte| byte == b':') {
        Some(colon) if host[colon..].iter().skip(1).all(u8::is_ascii_digit) => &host[..colon],
        _ => host,
    }
}
