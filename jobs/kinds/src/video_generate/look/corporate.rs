//! Deep colours, slanted panels, a grid of dots, a number on a tile.

use jobs_core::port::video::{Align, Background, CaptionStyle, Color, Element, Enter, Point, Valign};

use super::{Place, Shot, Sight, WHITE, disc, display, label, pick, plain_captions, polygon, progress, rect, text};

struct Palette {
    from: Color,
    to: Color,
    panel: Color,
    accent: Color,
}

const PALETTES: [Palette; 3] = [
    Palette {
        from: Color::rgb(0x08_1a36),
        to: Color::rgb(0x12_3f78),
        panel: Color::rgb(0x2b_7fff),
        accent: Color::rgb(0x4f_d1f5),
    },
    Palette {
        from: Color::rgb(0x04_2329),
        to: Color::rgb(0x0b_5259),
        panel: Color::rgb(0x12_b5ac),
        accent: Color::rgb(0xff_cf5c),
    },
    Palette {
        from: Color::rgb(0x17_1038),
        to: Color::rgb(0x36_2a8f),
        panel: Color::rgb(0x7a_63ff),
        accent: Color::rgb(0x7c_f0c8),
    },
];

fn palette(seed: u64) -> &'static Palette {
    pick(seed, &[&PALETTES[0], &PALETTES[1], &PALETTES[2]])
}

pub(super) fn dress(shot: &Shot<'_>) -> (Background, Vec<Element>) {
    let place = shot.place;
    let colors = palette(shot.seed);
    let margin = place.margin();
    let mut elements = Vec::new();
    panels(shot, colors, &mut elements);
    dots(shot, colors, &mut elements);

    let indent = margin + 46.0;
    let middle = f32::midpoint(if place.is_upright() { 300.0 } else { 150.0 }, place.caption_top());
    let width = if place.is_upright() { place.width - indent - margin } else { place.width * 0.62 };
    let at = Point { x_u: indent, y_u: middle };
    let size = match shot.sight {
        Sight::Opening => 124.0,
        Sight::Closing => 100.0,
        _ => 100.0,
    };
    let half = if place.is_upright() { 230.0 } else { 170.0 };
    let bar = rect(margin, middle - half, 12.0, half * 2.0, 6.0, colors.accent);
    elements.push(shot.enter(bar, Enter::GrowUp, 0.0, 0.6));
    let headline = display(shot.headline, at, width, size, 600, WHITE);
    elements.push(shot.enter(text(headline), Enter::FadeUp, 0.2, 0.7));

    let top = if place.is_upright() { 190.0 } else { 128.0 };
    if let Sight::Point { number, count } = shot.sight {
        let tile = rect(margin, top - 48.0, 96.0, 96.0, 22.0, colors.accent);
        elements.push(shot.enter(tile, Enter::Pop, 0.1, 0.45));
        let at = Point { x_u: margin + 48.0, y_u: top };
        let mut digits = display(&number.to_string(), at, 90.0, 56.0, 600, colors.from);
        (digits.align, digits.valign, digits.max_lines) = (Align::Center, Valign::Middle, 1);
        elements.push(shot.enter(text(digits), Enter::Pop, 0.2, 0.45));
        let at = Point { x_u: margin + 124.0, y_u: top };
        let of = format!("of {count}");
        let label = label(shot.running_title().unwrap_or(&of), at, Align::Left, WHITE.alpha(200));
        elements.push(shot.enter(text(label), Enter::Fade, 0.35, 0.5));
    }
    (Background::Linear { from: colors.from, to: colors.to, angle_deg: 28.0 }, elements)
}

/// Three slanted panels from the right, leaning the other way on every second scene.
fn panels(shot: &Shot<'_>, colors: &Palette, elements: &mut Vec<Element>) {
    let Place { width, height } = shot.place;
    let lean = height * 0.28 * if shot.index.is_multiple_of(2) { 1.0 } else { -1.0 };
    let shift = [0.0, 0.05, -0.04][shot.index % 3];
    let upright = if shot.place.is_upright() { 0.16 } else { 0.0 };
    let wide = if shot.is_title() { 1.25 } else { 1.0 };
    let strips = [
        (0.72, 0.20, colors.panel.alpha(120)),
        (0.84, 0.12, colors.accent.alpha(96)),
        (0.93, 0.22, colors.panel.alpha(200)),
    ];
    for (order, (left, share, color)) in strips.into_iter().enumerate() {
        let (x, strip) = (width * (left + shift + upright), width * share * wide);
        let half = lean / 2.0;
        let points = [(x + half, 0.0), (x + half + strip, 0.0), (x - half + strip, height), (x - half, height)];
        let element = shot.enter(polygon(&points, color), Enter::FromRight, 0.1 * order as f32, 0.9);
        elements.push(element);
    }
}

fn dots(shot: &Shot<'_>, colors: &Palette, elements: &mut Vec<Element>) {
    let place = shot.place;
    let (columns, rows, step) = (9, 4, 34.0);
    let left = if shot.index.is_multiple_of(2) { place.margin() } else { place.width * 0.42 };
    let top = place.height - 60.0 - rows as f32 * step;
    let top = if shot.is_title() { top } else { 64.0 };
    let left = if shot.is_title() { left } else { place.width - place.margin() - columns as f32 * step };
    for row in 0..rows {
        for column in 0..columns {
            let at = Point { x_u: left + column as f32 * step, y_u: top + row as f32 * step };
            let after = 0.2 + (row + column) as f32 * 0.03;
            elements.push(shot.enter(disc(at, 4.0, colors.accent.alpha(120)), Enter::Fade, after, 0.3));
        }
    }
}

pub(super) fn overlays(place: Place, seed: u64) -> Vec<Element> {
    vec![progress(place, place.height - 10.0, 10.0, palette(seed).accent, WHITE.alpha(36))]
}

pub(super) fn captions(place: Place, seed: u64) -> CaptionStyle {
    let colors = palette(seed);
    CaptionStyle {
        color: Color::rgb(0x10_1c30),
        highlight: Color::rgb(0x06_1226),
        highlight_box: Some(colors.accent),
        background: WHITE.alpha(240),
        radius_u: 18.0,
        ..plain_captions(place)
    }
}
