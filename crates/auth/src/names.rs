//! What a name may look like: the names that people see, and the names they sign in with.
//!
//! All names that are shown follow one rule, wherever they come from: PRECIS's Nickname profile (RFC 8266). It removes
//! characters that are invisible or that change how their neighbours are read (controls, text direction, zero-width
//! characters). Its tables end with Unicode 6.3; characters assigned since then are judged by their current properties.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use precis_core::profile::{PrecisFastInvocation, Rules};
use precis_core::{DerivedPropertyValue, Error, FreeformClass, StringClass};
use precis_profiles::{Nickname, UsernameCaseMapped};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// The longest name that is shown, in characters; what a token or a host app says beyond it is cut off.
pub const LONGEST_NAME: usize = 256;
/// The longest name that people may give themselves, in characters.
pub const LONGEST_TYPED_NAME: usize = 80;
/// How many letters a user name has.
const USERNAME_LENGTH: std::ops::RangeInclusive<usize> = 2..=64;
/// Marks on one letter (UTS #39 §5.4): more are made to spill over the lines around.
const MOST_MARKS: usize = 4;
/// Who a name may not pretend to be.
const RESERVED: [&str; 8] = ["admin", "administrator", "moderator", "root", "stoa", "stoaadmin", "support", "system"];

/// Why somebody may not have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing of it can be seen, or too much.
    #[error("must have 1 to {LONGEST_TYPED_NAME} visible characters")]
    Form,
    /// Not of the form of a user name.
    #[error("must be 2 to 64 letters, digits or any of . _ - @ +")]
    Username,
    /// Looks like that of whoever runs the server.
    #[error("this name is reserved for administrators")]
    Reserved,
}

/// A name as it is shown, or none where nothing of it can be seen. What is given is what is given back once it has passed here.
pub fn shown_name(text: &str) -> Option<String> {
    if text.len() <= LONGEST_NAME && text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.is_empty() {
        return Some(text.to_owned());
    }
    let mut name: String = text.chars().take(LONGEST_NAME).collect();
    // Composing can make something that is again to be mapped; it settles at once or never matters.
    for _ in 0..3 {
        let settled = composed(&without_the_unseen(&name));
        if settled == name {
            break;
        }
        name = settled.chars().take(LONGEST_NAME).collect();
    }
    let name = name.trim();
    let can_be_seen = |c: char| {
        let group = c.general_category_group();
        !matches!(group, GeneralCategoryGroup::Mark | GeneralCategoryGroup::Separator | GeneralCategoryGroup::Other)
    };
    name.chars().any(can_be_seen).then(|| name.to_owned())
}

/// A name that somebody gives themselves, or a group.
pub fn typed_name(text: &str) -> Result<String, NameError> {
    let name = shown_name(text).ok_or(NameError::Form)?;
    if text.trim().chars().count() > LONGEST_TYPED_NAME || name.chars().count() > LONGEST_TYPED_NAME {
        return Err(NameError::Form);
    }
    Ok(name)
}

/// A new user name: of ASCII letters alone, so that none looks like another by its script, and in lower case (RFC 8265 §3.3).
pub fn username(text: &str) -> Result<String, NameError> {
    let text = text.trim();
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-@+".contains(c));
    if !plain || !USERNAME_LENGTH.contains(&text.len()) {
        return Err(NameError::Username);
    }
    let name = UsernameCaseMapped::enforce(text).map_err(|_| NameError::Username)?.into_owned();
    if is_reserved(&name) { Err(NameError::Reserved) } else { Ok(name) }
}

/// What an account is looked for by: full-width letters are plain ones, and case does not count. Accounts of earlier versions may
/// have names of any script.
pub fn username_key(text: &str) -> String {
    let text: String = text.trim().chars().take(LONGEST_NAME).collect();
    UsernameCaseMapped::enforce(text.as_str()).map_or_else(|_| text.to_lowercase(), Cow::into_owned)
}

