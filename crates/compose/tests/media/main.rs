//! Composing with real media and the real ffmpeg.

mod composed;
mod running;
mod support;
