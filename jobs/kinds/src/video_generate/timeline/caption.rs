//! Caption clips, as cues.

use jobs_core::port::video::{CaptionStyle, Color, Cue, Point};

use super::{
    Clip, Hex,
    asset::{Caption, CaptionLook},
    placing::Field,
};
use crate::video_generate::{
    cue::{self, Limits},
    prose::width,
};

/// Letters of a caption that are read in a second.
const LETTERS_PER_SECOND: f64 = 15.0;

/// How long it takes to read a text, in seconds.
pub(super) fn reading_seconds(text: &str) -> f64 {
    (width(text) as f64 / LETTERS_PER_SECOND).max(1.0)
}

/// The cues of a clip that is seen on these frames.
pub(super) fn cues(caption: &Caption, frames: std::ops::Range<u32>, field: Field) -> Vec<Cue> {
    let text = caption.text.split_whitespace().collect::<Vec<_>>().join(" ");
    cue::cues(&text, frames, Limits::of(field.width_u as u32, field.height_u as u32))
}

/// How the captions of a film look: as those of its first caption clip.
pub(super) fn style(caption: Option<(&Caption, &Clip)>, field: Field) -> CaptionStyle {
    let upright = field.height_u > field.width_u * 1.3;
    let look = caption.map_or(CaptionLook::Classic, |(caption, _)| caption.style);
    let side_y = caption.map_or(1.0, |(_, clip)| {
        // A caption that nobody placed is at the bottom.
        if clip.position == super::clip::Position::Center && clip.offset.y == 0.0 {
            1.0
        } else {
            clip.position.sides().1
        }
    });
    let offset = caption.map_or(0.0, |(_, clip)| clip.offset.y * field.height_u);
    let y_u = match side_y {
        y if y < 0.0 => field.height_u * 0.24,
        y if y > 0.0 => field.height_u * if upright { 0.78 } else { 0.92 },
        _ => field.height_u * 0.56,
    };
    let chosen = |choose: fn(&Caption) -> Option<Hex>, or: Color| {
        caption.and_then(|(caption, _)| choose(caption)).map_or(or, |color| color.0)
    };
    let white = Color::rgb(0xff_ffff);
    let ink = Color::rgb(0x0b_0b0f);
    let scale = caption.map_or(1.0, |(_, clip)| clip.scale);
    let plain = CaptionStyle {
        at: Point { x_u: field.width_u / 2.0, y_u: y_u - offset },
        width_u: field.width_u * 0.88,
        size_u: if upright { 70.0 } else { 50.0 } * scale,
        weight: 600,
        color: chosen(|caption| caption.color, white),
        highlight: chosen(|caption| caption.color, white),
        highlight_box: None,
        background: chosen(|caption| caption.background, ink.alpha(190)),
        radius_u: 20.0,
    };
    match look {
        CaptionLook::Classic => plain,
        CaptionLook::Karaoke => CaptionStyle {
            weight: 800,
            size_u: plain.size_u * 1.15,
            highlight: chosen(|caption| caption.highlight, Color::rgb(0xff_d84d)),
            background: chosen(|caption| caption.background, ink.alpha(0)),
            ..plain
        },
        CaptionLook::BoxedWord => CaptionStyle {
            weight: 800,
            size_u: plain.size_u * 1.1,
            highlight: white,
            highlight_box: Some(chosen(|caption| caption.highlight, Color::rgb(0x6c_4cff))),
            background: chosen(|caption| caption.background, ink.alpha(0)),
            ..plain
        },
    }
}