/// What all names have in common that look alike (UTS #39 §4), whatever their case.
pub fn skeleton(name: &str) -> String {
    unicode_security::skeleton(&name.to_lowercase()).collect()
}

/// Whether a name looks like one of those who run the server.
pub fn is_reserved(name: &str) -> bool {
    static SKELETONS: LazyLock<BTreeSet<String>> =
        LazyLock::new(|| RESERVED.iter().flat_map(|word| [faces(word), faces(&capitalized(word))]).flatten().collect());
    faces(name).iter().any(|face| SKELETONS.contains(face))
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// A word as it is, in small and in capital letters: `l` looks like `I`, and `1` like both. Only what is read counts, not what is
/// around it.
fn faces(name: &str) -> [String; 3] {
    [name.to_owned(), name.to_lowercase(), name.to_uppercase()]
        .map(|text| unicode_security::skeleton(&text).filter(|c| c.is_alphanumeric()).collect())
}

fn without_the_unseen(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_whitespace() || c == BRAILLE_BLANK { ' ' } else { c });
    let mut kept: Vec<char> = Vec::new();
    let mut marks = 0;
    for c in spaced.filter(|c| is_allowed(*c)) {
        let is_mark = matches!(c.general_category(), GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark);
        marks = if is_mark { marks + 1 } else { 0 };
        if marks <= MOST_MARKS {
            kept.push(c);
        }
    }
    without_what_does_not_fit(kept).into_iter().collect()
}

/// An empty pattern of dots: a symbol by its category, a space to the eye.
const BRAILLE_BLANK: char = '\u{2800}';

fn is_allowed(c: char) -> bool {
    match FreeformClass::default().get_value_from_char(c) {
        DerivedPropertyValue::PValid
        | DerivedPropertyValue::SpecClassPval
        | DerivedPropertyValue::ContextJ
        | DerivedPropertyValue::ContextO => true,
        DerivedPropertyValue::Unassigned => is_newer(c),
        DerivedPropertyValue::SpecClassDis | DerivedPropertyValue::Disallowed => false,
    }
}

/// Assigned after Unicode 6.3, to something that can be seen.
fn is_newer(c: char) -> bool {
    let is_unassigned = FreeformClass::default().get_value_from_char(c) == DerivedPropertyValue::Unassigned;
    let is_hidden = || unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).next().is_none();
    is_unassigned && c.general_category_group() != GeneralCategoryGroup::Other && !is_hidden()
}

/// Removes joiners and similar characters that are where their context rule (RFC 8264 §9.8) does not allow them.
fn without_what_does_not_fit(mut name: Vec<char>) -> Vec<char> {
    let class = FreeformClass::default();
    let hangs_on_context = |c: &char| {
        matches!(class.get_value_from_char(*c), DerivedPropertyValue::ContextJ | DerivedPropertyValue::ContextO)
    };
    while name.iter().any(hangs_on_context) {
        // A letter in the place of what the tables do not know.
        let known: String = name.iter().map(|c| if is_newer(*c) { 'x' } else { *c }).collect();
        match class.allows(&known) {
            Ok(()) => break,
            Err(Error::BadCodepoint(wrong)) if wrong.position < name.len() => drop(name.remove(wrong.position)),
            // At an end of the name there is no context to look at.
            Err(_) => name.retain(|c| !hangs_on_context(c)),
        }
    }
    name
}

