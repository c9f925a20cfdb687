//! The thread that owns the switchboard.
