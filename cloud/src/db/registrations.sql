-- Schema 2. Where the newest record of each registration stands, so that the one before it stops
-- being the newest. Leaves with its record.
CREATE TABLE registration_newest (
  customer INTEGER NOT NULL,
  device   BLOB NOT NULL,
  key      TEXT NOT NULL,                 -- address-of-record, registrar, contact address
  ended_at INTEGER NOT NULL,              -- of the record: names its day
  boot     BLOB NOT NULL,
  number   INTEGER NOT NULL,
  PRIMARY KEY (customer, device, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX registration_newest_ended ON registration_newest (ended_at);
