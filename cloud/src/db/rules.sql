-- Schema 3: capture rules.

CREATE TABLE rule (
  rule       INTEGER PRIMARY KEY AUTOINCREMENT,
  customer   INTEGER NOT NULL REFERENCES customer,
  text       TEXT NOT NULL,               -- as protocol's rule::text prints it
  sensors    BLOB,                        -- fingerprints, 16 bytes each; NULL: all of the customer's
  is_enabled INTEGER NOT NULL DEFAULT 1,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX rule_customer ON rule (customer);

-- How often the rules of a customer have changed.
CREATE TABLE rule_changes (
  customer INTEGER PRIMARY KEY REFERENCES customer,
  changes  INTEGER NOT NULL
) STRICT;

-- The rules that a sensor has said it applies.
CREATE TABLE sensor_rules (
  device   BLOB PRIMARY KEY,
  version  INTEGER NOT NULL,
  refused  BLOB NOT NULL,                 -- postcard: pairs of a rule and why it is not applied
  at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
