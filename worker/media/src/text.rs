//! Lines of text: shaped, broken evenly, and painted once as outlines.

use cosmic_text::{
    Attrs, Buffer, Color as SpanColor, Command, Family as FamilyName, LayoutRun, Metrics, Shaping, SwashContent,
    SwashImage, Weight, Wrap,
};
use jobs_core::port::video::{Color, Family, TextBox};
use tiny_skia::{Path, PathBuilder, Pixmap};

use crate::{
    fonts::Fonts,
    sprite::{Sprite, fill},
};

/// The letters of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type<'a> {
    pub(crate) family: Family,
    /// A family of the film's own, instead.
    pub(crate) typeface: Option<&'a str>,
    pub(crate) weight: u16,
    pub(crate) size: f32,
    pub(crate) line_height: f32,
    pub(crate) tracking: f32,
    pub(crate) color: Color,
    /// Around the letters, and how wide in pixels.
    pub(crate) outline: Option<(Color, f32)>,
}

/// A painted line.
pub(crate) struct Line {
    pub(crate) sprite: Sprite,
    /// From the left edge of the sprite to the start of the line, and from its top to the top of the line.
    pub(crate) pad: f32,
    /// Of the letters alone.
    pub(crate) width: f32,
    /// From this line to the next.
    pub(crate) height: f32,
    /// The tag of every span with the left and right end of what it covers.
    pub(crate) extents: Vec<(usize, f32, f32)>,
}

/// Words with one tag and perhaps a colour of their own.
pub(crate) struct Span<'a> {
    pub(crate) text: &'a str,
    pub(crate) tag: usize,
    pub(crate) color: Option<Color>,
}

/// The lines of a box: as large as fits, and of even length, so that no word is left alone.
pub(crate) fn lines_of(fonts: &mut Fonts, text: &TextBox, scale: f32) -> Vec<Line> {
    let width = text.width_u * scale;
    let max_lines = text.max_lines.max(1) as usize;
    let smallest = text.size_u * scale * 0.3;
    let mut letters = Type {
        family: text.family,
        typeface: text.typeface.as_deref(),
        weight: text.weight,
        size: text.size_u * scale,
        line_height: text.line_height,
        tracking: text.tracking,
        color: text.color,
        outline: text.outline.map(|outline| (outline.color, outline.width_u * scale)),
    };
    let spans = [Span { text: &text.text, tag: 0, color: None }];
    let mut buffer = loop {
        let mut buffer = shape(fonts, &spans, letters, Some(width));
        let (count, widest) = measure(&buffer);
        if count <= max_lines && widest <= width {
            break buffer;
        }
        if letters.size <= smallest {
            buffer.set_wrap(Wrap::WordOrGlyph);
            buffer.shape_until_scroll(&mut fonts.system, false);
            break buffer;
        }
        letters.size = (letters.size * 0.95).max(smallest);
    };
    balance(fonts, &mut buffer, width);
    paint_lines(fonts, &buffer, letters, text.shadow)
}

