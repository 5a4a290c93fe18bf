//! Heavy blocks, heavy letters, two colours that change places.

use jobs_core::port::video::{Align, Background, CaptionStyle, Color, Drift, Element, Enter, Point, Valign};

use super::{Place, Shot, Sight, WHITE, display, label, pick, plain_captions, polygon, progress, rect, text};

const DARK: Color = Color::rgb(0x0b_0b0d);
const SIGNALS: [Color; 3] = [Color::rgb(0xff_d60a), Color::rgb(0xff_3b30), Color::rgb(0xc6_ff00)];

pub(super) fn dress(shot: &Shot<'_>) -> (Background, Vec<Element>) {
    let place = shot.place;
    let signal = shot.pick(&SIGNALS);
    let inverse = shot.index % 2 == 1;
    let (ground, block, letters) = if inverse { (DARK, signal, WHITE) } else { (signal, DARK, DARK) };
    let margin = place.margin();
    let mut elements = Vec::new();
    let middle = f32::midpoint(if place.is_upright() { 250.0 } else { 120.0 }, place.caption_top());

    // A slab from the right that the number stands on.
    let slab = if place.is_upright() { 0.0 } else { place.width * 0.68 };
    let slab_height = if place.is_upright() { place.height * 0.16 } else { place.height };
    let points = if place.is_upright() {
        [(0.0, 0.0), (place.width, 0.0), (place.width, slab_height - 90.0), (0.0, slab_height)]
    } else {
        [(slab + 90.0, 0.0), (place.width, 0.0), (place.width, slab_height), (slab - 90.0, slab_height)]
    };
    elements.push(shot.enter(polygon(&points, block), Enter::FromRight, 0.0, 0.5));
    let on_block = if inverse { DARK } else { signal };
    if let Sight::Point { number, .. } = shot.sight {
        let (at, size) = if place.is_upright() {
            (Point { x_u: place.width - margin, y_u: slab_height * 0.44 }, 240.0)
        } else {
            (Point { x_u: place.width - margin * 0.7, y_u: place.height * 0.36 }, 350.0)
        };
        let mut digits = display(&format!("{number:02}"), at, 800.0, size, 900, on_block);
        (digits.align, digits.tracking, digits.max_lines) = (Align::Right, -0.04, 1);
        elements.push(shot.enter(text(digits), Enter::Rise, 0.2, 0.5));
    } else {
        stripes(shot, on_block, &mut elements);
    }

    let width = if place.is_upright() { place.width - 2.0 * margin } else { slab - margin - 60.0 };
    let size = if shot.sight == Sight::Opening { 164.0 } else { 138.0 };
    let at = Point { x_u: margin, y_u: middle };
    let mut headline = display(&shot.headline.to_uppercase(), at, width, size, 900, letters);
    (headline.line_height, headline.tracking, headline.max_lines) =
        (0.98, -0.025, if place.is_upright() { 5 } else { 3 });
    elements.push(shot.enter(text(headline), Enter::Rise, 0.1, 0.5));

    let foot = rect(margin, place.caption_top() - 20.0, 220.0, 20.0, 0.0, if inverse { signal } else { DARK });
    elements.push(shot.enter(foot, Enter::GrowRight, 0.35, 0.4));
    if let Some(title) = shot.running_title() {
        let at = Point { x_u: margin, y_u: if place.is_upright() { slab_height * 0.3 } else { 84.0 } };
        let color = if place.is_upright() { on_block } else { letters };
        let mut running = label(&title.to_uppercase(), at, Align::Left, color);
        // Beside the number, when that stands on the same slab.
        let room = if place.is_upright() { width - 400.0 } else { width };
        (running.weight, running.valign, running.tracking, running.width_u) = (700, Valign::Middle, 0.06, room);
        running.max_lines = if place.is_upright() { 2 } else { 1 };
        elements.push(shot.enter(text(running), Enter::Fade, 0.3, 0.3));
    }
    (Background::Color { color: ground }, elements)
}

/// Slanted stripes on the slab of a title.
fn stripes(shot: &Shot<'_>, color: Color, elements: &mut Vec<Element>) {
    let place = shot.place;
    for stripe in 0..5usize {
        let (x, y) = if place.is_upright() {
            (place.width * 0.42 + stripe as f32 * 120.0, 0.0)
        } else {
            (place.width * 0.74 + stripe as f32 * 104.0, place.height * 0.6)
        };
        let height = if place.is_upright() { place.height * 0.16 } else { place.height * 0.4 };
        let lean = height * 0.28;
        let points = [(x + lean, y), (x + lean + 52.0, y), (x + 52.0, y + height), (x, y + height)];
        let drift = Drift::Linear { x_u_per_s: -9.0, y_u_per_s: 0.0 };
        elements
            .push(shot.enter(polygon(&points, color), Enter::GrowUp, 0.15 + 0.07 * stripe as f32, 0.45).drifts(drift));
    }
}

pub(super) fn overlays(place: Place, seed: u64) -> Vec<Element> {
    vec![progress(place, 0.0, 18.0, WHITE, DARK.alpha(if seed.is_multiple_of(2) { 90 } else { 80 }))]
}

pub(super) fn captions(place: Place, seed: u64) -> CaptionStyle {
    CaptionStyle {
        weight: 700,
        color: DARK,
        highlight: DARK,
        highlight_box: Some(pick(seed, &SIGNALS)),
        background: WHITE,
        radius_u: 0.0,
        ..plain_captions(place)
    }
}
