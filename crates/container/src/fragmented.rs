//! Fragmented MP4 (ISO/IEC 14496-12 §8.8), one track a file: an initialisation segment, then any number of fragments, each of
//! which says when it begins. CMAF: the same bytes serve recordings and live streams.

use mp4_atom::{
    Audio, Av01, Av1c, Avc1, Avcc, AvccExt, Codec, Dinf, Dops, Dref, DrefEntry, Encode, FourCC, Ftyp, Hdlr, Mdhd, Mdia,
    Mfhd, Minf, Moof, Moov, Mvex, Mvhd, Opus, Smhd, Stbl, Stco, Stsc, Stsd, Stsz, Stts, Tfdt, Tfhd, Tkhd, Traf, Trak,
    Trex, Trun, TrunEntry, TrunSamples, Url, Visual, Vmhd, Vp08, Vp09, VpcC,
};

use crate::av1::Av1Parameters;
use crate::h264::H264Parameters;
use crate::unit::Parameters;
use crate::vp9::Vp9Parameters;

/// Ticks a second of video: those of RTP.
pub const VIDEO_TIMESCALE: u32 = 90_000;
/// Ticks a second of Opus: those of RTP.
pub const OPUS_TIMESCALE: u32 = 48_000;

/// The only track of a file.
const TRACK: u32 = 1;
/// ISO/IEC 14496-12 §8.8.3.1: depends on no other, and is a sync sample.
const SYNC: u32 = 0x0200_0000;
/// It depends on others, and is no sync sample.
const NO_SYNC: u32 = 0x0101_0000;
/// A field of colour that says nothing (ISO/IEC 23091-2).
const UNSPECIFIED: u8 = 2;

/// One access unit in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// How long until the next, in ticks of the track's timescale.
    pub duration: u32,
    /// A decoder can start here.
    pub keyframe: bool,
    /// The bytes.
    pub data: Vec<u8>,
}

/// What was to be written does not fit into the format.
#[derive(Debug, thiserror::Error)]
#[error("cannot be written as MP4: {0}")]
pub struct WriteError(#[from] mp4_atom::Error);

impl Parameters {
    /// Ticks a second of a track of this kind.
    pub fn timescale(&self) -> u32 {
        match self {
            Parameters::Opus => OPUS_TIMESCALE,
            Parameters::H264(_) | Parameters::Vp8 { .. } | Parameters::Vp9(_) | Parameters::Av1(_) => VIDEO_TIMESCALE,
        }
    }
}

/// `ftyp` and `moov`: what a decoder has to know of the track.
pub fn init_segment(parameters: &Parameters) -> Result<Vec<u8>, WriteError> {
    let brands = [*b"iso6", *b"cmfc", *b"mp41"].map(FourCC::from);
    let mut bytes = Vec::new();
    Ftyp { major_brand: brands[0], minor_version: 0, compatible_brands: brands.to_vec() }.encode(&mut bytes)?;
    let (width, height) = parameters.size().unwrap_or((0, 0));
    let is_video = parameters.size().is_some();
    let handler = if is_video { *b"vide" } else { *b"soun" };
    let minf = Minf {
        vmhd: is_video.then(Vmhd::default),
        smhd: (!is_video).then(Smhd::default),
        dinf: Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url { location: String::new() })] } },
        stbl: Stbl {
            stsd: Stsd { codecs: vec![sample_entry(parameters)?] },
            stts: Stts::default(),
            stsc: Stsc::default(),
            stsz: Stsz::default(),
            stco: Some(Stco::default()),
            ..Stbl::default()
        },
        ..Minf::default()
    };
    let mdia = Mdia {
        mdhd: Mdhd { timescale: parameters.timescale(), language: "und".to_owned(), ..Mdhd::default() },
        hdlr: Hdlr { handler: handler.into(), name: String::new() },
        minf,
    };
    let tkhd = Tkhd {
        track_id: TRACK,
        enabled: true,
        in_movie: true,
        volume: if is_video { 0.into() } else { 1.into() },
        width: width.into(),
        height: height.into(),
        ..Tkhd::default()
    };
    let trex = Trex { track_id: TRACK, default_sample_description_index: 1, ..Trex::default() };
    let moov = Moov {
        mvhd: Mvhd {
            timescale: parameters.timescale(),
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: TRACK + 1,
            ..Mvhd::default()
        },
        mvex: Some(Mvex { mehd: None, trex: vec![trex] }),
        trak: vec![Trak { tkhd, mdia, ..Trak::default() }],
        ..Moov::default()
    };
    moov.encode(&mut bytes)?;
    Ok(bytes)
}

