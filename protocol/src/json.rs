//! A call as JSON.
