//! Composed recordings: the raw tracks of a recording become one file that anyone can play.
//!
//! Composing has two halves. What is seen and heard when is worked out without touching anything: `folder` and `fragments` read
//! what the recorder left, `story` tells what happened, `timeline` makes steps of it in which nothing moves, and `graph` says what
//! ffmpeg has to do. `job` then lets ffmpeg do it, one step after another, in a process of its own: nothing that a broken track does to a
//! decoder reaches the server. [`Composer`] does that in the background.
//!
//! It does not know who may compose, or where files are kept.

mod boxes;
mod child;
mod clip;
mod composer;
pub mod folder;
pub mod fragments;
mod graph;
mod image;
mod job;
mod layout;
mod options;
mod span;
mod speakers;
mod still;
pub mod story;
mod text;
pub mod timeline;
mod tools;

pub use child::{Limits, RunError, Stop};
pub use clip::{ClipError, Cutter, Edges, Peaks};
pub use composer::{Composer, Progress, Refused, Ticket};
pub use job::{ComposeError, Composed, Job, compose};
pub use layout::{Rect, Size};
pub use options::{Options, Rate, Settings};
pub use span::{Micros, Span, Spans};
pub use speakers::Turn;
pub use tools::{ToolError, check};
