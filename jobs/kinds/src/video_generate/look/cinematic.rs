//! A dark, wide picture: letterbox, light that moves, spaced capitals, chapters in Roman numerals.

use jobs_core::port::video::{Align, Background, CaptionStyle, Color, Drift, Element, Enter, Point};

use super::{BLACK, Place, Shot, Sight, display, ellipse, float, pick, plain_captions, progress, rect, text};

struct Palette {
    center: Color,
    edge: Color,
    warm: Color,
    cold: Color,
    gold: Color,
}

const PALETTES: [Palette; 3] = [
    Palette {
        center: Color::rgb(0x27_3b52),
        edge: Color::rgb(0x05_080d),
        warm: Color::rgb(0xff_9d4d),
        cold: Color::rgb(0x3f_c4d4),
        gold: Color::rgb(0xf2_c879),
    },
    Palette {
        center: Color::rgb(0x47_2a1c),
        edge: Color::rgb(0x0a_0504),
        warm: Color::rgb(0xff_7a3d),
        cold: Color::rgb(0xd9_4f70),
        gold: Color::rgb(0xff_d39a),
    },
    Palette {
        center: Color::rgb(0x10_3b3c),
        edge: Color::rgb(0x03_0a0c),
        warm: Color::rgb(0xc8_e06a),
        cold: Color::rgb(0x35_b8a0),
        gold: Color::rgb(0xe6_e0a8),
    },
];

const LETTERS: Color = Color::rgb(0xf4_efe6);

fn palette(seed: u64) -> &'static Palette {
    pick(seed, &[&PALETTES[0], &PALETTES[1], &PALETTES[2]])
}

/// The height of a black bar.
fn bar(place: Place) -> f32 {
    place.height * if place.is_upright() { 0.055 } else { 0.1 }
}

pub(super) fn dress(shot: &Shot<'_>) -> (Background, Vec<Element>) {
    let place = shot.place;
    let colors = palette(shot.seed);
    let mut elements = Vec::new();
    let middle = f32::midpoint(bar(place) + 40.0, place.caption_top());
    let side = if shot.index.is_multiple_of(2) { 0.26 } else { 0.74 };
    let lights = [
        (place.at(side, 0.36), 150.0, 330.0, colors.warm.alpha(110), float(90.0, 40.0, 17_000, 0.1)),
        (place.at(1.0 - side, 0.66), 180.0, 380.0, colors.cold.alpha(84), float(110.0, 50.0, 23_000, 0.6)),
    ];
    for (at, radius, blur, color, drift) in lights {
        elements.push(ellipse(at, radius, radius, color, None, blur).drifts(drift));
    }
    // Out of focus, far away.
    for spot in 0..7usize {
        let turn = (shot.seed >> (spot * 5) & 31) as f32 / 31.0;
        let at = place.at((0.08 + 0.137 * spot as f32 + turn * 0.06).fract(), 0.2 + 0.55 * turn);
        let radius = 16.0 + 26.0 * (1.0 - turn);
        let color = if spot % 2 == 0 { colors.gold.alpha(34) } else { colors.cold.alpha(30) };
        let drift = Drift::Linear { x_u_per_s: 5.0 + 6.0 * turn, y_u_per_s: -4.0 - 5.0 * turn };
        elements.push(ellipse(at, radius, radius, color, None, 5.0).drifts(drift));
    }
    let flare_at = Point { x_u: place.width * 0.46, y_u: middle + if shot.is_title() { 190.0 } else { 170.0 } };
    let flare = ellipse(flare_at, place.width * 0.22, 1.0, colors.gold.alpha(200), None, 11.0);
    let flare = flare.drifts(Drift::Linear { x_u_per_s: 14.0, y_u_per_s: 0.0 });
    elements.push(shot.enter(flare, Enter::Fade, 0.3, 1.2));

    let at = Point { x_u: place.width / 2.0, y_u: middle };
    let size = match shot.sight {
        Sight::Opening => 106.0,
        Sight::Closing => 84.0,
        _ => 78.0,
    };
    let width = place.width - 2.4 * place.margin();
    let mut headline = display(&shot.headline.to_uppercase(), at, width, size, 300, LETTERS);
    (headline.align, headline.tracking, headline.line_height, headline.shadow) = (Align::Center, 0.11, 1.28, 0.55);
    headline.max_lines = if place.is_upright() { 5 } else { 3 };
    let drift = Drift::Linear { x_u_per_s: 0.0, y_u_per_s: -2.2 };
    elements.push(shot.enter(text(headline), Enter::Fade, 0.15, 1.3).drifts(drift));

    if let Sight::Point { number, .. } = shot.sight {
        let y_u = if place.is_upright() { bar(place) + 220.0 } else { bar(place) + 96.0 };
        let at = Point { x_u: place.width / 2.0, y_u };
        let mut chapter = display(&roman(number), at, 500.0, 46.0, 300, colors.gold);
        (chapter.align, chapter.tracking) = (Align::Center, 0.2);
        elements.push(shot.enter(text(chapter), Enter::Fade, 0.1, 0.9));
        let rule = rect(place.width / 2.0 - 60.0, y_u + 44.0, 120.0, 2.0, 0.0, colors.gold.alpha(180));
        elements.push(shot.enter(rule, Enter::Fade, 0.2, 0.9));
    }
    let radius_u = place.width.hypot(place.height) * 0.56;
    let at = Point { x_u: place.width / 2.0, y_u: place.height * 0.46 };
    (Background::Radial { center: colors.center, edge: colors.edge, at, radius_u }, elements)
}

fn roman(number: usize) -> String {
    const PARTS: [(usize, &str); 8] =
        [(50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"), (1, "I")];
    let mut left = number;
    let mut out = String::new();
    for (value, letters) in PARTS {
        while left >= value {
            out.push_str(letters);
            left -= value;
        }
    }
    out
}

pub(super) fn overlays(place: Place, seed: u64) -> Vec<Element> {
    let bar = bar(place);
    let foot = place.height - bar;
    vec![
        rect(0.0, 0.0, place.width, bar, 0.0, BLACK),
        rect(0.0, foot, place.width, bar, 0.0, BLACK),
        progress(place, foot, 3.0, palette(seed).gold, BLACK.alpha(0)),
    ]
}

pub(super) fn captions(place: Place, seed: u64) -> CaptionStyle {
    let plain = plain_captions(place);
    let y_u = plain.at.y_u.min(place.height - bar(place) - 34.0);
    CaptionStyle {
        at: Point { y_u, ..plain.at },
        size_u: plain.size_u * 0.92,
        weight: 400,
        color: LETTERS,
        highlight: palette(seed).gold,
        background: BLACK.alpha(120),
        radius_u: 12.0,
        ..plain
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn chapters_are_counted_as_the_romans_did() {
        let counted: Vec<String> = [1, 3, 4, 9, 14, 40, 58].into_iter().map(super::roman).collect();
        assert_eq!(counted, ["I", "III", "IV", "IX", "XIV", "XL", "LVIII"]);
    }
}
