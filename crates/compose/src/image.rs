//! Small pictures in memory, and the forms in which ffmpeg reads them. No codec is needed for a picture that stands still.

/// Red, green, blue and opacity.
pub type Color = [u8; 4];

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Width in pixels.
    pub w: u32,
    /// Height in pixels.
    pub h: u32,
    pixels: Vec<Color>,
}

impl Image {
    /// A picture of one colour.
    pub fn new(w: u32, h: u32, color: Color) -> Self {
        Self { w, h, pixels: vec![color; w as usize * h as usize] }
    }

    /// The colour of a pixel within the picture.
    pub fn pixel(&self, x: usize, y: usize) -> Color {
        self.pixels[y * self.w as usize + x]
    }

    /// Puts a colour over a pixel, as far as `coverage` says. What lies outside is left out.
    pub fn blend(&mut self, x: i64, y: i64, color: Color, coverage: f32) {
        if x < 0 || y < 0 || x >= i64::from(self.w) || y >= i64::from(self.h) {
            return;
        }
        let at = usize::try_from(y * i64::from(self.w) + x).expect("within the picture");
        let under = self.pixels[at];
        let over = f32::from(color[3]) / 255.0 * coverage.clamp(0.0, 1.0);
        let beneath = f32::from(under[3]) / 255.0 * (1.0 - over);
        let alpha = over + beneath;
        if alpha <= 0.0 {
            return;
        }
        let mix = |channel: usize| (f32::from(color[channel]) * over + f32::from(under[channel]) * beneath) / alpha;
        self.pixels[at] = [mix(0), mix(1), mix(2), alpha * 255.0].map(|value| value.round() as u8);
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, x: u32, y: u32, w: u32, h: u32, color: Color) {
        for row in y..(y + h).min(self.h) {
            let start = row as usize * self.w as usize;
            let columns = x.min(self.w) as usize..(x + w).min(self.w) as usize;
            self.pixels[start + columns.start..start + columns.end].fill(color);
        }
    }

    /// Draws a disc with a smooth edge.
    pub fn disc(&mut self, x: f32, y: f32, radius: f32, color: Color) {
        let reach = radius.ceil() as i64 + 1;
        for row in y as i64 - reach..=y as i64 + reach {
            for column in x as i64 - reach..=x as i64 + reach {
                let distance = (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y);
                self.blend(column, row, color, radius + 0.5 - distance);
            }
        }
    }

    /// As `rgba`.
    pub fn rgba(&self) -> Vec<u8> {
        self.pixels.as_flattened().to_vec()
    }

    /// As `yuv420p` of BT.601, limited range: what WebRTC's pictures are. Width and height are even.
    pub fn yuv420p(&self) -> Vec<u8> {
        let (w, h) = (self.w as usize, self.h as usize);
        let mut bytes = Vec::with_capacity(w * h * 3 / 2);
        bytes.extend(self.pixels.iter().map(|pixel| yuv(*pixel)[0]));
        for plane in 1..3 {
            for y in (0..h).step_by(2) {
                for x in (0..w).step_by(2) {
                    let four = [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)];
                    let sum: u32 = four.iter().map(|(x, y)| u32::from(yuv(self.pixel(*x, *y))[plane])).sum();
                    bytes.push(u8::try_from((sum + 2) / 4).expect("an average of bytes"));
                }
            }
        }
        bytes
    }
}

fn yuv([r, g, b, _]: Color) -> [u8; 3] {
    let (r, g, b) = (f32::from(r) / 255.0, f32::from(g) / 255.0, f32::from(b) / 255.0);
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    let (u, v) = ((b - y) / 1.772, (r - y) / 1.402);
    [16.0 + 219.0 * y, 128.0 + 224.0 * u, 128.0 + 224.0 * v].map(|value| value.round().clamp(0.0, 255.0) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_those_of_video() {
        for (color, wanted) in [
            ([0, 0, 0, 255], [16, 128, 128]),
            ([255, 255, 255, 255], [235, 128, 128]),
            ([255, 0, 0, 255], [81, 90, 240]),
        ] {
            assert_eq!(yuv(color), wanted);
        }
        assert_eq!(Image::new(4, 2, [0, 0, 0, 255]).yuv420p().len(), 12);
    }

    #[test]
    fn nothing_is_drawn_outside() {
        let mut image = Image::new(4, 4, [0, 0, 0, 255]);
        image.blend(-1, 2, [255; 4], 1.0);
        image.blend(4, 2, [255; 4], 1.0);
        image.fill(2, 2, 10, 10, [9, 9, 9, 255]);
        image.disc(0.0, 0.0, 2.0, [7, 7, 7, 255]);
        assert_eq!(
            (image.pixel(3, 3), image.pixel(0, 0), image.pixel(3, 0)),
            ([9, 9, 9, 255], [7, 7, 7, 255], [0, 0, 0, 255])
        );
    }
}
