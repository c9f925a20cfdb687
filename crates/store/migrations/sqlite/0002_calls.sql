-- Glare, transfer, hold and mute.

-- The call that is left of two that met; this id is another name of it.
ALTER TABLE calls ADD COLUMN merged_into BLOB CHECK (merged_into IS NULL OR length(merged_into) = 16);
-- JSON; set while a transfer is under way.
ALTER TABLE calls ADD COLUMN transfer TEXT;

ALTER TABLE call_participants ADD COLUMN is_on_hold INTEGER NOT NULL DEFAULT 0 CHECK (is_on_hold IN (0, 1));
ALTER TABLE call_participants ADD COLUMN is_hard_muted INTEGER NOT NULL DEFAULT 0 CHECK (is_hard_muted IN (0, 1));
-- How many reports the averages are of.
ALTER TABLE call_participants ADD COLUMN quality_reports INTEGER NOT NULL DEFAULT 0;
