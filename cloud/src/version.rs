//! What this binary is.

/// Product version, as in `0.1.0`.
pub const SOFTWARE: &str = env!("CARGO_PKG_VERSION");

/// Target triple that it was built for.
pub const TARGET: &str = env!("RINGSIDE_TARGET");

/// Git commit that it was built from; `unknown` outside a checkout.
pub const COMMIT: &str = env!("RINGSIDE_COMMIT");

/// One line for `ringside-cloud version`.
#[must_use]
pub fn line() -> String {
    format!(
        "ringside-cloud {SOFTWARE} ({TARGET}, commit {COMMIT}, protocol {} to {})",
        ringside_protocol::OLDEST_PROTOCOL_VERSION,
        ringside_protocol::PROTOCOL_VERSION
    )
}