/// `moof` and `mdat`: samples that follow one another from `decode_time` on, in ticks. `sequence`: counts a file's fragments
/// from 1.
pub fn fragment(sequence: u32, decode_time: u64, samples: &[Sample]) -> Result<Vec<u8>, WriteError> {
    let entry = |sample: &Sample| TrunEntry {
        duration: Some(sample.duration),
        size: Some(sample.data.len() as u32),
        flags: Some(if sample.keyframe { SYNC } else { NO_SYNC }),
        cts: None,
    };
    let entries: Vec<TrunEntry> = samples.iter().map(entry).collect();
    let moof = |data_offset: i32, entries: Vec<TrunEntry>| Moof {
        mfhd: Mfhd { sequence_number: sequence },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: TRACK, default_base_is_moof: true, ..Tfhd::default() },
            tfdt: Some(Tfdt { base_media_decode_time: decode_time }),
            trun: vec![Trun { data_offset: Some(data_offset), samples: TrunSamples::Explicit(entries) }],
            ..Traf::default()
        }],
    };
    let mut bytes = Vec::new();
    moof(0, entries.clone()).encode(&mut bytes)?;
    let header = bytes.len() + 8;
    bytes.clear();
    let media: usize = samples.iter().map(|sample| sample.data.len()).sum();
    bytes.reserve(header + media);
    moof(header as i32, entries).encode(&mut bytes)?;
    bytes.extend_from_slice(&(media as u32 + 8).to_be_bytes());
    bytes.extend_from_slice(b"mdat");
    samples.iter().for_each(|sample| bytes.extend_from_slice(&sample.data));
    Ok(bytes)
}

fn sample_entry(parameters: &Parameters) -> Result<Codec, WriteError> {
    let (width, height) = parameters.size().unwrap_or((0, 0));
    let visual = Visual { data_reference_index: 1, width, height, ..Visual::default() };
    Ok(match parameters {
        Parameters::H264(parameters) => Codec::Avc1(Avc1 {
            visual,
            avcc: avcc(parameters)?,
            btrt: None,
            colr: None,
            pasp: None,
            taic: None,
            fiel: None,
            spatial: None,
        }),
        Parameters::Vp8 { .. } => {
            let vpcc = VpcC { chroma_subsampling: 1, ..vpcc(0, 8) };
            Codec::Vp08(Vp08 { visual, vpcc, btrt: None, colr: None, pasp: None, spatial: None })
        }
        Parameters::Vp9(parameters) => {
            let Vp9Parameters { profile, bit_depth, chroma_subsampling, full_range, .. } = *parameters;
            let vpcc = VpcC { chroma_subsampling, video_full_range_flag: full_range, ..vpcc(profile, bit_depth) };
            Codec::Vp09(Vp09 { visual, vpcc, btrt: None, colr: None, pasp: None, spatial: None })
        }
        Parameters::Av1(parameters) => {
            let av1c = av1c(parameters);
            Codec::Av01(Av01 {
                visual,
                av1c,
                btrt: None,
                ccst: None,
                colr: None,
                pasp: None,
                taic: None,
                spatial: None,
            })
        }
        // What the packets hold is decoded into two channels, whichever they have. Nothing is skipped at the start: recording
        // begins in the middle of a stream.
        Parameters::Opus => Codec::Opus(Opus {
            audio: Audio {
                data_reference_index: 1,
                channel_count: 2,
                sample_size: 16,
                sample_rate: (OPUS_TIMESCALE as u16).into(),
            },
            dops: Dops {
                output_channel_count: 2,
                pre_skip: 0,
                input_sample_rate: OPUS_TIMESCALE,
                output_gain: 0,
                channel_mapping: None,
            },
            btrt: None,
        }),
    })
}

