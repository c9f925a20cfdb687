//! Sealing: age's format (age-encryption.org/v1, the C2SP specification) with X25519 recipients, read and written. `age -d -i KEY FILE`
//! opens what is in storage, so nobody needs Stoa to have their recordings back.
//!
//! The payload is in chunks of 64 KiB, each sealed by itself, so that any range can be opened without the rest.

use std::fmt::Write as _;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::{hkdf, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use model::Secret;

/// Plain bytes of a chunk.
pub(crate) const CHUNK: u64 = 64 << 10;
/// What sealing adds to a chunk.
pub(crate) const TAG: u64 = 16;
/// The nonce before the chunks.
pub(crate) const NONCE: usize = 16;
/// Longest header that is read. Ours has about 200 bytes; others may add recipients.
pub(crate) const LONGEST_HEADER: u64 = 16 << 10;

const FIRST_LINE: &str = "age-encryption.org/v1";
const WRAP_INFO: &[u8] = b"age-encryption.org/v1/X25519";
const MOST_RECIPIENTS: usize = 64;

/// Why a text is no key, or a file cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    /// Not an `AGE-SECRET-KEY-1…`.
    #[error("not an age identity (AGE-SECRET-KEY-1…)")]
    Identity,
    /// Not age's format, or not its first version.
    #[error("not an age file")]
    Format,
    /// Sealed for others.
    #[error("none of the keys opens it")]
    NoKey,
    /// Changed since it was sealed.
    #[error("it was changed since it was sealed")]
    Forged,
    /// Keys cannot be made.
    #[error("the machine gives no random numbers")]
    Random,
}

/// A secret key.
pub struct Identity {
    secret: PrivateKey,
    public: [u8; 32],
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Identity").field(&self.recipient()).finish()
    }
}

impl Identity {
    /// Reads `AGE-SECRET-KEY-1…`, as `age-keygen` prints it.
    pub fn parse(text: &str) -> Result<Self, AgeError> {
        let checked = CheckedHrpstring::new::<Bech32>(text).map_err(|_| AgeError::Identity)?;
        if checked.hrp().to_lowercase() != "age-secret-key-" {
            return Err(AgeError::Identity);
        }
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let secret = PrivateKey::from_private_key(&X25519, &bytes).map_err(|_| AgeError::Identity)?;
        Self::of(secret)
    }

    /// A new one, and its text.
    pub fn make() -> Result<(Self, Secret<String>), AgeError> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| AgeError::Random)?;
        let secret = PrivateKey::from_private_key(&X25519, &bytes).map_err(|_| AgeError::Random)?;
        let hrp = Hrp::parse("age-secret-key-").map_err(|_| AgeError::Identity)?;
        let text = bech32::encode_upper::<Bech32>(hrp, &bytes).map_err(|_| AgeError::Identity)?;
        Ok((Self::of(secret)?, Secret::new(text)))
    }

    fn of(secret: PrivateKey) -> Result<Self, AgeError> {
        let public = secret.compute_public_key().map_err(|_| AgeError::Identity)?;
        let public = public.as_ref().try_into().map_err(|_| AgeError::Identity)?;
        Ok(Self { secret, public })
    }

    /// The public key, `age1…`.
    pub fn recipient(&self) -> String {
        Hrp::parse("age")
            .ok()
            .and_then(|hrp| bech32::encode_lower::<Bech32>(hrp, &self.public).ok())
            .unwrap_or_default()
    }

    fn unwrap(&self, stanza: &Wrapped) -> Option<[u8; 16]> {
        let key = wrap_key(&self.secret, &stanza.share, &stanza.share, &self.public)?;
        let mut body = stanza.body;
        let opened = key.open_in_place(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut body).ok()?;
        (&*opened).try_into().ok()
    }
}

/// The keys of an installation: the first seals, all of them open.
#[derive(Debug, Default)]
pub struct Keys(Vec<Identity>);

