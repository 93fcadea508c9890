-- Releases of the sensor, and which sensor is to install which.

UPDATE user SET rights = rights || ' upgrades' WHERE role = 'admin';

-- A signed package. One without a customer is the operator's, and everybody's to use.
CREATE TABLE package (
  package     INTEGER PRIMARY KEY,
  customer    INTEGER REFERENCES customer,
  version     TEXT NOT NULL,              -- as its signature says
  target      TEXT NOT NULL,
  bytes       INTEGER NOT NULL,
  received    INTEGER NOT NULL,           -- bytes that are here; the package is good when these are all
  sha256      BLOB NOT NULL,
  signature   TEXT NOT NULL,              -- minisign's file
  is_checked  INTEGER NOT NULL,           -- the signature was checked with a key that this cloud has
  uploaded_by TEXT NOT NULL,
  uploaded_at INTEGER NOT NULL
) STRICT;

-- Its bytes, in pieces of protocol's push::PIECE_BYTES.
CREATE TABLE package_piece (
  package INTEGER NOT NULL REFERENCES package ON DELETE CASCADE,
  piece   INTEGER NOT NULL,
  bytes   BLOB NOT NULL,
  PRIMARY KEY (package, piece)
) STRICT;

-- Several sensors are to install one package, ring after ring.
CREATE TABLE rollout (
  rollout    INTEGER PRIMARY KEY,
  customer   INTEGER NOT NULL REFERENCES customer,
  package    INTEGER NOT NULL,
  version    TEXT NOT NULL,
  state      TEXT NOT NULL,               -- 'running', 'paused', 'done', 'cancelled'
  ring       INTEGER NOT NULL,            -- the newest that is open
  why        TEXT NOT NULL,               -- it is paused
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX rollout_customer ON rollout (customer);

-- One sensor's part of it.
CREATE TABLE upgrade_order (
  number     INTEGER PRIMARY KEY,
  rollout    INTEGER NOT NULL REFERENCES rollout,
  customer   INTEGER NOT NULL,
  device     BLOB NOT NULL,
  package    INTEGER NOT NULL,
  ring       INTEGER NOT NULL,
  state      TEXT NOT NULL,               -- upgrades::State
  why        TEXT NOT NULL,
  fetched    INTEGER NOT NULL,            -- bytes that the sensor has
  changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX upgrade_order_device ON upgrade_order (device);
CREATE INDEX upgrade_order_rollout ON upgrade_order (rollout);