fn avcc(parameters: &H264Parameters) -> Result<Avcc, WriteError> {
    let first: &[u8] = parameters.pps.first().map_or(&[], Vec::as_slice);
    let mut avcc = Avcc::new(&parameters.sps, first)?;
    avcc.picture_parameter_sets.clone_from(&parameters.pps);
    // Said for the High profiles (ISO/IEC 14496-15 §5.3.3.1.2); WebRTC has 8 bits in 4:2:0 only.
    if matches!(avcc.avc_profile_indication, 100 | 110 | 122 | 144) && avcc.ext.is_none() {
        avcc.ext = Some(AvccExt::default());
    }
    Ok(avcc)
}

fn vpcc(profile: u8, bit_depth: u8) -> VpcC {
    VpcC {
        profile,
        level: 0,
        bit_depth,
        color_primaries: UNSPECIFIED,
        transfer_characteristics: UNSPECIFIED,
        matrix_coefficients: UNSPECIFIED,
        ..VpcC::default()
    }
}

fn av1c(parameters: &Av1Parameters) -> Av1c {
    Av1c {
        seq_profile: parameters.profile,
        seq_level_idx_0: parameters.level,
        seq_tier_0: parameters.high_tier,
        high_bitdepth: parameters.high_bitdepth,
        twelve_bit: parameters.twelve_bit,
        monochrome: parameters.monochrome,
        chroma_subsampling_x: parameters.subsampling_x,
        chroma_subsampling_y: parameters.subsampling_y,
        chroma_sample_position: parameters.chroma_sample_position,
        initial_presentation_delay: None,
        config_obus: parameters.sequence_header.clone(),
    }
}

#[cfg(test)]
mod tests {
    use mp4_atom::{Any, ReadFrom};

    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let mut file = init_segment(&Parameters::Vp8 { width: 640, height: 360 }).expect("writable");
        let samples = [(true, vec![1; 500]), (false, vec![2; 30])];
        let samples = samples.map(|(keyframe, data)| Sample { duration: 3_000, keyframe, data });
        // Twelve hours and more: past 32 bits.
        let from = 13 * 3_600 * u64::from(VIDEO_TIMESCALE);
        file.extend(fragment(1, from, &samples).expect("writable"));
        let mut rest = file.as_slice();
        let atoms: Vec<Any> = std::iter::from_fn(|| Option::<Any>::read_from(&mut rest).expect("valid")).collect();
        let [Any::Ftyp(_), Any::Moov(moov), Any::Moof(moof), Any::Mdat(mdat)] = atoms.as_slice() else {
            panic!("{atoms:?}")
        };
        assert!(matches!(&moov.trak[0].mdia.minf.stbl.stsd.codecs[0], Codec::Vp08(entry) if entry.visual.width == 640));
        let traf = &moof.traf[0];
        assert_eq!(traf.tfdt.as_ref().map(|tfdt| tfdt.base_media_decode_time), Some(from));
        let sizes: Vec<_> = traf.trun[0].samples.iter().map(|entry| (entry.size, entry.flags)).collect();
        assert_eq!(sizes, [(Some(500), Some(SYNC)), (Some(30), Some(NO_SYNC))]);
        assert_eq!(mdat.data.len(), 530);
        let offset = traf.trun[0].data_offset.expect("said");
        let moof_at = file.windows(4).position(|four| four == b"moof").expect("there") - 4;
        assert_eq!(file[moof_at + offset as usize], 1, "the offset leads to the first sample");
    }
}
