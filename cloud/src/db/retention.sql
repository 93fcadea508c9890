-- What each run of the retention deleted and left.
CREATE TABLE retention_run (
  at        INTEGER NOT NULL PRIMARY KEY,
  until     INTEGER NOT NULL,             -- what ended then or before is not shown
  records   INTEGER NOT NULL,
  days      INTEGER NOT NULL,
  late_days INTEGER NOT NULL              -- still there a day after: 0, or it has failed
) STRICT, WITHOUT ROWID;
