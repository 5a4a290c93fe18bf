//! A picture with holes: a shape or a line of text, painted once and laid on many frames.

use jobs_core::port::video::Color;
use tiny_skia::{FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

/// Premultiplied pixels, red in the lowest byte, with the part of every row that is not empty.
pub(crate) struct Sprite {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) px: Vec<u32>,
    /// First and end column with anything to see.
    pub(crate) spans: Vec<(u32, u32)>,
}

impl Sprite {
    pub(crate) fn from_px(width: usize, height: usize, px: Vec<u32>) -> Self {
        let spans = px.chunks_exact(width.max(1)).map(span).collect();
        Self { width, height, px, spans }
    }

    pub(crate) fn from_pixmap(pixmap: &Pixmap) -> Self {
        let px = pixmap.data().chunks_exact(4).map(|p| u32::from_le_bytes([p[0], p[1], p[2], p[3]])).collect();
        Self::from_px(pixmap.width() as usize, pixmap.height() as usize, px)
    }

    pub(crate) fn row(&self, y: usize) -> &[u32] {
        &self.px[y * self.width..(y + 1) * self.width]
    }

    /// The same picture at another size, around its middle: for the few frames of an entrance.
    pub(crate) fn scaled(&self, by: f32) -> Self {
        let width = ((self.width as f32 * by).ceil() as usize).max(1);
        let height = ((self.height as f32 * by).ceil() as usize).max(1);
        let mut px = vec![0u32; width * height];
        let at = |x: i32, y: i32| -> [f32; 4] {
            if x < 0 || y < 0 || x >= self.width as i32 || y >= self.height as i32 {
                return [0.0; 4];
            }
            self.px[y as usize * self.width + x as usize].to_le_bytes().map(f32::from)
        };
        for y in 0..height {
            let sy = (y as f32 + 0.5) / by - 0.5;
            for x in 0..width {
                let sx = (x as f32 + 0.5) / by - 0.5;
                let (ix, iy) = (sx.floor(), sy.floor());
                let (fx, fy) = (sx - ix, sy - iy);
                let (ix, iy) = (ix as i32, iy as i32);
                let corners = [at(ix, iy), at(ix + 1, iy), at(ix, iy + 1), at(ix + 1, iy + 1)];
                let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
                let mut out = [0u8; 4];
                for (channel, out) in out.iter_mut().enumerate() {
                    let sum: f32 = corners.iter().zip(weights).map(|(corner, weight)| corner[channel] * weight).sum();
                    *out = (sum + 0.5) as u8;
                }
                px[y * width + x] = u32::from_le_bytes(out);
            }
        }
        Self::from_px(width, height, px)
    }

    /// A rectangle that starts in the top left corner, perhaps with round corners.
    pub(crate) fn rect(width: f32, height: f32, radius: f32, color: Color) -> Option<Self> {
        let mut pixmap = Pixmap::new(width.ceil().max(1.0) as u32, height.ceil().max(1.0) as u32)?;
        let path = rounded(0.0, 0.0, width, height, radius)?;
        fill(&mut pixmap, &path, color);
        Some(Self::from_pixmap(&pixmap))
    }

    /// A rectangle of two colours that starts in the top left corner, perhaps with round corners; 0 degrees is left to right.
    pub(crate) fn gradient(
        width: f32,
        height: f32,
        radius: f32,
        colors: (Color, Color),
        angle_deg: f32,
    ) -> Option<Self> {
        let mask = Self::rect(width, height, radius, Color::rgb(0xff_ffff))?;
        let (sin, cos) = angle_deg.to_radians().sin_cos();
        let reach = (width * cos.abs() + height * sin.abs()).max(1.0);
        let (from, to) = colors;
        let both =
            [(from.r, to.r), (from.g, to.g), (from.b, to.b), (from.a, to.a)].map(|(a, b)| (f32::from(a), f32::from(b)));
        let mut px = mask.px;
        for (index, px) in px.iter_mut().enumerate() {
            let (x, y) = (index % mask.width, index / mask.width);
            let (dx, dy) = (x as f32 + 0.5 - width / 2.0, y as f32 + 0.5 - height / 2.0);
            let t = ((dx * cos + dy * sin) / reach + 0.5).clamp(0.0, 1.0);
            let cover = f32::from((*px >> 24) as u8) / 255.0;
            let alpha = (both[3].0 + (both[3].1 - both[3].0) * t) * cover / 255.0;
            let channel = |(a, b): (f32, f32)| ((a + (b - a) * t) * alpha + dither(x, y)).min(alpha * 255.0) as u8;
            let [r, g, b] = [both[0], both[1], both[2]].map(channel);
            *px = u32::from_le_bytes([r, g, b, (alpha * 255.0 + 0.5) as u8]);
        }
        Some(Self::from_px(mask.width, mask.height, px))
    }

