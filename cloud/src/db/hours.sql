-- What each hour's calls add up to, so that figures need not look at calls.
CREATE TABLE cdr_hour (
  customer       INTEGER NOT NULL,
  hour           INTEGER NOT NULL,        -- its beginning
  calls          INTEGER NOT NULL,
  answered       INTEGER NOT NULL,
  duration_us    INTEGER NOT NULL,
  excellent      INTEGER NOT NULL,
  good           INTEGER NOT NULL,
  fair           INTEGER NOT NULL,
  degraded       INTEGER NOT NULL,
  no_audio       INTEGER NOT NULL,
  unrated        INTEGER NOT NULL,
  mos_sum        INTEGER NOT NULL,
  mos_calls      INTEGER NOT NULL,
  redirected     INTEGER NOT NULL,
  callee_refused INTEGER NOT NULL,
  ineffective    INTEGER NOT NULL,
  cancelled      INTEGER NOT NULL,
  PRIMARY KEY (customer, hour)
) STRICT, WITHOUT ROWID;

-- The days (names of their tables) whose calls are all in cdr_hour, and on SQLite in term_DAY. Those
-- that an earlier schema began are not.
CREATE TABLE counted_day (
  name TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;
