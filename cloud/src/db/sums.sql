-- Sums of calls, kept when records are, so that figures over days read few rows.

-- Of all sensors together (device is empty) each 5 minutes, and of each sensor each hour.
CREATE TABLE call_sums (
  customer       INTEGER NOT NULL,
  width          INTEGER NOT NULL,        -- seconds: 300 or 3600
  at             INTEGER NOT NULL,        -- its beginning; a call counts where it ended
  device         BLOB NOT NULL,
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
  failed         INTEGER NOT NULL,
  delay_us       INTEGER NOT NULL,        -- of session request delays (RFC 6076)
  delay_calls    INTEGER NOT NULL,
  PRIMARY KEY (customer, width, at, device)
) STRICT, WITHOUT ROWID;

-- Channels in use each 5 minutes, microseconds: by records, and by heartbeats, which know of calls
-- that have not ended.
CREATE TABLE channel_use (
  customer   INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  record_us  INTEGER NOT NULL,
  beat_us    INTEGER NOT NULL,
  beats      INTEGER NOT NULL,
  PRIMARY KEY (customer, at)
) STRICT, WITHOUT ROWID;

-- Numbers and addresses of calls that failed or sounded bad, each hour. When an hour is over only
-- those with the most are kept (trouble::MOST_KEPT).
CREATE TABLE trouble (
  customer  INTEGER NOT NULL,
  kind      INTEGER NOT NULL,             -- number of trouble::Kind
  at        INTEGER NOT NULL,
  name      TEXT NOT NULL,
  failed    INTEGER NOT NULL,
  bad_audio INTEGER NOT NULL,
  PRIMARY KEY (customer, kind, at, name)
) STRICT, WITHOUT ROWID;

-- Hours whose calls came before this schema and are not added up yet.
CREATE TABLE unsummed (
  at INTEGER PRIMARY KEY
) STRICT;
