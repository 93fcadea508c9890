-- Schema 1. Times are microseconds since the Unix epoch, UTC. Records of calls are not here: each
-- day (UTC, of ended_at) has a table of its own, made from cdr_day.sql, so that retention drops
-- whole days.

CREATE TABLE customer (
  customer   INTEGER PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE,
  channels   INTEGER NOT NULL DEFAULT 2000,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE user (
  user       INTEGER PRIMARY KEY,
  customer   INTEGER NOT NULL REFERENCES customer,
  login      TEXT NOT NULL UNIQUE COLLATE NOCASE,
  password   TEXT NOT NULL,               -- argon2id, PHC string
  role       TEXT NOT NULL,               -- 'admin' or 'viewer'
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE login_session (
  session_sha256 BLOB PRIMARY KEY,
  user       INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,
  csrf       TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  seen_at    INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_token (
  token_sha256 BLOB PRIMARY KEY,
  customer   INTEGER NOT NULL REFERENCES customer,
  name       TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolment_token (
  secret_sha256 BLOB PRIMARY KEY,
  customer   INTEGER NOT NULL REFERENCES customer,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_by    BLOB,                        -- device fingerprint
  used_at    INTEGER
) STRICT, WITHOUT ROWID;

-- A device that belongs to a customer.
CREATE TABLE sensor (
  device      BLOB PRIMARY KEY,           -- fingerprint, 16 bytes
  customer    INTEGER NOT NULL REFERENCES customer,
  device_key  BLOB NOT NULL,              -- Ed25519, 32 bytes
  id_sensor   INTEGER,                    -- given or claimed at the first session
  name        TEXT NOT NULL,
  is_revoked  INTEGER NOT NULL DEFAULT 0,
  enrolled_at INTEGER NOT NULL,
  -- of the last session
  boot        BLOB,
  software    TEXT NOT NULL DEFAULT '',
  target      TEXT NOT NULL DEFAULT '',
  "commit"    TEXT NOT NULL DEFAULT '',
  address     TEXT NOT NULL DEFAULT '',
  accepted_at INTEGER,
  -- of the last message of any kind, and of the last heartbeat (postcard of message::Heartbeat)
  seen_at     INTEGER,
  heartbeat   BLOB,
  heartbeat_at INTEGER,
  last_cdr_at INTEGER,                    -- ended_at of the newest call
  channels    INTEGER NOT NULL DEFAULT 0, -- calls in progress, of the last heartbeat
  -- the channels granted (DECISIONS.md, Leases)
  lease_serial   INTEGER NOT NULL DEFAULT 0,
  lease_channels INTEGER NOT NULL DEFAULT 0,
  lease_reserved INTEGER NOT NULL DEFAULT 0, -- the larger grant that is not yet given back
  -- the last failed handshake (postcard of step::Failure), NULL after success
  failure     BLOB,
  failure_at  INTEGER,
  -- the last failure that the sensor itself reported (postcard of step::Failure): steps that the
  -- cloud cannot see, such as lookup and tcp
  reported    BLOB,
  reported_at INTEGER,
  UNIQUE (customer, id_sensor)
) STRICT, WITHOUT ROWID;

-- Devices that tried and belong to nobody: the operator sees them, and why they were refused.
-- Bounded: the oldest leave.
CREATE TABLE stranger (
  device     BLOB PRIMARY KEY,
  name       TEXT NOT NULL,
  address    TEXT NOT NULL,
  software   TEXT NOT NULL,
  target     TEXT NOT NULL,
  failure    BLOB NOT NULL,
  at         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Records whose own time is impossible (a wrong clock): filed under the day of their arrival, and
-- remembered here, so that a repeated delivery finds them whenever it comes.
CREATE TABLE misdated (
  customer INTEGER NOT NULL,
  device   BLOB NOT NULL,
  boot     BLOB NOT NULL,
  number   INTEGER NOT NULL,
  filed_at INTEGER NOT NULL,
  PRIMARY KEY (customer, device, boot, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX misdated_filed ON misdated (filed_at);

-- What is counted for a customer over all time: records expired on arrival, and so on.
CREATE TABLE customer_counter (
  customer INTEGER NOT NULL REFERENCES customer,
  name     TEXT NOT NULL,
  value    INTEGER NOT NULL,
  PRIMARY KEY (customer, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  entry    INTEGER PRIMARY KEY,
  customer INTEGER REFERENCES customer,
  at       INTEGER NOT NULL,
  who      TEXT NOT NULL,
  action   TEXT NOT NULL,
  detail   TEXT NOT NULL
) STRICT;

-- Secrets that the service made for itself (the key of the handshake's nonces, for example).
CREATE TABLE secret (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
