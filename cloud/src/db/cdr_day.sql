-- One day of calls; DAY is the date as YYYYMMDD. The record is kept as it came, beside the columns
-- that filters use.
CREATE TABLE IF NOT EXISTS cdr_DAY (
  customer    INTEGER NOT NULL,
  device      BLOB NOT NULL,
  boot        BLOB NOT NULL,
  number      INTEGER NOT NULL,
  ended_at    INTEGER NOT NULL,
  start_at    INTEGER NOT NULL,           -- of the first INVITE, or of the first packet seen
  arrived_at  INTEGER NOT NULL,
  call_id     TEXT NOT NULL,
  caller      TEXT NOT NULL,              -- user part
  callee      TEXT NOT NULL,
  addresses   TEXT NOT NULL,              -- ' ip ip ip ', each once, without ports
  status_code INTEGER,
  ended_by    INTEGER NOT NULL,           -- number of cdr::EndedBy
  answered    INTEGER NOT NULL,           -- 0 or 1
  duration_us INTEGER,
  mos         INTEGER,                    -- worst direction's, 1/100
  flags       INTEGER NOT NULL,
  legs        TEXT NOT NULL DEFAULT '',   -- what the legs of one call share; else its call_id
  version     INTEGER NOT NULL,           -- of the record's encoding
  record      BLOB NOT NULL,              -- postcard of cdr::Cdr
  PRIMARY KEY (customer, device, boot, number)
) STRICT;
-- Lists go from the newest call to the oldest and look at every column that a filter can name.
-- All of them are in the index, so that a search reads none of the records it passes over.
CREATE INDEX IF NOT EXISTS cdr_DAY_ended ON cdr_DAY (
  customer, ended_at DESC, device DESC, boot DESC, number DESC,
  caller, callee, call_id, addresses, status_code, ended_by, answered, duration_us, mos, flags
);
CREATE INDEX IF NOT EXISTS cdr_DAY_legs ON cdr_DAY (customer, legs);