/// Runs of spaces as one, none at the ends; NFKC.
fn composed(name: &str) -> String {
    let profile = Nickname::new();
    let mapped = profile.additional_mapping_rule(name).unwrap_or(Cow::Borrowed(name));
    profile.normalization_rule(mapped).map_or_else(|_| name.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_it_is_read() {
        for (given, shown) in [
            ("Alice", Some("Alice")),
            ("  Ann \u{a0} Lee ", Some("Ann Lee")),
            ("exe\u{202e}gnp.nimda", Some("exegnp.nimda")),
            ("Ann\u{2066}\u{2069}\u{200e}\u{feff}", Some("Ann")),
            ("A\0n\u{7}n\nLee", Some("Ann Lee")),
            ("\u{200b}", None),
            ("\u{200b} \u{2060}\u{3164}\u{2800}\u{34f}", None),
            ("\u{301}\u{301}", None),
            ("", None),
            (" \n ", None),
            // Every script, marks, joiners where they belong, and what Unicode has had since.
            ("Jürgen Özgür", Some("Jürgen Özgür")),
            ("Ju\u{308}rgen", Some("Jürgen")),
            ("علی\u{200c}رضا", Some("علی\u{200c}رضا")),
            ("क\u{94d}\u{200d}ष", Some("क\u{94d}\u{200d}ष")),
            ("A\u{200d}nn", Some("Ann")),
            ("\u{200c}Ann", Some("Ann")),
            ("田中・太郎", Some("田中・太郎")),
            ("Ann 🤗🫨", Some("Ann 🤗🫨")),
            ("𞤀𞤣𞤤𞤢𞤥", Some("𞤀𞤣𞤤𞤢𞤥")),
            ("Ａｎｎ ﬁ ①", Some("Ann fi 1")),
            ("Z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}", Some("Z\u{300}\u{301}\u{302}\u{303}")),
            ("\u{e0041}Ann\u{e000}", Some("Ann")),
        ] {
            let name = shown_name(given);
            assert_eq!(name.as_deref(), shown, "{given:?}");
            assert_eq!(name.as_deref().map(shown_name), name.clone().map(Some), "{given:?} once more");
        }
    }

    #[test]
    fn a_name_is_bounded() {
        assert_eq!(shown_name(&"x".repeat(10_000)).map(|name| name.len()), Some(LONGEST_NAME));
        assert_eq!(shown_name(&"\u{fdfa}".repeat(10_000)).map(|name| name.chars().count() <= LONGEST_NAME), Some(true));
        assert!(typed_name(&"é".repeat(LONGEST_TYPED_NAME)).is_ok());
        assert_eq!(typed_name(&"é".repeat(LONGEST_TYPED_NAME + 1)), Err(NameError::Form));
        assert_eq!(typed_name(&"x".repeat(10_000)), Err(NameError::Form));
        assert_eq!(typed_name("\u{200b}"), Err(NameError::Form));
        assert_eq!(typed_name(" Gast "), Ok("Gast".to_owned()));
    }

    #[test]
    fn user_names_are_plain_and_in_lower_case() {
        assert_eq!(username(" Ada@Example.org "), Ok("ada@example.org".to_owned()));
        for wrong in ["a", "two words", "аdmin", "ａｄｍｉｎ", "a\u{200b}da", &"x".repeat(65), "jürgen", "ada\0"]
        {
            assert_eq!(username(wrong), Err(NameError::Username), "{wrong:?}");
        }
        assert_eq!(username_key(" ＡＤＡ@example.ORG"), "ada@example.org");
        assert_eq!(username_key("Jürgen"), "jürgen");
        assert_eq!(username_key("two Words"), "two words");
    }

    #[test]
    fn names_of_those_who_run_the_server_are_kept_for_them() {
        for taken in [
            "admin",
            "Administrator",
            "ADMINISTRATOR",
            "аdmin",
            "Аdministrаtоr",
            "adm1n",
            "ADMlN",
            "adrnin",
            "A.d.m.i.n.i.s.t.r.a.t.o.r",
            "★ Administrator ★",
            "Stoa",
            "stoa-admin",
            "𝖠𝖽𝗆𝗂𝗇",
        ] {
            assert!(is_reserved(taken), "{taken}");
        }
        for free in ["Ada", "Administrator Ann", "minister", "Stoat", "Rooter", "Ann", "田中"] {
            assert!(!is_reserved(free), "{free}");
        }
        assert_eq!(username("Adrnin"), Err(NameError::Reserved));
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (one, other) in [("paypal", "pаypаl"), ("paypal", "paypa1"), ("burn", "bum"), ("scope", "ѕсоре")] {
            assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
        }
        assert_ne!(skeleton("alice"), skeleton("alicia"));
    }
}
