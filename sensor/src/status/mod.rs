//! The page on the device itself: five ticks, and beside each one that is not green the next thing to
//! do.
//!
//! ```text
//!   server.rs    connections: few, short, each with a deadline    snapshot.rs  one look at the sensor
//!   routes.rs    which page                                       ticks.rs     five ticks of it
//!   pin.rs       who may change something                         page.rs      as HTML, without scripts
//!                                                                 bundle.rs    for support
//! ```
//!
//! Reading needs no login; joining a cloud needs the PIN. The page is served by threads of its own
//! from figures that the analysis publishes once a second, so it answers while the analysis has no
//! time; it says how old its figures are.

mod bundle;
mod page;
mod pin;
mod routes;
mod server;
pub mod snapshot;
mod ticks;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

pub use snapshot::Sources;

use routes::Site;

/// The running page; it ends with the process.
#[derive(Debug)]
pub struct StatusPage {
    address: SocketAddr,
}

impl StatusPage {
    /// Serves on `listener` from now on.
    ///
    /// # Errors
    /// The system's.
    pub fn start(listener: TcpListener, sources: Sources) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let site = Arc::new(Site::new(sources));
        server::start(listener, move |request| site.answer(request))?;
        Ok(Self { address })
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests;
