//! The edge against the real control plane and the real store, over HTTP, Socket.IO and LiveKit's WebSocket.

mod bad_input;
mod dialects;
mod livekit;
mod media;
mod rest;
mod server;
mod sign_in;
mod signalling;
mod socket;
mod web;
