//! Names as pictures. They are shaped and drawn here with a font of our own, because a machine may have no font, and because
//! nothing that a participant typed shall ever stand in an argument or a filter of ffmpeg. Scripts that the font lacks are drawn
//! with a font of the machine, if it has one for them.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use rustybuzz::ttf_parser::{GlyphId, OutlineBuilder};
use rustybuzz::{Direction, Face, UnicodeBuffer};
use unicode_bidi::BidiInfo;

use crate::image::{Color, Image};

/// DejaVu Sans: Latin, Greek, Cyrillic, Arabic, Hebrew, Georgian, Armenian and many signs.
static OWN: &[u8] = include_bytes!("../fonts/DejaVuSans.ttf");
/// Where a machine has its fonts.
const PLACES: [&str; 2] = ["/usr/share/fonts", "/usr/local/share/fonts"];
/// The most font files that are looked at, and the largest.
const FILES: usize = 300;
const LARGEST: u64 = 64 << 20;
/// The most characters of a name that are looked at.
const LONGEST: usize = 64;

/// The fonts that names are drawn with.
#[derive(Debug, Default)]
pub struct Fonts {
    /// Files of the machine; none until a character needs one.
    files: Option<Vec<PathBuf>>,
    /// Those that were of use.
    loaded: Vec<(PathBuf, Vec<u8>)>,
    /// Which of them has a block of 256 characters.
    blocks: HashMap<u32, Option<usize>>,
}

/// A line of text, ready to be drawn.
#[derive(Debug)]
pub struct TextLine {
    glyphs: Vec<Glyph>,
    /// In pixels.
    pub width: f32,
    pixels: f32,
}

#[derive(Debug)]
struct Glyph {
    font: usize,
    id: GlyphId,
    x: f32,
    y: f32,
}

impl Fonts {
    /// What of a name can be drawn, in one line. Empty if nothing that tells people apart is left.
    pub fn drawable(&mut self, name: &str) -> String {
        let mut text = String::new();
        for c in name.chars().take(LONGEST) {
            if c.is_whitespace() || c.is_control() {
                if !text.is_empty() && !text.ends_with(' ') {
                    text.push(' ');
                }
            } else if !is_invisible(c) && self.font(c).is_some() {
                text.push(c);
            }
        }
        text.truncate(text.trim_end().len());
        if text.chars().any(char::is_alphanumeric) { text } else { String::new() }
    }

    /// Lays out a text of [`Self::drawable`] characters, shortened with an ellipsis until it is no wider than `room`.
    pub fn line(&mut self, text: &str, pixels: f32, room: f32) -> TextLine {
        let whole = self.shape(text, pixels);
        if whole.width <= room {
            return whole;
        }
        let mut chars: Vec<char> = text.chars().collect();
        while chars.pop().is_some() {
            let shorter: String = chars.iter().collect::<String>().trim_end().to_owned() + "…";
            let line = self.shape(&shorter, pixels);
            if line.width <= room {
                return line;
            }
        }
        TextLine { glyphs: Vec::new(), width: 0.0, pixels }
    }

    fn shape(&mut self, text: &str, pixels: f32) -> TextLine {
        let mut line = TextLine { glyphs: Vec::new(), width: 0.0, pixels };
        let bidi = BidiInfo::new(text, None);
        let Some(paragraph) = bidi.paragraphs.first() else { return line };
        let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
        for run in runs {
            let leftwards = levels[run.start].is_rtl();
            let mut pieces = self.pieces(text, run);
            if leftwards {
                pieces.reverse();
            }
            for (font, range) in pieces {
                self.append(&mut line, font, &text[range], leftwards);
            }
        }
        line
    }

    /// A run, split where the font changes.
    fn pieces(&mut self, text: &str, run: Range<usize>) -> Vec<(usize, Range<usize>)> {
        let mut pieces: Vec<(usize, Range<usize>)> = Vec::new();
        for (at, c) in text[run.clone()].char_indices() {
            let range = run.start + at..run.start + at + c.len_utf8();
            let font = self.font(c).unwrap_or(0);
            match pieces.last_mut() {
                Some((last, whole)) if *last == font || c == ' ' => whole.end = range.end,
                _ => pieces.push((font, range)),
            }
        }
        pieces
    }

