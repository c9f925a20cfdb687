//! Rewriting of descriptions: whatever the text, its m-lines stay as many, and an idle one names nobody.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((seed, data)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(data);
    let _ = livekit::check_description(&text);
    let count = livekit::fuzzing::media_count;
    let answer = livekit::fuzzing::rewrite_answer(&text, *seed);
    assert_eq!(count(&text), count(&answer), "m-lines came or went");
    let idle = livekit::fuzzing::rewrite_answer_idle(&text);
    assert!(!idle.split("\r\n").any(|line| line.starts_with("a=msid:") && livekit::fuzzing::is_named(&idle, line)));
    let offer = livekit::fuzzing::rewrite_offer(&text, *seed);
    assert_eq!(count(&text), count(&offer), "m-lines came or went");
});
