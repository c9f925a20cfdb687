-- What a call knows of its latest recording, and who agreed to it.

-- JSON; NULL if it was never recorded.
ALTER TABLE calls ADD COLUMN recording TEXT;
-- NULL: not asked, or yet to answer.
ALTER TABLE call_participants ADD COLUMN recording_consent INTEGER CHECK (recording_consent IN (0, 1));
ALTER TABLE call_participants ADD COLUMN recording_consent_at INTEGER;
