//! VP8 in fragmented MP4, which ffmpeg 5 reads and does not write.

fn make(name: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    [&u32::try_from(content.len() + 8).expect("small").to_be_bytes()[..], name, &content].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A part of 320 × 180 at 30 pictures a second from an IVF file, its first picture at `from` ticks of 1/90,000 s.
pub fn mp4(ivf: &[u8], from: u64) -> Vec<u8> {
    let mut pictures = Vec::new();
    let mut rest = &ivf[32..];
    while rest.len() > 12 {
        let size = u32::from_le_bytes(rest[..4].try_into().expect("four")) as usize;
        pictures.push(&rest[12..12 + size]);
        rest = &rest[12 + size..];
    }
    let mut bytes = head();
    let mut at = from;
    for group in pictures.chunks(30) {
        let length = fragment(group, at, 0).len();
        let moof = fragment(group, at, u32::try_from(length + 8).expect("small"));
        bytes.extend([moof, make(b"mdat", group)].concat());
        at += 3_000 * group.len() as u64;
    }
    bytes
}

fn fragment(group: &[&[u8]], at: u64, offset: u32) -> Vec<u8> {
    let mut run = words(&[0x701, u32::try_from(group.len()).expect("small"), offset]);
    for picture in group {
        let flags = if picture[0] & 1 == 0 { 0x0200_0000 } else { 0x0101_0000 };
        run.extend(words(&[3_000, u32::try_from(picture.len()).expect("small"), flags]));
    }
    let tfdt = [words(&[0x0100_0000]), at.to_be_bytes().to_vec()].concat();
    let traf = [make(b"tfhd", &[&words(&[0x02_0000, 1])]), make(b"tfdt", &[&tfdt]), make(b"trun", &[&run])].concat();
    make(b"moof", &[&make(b"mfhd", &[&words(&[0, 1])]), &make(b"traf", &[&traf])])
}

fn head() -> Vec<u8> {
    let matrix = words(&[0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]);
    let mut entry = vec![0; 78];
    entry[7] = 1;
    entry[24..28].copy_from_slice(&[1, 64, 0, 180]);
    entry[28..36].copy_from_slice(&[0, 0x48, 0, 0, 0, 0x48, 0, 0]);
    entry[41] = 1;
    entry[74..78].copy_from_slice(&[0, 24, 0xff, 0xff]);
    let vpcc = make(b"vpcC", &[&words(&[0x0100_0000]), &[0, 10, 0x82, 1, 1, 1, 0, 0]]);
    let stsd = make(b"stsd", &[&words(&[0, 1]), &make(b"vp08", &[&entry, &vpcc])]);
    let empty = |name: &[u8; 4], count: usize| make(name, &[&words(&vec![0; count])]);
    let stbl = make(b"stbl", &[&stsd, &empty(b"stts", 2), &empty(b"stsc", 2), &empty(b"stsz", 3), &empty(b"stco", 2)]);
    let dref = make(b"dref", &[&words(&[0, 1]), &make(b"url ", &[&words(&[1])])]);
    let minf = make(b"minf", &[&make(b"vmhd", &[&words(&[1, 0, 0])]), &make(b"dinf", &[&dref]), &stbl]);
    let mdhd = make(b"mdhd", &[&words(&[0, 0, 0, 90_000, 0, 0x55c4_0000])]);
    let hdlr = make(b"hdlr", &[&words(&[0, 0]), b"vide", &[0; 13]]);
    let mdia = make(b"mdia", &[&mdhd, &hdlr, &minf]);
    let tkhd = make(b"tkhd", &[&words(&[3, 0, 0, 1, 0, 0, 0, 0, 0, 0]), &matrix, &words(&[320 << 16, 180 << 16])]);
    let mvhd =
        make(b"mvhd", &[&words(&[0, 0, 0, 1_000, 0, 0x1_0000, 0x0100_0000, 0, 0]), &matrix, &[0; 24], &words(&[2])]);
    let mvex = make(b"mvex", &[&make(b"trex", &[&words(&[0, 1, 1, 0, 0, 0])])]);
    let moov = make(b"moov", &[&mvhd, &make(b"trak", &[&tkhd, &mdia]), &mvex]);
    [make(b"ftyp", &[b"iso5\0\0\x02\0iso5iso6mp41"]), moov].concat()
}