impl Keys {
    /// Reads identities one a line, as `age-keygen` writes them; lines that begin with `#` are notes. The number of a line that is wrong.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let lines = text.lines().map(str::trim).enumerate();
        let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        keys.map(|(at, line)| Identity::parse(line).map_err(|_| at + 1)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The public key that seals.
    pub fn recipient(&self) -> Option<String> {
        self.0.first().map(Identity::recipient)
    }

    /// A new file's key, and the header and nonce that begin the file.
    pub(crate) fn seal(&self) -> Result<Option<(Vec<u8>, Payload)>, AgeError> {
        let Some(identity) = self.0.first() else { return Ok(None) };
        let mut random = [0; 16 + NONCE];
        rand::fill(&mut random).map_err(|_| AgeError::Random)?;
        let (file_key, nonce) = random.split_at(16);
        let ephemeral = PrivateKey::generate(&X25519).map_err(|_| AgeError::Random)?;
        let share = ephemeral.compute_public_key().map_err(|_| AgeError::Random)?;
        let key = wrap_key(&ephemeral, &identity.public, share.as_ref(), &identity.public).ok_or(AgeError::Random)?;
        let mut body = file_key.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut body)
            .map_err(|_| AgeError::Random)?;
        let mut header = String::new();
        let _ = write!(
            header,
            "{FIRST_LINE}\n-> X25519 {}\n{}\n---",
            STANDARD_NO_PAD.encode(share.as_ref()),
            STANDARD_NO_PAD.encode(&body)
        );
        let mac = hmac::sign(&mac_key(file_key), header.as_bytes());
        let _ = writeln!(header, " {}", STANDARD_NO_PAD.encode(mac.as_ref()));
        let mut start = header.into_bytes();
        start.extend_from_slice(nonce);
        Ok(Some((start, Payload::new(file_key, nonce))))
    }

    /// Opens a file by its beginning: how long header and nonce are, and what opens the chunks.
    pub(crate) fn open(&self, start: &[u8]) -> Result<(u64, Payload), AgeError> {
        let header = parse_header(start).ok_or(AgeError::Format)?;
        let nonce = start.get(header.length..header.length + NONCE).ok_or(AgeError::Format)?;
        let opened = self.0.iter().find_map(|identity| header.stanzas.iter().find_map(|s| identity.unwrap(s)));
        let file_key = opened.ok_or(AgeError::NoKey)?;
        hmac::verify(&mac_key(&file_key), &start[..header.signed], &header.mac).map_err(|_| AgeError::Forged)?;
        Ok(((header.length + NONCE) as u64, Payload::new(&file_key, nonce)))
    }
}

/// A file's key for one X25519 recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrapped {
    share: [u8; 32],
    body: [u8; 32],
}

/// A header, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    stanzas: Vec<Wrapped>,
    mac: Vec<u8>,
    /// As far as the MAC reaches.
    signed: usize,
    /// With the line break at its end.
    length: usize,
}

/// Takes the header at the beginning of a file apart; stanzas of other kinds are passed over.
pub fn parse_header(start: &[u8]) -> Option<Header> {
    let mut lines = Lines { rest: start, at: 0 };
    if lines.next()? != FIRST_LINE {
        return None;
    }
    let mut stanzas = Vec::new();
    let mut count = 0;
    loop {
        let begun = lines.at;
        let line = lines.next()?;
        if let Some(mac) = line.strip_prefix("--- ") {
            let mac = STANDARD_NO_PAD.decode(mac).ok().filter(|mac| mac.len() == 32)?;
            return (count > 0).then_some(Header { stanzas, mac, signed: begun + 3, length: lines.at });
        }
        let arguments: Vec<&str> = line.strip_prefix("-> ")?.split(' ').collect();
        let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
        count += 1;
        if !arguments.iter().all(is_word) || count > MOST_RECIPIENTS {
            return None;
        }
        let body = lines.body()?;
        if let ["X25519", share] = arguments[..] {
            let share = STANDARD_NO_PAD.decode(share).ok()?.try_into().ok()?;
            stanzas.push(Wrapped { share, body: body.try_into().ok()? });
        }
    }
}

struct Lines<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        self.at += end + 1;
        std::str::from_utf8(line).ok()
    }

    /// Lines of 64 characters, and one that is shorter, maybe empty, at the end.
    fn body(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.next()?;
            body.extend(STANDARD_NO_PAD.decode(line).ok()?);
            match line.len() {
                64 => {}
                0..64 => return Some(body),
                _ => return None,
            }
        }
    }
}

/// The key under which a file's key is wrapped: both sides of the agreement come to the same.
fn wrap_key(own: &PrivateKey, peer: &[u8], share: &[u8], recipient: &[u8]) -> Option<LessSafeKey> {
    let salt = [share, recipient].concat();
    let derive = |shared: &[u8]| Ok(derive(&salt, shared, WRAP_INFO));
    // An all-zero secret (a point of low order) is refused by the library.
    let key = agreement::agree(own, UnparsedPublicKey::new(&X25519, peer), (), derive).ok()?;
    Some(cipher(&key))
}

fn mac_key(file_key: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &derive(&[], file_key, b"header"))
}

fn derive(salt: &[u8], secret: &[u8], info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let info = [info];
    let done = extracted.expand(&info, hkdf::HKDF_SHA256).and_then(|expanded| expanded.fill(&mut key));
    done.expect("32 bytes are what the algorithm gives");
    key
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&aead::CHACHA20_POLY1305, key).expect("a key of 32 bytes"))
}

