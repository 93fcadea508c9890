-- The direct way, recent calls without a rule, calls in progress.

-- Whether a customer's people may be sent to the sensors' own pages, where sensors have one.
ALTER TABLE customer ADD COLUMN direct INTEGER NOT NULL DEFAULT 1;

-- Whether people with that right may listen to calls in progress.
ALTER TABLE customer ADD COLUMN live INTEGER NOT NULL DEFAULT 0;

-- Minutes for which sensors hold every call, sealed, so that it can be kept after its end; 0: not.
ALTER TABLE customer ADD COLUMN recent_minutes INTEGER NOT NULL DEFAULT 0;

-- Calls that somebody has kept after their end: what the record, which is older, does not say.
CREATE TABLE claimed (
    customer INTEGER NOT NULL,
    device BLOB NOT NULL,
    boot BLOB NOT NULL,
    number INTEGER NOT NULL,
    -- When and by whom it was asked for, and when the sensor was last told.
    at INTEGER NOT NULL,
    told_at INTEGER NOT NULL DEFAULT 0,
    who TEXT NOT NULL,
    -- 'asked', 'kept', 'gone'.
    state TEXT NOT NULL,
    packets INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (customer, device, boot, number)
) STRICT, WITHOUT ROWID;
