-- People who may be shut out, and when they were last here.

ALTER TABLE user ADD COLUMN is_disabled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN logged_in_at INTEGER;
