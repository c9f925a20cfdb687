//! Identifiers. Text IDs belong to your app; UUIDs are ours, or a client's idempotency key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("an ID must not be empty")]
    Empty,
    /// The text is longer than the id allows.
    #[error("an ID must not exceed {0} characters")]
    TooLong(usize),
    /// The text holds a control character.
    #[error("an ID must not contain control characters")]
    Control,
    /// The text is not a UUID.
    #[error("must be a UUID")]
    NotUuid,
}

fn check(text: &str, longest: usize) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.chars().count() > longest {
        return Err(IdError::TooLong(longest));
    }
    if text.chars().any(char::is_control) {
        return Err(IdError::Control);
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $longest:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest text allowed, in characters.
            pub const LONGEST: usize = $longest;

            /// Checks that a text follows the rules of this ID.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                check(text.as_ref(), Self::LONGEST)?;
                Ok(Self(Arc::from(text.as_ref())))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
    };
}

text_id!(
    /// A user of your app (the token's `sub`).
    UserId,
    128
);
text_id!(
    /// A group of users who can call each other.
    ChannelId,
    128
);
text_id!(
    /// One of a user's devices, named by the client. Without a name, a user has one device.
    DeviceId,
    128
);
text_id!(
    /// A media room. A call's room is named after the call's ID.
    RoomName,
    256
);

impl DeviceId {
    /// The device of a client that names none.
    pub fn unnamed() -> Self {
        Self(Arc::from("default"))
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                // Only the hyphenated form: the id is also the name of a room.
                if text.len() != 36 {
                    return Err(IdError::NotUuid);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::NotUuid)
            }
        }
    };
}

uuid_id!(
    /// A call. The client chooses the ID as an idempotency key, or the server does.
    CallId
);
uuid_id!(
    /// One user's participation in one call.
    ParticipantId
);

uuid_id!(
    /// One recording of a call. It sorts by creation time.
    RecordingId
);

uuid_id!(
    /// A server, by the journal that it keeps. What happened to calls is numbered by node and sequence.
    NodeId
);

impl NodeId {
    /// The node of a journal from before nodes had IDs. Its store takes it for the first node that comes.
    pub const UNNAMED: NodeId = NodeId(Uuid::nil());
}

impl From<CallId> for RoomName {
    fn from(id: CallId) -> RoomName {
        RoomName(Arc::from(id.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_are_bounded() {
        assert_eq!(UserId::new(""), Err(IdError::Empty));
        assert_eq!(UserId::new("a\nb"), Err(IdError::Control));
        assert_eq!(UserId::new("é".repeat(129)), Err(IdError::TooLong(128)));
        assert!(UserId::new("é".repeat(128)).is_ok());
    }

    #[test]
    fn call_ids_take_the_hyphenated_form_only() {
        let id: CallId = "0192d3b4-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(id.to_string(), "0192d3b4-0000-7000-8000-000000000001");
        assert_eq!("0192d3b4000070008000000000000001".parse::<CallId>(), Err(IdError::NotUuid));
        assert_eq!("nonsense".parse::<CallId>(), Err(IdError::NotUuid));
    }
}
