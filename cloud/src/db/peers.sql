-- Schema 6. Where the newest record of each peer relation stands, as for registrations.
CREATE TABLE peer_newest (
  customer INTEGER NOT NULL,
  device   BLOB NOT NULL,
  key      TEXT NOT NULL,                 -- method, addresses, event package, users
  ended_at INTEGER NOT NULL,              -- of the record: names its day
  boot     BLOB NOT NULL,
  number   INTEGER NOT NULL,
  PRIMARY KEY (customer, device, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX peer_newest_ended ON peer_newest (ended_at);
