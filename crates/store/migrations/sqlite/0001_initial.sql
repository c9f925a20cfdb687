-- Times are INTEGER milliseconds since 1970-01-01T00:00:00Z, durations whole seconds unless the name says `_ms`, UUIDs BLOBs of
-- 16 bytes, user/channel/device ids the host app's text, JSON text, enums small integers whose numbers are in crates/model.

CREATE TABLE users (
  id          TEXT    NOT NULL PRIMARY KEY,
  name        TEXT    NOT NULL,
  -- Lower case of every script (SQLite's lower() knows ASCII only), for search and order.
  name_folded TEXT    NOT NULL,
  avatar_url  TEXT,
  is_guest    INTEGER NOT NULL DEFAULT 0 CHECK (is_guest IN (0, 1)),
  -- 1: all that is known is the id (someone called it); a name learnt later replaces it.
  is_bare     INTEGER NOT NULL DEFAULT 0 CHECK (is_bare IN (0, 1)),
  metadata    TEXT    NOT NULL DEFAULT '{}',
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX users_by_name ON users (name_folded, id);

CREATE TABLE accounts (
  username      TEXT    NOT NULL PRIMARY KEY,
  user_id       TEXT    NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
  password_hash TEXT    NOT NULL,
  permissions   TEXT    NOT NULL,
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  token_hash  BLOB    NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
  user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  permissions TEXT    NOT NULL,
  expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE channels (
  id         TEXT    NOT NULL PRIMARY KEY,
  name       TEXT    NOT NULL,
  metadata   TEXT    NOT NULL DEFAULT '{}',
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE channel_members (
  channel_id TEXT    NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
  user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  -- The order in which they were named.
  position   INTEGER NOT NULL,
  since      INTEGER NOT NULL,
  PRIMARY KEY (channel_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_members_by_user ON channel_members (user_id, channel_id);

CREATE TABLE devices (
  user_id           TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  id                TEXT    NOT NULL,
  name              TEXT,
  platform          TEXT,
  can_p2p           INTEGER NOT NULL DEFAULT 0 CHECK (can_p2p IN (0, 1)),
  can_sfu           INTEGER NOT NULL DEFAULT 1 CHECK (can_sfu IN (0, 1)),
  push_subscription TEXT,
  last_seen_at      INTEGER NOT NULL,
  created_at        INTEGER NOT NULL,
  PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE calls (
  id                      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  kind                    INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 2),
  media                   INTEGER NOT NULL CHECK (media BETWEEN 1 AND 3),
  topology                INTEGER NOT NULL CHECK (topology BETWEEN 1 AND 3),
  status                  INTEGER NOT NULL CHECK (status BETWEEN 1 AND 11),
  initiator_id            TEXT    NOT NULL REFERENCES users (id),
  -- No reference: a host app may name a channel that Stoa does not know, and a channel's calls outlive it.
  channel_id              TEXT,
  in_channel              INTEGER NOT NULL CHECK (in_channel IN (0, 1)),
  created_at              INTEGER NOT NULL,
  started_at              INTEGER,
  connected_at            INTEGER,
  ended_at                INTEGER,
  -- From connected_at to ended_at, set at the end.
  duration                INTEGER,
  end_reason              INTEGER CHECK (end_reason BETWEEN 1 AND 10),
  ended_by                TEXT,
  ring_until              INTEGER NOT NULL,
  max_participants        INTEGER NOT NULL,
  avg_packet_loss         REAL,
  avg_jitter_ms           REAL,
  avg_round_trip_ms       REAL,
  audio_codec             TEXT,
  video_codec             TEXT,
  sample_rate             INTEGER,
  is_recorded             INTEGER NOT NULL DEFAULT 0 CHECK (is_recorded IN (0, 1)),
  recording_consent_given INTEGER NOT NULL DEFAULT 0 CHECK (recording_consent_given IN (0, 1)),
  metadata                TEXT    NOT NULL DEFAULT '{}',
  CHECK ((status >= 5) = (ended_at IS NOT NULL))
) STRICT;
CREATE INDEX calls_by_channel ON calls (channel_id, created_at DESC, id DESC) WHERE channel_id IS NOT NULL;
CREATE INDEX calls_running ON calls (created_at) WHERE ended_at IS NULL;
CREATE INDEX calls_by_initiator ON calls (initiator_id);

CREATE TABLE call_participants (
  id                BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  call_id           BLOB    NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
  user_id           TEXT    NOT NULL REFERENCES users (id),
  -- The order in which they were added, the caller first.
  position          INTEGER NOT NULL,
  status            INTEGER NOT NULL CHECK (status BETWEEN 1 AND 8),
  device_id         TEXT,
  invited_at        INTEGER NOT NULL,
  joined_at         INTEGER,
  left_at           INTEGER,
  left_reason       INTEGER CHECK (left_reason BETWEEN 1 AND 10),
  duration          INTEGER NOT NULL DEFAULT 0,
  is_muted          INTEGER NOT NULL CHECK (is_muted IN (0, 1)),
  is_video_enabled  INTEGER NOT NULL CHECK (is_video_enabled IN (0, 1)),
  is_screen_sharing INTEGER NOT NULL CHECK (is_screen_sharing IN (0, 1)),
  video_quality     INTEGER NOT NULL CHECK (video_quality BETWEEN 1 AND 4),
  connection_quality INTEGER CHECK (connection_quality BETWEEN 1 AND 4),
  avg_packet_loss   REAL,
  avg_jitter_ms     REAL,
  avg_round_trip_ms REAL,
  metadata          TEXT    NOT NULL DEFAULT '{}',
  -- The call's, again, so that a user's history is read off one index.
  call_created_at   INTEGER NOT NULL,
  UNIQUE (call_id, user_id)
) STRICT;
CREATE INDEX call_participants_history ON call_participants (user_id, call_created_at DESC, call_id DESC);

CREATE TABLE call_events (
  -- The journal's sequence.
  id      INTEGER PRIMARY KEY,
  call_id BLOB    NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
  at      INTEGER NOT NULL,
  event   TEXT    NOT NULL,
  user_id TEXT,
  payload TEXT    NOT NULL
) STRICT;
CREATE INDEX call_events_by_call ON call_events (call_id, id);

-- How far the journal has been taken over; one row.
CREATE TABLE journal_position (
  only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
  applied  INTEGER NOT NULL
) STRICT;
INSERT INTO journal_position (only_row, applied) VALUES (1, 0);

CREATE TABLE call_quality_reports (
  id             INTEGER PRIMARY KEY,
  call_id        BLOB    NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
  user_id        TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  at             INTEGER NOT NULL,
  -- 1 client, 2 server.
  source         INTEGER NOT NULL DEFAULT 1 CHECK (source BETWEEN 1 AND 2),
  -- 1 excellent, 2 good, 3 fair, 4 poor.
  band           INTEGER CHECK (band BETWEEN 1 AND 4),
  packet_loss    REAL,
  jitter_ms      REAL,
  round_trip_ms  REAL,
  bitrate_up     INTEGER,
  bitrate_down   INTEGER,
  frame_width    INTEGER,
  frame_height   INTEGER,
  frames_per_second REAL,
  frames_dropped INTEGER,
  audio_codec    TEXT,
  video_codec    TEXT,
  details        TEXT    NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX call_quality_reports_by_call ON call_quality_reports (call_id, at, id);
CREATE INDEX call_quality_reports_by_age ON call_quality_reports (at);
CREATE INDEX call_quality_reports_by_user ON call_quality_reports (user_id);

CREATE TABLE webrtc_connections (
  id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  call_id         BLOB    REFERENCES calls (id) ON DELETE CASCADE,
  room            TEXT    NOT NULL,
  user_id         TEXT,
  identity        TEXT    NOT NULL,
  device_id       TEXT,
  -- publisher, subscriber, both or peer.
  role            TEXT    NOT NULL,
  ice_state       TEXT,
  connection_state TEXT,
  protocol        TEXT,
  local_candidate_type TEXT,
  remote_candidate_type TEXT,
  used_turn       INTEGER NOT NULL DEFAULT 0 CHECK (used_turn IN (0, 1)),
  client_info     TEXT    NOT NULL DEFAULT '{}',
  bytes_sent      INTEGER NOT NULL DEFAULT 0,
  bytes_received  INTEGER NOT NULL DEFAULT 0,
  avg_packet_loss REAL,
  avg_jitter_ms   REAL,
  avg_round_trip_ms REAL,
  created_at      INTEGER NOT NULL,
  connected_at    INTEGER,
  closed_at       INTEGER,
  close_reason    TEXT
) STRICT;
CREATE INDEX webrtc_connections_by_call ON webrtc_connections (call_id, created_at) WHERE call_id IS NOT NULL;
CREATE INDEX webrtc_connections_by_age ON webrtc_connections (created_at);

CREATE TABLE ice_servers (
  id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  urls        TEXT    NOT NULL,
  -- 1 stun, 2 turn, 3 turns.
  server_type INTEGER NOT NULL CHECK (server_type BETWEEN 1 AND 3),
  username    TEXT,
  credential  TEXT,
  region      TEXT,
  priority    INTEGER NOT NULL DEFAULT 100,
  is_public   INTEGER NOT NULL DEFAULT 0 CHECK (is_public IN (0, 1)),
  is_active   INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX ice_servers_by_priority ON ice_servers (priority, id) WHERE is_active = 1;

CREATE TABLE turn_credentials (
  username   TEXT    NOT NULL PRIMARY KEY,
  user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  call_id    BLOB    REFERENCES calls (id) ON DELETE CASCADE,
  issued_at  INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX turn_credentials_by_expiry ON turn_credentials (expires_at);
CREATE INDEX turn_credentials_by_user ON turn_credentials (user_id);
CREATE INDEX turn_credentials_by_call ON turn_credentials (call_id) WHERE call_id IS NOT NULL;

CREATE TABLE api_keys (
  id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  name         TEXT    NOT NULL,
  secret_hash  BLOB    NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
  scopes       TEXT    NOT NULL,
  created_by   TEXT,
  created_at   INTEGER NOT NULL,
  last_used_at INTEGER,
  expires_at   INTEGER,
  revoked_at   INTEGER
) STRICT;
CREATE INDEX api_keys_by_age ON api_keys (created_at, id);

CREATE TABLE webhook_endpoints (
  id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  url        TEXT    NOT NULL,
  secret     TEXT    NOT NULL,
  events     TEXT    NOT NULL DEFAULT '["*"]',
  -- 1 Standard Webhooks, 2 LiveKit's signed token.
  signature  INTEGER NOT NULL DEFAULT 1 CHECK (signature BETWEEN 1 AND 2),
  is_active  INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_endpoints_active ON webhook_endpoints (created_at) WHERE is_active = 1;

CREATE TABLE webhook_outbox (
  id           INTEGER PRIMARY KEY,
  message_id   BLOB    NOT NULL UNIQUE CHECK (length(message_id) = 16),
  endpoint_id  BLOB    NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
  event        TEXT    NOT NULL,
  payload      TEXT    NOT NULL,
  attempts     INTEGER NOT NULL DEFAULT 0,
  next_attempt_at INTEGER,
  last_status  INTEGER,
  last_error   TEXT,
  created_at   INTEGER NOT NULL,
  delivered_at INTEGER
) STRICT;
CREATE INDEX webhook_outbox_due ON webhook_outbox (next_attempt_at, id) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX webhook_outbox_by_endpoint ON webhook_outbox (endpoint_id, id);
