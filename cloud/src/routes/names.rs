//! What a customer's sensors are called, for the objects that name them.

use std::collections::HashMap;

use ringside_protocol::cdr::Fingerprint;
use serde_json::{Value, json};

use crate::db::sensors::Sensor;

/// What the customer's sensors are called.
pub(super) struct Names(HashMap<Fingerprint, (String, Option<u16>)>);

impl Names {
    pub(super) fn new(sensors: &[Sensor]) -> Self {
        let name = |it: &Sensor| (it.device, (it.name.clone(), it.id_sensor));
        Self(sensors.iter().map(name).collect())
    }

    /// The device with this number.
    pub(super) fn device(&self, id_sensor: u64) -> Option<Fingerprint> {
        let wanted = u16::try_from(id_sensor).ok()?;
        self.0.iter().find(|(_, (_, number))| *number == Some(wanted)).map(|(device, _)| *device)
    }

    /// A sensor that was removed since has only its id.
    pub(super) fn object(&self, device: Fingerprint) -> Value {
        let known = self.0.get(&device);
        json!({
            "id": device.to_string(),
            "name": known.map(|(name, _)| name),
            "id_sensor": known.and_then(|(_, number)| *number),
        })
    }
}
