//! What stands still in the picture: the ground, the tiles of those without a camera, the labels. Drawn once for each step.

use crate::image::{Color, Image};
use crate::layout::{Rect, Size, even};
use crate::story::Story;
use crate::text::Fonts;
use crate::timeline::{Shows, Tile};

const GROUND: Color = [0x11, 0x14, 0x17, 0xff];
const TILE: Color = [0x22, 0x27, 0x2d, 0xff];
const LABEL: Color = [0, 0, 0, 0xa0];
const INK: Color = [0xff, 0xff, 0xff, 0xff];

/// A picture with its place.
#[derive(Debug)]
pub struct Placed {
    /// The picture, with even sides.
    pub image: Image,
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
}

/// Draws for one recording.
#[derive(Debug)]
pub struct Artist<'a> {
    story: &'a Story,
    size: Size,
    fonts: Fonts,
}

impl<'a> Artist<'a> {
    /// Draws for pictures of a size.
    pub fn new(story: &'a Story, size: Size) -> Self {
        Self { story, size, fonts: Fonts::default() }
    }

    /// The whole picture beneath what moves.
    pub fn ground(&mut self, tiles: &[Tile]) -> Image {
        let mut image = Image::new(self.size.w, self.size.h, GROUND);
        for tile in tiles.iter().filter(|tile| !tile.in_front) {
            self.tile(&mut image, tile, tile.at);
        }
        image
    }

    /// A tile as a picture of its own, for one that stands in front of what moves.
    pub fn front(&mut self, tile: &Tile) -> Placed {
        let mut image = Image::new(tile.at.w, tile.at.h, TILE);
        self.tile(&mut image, tile, Rect { x: 0, y: 0, ..tile.at });
        Placed { image, x: tile.at.x, y: tile.at.y }
    }

    /// The label of a tile, for one in which something moves.
    pub fn label(&mut self, tile: &Tile) -> Option<Placed> {
        let text = self.name(tile.shows);
        let pixels = self.pixels(tile.at);
        let line = self.fonts.line(&text, pixels, tile.at.w as f32 * 0.8);
        let (w, h) = (even((line.width + pixels) as u32 + 1), even((pixels * 1.6) as u32 + 1));
        let edge = even((pixels * 0.4) as u32 + 1);
        if line.width <= 0.0 || w + 2 * edge > tile.at.w || h + 2 * edge > tile.at.h {
            return None;
        }
        let mut image = Image::new(w, h, LABEL);
        self.fonts.draw(&mut image, &line, pixels * 0.5, pixels * 1.15, INK);
        Some(Placed { image, x: tile.at.x + edge, y: tile.at.y + tile.at.h - h - edge })
    }

    fn tile(&mut self, image: &mut Image, tile: &Tile, at: Rect) {
        image.fill(at.x, at.y, at.w, at.h, TILE);
        let (x, y) = (at.x as f32 + at.w as f32 / 2.0, at.y as f32 + at.h as f32 / 2.0);
        let radius = at.w.min(at.h) as f32 * 0.26;
        let text = match tile.shows {
            Shows::Face(person) => {
                image.disc(x, y, radius, shade(person));
                self.initials(person)
            }
            Shows::Screen(_) => String::new(),
            Shows::More(count) => format!("+{count}"),
        };
        let pixels = radius * 0.85;
        let line = self.fonts.line(&text, pixels, at.w as f32 * 0.9);
        self.fonts.draw(image, &line, x - line.width / 2.0, y + pixels * 0.36, INK);
        if tile.live.is_none()
            && let Some(label) = self.label(&Tile { at, ..tile.clone() })
        {
            for row in 0..label.image.h {
                for column in 0..label.image.w {
                    let color = label.image.pixel(column as usize, row as usize);
                    image.blend(i64::from(label.x + column), i64::from(label.y + row), color, 1.0);
                }
            }
        }
    }

    fn pixels(&self, tile: Rect) -> f32 {
        (tile.h as f32 * 0.06).clamp(self.size.h as f32 / 55.0, self.size.h as f32 / 32.0)
    }

    fn name(&mut self, shows: Shows) -> String {
        let person = match shows {
            Shows::Face(person) => person,
            Shows::Screen(track) => self.story.tracks[track].person,
            Shows::More(_) => return String::new(),
        };
        let name = self.fonts.drawable(&self.story.people[person].name);
        if name.is_empty() { format!("Person {}", person + 1) } else { name }
    }

    /// The first letters of the first and the last word.
    fn initials(&mut self, person: usize) -> String {
        let name = self.name(Shows::Face(person));
        initials(&name)
    }
}

fn initials(name: &str) -> String {
    let first = |word: &str| word.chars().find(|c| c.is_alphanumeric());
    let mut letters = name.split_whitespace().filter_map(first);
    let one = letters.next();
    one.into_iter().chain(letters.next_back()).flat_map(char::to_uppercase).take(2).collect()
}

/// A dark shade that tells people apart.
fn shade(person: usize) -> Color {
    const SHADES: [Color; 8] = [
        [0x3b, 0x6e, 0xa5, 0xff],
        [0x8a, 0x4f, 0x7d, 0xff],
        [0x3f, 0x7d, 0x58, 0xff],
        [0xa0, 0x5a, 0x2c, 0xff],
        [0x5b, 0x5f, 0xa8, 0xff],
        [0x9c, 0x44, 0x4c, 0xff],
        [0x2f, 0x7f, 0x86, 0xff],
        [0x76, 0x6a, 0x2e, 0xff],
    ];
    SHADES[person % SHADES.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Person;
    use proptest::prelude::*;

    #[test]
    fn initials_are_of_the_first_and_the_last_word() {
        for (name, letters) in [
            ("Ann", "A"),
            ("Ann Mary O'Hara", "AO"),
            ("jean-luc picard", "JP"),
            ("7 of 9", "79"),
            ("ßa", "SS"),
            ("...", ""),
        ] {
            assert_eq!(initials(name), letters, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_fits_any_tile(name in ".{0,40}", w in 10u32..200, h in 10u32..120, face in any::<bool>()) {
            let story = Story { people: vec![Person { name, ..Person::default() }], ..Story::default() };
            let mut artist = Artist::new(&story, Size { w: 400, h: 240 });
            let at = Rect { x: 20, y: 20, w: even(w), h: even(h) };
            let shows = if face { Shows::Face(0) } else { Shows::More(7) };
            let tile = Tile { at, shows, live: None, in_front: false };
            artist.ground(std::slice::from_ref(&tile));
            if let Some(label) = artist.label(&tile) {
                prop_assert!(label.x >= at.x && label.x + label.image.w <= at.x + at.w);
                prop_assert!(label.y >= at.y && label.y + label.image.h <= at.y + at.h);
                prop_assert!(label.image.w % 2 == 0 && label.image.h % 2 == 0);
            }
        }
    }
}