/// What seals and opens the chunks of one file (STREAM).
#[derive(Debug)]
pub(crate) struct Payload(LessSafeKey);

impl Payload {
    fn new(file_key: &[u8], nonce: &[u8]) -> Self {
        Self(cipher(&derive(nonce, file_key, b"payload")))
    }

    fn nonce(index: u64, is_last: bool) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&index.to_be_bytes());
        nonce[11] = u8::from(is_last);
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals a chunk in its place.
    pub(crate) fn seal(&self, index: u64, is_last: bool, chunk: &mut Vec<u8>) -> Result<(), AgeError> {
        self.0.seal_in_place_append_tag(Self::nonce(index, is_last), Aad::empty(), chunk).map_err(|_| AgeError::Forged)
    }

    /// Opens a chunk in its place.
    pub(crate) fn open(&self, index: u64, is_last: bool, chunk: &mut Vec<u8>) -> Result<(), AgeError> {
        let nonce = Self::nonce(index, is_last);
        let length = self.0.open_in_place(nonce, Aad::empty(), chunk).map_err(|_| AgeError::Forged)?.len();
        chunk.truncate(length);
        Ok(())
    }
}

/// The number of chunks of a file; an empty one has one.
pub(crate) fn chunks(size: u64) -> u64 {
    size.div_ceil(CHUNK).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &Secret<String>) -> Keys {
        Keys::parse(text.reveal()).expect("an identity")
    }

    #[test]
    fn an_identity_has_the_recipient_that_age_gives_it() {
        // By `age-keygen -y`.
        let identity =
            Identity::parse("AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6").unwrap();
        assert_eq!(identity.recipient(), "age1w3tyke4gev25vaxxsvcgqu4484rf6ejpmavs57p6yz6lhy2sfs5swrvwyn");
        for wrong in
            ["", "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F7", &identity.recipient()]
        {
            assert_eq!(Identity::parse(wrong).err(), Some(AgeError::Identity), "{wrong}");
        }
        assert!(!format!("{identity:?}").contains("SECRET"));
        assert_eq!(Keys::parse("# a note\n\nAGE-SECRET-KEY-1X").err(), Some(3));
    }

    #[test]
    fn the_first_key_seals_and_all_of_them_open() {
        let (old, new) = (Identity::make().unwrap().1, Identity::make().unwrap().1);
        let (start, sealing) = keys(&old).seal().unwrap().unwrap();
        let mut chunk = b"what was said".to_vec();
        sealing.seal(0, true, &mut chunk).unwrap();
        let both = Keys::parse(&format!("{}\n{}\n", new.reveal(), old.reveal())).unwrap();
        let (length, opening) = both.open(&start).unwrap();
        assert_eq!(length as usize, start.len());
        let sealed = chunk.clone();
        opening.open(0, true, &mut chunk).unwrap();
        assert_eq!(chunk, b"what was said");
        assert_eq!(both.recipient(), keys(&new).recipient());
        assert_eq!(keys(&new).open(&start).err(), Some(AgeError::NoKey));
        for (index, is_last, change) in [(1, true, None), (0, false, None), (0, true, Some(3))] {
            let mut chunk = sealed.clone();
            if let Some(at) = change {
                chunk[at] ^= 1;
            }
            assert_eq!(opening.open(index, is_last, &mut chunk), Err(AgeError::Forged), "a chunk moved or changed");
        }
        let mut forged = start.clone();
        let mac = start.windows(4).position(|four| four == b"--- ").unwrap() + 6;
        forged[mac] = if forged[mac] == b'A' { b'B' } else { b'A' };
        assert_eq!(both.open(&forged).err(), Some(AgeError::Forged));
        assert!(Keys::default().seal().unwrap().is_none());
    }

    #[test]
    fn a_header_that_is_cut_short_or_odd_is_none() {
        let (start, _) = keys(&Identity::make().unwrap().1).seal().unwrap().unwrap();
        let length = start.len() - NONCE;
        for end in 0..length {
            assert_eq!(parse_header(&start[..end]), None, "{end}");
        }
        assert!(parse_header(&start[..length]).is_some());
        let text = String::from_utf8(start[..length].to_vec()).unwrap();
        for (from, to) in [("v1", "v2"), ("-> X25519 ", "-> X25519  "), ("---", "----"), ("\n", "\r\n")] {
            assert_eq!(parse_header(text.replace(from, to).as_bytes()), None, "{from} → {to}");
        }
        let more = text.replacen("-> X25519", "-> grease a b\nAAAA\n-> X25519", 1);
        assert_eq!(parse_header(more.as_bytes()).unwrap().stanzas.len(), 1, "others' stanzas are passed over");
    }
}
