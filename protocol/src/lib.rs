//! The messages between a Ringside sensor and its cloud.
//!
//! This crate does no I/O and keeps no state. It holds what both sides must agree on:
//!
//! * [`record`]: everything that a sensor delivers: [`cdr`], one call as it travels and as it is
//!   kept, [`registration`], what becomes of a phone's registration, and [`peer`], what one
//!   address asks of another outside calls;
//! * [`message`]: what the two say to each other, and [`envelope`]: how it is framed;
//! * [`limits`]: how large a record and a heartbeat can be, and [`plausible`]: whether they are;
//! * [`step`]: the named steps of the handshake and one sentence for each way to fail;
//! * [`rule`]: which calls' packets are kept, and [`retrieval`]: how somebody gets them;
//! * [`token`]: the enrolment token, one line that configures a box; [`claim`]: the claim code of a
//!   device that has none;
//! * [`counters`]: everything a sensor counts;
//! * [`slot`]: the two slots of an upgrade, and when a new one has proved itself; [`push`]: an upgrade
//!   that comes from the cloud;
//! * [`json`]: a call as the JSON object that `analyze` and the cloud's API both print;
//! * [`diagnosis`]: a call's figures turned into sentences with evidence.
//!
//! Wire structs only ever gain fields at their end; `tests/golden` pins their bytes.

pub mod band;
pub mod cdr;
pub mod claim;
pub mod columns;
pub mod counters;
pub mod diagnosis;
pub mod envelope;
pub mod json;
pub mod limits;
pub mod live;
pub mod message;
pub mod nearest;
pub mod peer;
pub mod plausible;
pub mod push;
pub mod record;
pub mod registration;
pub mod retrieval;
pub mod rule;
pub mod slot;
pub mod step;
pub mod time;
pub mod token;
pub mod words;

/// The protocol version that this build speaks; the cloud also reads the one before.
pub const PROTOCOL_VERSION: u8 = 1;

/// The oldest protocol version that the cloud still reads (N and N-1; there is no 0).
pub const OLDEST_PROTOCOL_VERSION: u8 = 1;

/// The TCP port that sensors dial when their configuration names none.
pub const DEFAULT_PORT: u16 = 60023;
