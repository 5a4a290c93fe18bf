//! Paper and ink: thin rules, small numbers, light letters, a dot that circles on a ring.

use jobs_core::port::video::{Align, Background, CaptionStyle, Color, Element, Enter, Point};

use super::{Place, Shot, Sight, disc, display, float, label, pick, plain_captions, progress, rect, ring, text};

const INK: Color = Color::rgb(0x17_181c);
const PAPERS: [Color; 3] = [Color::rgb(0xf7_f5f0), Color::rgb(0xf2_f4f6), Color::rgb(0xf4_f6f1)];
const ACCENTS: [Color; 3] = [Color::rgb(0xe5_482d), Color::rgb(0x1f_5eff), Color::rgb(0x0a_8f6a)];

pub(super) fn dress(shot: &Shot<'_>) -> (Background, Vec<Element>) {
    let place = shot.place;
    let accent = shot.pick(&ACCENTS);
    let margin = place.margin();
    let mut elements = Vec::new();

    // The ring is never twice at the same place, and mostly outside.
    let (x, y, size) = [(0.86, 0.40, 0.40), (0.97, 0.60, 0.42), (0.92, 0.94, 0.46), (1.02, 0.45, 0.36)][shot.index % 4];
    let size = if place.is_upright() { size * 0.8 } else { size };
    let (center, radius) = (place.at(x, y), 1080.0 * size);
    let phase = (shot.index % 8) as f32 / 8.0;
    elements.push(shot.enter(ring(center, radius, 2.5, INK.alpha(46)), Enter::Fade, 0.0, 0.9));
    elements.push(shot.enter(ring(center, radius * 0.62, 1.5, INK.alpha(26)), Enter::Fade, 0.1, 0.9));
    elements.push(disc(center, 19.0, accent).drifts(float(radius, radius, 19_000, phase)));

    let middle = middle(place);
    if shot.is_title() {
        let size = if shot.sight == Sight::Opening { 138.0 } else { 104.0 };
        let at = Point { x_u: margin, y_u: middle };
        let title = display(shot.headline, at, width(place), size, 300, INK);
        elements.push(shot.enter(text(title), Enter::Rise, 0.15, 0.85));
        let foot = place.height - if place.is_upright() { 240.0 } else { 132.0 };
        elements.push(shot.enter(
            rect(margin, foot, place.width - 2.0 * margin, 2.5, 0.0, INK),
            Enter::GrowRight,
            0.1,
            1.1,
        ));
        elements.push(shot.enter(rect(margin, foot - 5.0, 150.0, 10.0, 0.0, accent), Enter::GrowRight, 0.5, 0.6));
    } else {
        let top = if place.is_upright() { 170.0 } else { 118.0 };
        let rule = rect(margin, top + 34.0, place.width - 2.0 * margin, 2.0, 0.0, INK.alpha(120));
        elements.push(shot.enter(rule, Enter::GrowRight, 0.0, 0.9));
        if let Some(title) = shot.running_title() {
            let at = Point { x_u: place.width - margin, y_u: top };
            elements.push(shot.enter(text(label(title, at, Align::Right, INK.alpha(170))), Enter::Fade, 0.2, 0.5));
        }
        if let Sight::Point { number, count } = shot.sight {
            let at = Point { x_u: margin, y_u: top };
            let numbers = format!("{number:02} — {count:02}");
            elements.push(shot.enter(text(label(&numbers, at, Align::Left, accent)), Enter::Fade, 0.1, 0.5));
        }
        let at = Point { x_u: margin, y_u: middle };
        let headline = display(shot.headline, at, width(place), 116.0, 300, INK);
        elements.push(shot.enter(text(headline), Enter::Rise, 0.15, 0.8));
    }
    (Background::Color { color: shot.pick(&PAPERS) }, elements)
}

fn width(place: Place) -> f32 {
    if place.is_upright() { place.width - 2.0 * place.margin() } else { place.width * 0.66 }
}

fn middle(place: Place) -> f32 {
    f32::midpoint(150.0, place.caption_top())
}

pub(super) fn overlays(place: Place, seed: u64) -> Vec<Element> {
    vec![progress(place, place.height - 6.0, 6.0, pick(seed, &ACCENTS), INK.alpha(24))]
}

pub(super) fn captions(place: Place, seed: u64) -> CaptionStyle {
    let highlight = [Color::rgb(0xff_8a6e), Color::rgb(0x8f_b4ff), Color::rgb(0x6f_e0bc)];
    CaptionStyle { background: INK.alpha(235), highlight: pick(seed, &highlight), ..plain_captions(place) }
}
