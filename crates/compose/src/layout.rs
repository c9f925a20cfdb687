//! Where the tiles are. Pure geometry: every rectangle has even coordinates (4:2:0 has no odd ones) and lies within the picture.

/// A rectangle of the picture, in pixels, all even.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Distance from the left in pixels.
    pub x: u32,
    /// Distance from the top in pixels.
    pub y: u32,
    /// Width in pixels.
    pub w: u32,
    /// Height in pixels.
    pub h: u32,
}

/// The most tiles of a grid; further people are counted in its last tile.
pub const GRID: usize = 25;

/// A picture's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Width in pixels, even.
    pub w: u32,
    /// Height in pixels, even.
    pub h: u32,
}

impl Size {
    /// 1280 × 720.
    pub const P720: Self = Self { w: 1_280, h: 720 };
    /// 1920 × 1080.
    pub const P1080: Self = Self { w: 1_920, h: 1_080 };

    /// Between tiles.
    pub fn gutter(self) -> u32 {
        even(self.h / 90).max(2)
    }

    /// The whole picture.
    pub fn whole(self) -> Rect {
        Rect { x: 0, y: 0, w: self.w, h: self.h }
    }

    /// `count` tiles of one size, 16:9, as large as they can be, the last row in the middle. One alone has the whole picture.
    pub fn grid(self, count: usize) -> Vec<Rect> {
        let count = u32::try_from(count.min(GRID)).expect("at most 25");
        if count <= 1 {
            return vec![self.whole(); count as usize];
        }
        let gutter = self.gutter();
        let tile = |columns: u32| {
            let rows = count.div_ceil(columns);
            let w = (self.w - gutter * (columns + 1)) / columns;
            let h = (self.h - gutter * (rows + 1)) / rows;
            (w.min(h * 16 / 9), columns)
        };
        // Of equally large tiles, fewer columns.
        let (w, columns) =
            (1..=count).map(tile).max_by_key(|(w, columns)| (*w, u32::MAX - columns)).expect("at least two");
        let (w, h) = (even(w), even(w * 9 / 16));
        let rows = count.div_ceil(columns);
        let top = (self.h - rows * h - (rows - 1) * gutter) / 2;
        let place = |number: u32| {
            let (row, column) = (number / columns, number % columns);
            let in_row = if row + 1 == rows { count - row * columns } else { columns };
            let left = (self.w - in_row * w - (in_row - 1) * gutter) / 2;
            Rect { x: even(left + column * (w + gutter)), y: even(top + row * (h + gutter)), w, h }
        };
        (0..count).map(place).collect()
    }

    /// How many small tiles stand beside a large one.
    pub fn strip_holds(self) -> usize {
        let (gutter, tile) = (self.gutter(), self.strip_tile());
        ((self.h - gutter) / (tile.h + gutter)) as usize
    }

    /// A large tile, and `count` small ones in a strip at its right.
    pub fn beside(self, count: usize) -> (Rect, Vec<Rect>) {
        if count == 0 {
            return (self.whole(), Vec::new());
        }
        let (gutter, tile) = (self.gutter(), self.strip_tile());
        let count = u32::try_from(count.min(self.strip_holds())).expect("a handful");
        let x = self.w - gutter - tile.w;
        let top = even((self.h - count * tile.h - (count - 1) * gutter) / 2);
        let strip = (0..count).map(|number| Rect { x, y: top + number * (tile.h + gutter), ..tile }).collect();
        let large = Rect { x: gutter, y: gutter, w: even(x - 2 * gutter), h: even(self.h - 2 * gutter) };
        (large, strip)
    }

    /// A small tile in the corner of the whole.
    pub fn inset(self) -> Rect {
        let (w, gutter) = (even(self.w / 4), 2 * self.gutter());
        let h = even(w * 9 / 16);
        Rect { x: self.w - gutter - w, y: self.h - gutter - h, w, h }
    }

    fn strip_tile(self) -> Rect {
        let w = even(self.w / 5);
        Rect { x: 0, y: 0, w, h: even(w * 9 / 16) }
    }
}

/// The even number at or below.
pub fn even(number: u32) -> u32 {
    number & !1
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [Size; 4] = [Size::P720, Size::P1080, Size { w: 320, h: 180 }, Size { w: 160, h: 90 }];

    fn check(size: Size, rects: &[Rect], what: &str) {
        for (number, one) in rects.iter().enumerate() {
            let odd = (one.x | one.y | one.w | one.h) & 1;
            assert!(odd == 0 && one.w > 0 && one.h > 0, "{what}: {one:?}");
            assert!(one.x + one.w <= size.w && one.y + one.h <= size.h, "{what}: {one:?} of {size:?}");
            for other in &rects[..number] {
                let apart = one.x >= other.x + other.w
                    || other.x >= one.x + one.w
                    || one.y >= other.y + other.h
                    || other.y >= one.y + one.h;
                assert!(apart, "{what}: {one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn tiles_of_a_grid_lie_within_the_picture_and_apart() {
        for size in SIZES {
            for count in 0..=60 {
                let rects = size.grid(count);
                assert_eq!(rects.len(), count.min(GRID));
                check(size, &rects, &format!("grid of {count}"));
            }
        }
    }

    #[test]
    fn a_grid_has_these_shapes() {
        let shape = |count: usize| {
            let rects = Size::P720.grid(count);
            let columns = rects.iter().filter(|rect| rect.y == rects[0].y).count();
            (columns, rects[0].w, rects[0].h)
        };
        assert_eq!(
            [1, 2, 3, 4, 6, 9, 16, 25].map(shape),
            [
                (1, 1280, 720),
                (2, 628, 352),
                (2, 618, 346),
                (2, 618, 346),
                (3, 416, 234),
                (3, 406, 228),
                (4, 302, 168),
                (5, 238, 132)
            ]
        );
    }

    #[test]
    fn a_strip_stands_beside_the_large_tile() {
        for size in SIZES {
            for count in 0..=8 {
                let (large, mut strip) = size.beside(count);
                assert_eq!(strip.len(), count.min(size.strip_holds()));
                strip.push(large);
                check(size, &strip, &format!("strip of {count}"));
            }
            check(size, &[size.inset()], "inset");
        }
        assert_eq!(Size::P720.strip_holds(), 4);
    }
}
