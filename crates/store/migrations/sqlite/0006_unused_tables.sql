-- No version ever wrote into these: connections are measured in call_quality_reports, and webhooks are sent to the addresses in the
-- configuration.
DROP TABLE webrtc_connections;
DROP TABLE webhook_outbox;
DROP TABLE webhook_endpoints;
