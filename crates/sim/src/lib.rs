//! Simulation: real cores, a virtual clock and a seeded network.
//!
//! Dev only: nothing that ships depends on it. A scenario builds a [`world::World`], adds clients and lets time pass;
//! what the clients saw is judged against [`video`]'s model of what was sent.
//!
//! Time starts at a real `Instant`, because the WebRTC stack takes its epoch from one, and is only ever added to. The
//! WebRTC stack draws randomness of its own, so runs through it are statistical; `sfu::room` alone replays exactly.

pub mod client;
pub mod network;
pub mod video;
pub mod world;
