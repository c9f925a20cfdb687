//! Who is asking, what they may do, and for how long: tokens, sessions, API keys, the pass into a room, the audit log.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod caller;
pub(crate) mod identify;
pub(crate) mod room;
pub(crate) mod sessions;
pub(crate) mod standing;
