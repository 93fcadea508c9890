-- Schema 4: what customers may send, and what their sensors sent in vain.

-- What was stored for a customer today (days since the epoch, UTC).
CREATE TABLE intake (
  customer INTEGER PRIMARY KEY REFERENCES customer,
  day      INTEGER NOT NULL,
  records  INTEGER NOT NULL,
  bytes    INTEGER NOT NULL
) STRICT;

-- What a sensor sent and was not kept as it came.
CREATE TABLE sensor_notice (
  device BLOB NOT NULL REFERENCES sensor ON DELETE CASCADE,
  kind   INTEGER NOT NULL,                -- number of intake::Kind
  count  INTEGER NOT NULL,                -- of the last days (intake::NOTICE_DAYS)
  detail TEXT NOT NULL,                   -- of the last time
  at     INTEGER NOT NULL,                -- the last time
  PRIMARY KEY (device, kind)
) STRICT, WITHOUT ROWID;
