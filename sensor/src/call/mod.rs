//! Calls: who belongs to which, their states, streams, figures and records.
