-- How clients authenticate: 1 not at all, 2 with the row's username and credential, 3 with credentials that expire, made with the
-- secret that this server and the TURN server share.
ALTER TABLE ice_servers ADD COLUMN auth INTEGER NOT NULL DEFAULT 1 CHECK (auth BETWEEN 1 AND 3);

-- What administrators and host apps did.
CREATE TABLE audit_log (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  -- A user's id, or api-key: and a key's.
  actor   TEXT    NOT NULL,
  address TEXT,
  action  TEXT    NOT NULL,
  target  TEXT,
  details TEXT    NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX audit_log_by_age ON audit_log (at);
CREATE INDEX audit_log_by_actor ON audit_log (actor, id);
CREATE INDEX audit_log_by_action ON audit_log (action, id);
CREATE INDEX audit_log_by_target ON audit_log (target) WHERE target IS NOT NULL;

-- Calls that ran on when one of their participants was erased: what the journal still brings of them is written with the alias. A
-- row goes with its call's end.
CREATE TABLE erased_parts (
  call_id BLOB NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  alias   TEXT NOT NULL,
  PRIMARY KEY (call_id, user_id)
) STRICT, WITHOUT ROWID;
