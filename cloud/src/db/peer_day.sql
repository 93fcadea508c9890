-- One day of peer relations; DAY is the date as YYYYMMDD, of the time at which the record was made.
-- The record is kept as it came, beside the columns that filters use.
CREATE TABLE IF NOT EXISTS peer_DAY (
  customer      INTEGER NOT NULL,
  device        BLOB NOT NULL,
  boot          BLOB NOT NULL,
  number        INTEGER NOT NULL,
  ended_at      INTEGER NOT NULL,         -- when the record was made
  arrived_at    INTEGER NOT NULL,
  is_newest     INTEGER NOT NULL,         -- 1: no later record of the same relation is there
  method        TEXT NOT NULL,            -- as written on the wire
  event         TEXT NOT NULL,            -- event package; '' for OPTIONS and MESSAGE
  users         TEXT NOT NULL,            -- 'from to' of MESSAGE
  agents        TEXT NOT NULL,            -- of both, a line each
  src           TEXT NOT NULL,            -- who asks, without port
  dst           TEXT NOT NULL,            -- who is asked, without port
  state         INTEGER NOT NULL,         -- number of peer::State
  status_code   INTEGER,
  unanswered    INTEGER NOT NULL,         -- since the record before
  version       INTEGER NOT NULL,         -- of the record's encoding
  record        BLOB NOT NULL,            -- postcard of peer::Peer
  PRIMARY KEY (customer, device, boot, number)
) STRICT;
-- As for calls: every column that a filter can name is in the index.
CREATE INDEX IF NOT EXISTS peer_DAY_ended ON peer_DAY (
  customer, ended_at DESC, device DESC, boot DESC, number DESC,
  is_newest, method, event, users, agents, src, dst, state, status_code, unanswered
);
