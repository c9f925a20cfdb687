//! How calls stand, as far as the lines of one segment tell it.

use std::collections::HashMap;

use call::CallSnapshot;
use model::CallId;

use super::line::CallUpdate;

/// A segment can be read on its own: its lines say of each call how it stood before they say what changed.
#[derive(Debug, Default)]
pub(super) struct Calls(HashMap<CallId, CallSnapshot>);

impl Calls {
    /// Takes over how a call stood.
    pub(super) fn note(&mut self, call: CallSnapshot) {
        self.0.insert(call.id, call);
    }

    /// The call after a record. `None`: the record does not follow on what came before.
    pub(super) fn follow(&mut self, told: CallUpdate) -> Option<&CallSnapshot> {
        let id = match told {
            CallUpdate::Whole(call) => {
                let id = call.id;
                self.note(*call);
                id
            }
            CallUpdate::Change(change) => {
                let id = change.id;
                if !change.apply(self.0.get_mut(&id)?) {
                    return None;
                }
                id
            }
        };
        self.0.get(&id)
    }

    /// Nothing more comes of this call.
    pub(super) fn forget(&mut self, id: CallId) -> Option<CallSnapshot> {
        self.0.remove(&id)
    }
}
