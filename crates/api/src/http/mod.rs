//! What every request passes, whichever surface it is for: layers, limits, where it comes from, bodies and errors.

pub(crate) mod body;
pub(crate) mod cors;
pub(crate) mod error;
pub(crate) mod layers;
pub(crate) mod limits;
pub(crate) mod origin;
pub(crate) mod refusals;
