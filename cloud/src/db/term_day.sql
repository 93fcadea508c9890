-- What calls of one day can be found by; DAY is the date as YYYYMMDD. Schema 9; SQLite only.
-- A bucket is ten minutes: what arrives together lies together, and the newest come first.
CREATE TABLE IF NOT EXISTS term_DAY (
  customer INTEGER NOT NULL,
  bucket   INTEGER NOT NULL,              -- of ended_at, terms::BUCKET microseconds each
  term     BLOB NOT NULL,                 -- terms::Term
  call     INTEGER NOT NULL,              -- rowid in cdr_DAY
  PRIMARY KEY (customer, bucket, term, call)
) STRICT, WITHOUT ROWID;
