-- Schema 5: who may have what of a call, and which way.

-- Words of 'packets', 'audio', 'live'.
ALTER TABLE user ADD COLUMN rights TEXT NOT NULL DEFAULT '';
UPDATE user SET rights = 'packets audio' WHERE role = 'admin';

-- Whether each use must give a reason, and by which ways: words of 'relay'.
ALTER TABLE customer ADD COLUMN asks_reason INTEGER NOT NULL DEFAULT 0;
ALTER TABLE customer ADD COLUMN ways TEXT NOT NULL DEFAULT 'relay';
