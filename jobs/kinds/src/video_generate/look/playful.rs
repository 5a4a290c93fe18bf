//! Bright colours that change with every scene, bouncing circles, letters that pop.

use jobs_core::port::video::{Align, Background, CaptionStyle, Color, Drift, Element, Enter, Point};

use super::{Place, Shot, Sight, WHITE, disc, display, float, plain_captions, progress, ring, text};

const INK: Color = Color::rgb(0x24_1442);
const COLORS: [Color; 5] =
    [Color::rgb(0xff_6b5e), Color::rgb(0xff_c93c), Color::rgb(0x0f_a99b), Color::rgb(0x7b_5cff), Color::rgb(0xf0_559f)];

pub(super) fn dress(shot: &Shot<'_>) -> (Background, Vec<Element>) {
    let place = shot.place;
    let offset = shot.seed as usize % COLORS.len() + shot.index;
    let color = |step: usize| COLORS[(offset + step) % COLORS.len()];
    let ground = color(0);
    // Yellow is too light for white letters.
    let letters = if ground == COLORS[1] { INK } else { WHITE };
    let mut elements = Vec::new();

    let corners = [
        (-0.02, 0.06, 290.0, 1, 0.0),
        (1.03, 0.94, 380.0, 2, 0.3),
        (0.97, 0.02, 170.0, 3, 0.6),
        (0.03, 1.02, 220.0, 4, 0.8),
    ];
    for (x, y, radius, step, phase) in corners {
        let x = if shot.index.is_multiple_of(2) { x } else { 1.0 - x };
        let drift = float(22.0, 26.0, 5_200, phase);
        elements.push(disc(place.at(x, y), radius, color(step)).drifts(drift));
    }
    let balls = [(0.13, 0.62, 34.0, 1, 0.0), (0.87, 0.58, 44.0, 4, 0.35), (0.79, 0.30, 22.0, 2, 0.7)];
    // Upright, lines are longer and more.
    let lower = if place.is_upright() { 0.07 } else { 0.0 };
    for (x, y, radius, step, phase) in balls {
        let drift = Drift::Bounce { height_u: 130.0, period_ms: 1_150, phase };
        let ball = disc(place.at(x, y + lower), radius, color(step));
        elements.push(shot.enter(ball, Enter::Pop, phase * 0.5, 0.4).drifts(drift));
    }
    let hoop = ring(place.at(0.085, 0.32), 46.0, 14.0, letters.alpha(150));
    elements.push(shot.enter(hoop, Enter::Pop, 0.3, 0.5).drifts(float(14.0, 18.0, 3_400, 0.2)));
    for spot in 0..10usize {
        let turn = (shot.seed.rotate_left(shot.index as u32 * 7 + spot as u32 * 6) & 63) as f32 / 63.0;
        // At the sides and the top, clear of the words.
        let (x, y) = match spot % 3 {
            0 => (0.03 + 0.08 * turn, 0.12 + 0.07 * spot as f32),
            1 => (0.89 + 0.08 * turn, 0.16 + 0.07 * spot as f32),
            _ => (0.16 + 0.07 * spot as f32, 0.05 + 0.06 * turn),
        };
        let at = place.at(x, y);
        let dot = disc(at, 7.0 + 7.0 * turn, if spot % 3 == 0 { WHITE.alpha(220) } else { color(1 + spot % 4) });
        elements.push(shot.enter(dot, Enter::Pop, 0.05 * spot as f32, 0.35));
    }

    let top = if place.is_upright() { 330.0 } else { 170.0 };
    let middle = f32::midpoint(if shot.is_title() { 60.0 } else { top + 60.0 }, place.caption_top());
    let at = Point { x_u: place.width / 2.0, y_u: middle };
    let size = if shot.sight == Sight::Opening { 150.0 } else { 122.0 };
    let width = if place.is_upright() { place.width - 1.6 * place.margin() } else { place.width * 0.74 };
    let mut headline = display(shot.headline, at, width, size, 800, letters);
    headline.align = Align::Center;
    headline.line_height = 1.08;
    headline.shadow = if letters == INK { 0.0 } else { 0.28 };
    elements.push(shot.enter(text(headline), Enter::Pop, 0.1, 0.55));

    if let Sight::Point { number, .. } = shot.sight {
        let at = Point { x_u: place.width / 2.0, y_u: top };
        elements.push(shot.enter(disc(at, 64.0, INK), Enter::Pop, 0.0, 0.5));
        let mut digits = display(&number.to_string(), at, 120.0, 70.0, 800, WHITE);
        digits.align = Align::Center;
        elements.push(shot.enter(text(digits), Enter::Pop, 0.1, 0.5));
    }
    (Background::Color { color: ground }, elements)
}

pub(super) fn overlays(place: Place, _seed: u64) -> Vec<Element> {
    vec![progress(place, place.height - 16.0, 16.0, INK, WHITE.alpha(90))]
}

pub(super) fn captions(place: Place, seed: u64) -> CaptionStyle {
    let boxes = [Color::rgb(0xff_5d8f), Color::rgb(0x6a_4cff), Color::rgb(0x00_9e8f)];
    CaptionStyle {
        weight: 700,
        color: INK,
        highlight: WHITE,
        highlight_box: Some(super::pick(seed, &boxes)),
        background: WHITE,
        radius_u: 40.0,
        ..plain_captions(place)
    }
}