    /// Its pixels, to be laid turned or sized.
    pub(crate) fn texture(&self) -> crate::projection::Texture<'_> {
        crate::projection::Texture { width: self.width, height: self.height, px: &self.px }
    }

    /// A polygon, moved so that its bounding box starts in the top left corner.
    pub(crate) fn polygon(points: &[(f32, f32)], color: Color) -> Option<(Self, f32, f32)> {
        let left = points.iter().map(|p| p.0).fold(f32::MAX, f32::min).floor();
        let top = points.iter().map(|p| p.1).fold(f32::MAX, f32::min).floor();
        let right = points.iter().map(|p| p.0).fold(f32::MIN, f32::max).ceil();
        let bottom = points.iter().map(|p| p.1).fold(f32::MIN, f32::max).ceil();
        let mut builder = PathBuilder::new();
        for (index, (x, y)) in points.iter().enumerate() {
            if index == 0 { builder.move_to(x - left, y - top) } else { builder.line_to(x - left, y - top) }
        }
        builder.close();
        let mut pixmap = Pixmap::new((right - left).max(1.0) as u32, (bottom - top).max(1.0) as u32)?;
        fill(&mut pixmap, &builder.finish()?, color);
        Some((Self::from_pixmap(&pixmap), left, top))
    }

    /// An ellipse whose outer edge, with `stroke` and `blur`, fills the sprite. Returns the margin around the radii too.
    pub(crate) fn ellipse(rx: f32, ry: f32, stroke: Option<f32>, blur: f32, color: Color) -> Option<(Self, f32)> {
        if blur > 0.0 {
            return Some((soft_ellipse(rx, ry, blur, color), blur));
        }
        let margin = stroke.map_or(1.0, |width| width / 2.0 + 1.0).ceil();
        let (width, height) = ((rx + margin) * 2.0, (ry + margin) * 2.0);
        let mut pixmap = Pixmap::new(width.ceil() as u32, height.ceil() as u32)?;
        let path = PathBuilder::from_oval(Rect::from_xywh(margin, margin, rx * 2.0, ry * 2.0)?)?;
        match stroke {
            None => fill(&mut pixmap, &path, color),
            Some(width) => {
                let stroke = Stroke { width, ..Stroke::default() };
                pixmap.stroke_path(&path, &paint(color), &stroke, Transform::identity(), None);
            }
        }
        Some((Self::from_pixmap(&pixmap), margin))
    }
}

fn span(row: &[u32]) -> (u32, u32) {
    let first = row.iter().position(|px| *px != 0);
    let last = row.iter().rposition(|px| *px != 0);
    match (first, last) {
        (Some(first), Some(last)) => (first as u32, last as u32 + 1),
        _ => (u32::MAX, 0),
    }
}

/// Drawn by distance, and dithered: a soft edge in eight bits would show rings.
fn soft_ellipse(rx: f32, ry: f32, blur: f32, color: Color) -> Sprite {
    let (half_w, half_h) = (rx + blur, ry + blur);
    let (width, height) = ((half_w * 2.0).ceil() as usize, (half_h * 2.0).ceil() as usize);
    let mut px = vec![0u32; width * height];
    let least = rx.min(ry);
    let inner = ((least - blur) / (least + blur)).max(0.0);
    for y in 0..height {
        let dy = (y as f32 + 0.5 - half_h) / half_h;
        for x in 0..width {
            let dx = (x as f32 + 0.5 - half_w) / half_w;
            let distance = (dx * dx + dy * dy).sqrt();
            let t = ((1.0 - distance) / (1.0 - inner)).clamp(0.0, 1.0);
            let smooth = t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
            let alpha = smooth * f32::from(color.a) + dither(x, y);
            let alpha = alpha.floor().clamp(0.0, 255.0);
            if alpha > 0.0 {
                let channel = |c: u8| (f32::from(c) * alpha / 255.0 + dither(y, x)).floor().min(alpha) as u8;
                px[y * width + x] =
                    u32::from_le_bytes([channel(color.r), channel(color.g), channel(color.b), alpha as u8]);
            }
        }
    }
    Sprite::from_px(width, height, px)
}

/// 0 to 1, in an order in which neighbours differ much.
pub(crate) fn dither(x: usize, y: usize) -> f32 {
    const ORDER: [[u8; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];
    (f32::from(ORDER[y & 3][x & 3]) + 0.5) / 16.0
}

pub(crate) fn paint(color: Color) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(color.r, color.g, color.b, color.a);
    paint.anti_alias = true;
    paint
}

pub(crate) fn fill(pixmap: &mut Pixmap, path: &Path, color: Color) {
    pixmap.fill_path(path, &paint(color), FillRule::Winding, Transform::identity(), None);
}

/// The outline of a rectangle with round corners.
pub(crate) fn rounded(x: f32, y: f32, width: f32, height: f32, radius: f32) -> Option<Path> {
    let radius = radius.clamp(0.0, width.min(height) / 2.0);
    if radius < 0.5 {
        return Some(PathBuilder::from_rect(Rect::from_xywh(x, y, width, height)?));
    }
    // A cubic with this handle is a quarter circle to 0.03 %.
    let handle = radius * (1.0 - 0.552_284_8);
    let (right, bottom) = (x + width, y + height);
    let mut path = PathBuilder::new();
    path.move_to(x + radius, y);
    path.line_to(right - radius, y);
    path.cubic_to(right - handle, y, right, y + handle, right, y + radius);
    path.line_to(right, bottom - radius);
    path.cubic_to(right, bottom - handle, right - handle, bottom, right - radius, bottom);
    path.line_to(x + radius, bottom);
    path.cubic_to(x + handle, bottom, x, bottom - handle, x, bottom - radius);
    path.line_to(x, y + radius);
    path.cubic_to(x, y + handle, x + handle, y, x + radius, y);
    path.close();
    path.finish()
}

/// A premultiplied pixel of `color`.
pub(crate) fn premultiplied(color: Color) -> u32 {
    let channel = |c: u8| ((u16::from(c) * u16::from(color.a) + 127) / 255) as u8;
    u32::from_le_bytes([channel(color.r), channel(color.g), channel(color.b), color.a])
}
