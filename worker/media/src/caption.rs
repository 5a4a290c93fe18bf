//! Captions: lines on a rounded box, the word that is said marked.

use jobs_core::port::video::{CaptionStyle, Color, Cue, Family};
use tiny_skia::Pixmap;

use crate::{
    canvas::Canvas,
    fonts::Fonts,
    sprite::{Sprite, fill, rounded},
    text::{Line, Span, Type, line_of},
};

/// Draws cues, painting each of their words only when it is said.
pub(crate) struct Captions<'a> {
    style: &'a CaptionStyle,
    cues: &'a [Cue],
    scale: f32,
    painted: Option<Painted>,
}

struct Painted {
    cue: usize,
    word: usize,
    sprite: Sprite,
}

/// From nothing to fully there.
const FADE_FRAMES: f32 = 5.0;

impl<'a> Captions<'a> {
    pub(crate) fn new(style: &'a CaptionStyle, cues: &'a [Cue], scale: f32) -> Self {
        Self { style, cues, scale, painted: None }
    }

    /// Draws the cue of frame `now`, if there is one.
    pub(crate) fn draw(&mut self, fonts: &mut Fonts, canvas: &mut Canvas, now: u32) {
        let shown = |cue: &Cue| cue.start_frame <= now && now < cue.end_frame;
        let Some(index) = self.cues.iter().position(shown) else { return };
        let cue = &self.cues[index];
        let words = cue.lines.iter().flatten();
        let word = words.filter(|word| word.start_frame <= now).count().saturating_sub(1);
        if self.painted.as_ref().is_none_or(|painted| (painted.cue, painted.word) != (index, word)) {
            let Some(sprite) = self.paint(fonts, cue, word) else { return };
            self.painted = Some(Painted { cue: index, word, sprite });
        }
        let Some(Painted { sprite, .. }) = &self.painted else { return };
        let since = (now - cue.start_frame + 1) as f32;
        let left = (cue.end_frame - now) as f32;
        let opacity = (since.min(left) / FADE_FRAMES).min(1.0);
        let x = (self.style.at.x_u * self.scale - sprite.width as f32 / 2.0).round();
        let y = (self.style.at.y_u * self.scale - sprite.height as f32).round();
        let clip = canvas.clip();
        canvas.lay(sprite, x, y, opacity, clip);
    }

    fn paint(&self, fonts: &mut Fonts, cue: &Cue, word: usize) -> Option<Sprite> {
        let style = self.style;
        let letters = Type {
            family: Family::Text,
            typeface: None,
            weight: style.weight,
            size: style.size_u * self.scale,
            line_height: 1.28,
            tracking: 0.0,
            color: style.color,
            // Without a box the letters hold on any picture by an outline.
            outline: (style.background.a < 40).then(|| (Color::rgb(0).alpha(210), style.size_u * self.scale * 0.06)),
        };
        let mut tag = 0;
        let mut lines: Vec<Line> = Vec::new();
        for words in &cue.lines {
            let mut spans: Vec<Span<'_>> = Vec::new();
            for (index, shown) in words.iter().enumerate() {
                // A space at the end of a line would push it off the middle.
                let last = index + 1 == words.len();
                let text = if last { shown.text.trim_end() } else { shown.text.as_str() };
                spans.push(Span { text, tag, color: (tag == word).then_some(style.highlight) });
                tag += 1;
            }
            lines.extend(line_of(fonts, &spans, letters, style.width_u * self.scale));
        }
        let (pad_x, pad_y) = (letters.size * 0.62, letters.size * 0.34);
        let widest = lines.iter().map(|line| line.width).fold(0.0, f32::max);
        let height: f32 = lines.iter().map(|line| line.height).sum();
        let (width, height) = ((widest + 2.0 * pad_x).ceil(), (height + 2.0 * pad_y).ceil());
        let mut pixmap = Pixmap::new(width.max(1.0) as u32, height.max(1.0) as u32)?;
        if style.background.a > 0 {
            fill(&mut pixmap, &rounded(0.0, 0.0, width, height, style.radius_u * self.scale)?, style.background);
        }
        let mut top = pad_y;
        for line in &lines {
            let left = (width - line.width) / 2.0;
            if let (Some(color), Some((_, from, to))) = (style.highlight_box, extent(line, word)) {
                let (reach_x, reach_y) = (letters.size * 0.12, letters.size * 0.04);
                let spacing = if to < line.width - 1.0 { letters.size * 0.22 } else { 0.0 };
                let (x, y) = (left + from - reach_x, top + reach_y);
                let size = (to - from - spacing + 2.0 * reach_x, line.height - 2.0 * reach_y);
                fill(&mut pixmap, &rounded(x, y, size.0, size.1, style.radius_u * self.scale * 0.6)?, color);
            }
            lay(&mut pixmap, line, left - line.pad, top - line.pad);
            top += line.height;
        }
        Some(Sprite::from_pixmap(&pixmap))
    }
}

fn extent(line: &Line, word: usize) -> Option<(usize, f32, f32)> {
    line.extents.iter().copied().find(|extent| extent.0 == word)
}

/// Premultiplied over premultiplied, at the nearest pixel.
fn lay(pixmap: &mut Pixmap, line: &Line, x: f32, y: f32) {
    let (left, top) = (x.round() as i32, y.round() as i32);
    let (width, height) = (pixmap.width() as i32, pixmap.height() as i32);
    let data = pixmap.data_mut();
    for sy in 0..line.sprite.height as i32 {
        let ty = top + sy;
        let (first, end) = line.sprite.spans[sy as usize];
        if ty < 0 || ty >= height || first >= end {
            continue;
        }
        for sx in (first as i32).max(-left)..(end as i32).min(width - left) {
            let px = line.sprite.row(sy as usize)[sx as usize].to_le_bytes();
            let target = &mut data[((ty * width + left + sx) * 4) as usize..][..4];
            for (value, over) in target.iter_mut().zip(px) {
                *value = (u32::from(over) + u32::from(*value) * (255 - u32::from(px[3])) / 255).min(255) as u8;
            }
        }
    }
}
