-- What happened to calls is numbered by node (a server, by the journal that it keeps) and sequence there, so that several can write
-- into one database.

ALTER TABLE journal_position RENAME TO only_journal_position;
ALTER TABLE call_events RENAME TO only_call_events;

-- How far each node's journal has been taken over.
CREATE TABLE journal_position (
  -- What the node's events are filed under here, in the order in which nodes came.
  number  INTEGER PRIMARY KEY,
  node    BLOB    NOT NULL UNIQUE CHECK (length(node) = 16),
  applied INTEGER NOT NULL
) STRICT;
-- The node that has written here so far has no name yet: the first one that comes is it.
INSERT INTO journal_position (number, node, applied) SELECT 1, zeroblob(16), applied FROM only_journal_position;
DROP TABLE only_journal_position;

CREATE TABLE call_events (
  node     INTEGER NOT NULL REFERENCES journal_position (number),
  -- In the node's journal.
  sequence INTEGER NOT NULL,
  call_id  BLOB    NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
  at       INTEGER NOT NULL,
  event    TEXT    NOT NULL,
  user_id  TEXT,
  payload  TEXT    NOT NULL,
  PRIMARY KEY (node, sequence)
) STRICT, WITHOUT ROWID;
INSERT INTO call_events (node, sequence, call_id, at, event, user_id, payload)
  SELECT 1, id, call_id, at, event, user_id, payload FROM only_call_events ORDER BY id;
DROP TABLE only_call_events;
CREATE INDEX call_events_by_call ON call_events (call_id, node, sequence);