    fn append(&self, line: &mut TextLine, font: usize, text: &str, leftwards: bool) {
        let Some(face) = self.face(font) else { return };
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        buffer.set_direction(if leftwards { Direction::RightToLeft } else { Direction::LeftToRight });
        let shaped = rustybuzz::shape(&face, &[], buffer);
        let scale = line.pixels / (face.units_per_em() as f32).max(1.0);
        for (info, position) in shaped.glyph_infos().iter().zip(shaped.glyph_positions()) {
            let id = GlyphId(u16::try_from(info.glyph_id).unwrap_or(0));
            let x = line.width + position.x_offset as f32 * scale;
            line.glyphs.push(Glyph { font, id, x, y: position.y_offset as f32 * scale });
            line.width += position.x_advance as f32 * scale;
        }
    }

    /// Draws a line, with its baseline at `(x, y)`.
    pub fn draw(&self, image: &mut Image, line: &TextLine, x: f32, y: f32, color: Color) {
        for glyph in &line.glyphs {
            let Some(face) = self.face(glyph.font) else { continue };
            let scale = line.pixels / (face.units_per_em() as f32).max(1.0);
            let Some(bounds) = face.glyph_bounding_box(glyph.id) else { continue };
            let left = (x + glyph.x + f32::from(bounds.x_min) * scale).floor() - 1.0;
            let top = (y - glyph.y - f32::from(bounds.y_max) * scale).floor() - 1.0;
            let size = |units: i32| ((units as f32 * scale).ceil().clamp(0.0, 2_000.0)) as usize + 4;
            let (w, h) = (
                size(i32::from(bounds.x_max) - i32::from(bounds.x_min)),
                size(i32::from(bounds.y_max) - i32::from(bounds.y_min)),
            );
            let origin = point(x + glyph.x - left, y - glyph.y - top);
            let mut pen = Pen {
                raster: Rasterizer::new(w, h),
                origin,
                scale,
                limit: point(w as f32, h as f32),
                start: origin,
                at: origin,
            };
            if face.outline_glyph(glyph.id, &mut pen).is_some() {
                pen.raster.for_each_pixel_2d(|column, row, coverage| {
                    image.blend(left as i64 + i64::from(column), top as i64 + i64::from(row), color, coverage);
                });
            }
        }
    }

    fn face(&self, font: usize) -> Option<Face<'_>> {
        let data = if font == 0 { OWN } else { &self.loaded.get(font - 1)?.1 };
        Face::from_slice(data, 0)
    }

    /// The font that has a character: 0 is our own.
    fn font(&mut self, c: char) -> Option<usize> {
        if self.has(0, c) {
            return Some(0);
        }
        let block = u32::from(c) >> 8;
        let known = match self.blocks.get(&block) {
            Some(known) => *known,
            None => {
                let found = (1..=self.loaded.len()).find(|font| self.has(*font, c)).or_else(|| self.load(c));
                self.blocks.insert(block, found);
                found
            }
        };
        known.filter(|font| self.has(*font, c))
    }

    fn has(&self, font: usize, c: char) -> bool {
        self.face(font).is_some_and(|face| draws(&face, c))
    }

    /// Looks for a font of the machine that has the character.
    fn load(&mut self, c: char) -> Option<usize> {
        let files = self.files.get_or_insert_with(|| {
            let mut files = Vec::new();
            PLACES.iter().for_each(|place| gather(Path::new(place), 6, &mut files));
            files.sort();
            files
        });
        for path in files.iter() {
            if self.loaded.iter().any(|(loaded, _)| loaded == path) {
                continue;
            }
            let Ok(data) = std::fs::read(path) else { continue };
            if Face::from_slice(&data, 0).is_some_and(|face| draws(&face, c)) {
                self.loaded.push((path.clone(), data));
                return Some(self.loaded.len());
            }
        }
        None
    }
}

/// Whether a font draws a character, as an outline: pictures, as emoji have, are of no use here.
fn draws(face: &Face<'_>, c: char) -> bool {
    face.glyph_index(c).is_some_and(|glyph| glyph.0 != 0 && (c == ' ' || face.glyph_bounding_box(glyph).is_some()))
}

/// Signs that steer others, among them those that would turn the rest of a line around.
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c), 0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E
        | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFF | 0xE0000..=0xE0FFF)
}

fn gather(place: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let is_font =
            || path.extension().is_some_and(|ending| ["ttf", "otf", "ttc"].iter().any(|font| ending == *font));
        if kind.is_dir() && depth > 0 {
            gather(&path, depth - 1, files);
        } else if files.len() < FILES && is_font() && entry.metadata().is_ok_and(|data| data.len() <= LARGEST) {
            files.push(path);
        }
    }
}

