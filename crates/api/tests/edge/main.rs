//! The edge against the real control plane and the real store, over HTTP, Socket.IO and LiveKit's WebSocket.

mod admin;
mod bad_input;
mod codes;
mod dialects;
mod glare;
mod hung;
mod in_call;
mod livekit;
mod locked;
mod media;
mod privacy;
mod recording;
mod recordings;
mod rest;
mod server;
mod sign_in;
mod signalling;
mod socket;
mod standing;
mod transport;
mod web;
