-- One day of registrations; DAY is the date as YYYYMMDD, of the time at which the record was made.
-- The record is kept as it came, beside the columns that filters use.
CREATE TABLE IF NOT EXISTS registration_DAY (
  customer      INTEGER NOT NULL,
  device        BLOB NOT NULL,
  boot          BLOB NOT NULL,
  number        INTEGER NOT NULL,
  ended_at      INTEGER NOT NULL,         -- when the record was made
  arrived_at    INTEGER NOT NULL,
  is_newest     INTEGER NOT NULL,         -- 1: no later record of the same registration is there
  user          TEXT NOT NULL,            -- of the address-of-record
  host          TEXT NOT NULL,            -- of the address-of-record
  registrar     TEXT NOT NULL,
  contact       TEXT NOT NULL,            -- URI
  agent         TEXT NOT NULL,            -- User-Agent of the phone
  addresses     TEXT NOT NULL,            -- ' ip ip ', without ports
  state         INTEGER NOT NULL,         -- number of registration::State
  status_code   INTEGER,
  failures      INTEGER NOT NULL,         -- since the record before
  round_trip_us INTEGER,
  version       INTEGER NOT NULL,         -- of the record's encoding
  record        BLOB NOT NULL,            -- postcard of registration::Registration
  PRIMARY KEY (customer, device, boot, number)
) STRICT;
-- As for calls: every column that a filter can name is in the index.
CREATE INDEX IF NOT EXISTS registration_DAY_ended ON registration_DAY (
  customer, ended_at DESC, device DESC, boot DESC, number DESC,
  is_newest, user, host, registrar, contact, agent, addresses, state, status_code, failures,
  round_trip_us
);
