//! Doors for the fuzz targets into what is otherwise private.

use std::collections::BTreeMap;

use crate::sdp::{self, AudioWishes, LineUse, Sent};

fn sent() -> Sent {
    Sent { participant: "PA_p".to_owned(), track: "TR_t".to_owned(), stream: None }
}

/// Rewrites an answer: what each m-line is for follows from the seed.
pub fn rewrite_answer(text: &str, seed: u8) -> String {
    let line_use = |at: usize| match (usize::from(seed) + at) % 5 {
        0 => LineUse::Send(sent()),
        1 => LineUse::ReceiveAudio(AudioWishes {
            other: (seed & 64 != 0).then(|| "pcmu".to_owned()),
            red: seed & 8 != 0,
            dtx: seed & 16 != 0,
            stereo: seed & 32 != 0,
        }),
        2 => LineUse::ReceiveVideo { codec: "vp9".to_owned() },
        3 => LineUse::Idle,
        _ => LineUse::Other,
    };
    let uses = mids(text).enumerate().map(|(at, mid)| (mid.to_owned(), line_use(at)));
    sdp::rewrite_answer(text, &uses.collect())
}

/// Rewrites an answer with nothing on any m-line.
pub fn rewrite_answer_idle(text: &str) -> String {
    sdp::rewrite_answer(text, &mids(text).map(|mid| (mid.to_owned(), LineUse::Idle)).collect())
}

/// Rewrites an offer with a track on every m-line of even number.
pub fn rewrite_offer(text: &str, seed: u8) -> String {
    let sent: BTreeMap<_, _> = mids(text).step_by(2).map(|mid| (mid.to_owned(), sent())).collect();
    sdp::rewrite_offer(text, seed.into(), &sent)
}

/// How many m-lines a description has.
pub fn media_count(text: &str) -> usize {
    sdp::split(text).1.len()
}

/// The line is in a section that has a mid.
pub fn is_named(text: &str, line: &str) -> bool {
    sdp::split(text).1.iter().any(|section| section.mid().is_some() && section.lines.contains(&line))
}

fn mids(text: &str) -> impl Iterator<Item = &str> {
    sdp::split(text).1.into_iter().filter_map(|section| section.mid()).collect::<Vec<_>>().into_iter()
}
