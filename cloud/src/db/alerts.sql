-- Alerts.

CREATE TABLE alert_rule (
  rule       INTEGER PRIMARY KEY AUTOINCREMENT,
  customer   INTEGER NOT NULL REFERENCES customer,
  ready      TEXT,                        -- which ready-made one it was; NULL: one's own
  content    TEXT NOT NULL,               -- JSON of alerts::rule::Rule
  is_enabled INTEGER NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX alert_rule_customer ON alert_rule (customer);

-- Which ready-made rules a customer has been given, so that one that was deleted stays deleted.
CREATE TABLE alert_ready (
  customer INTEGER PRIMARY KEY REFERENCES customer,
  version  INTEGER NOT NULL
) STRICT;

CREATE TABLE alert_channel (
  channel    INTEGER PRIMARY KEY AUTOINCREMENT,
  customer   INTEGER NOT NULL REFERENCES customer,
  name       TEXT NOT NULL,
  target     TEXT NOT NULL,               -- JSON of alerts::channel::Target, passwords included
  calls      TEXT,                        -- finished calls that it is told of; NULL: none
  is_enabled INTEGER NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  tried_at   INTEGER,                     -- the last message, whatever became of it
  sent_at    INTEGER,                     -- the last that was taken
  error      TEXT                         -- why the last was not taken; NULL: it was
) STRICT;
CREATE INDEX alert_channel_customer ON alert_channel (customer);

-- Alerts that are open, and those that were, for as long as calls are shown.
CREATE TABLE alert (
  alert      INTEGER PRIMARY KEY AUTOINCREMENT,
  customer   INTEGER NOT NULL REFERENCES customer,
  rule       INTEGER NOT NULL,
  device     BLOB,                        -- the sensor it is about; NULL: all of them
  name       TEXT NOT NULL,               -- of the rule, then
  severity   TEXT NOT NULL,
  sentence   TEXT NOT NULL,
  link       TEXT NOT NULL,               -- path and query of the search behind it
  value_milli INTEGER NOT NULL,           -- the worst so far, 1/1000 of the measure's unit
  from_at    INTEGER NOT NULL,            -- the beginning of the window in which it opened
  opened_at  INTEGER NOT NULL,
  closed_at  INTEGER,
  why_closed TEXT,
  seen_at    INTEGER,                     -- when a person acknowledged it
  seen_by    TEXT,
  note       TEXT,
  is_told    INTEGER NOT NULL             -- whether its opening was handed to the channels
) STRICT;
CREATE INDEX alert_customer ON alert (customer, closed_at);

CREATE TABLE alert_silence (
  silence    INTEGER PRIMARY KEY AUTOINCREMENT,
  customer   INTEGER NOT NULL REFERENCES customer,
  rule       INTEGER,                     -- NULL: all
  device     BLOB,                        -- NULL: all
  until_at   INTEGER NOT NULL,
  reason     TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX alert_silence_customer ON alert_silence (customer);

-- What channels have still to be told.
CREATE TABLE alert_delivery (
  delivery   INTEGER PRIMARY KEY AUTOINCREMENT,
  customer   INTEGER NOT NULL,
  channel    INTEGER NOT NULL,
  alert      INTEGER NOT NULL,
  is_opening INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  due_at     INTEGER NOT NULL,
  attempts   INTEGER NOT NULL
) STRICT;
CREATE INDEX alert_delivery_channel ON alert_delivery (channel, due_at);

-- Finished calls that webhooks have still to be told of.
CREATE TABLE call_delivery (
  delivery   INTEGER PRIMARY KEY AUTOINCREMENT,
  customer   INTEGER NOT NULL,
  channel    INTEGER NOT NULL,
  device     BLOB NOT NULL,
  boot       BLOB NOT NULL,
  number     INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  due_at     INTEGER NOT NULL,
  attempts   INTEGER NOT NULL
) STRICT;
CREATE INDEX call_delivery_channel ON call_delivery (channel, due_at);

-- Which of several processes looks at alerts and tells channels, and until when.
CREATE TABLE alert_turn (
  turn     INTEGER PRIMARY KEY,           -- 1
  holder   TEXT NOT NULL,
  until_at INTEGER NOT NULL
) STRICT;