/// One line of spans, shrunk until it is no longer than `width`.
pub(crate) fn line_of(fonts: &mut Fonts, spans: &[Span<'_>], mut letters: Type<'_>, width: f32) -> Option<Line> {
    let mut buffer = shape(fonts, spans, letters, None);
    let (_, widest) = measure(&buffer);
    if widest > width {
        letters.size *= width / widest;
        buffer = shape(fonts, spans, letters, None);
    }
    paint_lines(fonts, &buffer, letters, 0.0).into_iter().next()
}

fn shape(fonts: &mut Fonts, spans: &[Span<'_>], letters: Type<'_>, width: Option<f32>) -> Buffer {
    let metrics = Metrics::new(letters.size, letters.size * letters.line_height);
    let mut buffer = Buffer::new(&mut fonts.system, metrics);
    buffer.set_wrap(if width.is_some() { Wrap::Word } else { Wrap::None });
    buffer.set_size(width, None);
    let family = letters.typeface.unwrap_or_else(|| Fonts::name(letters.family));
    let base = Attrs::new()
        .family(FamilyName::Name(family))
        .weight(Weight(fonts.weight(family, letters.weight)))
        .letter_spacing(letters.tracking);
    let styled = spans.iter().map(|span| {
        let attrs = base.clone().metadata(span.tag);
        let color = span.color.map(|c| SpanColor::rgba(c.r, c.g, c.b, c.a));
        (span.text, color.map_or(attrs.clone(), |color| attrs.color(color)))
    });
    // Lines are placed one by one later, so all start at the left, right-to-left ones too.
    buffer.set_rich_text(styled, &base, Shaping::Advanced, Some(cosmic_text::Align::Left));
    buffer.shape_until_scroll(&mut fonts.system, false);
    buffer
}

fn measure(buffer: &Buffer) -> (usize, f32) {
    buffer.layout_runs().fold((0, 0.0), |(count, widest), run| (count + 1, f32::max(widest, run.line_w)))
}

/// Narrows the box as far as the number of lines stays: the last line gets its share.
fn balance(fonts: &mut Fonts, buffer: &mut Buffer, width: f32) {
    let (count, widest) = measure(buffer);
    if count < 2 {
        return;
    }
    let (mut fails, mut fits) = (widest / count as f32, width);
    while fits - fails > 4.0 {
        let middle = f32::midpoint(fails, fits);
        buffer.set_size(Some(middle), None);
        buffer.shape_until_scroll(&mut fonts.system, false);
        let (lines, widest) = measure(buffer);
        if lines <= count && widest <= middle { fits = middle } else { fails = middle }
    }
    buffer.set_size(Some(fits), None);
    buffer.shape_until_scroll(&mut fonts.system, false);
}

fn paint_lines(fonts: &mut Fonts, buffer: &Buffer, letters: Type<'_>, shadow: f32) -> Vec<Line> {
    buffer.layout_runs().filter_map(|run| paint_line(fonts, &run, letters, shadow)).collect()
}

fn paint_line(fonts: &mut Fonts, run: &LayoutRun<'_>, letters: Type<'_>, shadow: f32) -> Option<Line> {
    let start = run.glyphs.iter().map(|glyph| glyph.x).fold(f32::MAX, f32::min);
    let start = if start == f32::MAX { 0.0 } else { start };
    // Accents, descenders and the shadow reach over the line.
    let pad = (letters.size * if shadow > 0.0 { 0.45 } else { 0.25 }).ceil();
    let height = run.line_height;
    let width = (run.line_w - letters.tracking * letters.size).max(1.0);
    let mut pixmap = Pixmap::new((width + 2.0 * pad).ceil() as u32, (height + 2.0 * pad).ceil() as u32)?;
    let baseline = run.line_y - run.line_top + pad;
    let mut outlines: Vec<(Path, Color)> = Vec::new();
    let mut images: Vec<(i32, i32, SwashImage)> = Vec::new();
    let mut extents: Vec<(usize, f32, f32)> = Vec::new();
    for glyph in run.glyphs {
        let x = glyph.x - start + pad;
        match extents.iter_mut().find(|extent| extent.0 == glyph.metadata) {
            Some(extent) => (extent.1, extent.2) = (extent.1.min(x - pad), extent.2.max(x - pad + glyph.w)),
            None => extents.push((glyph.metadata, x - pad, x - pad + glyph.w)),
        }
        fonts.used(glyph.font_id);
        if glyph.glyph_id == 0 {
            run.text[glyph.start..glyph.end].chars().for_each(|letter| fonts.miss(letter));
        }
        let color = glyph.color_opt.map_or(letters.color, |c| Color { r: c.r(), g: c.g(), b: c.b(), a: c.a() });
        let physical = glyph.physical((x - glyph.x, baseline), 1.0);
        let gx = x + glyph.x_offset * glyph.font_size;
        let gy = baseline - glyph.y_offset * glyph.font_size;
        match fonts.cache.get_outline_commands(&mut fonts.system, physical.cache_key) {
            Some(commands) if !commands.is_empty() => {
                outlines.extend(outline(commands, gx, gy).map(|path| (path, color)));
            }
            _ => {
                let image = fonts.cache.get_image_uncached(&mut fonts.system, physical.cache_key);
                if let Some(image) = image.filter(|image| image.content == SwashContent::Color) {
                    let (left, top) = (physical.x + image.placement.left, physical.y - image.placement.top);
                    images.push((left, top, image));
                }
            }
        }
    }
    if shadow > 0.0 {
        lay_shadow(&mut pixmap, &outlines, letters.size, shadow);
    }
    if let Some((color, width)) = letters.outline.filter(|(_, width)| *width > 0.0) {
        // Half of it lies under the letters.
        let line = tiny_skia::Stroke {
            width: width * 2.0,
            line_join: tiny_skia::LineJoin::Round,
            ..tiny_skia::Stroke::default()
        };
        for (path, _) in &outlines {
            pixmap.stroke_path(path, &crate::sprite::paint(color), &line, tiny_skia::Transform::identity(), None);
        }
    }
    for (path, color) in &outlines {
        fill(&mut pixmap, path, *color);
    }
    for (left, top, image) in &images {
        lay_image(&mut pixmap, *left, *top, image);
    }
    Some(Line { sprite: Sprite::from_pixmap(&pixmap), pad, width, height, extents })
}

fn outline(commands: &[Command], x: f32, y: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    for command in commands {
        match command {
            Command::MoveTo(a) => path.move_to(x + a.x, y - a.y),
            Command::LineTo(a) => path.line_to(x + a.x, y - a.y),
            Command::QuadTo(a, b) => path.quad_to(x + a.x, y - a.y, x + b.x, y - b.y),
            Command::CurveTo(a, b, c) => {
                path.cubic_to(x + a.x, y - a.y, x + b.x, y - b.y, x + c.x, y - c.y);
            }
            Command::Close => path.close(),
        }
    }
    path.finish()
}

/// A soft dark copy of the letters, a little lower.
fn lay_shadow(pixmap: &mut Pixmap, outlines: &[(Path, Color)], size: f32, strength: f32) {
    let Some(mut mask) = Pixmap::new(pixmap.width(), pixmap.height()) else { return };
    for (path, _) in outlines {
        let lower = tiny_skia::Transform::from_translate(0.0, size * 0.04);
        let paint = crate::sprite::paint(Color::rgb(0));
        mask.fill_path(path, &paint, tiny_skia::FillRule::Winding, lower, None);
    }
    let (width, height) = (mask.width() as usize, mask.height() as usize);
    let mut alpha: Vec<u8> = mask.data().chunks_exact(4).map(|px| px[3]).collect();
    let radius = (size * 0.05) as usize;
    // Three boxes are nearly a Gaussian.
    for _ in 0..3 {
        alpha = blur_rows_and_turn(&alpha, width, radius);
        alpha = blur_rows_and_turn(&alpha, height, radius);
    }
    for (px, alpha) in pixmap.data_mut().chunks_exact_mut(4).zip(alpha) {
        px[3] = (f32::from(alpha) * strength.clamp(0.0, 1.0)) as u8;
    }
}

/// Averages along rows of `width` and writes them as columns, so that two calls blur both ways.
fn blur_rows_and_turn(plane: &[u8], width: usize, radius: usize) -> Vec<u8> {
    let height = plane.len() / width;
    let mut turned = vec![0u8; plane.len()];
    let window = (2 * radius + 1) as u32;
    for (y, row) in plane.chunks_exact(width).enumerate() {
        let mut sum: u32 = row.iter().take(radius).map(|a| u32::from(*a)).sum();
        for x in 0..width {
            sum += row.get(x + radius).map_or(0, |a| u32::from(*a));
            if x > radius {
                sum -= u32::from(row[x - radius - 1]);
            }
            turned[x * height + y] = (sum / window) as u8;
        }
    }
    turned
}

/// A glyph that is a picture: an emoji.
fn lay_image(pixmap: &mut Pixmap, left: i32, top: i32, image: &SwashImage) {
    let (width, height) = (pixmap.width() as i32, pixmap.height() as i32);
    let data = pixmap.data_mut();
    for (index, px) in image.data.chunks_exact(4).enumerate() {
        let x = left + (index as u32 % image.placement.width.max(1)) as i32;
        let y = top + (index as u32 / image.placement.width.max(1)) as i32;
        if x < 0 || y < 0 || x >= width || y >= height {
            continue;
        }
        let target = &mut data[((y * width + x) * 4) as usize..][..4];
        let alpha = u32::from(px[3]);
        for (channel, value) in target.iter_mut().enumerate() {
            let over = if channel == 3 { alpha } else { u32::from(px[channel]) * alpha / 255 };
            *value = (over + u32::from(*value) * (255 - alpha) / 255).min(255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use jobs_core::port::video::{Align, Point, Valign};

    use super::*;

    fn text(text: &str, width_u: f32, max_lines: u32) -> TextBox {
        TextBox {
            text: text.to_owned(),
            at: Point { x_u: 0.0, y_u: 0.0 },
            width_u,
            size_u: 100.0,
            max_lines,
            family: Family::Display,
            weight: 800,
            color: Color::rgb(0xff_ffff),
            align: Align::Left,
            valign: Valign::Top,
            line_height: 1.1,
            tracking: 0.0,
            shadow: 0.0,
            typeface: None,
            plate: None,
            outline: None,
        }
    }

    #[test]
    fn the_last_line_is_not_a_lonely_word() {
        let mut fonts = Fonts::load(None, &[]).expect("fonts");
        let lines = lines_of(&mut fonts, &text("Every accepted task runs to its very end", 1500.0, 3), 1.0);
        assert!(lines.len() >= 2);
        let widest = lines.iter().map(|line| line.width).fold(0.0, f32::max);
        let last = lines.last().expect("a line").width;
        assert!(last > widest * 0.5, "{last} of {widest}");
    }

    #[test]
    fn what_is_too_long_is_set_smaller_until_it_fits() {
        let mut fonts = Fonts::load(None, &[]).expect("fonts");
        for words in ["A title that is much longer than the two lines that it may have, so it shrinks", &"x".repeat(90)]
        {
            let lines = lines_of(&mut fonts, &text(words, 900.0, 2), 1.0);
            assert!(lines.iter().all(|line| line.width <= 901.0), "{words}");
        }
    }

    #[test]
    fn letters_that_no_font_has_are_named() {
        let mut fonts = Fonts::load(None, &[]).expect("fonts");
        lines_of(&mut fonts, &text("plain", 900.0, 2), 1.0);
        assert_eq!(fonts.warning(), None);
        lines_of(&mut fonts, &text("猫 and 猫", 900.0, 2), 1.0);
        assert!(fonts.warning().is_some_and(|warning| warning.contains('猫')));
    }
}