/// Turns a font's outline into lines of the rasterizer, which takes only what lies within it.
struct Pen {
    raster: Rasterizer,
    origin: Point,
    scale: f32,
    limit: Point,
    start: Point,
    at: Point,
}

impl Pen {
    fn place(&self, x: f32, y: f32) -> Point {
        let (x, y) = (self.origin.x + x * self.scale, self.origin.y - y * self.scale);
        point(x.clamp(0.0, self.limit.x - 1.0), y.clamp(0.0, self.limit.y - 1.0))
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.at = self.place(x, y);
        self.start = self.at;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let to = self.place(x, y);
        self.raster.draw_line(self.at, to);
        self.at = to;
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (over, to) = (self.place(x1, y1), self.place(x, y));
        self.raster.draw_quad(self.at, over, to);
        self.at = to;
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (over, then, to) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.raster.draw_cubic(self.at, over, then, to);
        self.at = to;
    }

    fn close(&mut self) {
        self.raster.draw_line(self.at, self.start);
        self.at = self.start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As on a machine without fonts.
    fn bare() -> Fonts {
        Fonts { files: Some(Vec::new()), ..Fonts::default() }
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        for (name, drawn) in [
            ("Ann  O'Hara\n", "Ann O'Hara"),
            ("田中 Tanaka", "Tanaka"),
            ("田中", ""),
            ("🦀🦀", ""),
            ("Zoë 🦀", "Zoë"),
            ("\u{202e}evil\u{2066}", "evil"),
            ("', drawtext=text=%{pts}:[0:v]\\", "', drawtext=text=%{pts}:[0:v]\\"),
            ("محمد", "محمد"),
            ("Дмитрий", "Дмитрий"),
        ] {
            assert_eq!(bare().drawable(name), drawn, "{name:?}");
        }
    }

    #[test]
    fn arabic_is_joined_and_runs_from_right_to_left() {
        let mut fonts = bare();
        let joined: Vec<GlyphId> = fonts.shape("محمد", 24.0).glyphs.iter().map(|glyph| glyph.id).collect();
        let apart: Vec<GlyphId> = "محمد".chars().map(|c| fonts.shape(&c.to_string(), 24.0).glyphs[0].id).collect();
        assert!(joined.len() == 4 && joined.iter().all(|glyph| !apart.contains(glyph)), "{joined:?} {apart:?}");
        // The first letter of the text is the rightmost.
        let mixed = fonts.shape("אב", 24.0);
        let alef = fonts.shape("א", 24.0).glyphs[0].id;
        assert_eq!(mixed.glyphs.iter().max_by(|a, b| a.x.total_cmp(&b.x)).map(|glyph| glyph.id), Some(alef));
    }

    #[test]
    fn a_long_name_ends_in_an_ellipsis() {
        let mut fonts = bare();
        let line = fonts.line("Wolfeschlegelsteinhausenbergerdorff", 20.0, 100.0);
        assert!(line.width <= 100.0 && line.width > 80.0, "{}", line.width);
        let ellipsis = fonts.shape("…", 20.0).glyphs[0].id;
        assert_eq!(line.glyphs.last().map(|glyph| glyph.id), Some(ellipsis));
    }

    #[test]
    fn a_letter_leaves_ink_where_it_stands() {
        let mut fonts = bare();
        let line = fonts.line("I", 40.0, 100.0);
        let mut image = Image::new(40, 60, [0, 0, 0, 255]);
        fonts.draw(&mut image, &line, 10.0, 50.0, [255, 255, 255, 255]);
        let ink: Vec<usize> = (0..60).filter(|y| (0..40).any(|x| image.pixel(x, *y)[0] > 200)).collect();
        assert!((20..=24).contains(&ink[0]) && (48..=50).contains(&ink[ink.len() - 1]), "{ink:?}");
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic(name in ".{0,80}", pixels in 4.0f32..80.0, room in 0.0f32..400.0) {
            let mut fonts = bare();
            let text = fonts.drawable(&name);
            prop_assert!(!text.chars().any(char::is_control));
            let line = fonts.line(&text, pixels, room);
            prop_assert!(line.width <= room || line.width == 0.0);
            let mut image = Image::new(64, 32, [0, 0, 0, 0]);
            fonts.draw(&mut image, &line, 3.0, 20.0, [255, 255, 255, 255]);
        }
    }
}
