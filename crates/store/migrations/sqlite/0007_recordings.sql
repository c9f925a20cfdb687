-- Recordings of calls. A recording outlives its call's row: its files have to be deleted from storage before anything about it may go.

CREATE TABLE recordings (
  id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  -- No reference: the row of a call that has just begun follows, and a call may be gone before its recording is.
  call_id        BLOB    CHECK (call_id IS NULL OR length(call_id) = 16),
  channel_id     TEXT,
  room           TEXT    NOT NULL,
  -- 1 this server, 2 uploaded by a client.
  origin         INTEGER NOT NULL CHECK (origin BETWEEN 1 AND 2),
  status         INTEGER NOT NULL CHECK (status BETWEEN 1 AND 7),
  started_by     TEXT,
  started_at     INTEGER NOT NULL,
  ended_at       INTEGER,
  duration_ms    INTEGER,
  -- What its files take, as they were before they were sealed.
  size_bytes     INTEGER NOT NULL DEFAULT 0,
  layout         INTEGER CHECK (layout BETWEEN 1 AND 6),
  resolution     TEXT,
  audio_only     INTEGER NOT NULL DEFAULT 0 CHECK (audio_only IN (0, 1)),
  format         INTEGER NOT NULL CHECK (format BETWEEN 1 AND 2),
  policy         INTEGER NOT NULL CHECK (policy BETWEEN 1 AND 4),
  -- Of composing, percent.
  progress       INTEGER CHECK (progress BETWEEN 0 AND 100),
  -- NULL: for as long as its channel's or the server's setting says.
  retention_days INTEGER CHECK (retention_days > 0),
  expires_at     INTEGER,
  legal_hold     INTEGER NOT NULL DEFAULT 0 CHECK (legal_hold IN (0, 1)),
  error_code     TEXT,
  error_message  TEXT,
  deleted_at     INTEGER,
  updated_at     INTEGER NOT NULL,
  CHECK ((status = 7) = (deleted_at IS NOT NULL))
) STRICT;
CREATE INDEX recordings_by_time ON recordings (started_at DESC, id DESC);
CREATE INDEX recordings_by_call ON recordings (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX recordings_by_channel ON recordings (channel_id, started_at DESC, id DESC) WHERE channel_id IS NOT NULL;
CREATE INDEX recordings_by_starter ON recordings (started_by) WHERE started_by IS NOT NULL;
CREATE INDEX recordings_by_expiry ON recordings (expires_at) WHERE expires_at IS NOT NULL AND status <> 7;
CREATE INDEX recordings_unfinished ON recordings (status) WHERE status <= 4;

CREATE TABLE recording_files (
  -- Also the object's name.
  id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  recording_id BLOB    NOT NULL REFERENCES recordings (id),
  -- 1 what began it, 2 what happened, 3 a track, 4 composed, 5 uploaded.
  kind         INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5),
  -- Within the recording.
  name         TEXT    NOT NULL,
  size_bytes   INTEGER NOT NULL,
  sha256       BLOB    NOT NULL CHECK (length(sha256) = 32),
  is_sealed    INTEGER NOT NULL CHECK (is_sealed IN (0, 1)),
  -- Of a track: its ID, who published it, and what it is.
  track        TEXT,
  user_id      TEXT,
  media        TEXT,
  source       TEXT,
  codec        TEXT,
  width        INTEGER,
  height       INTEGER,
  stored_at    INTEGER NOT NULL,
  -- To be deleted from storage; nobody is shown it any more.
  doomed_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_files_by_recording ON recording_files (recording_id, kind, name);
CREATE INDEX recording_files_doomed ON recording_files (doomed_at) WHERE doomed_at IS NOT NULL;
CREATE INDEX recording_files_by_user ON recording_files (user_id) WHERE user_id IS NOT NULL;

-- What holds for recordings of a channel.
CREATE TABLE channel_recording_rules (
  channel_id     TEXT    NOT NULL PRIMARY KEY REFERENCES channels (id) ON DELETE CASCADE,
  retention_days INTEGER CHECK (retention_days > 0),
  most_bytes     INTEGER CHECK (most_bytes >= 0)
) STRICT, WITHOUT ROWID;
