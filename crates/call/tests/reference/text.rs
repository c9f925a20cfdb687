//! A call as one line, in the form that `desk::full_call` gives it.

use std::fmt::Write;

use model::CallId;

use super::{Name, Part, Reference};

fn opt<T: std::fmt::Display>(value: Option<T>) -> String {
    match value {
        Some(value) => value.to_string(),
        None => "-".to_owned(),
    }
}

impl Reference {
    pub fn text(&self, id: CallId) -> String {
        let call = &self.calls[&id];
        let kind = if call.one_to_one { "one_to_one" } else { "group" };
        let mut line = format!(
            "{id} {kind} {} {} of {} in {}/{} at {}/{}/{}/{} ring {} max {} why {} by {} meta {} over {} into {} passes {} rec {} was {}",
            call.media,
            call.status,
            call.caller,
            opt(call.channel),
            call.in_channel,
            call.created,
            opt(call.started),
            opt(call.connected),
            opt(call.ended),
            call.created + call.ring,
            call.max,
            opt(call.reason),
            opt(call.by),
            call.metadata,
            call.topology,
            opt(call.into),
            opt(call.passes.as_ref().map(|passing| {
                format!("{}>{}/{}/{}", passing.by, passing.target, passing.mode, passing.held.join(","))
            })),
            opt(call.rec.as_ref().map(super::Rec::text)),
            call.was_recorded,
        );
        for part in &call.parts {
            write!(line, " {}", part_text(part)).unwrap();
        }
        line
    }

    /// One participant of a call.
    pub fn text_of(&self, id: CallId, user: Name) -> String {
        part_text(self.calls[&id].part(user).expect("has a part in the call"))
    }
}

fn part_text(part: &Part) -> String {
    format!(
        "[{} {} on {} at {}/{}/{} why {} for {} media {}/{}/{}/{} held {} shut {} yes {}]",
        part.user,
        part.status,
        opt(part.device),
        part.invited,
        opt(part.joined),
        opt(part.left),
        opt(part.why),
        part.past / 1_000,
        part.muted,
        part.video,
        part.screen,
        part.quality,
        part.held,
        part.shut,
        opt(part.yes.map(|(yes, at)| format!("{yes}/{at}"))),
    )
}
