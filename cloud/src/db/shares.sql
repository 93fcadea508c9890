-- Searches that people keep, and links to single calls.

-- A search of the list of calls, under a name: a person's, or with an empty login the customer's.
CREATE TABLE saved_search (
  search     TEXT PRIMARY KEY,            -- 16 random hex digits
  customer   INTEGER NOT NULL REFERENCES customer,
  login      TEXT NOT NULL,
  name       TEXT NOT NULL,
  query      TEXT NOT NULL,               -- as the page's address has it
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (customer, login, name)
) STRICT;

-- A link that shows one call to whoever has it.
CREATE TABLE share (
  secret_sha256 BLOB PRIMARY KEY,
  customer   INTEGER NOT NULL REFERENCES customer,
  call       TEXT NOT NULL,               -- cdr::CallId
  is_masked  INTEGER NOT NULL,            -- 0 or 1: whoever made it sees masked numbers
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  opened     INTEGER NOT NULL DEFAULT 0,
  opened_at  INTEGER
) STRICT;
CREATE INDEX share_customer ON share (customer, call);

-- Administrators share calls unless somebody says otherwise.
UPDATE user SET rights = rights || ' share' WHERE role = 'admin';
