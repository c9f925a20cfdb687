-- What a name has in common with all that look like it (UTS #39), so that no second account takes one of those. The program works it
-- out for accounts that were made before. Not unique: of those, some may look alike.
ALTER TABLE accounts ADD COLUMN skeleton TEXT;
CREATE INDEX accounts_by_skeleton ON accounts (skeleton);
