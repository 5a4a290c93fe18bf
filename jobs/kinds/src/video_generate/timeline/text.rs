//! Words of a timeline, as an engine sets them.

use jobs_core::port::video::{Align, Enter, Family, Outline, Plate, Point, TextBox, Valign};

use super::{
    Clip, Hex,
    asset::{Animation, Horizontal, Text, Title, TitleSize, Vertical},
    placing::{Field, Frame},
};

/// Words keep so far away from the edges of the picture, as a share of its shorter side: what is nearer is cut off by old
/// screens and covered by the buttons of apps.
const SAFE: f32 = 0.06;

/// The size of letters that nobody chose, in units.
const SIZE_U: f32 = 72.0;

/// The frame of a text, and how it is set.
pub(super) fn set(text: &Text, clip: &Clip, field: Field) -> (Frame, TextBox) {
    let margin = SAFE * jobs_core::port::video::SHORT_SIDE_U;
    let scale = clip.scale;
    let letters = &text.font;
    // No letter is higher than the picture, and no line longer than two of it.
    let size_u = (letters.size.map_or(SIZE_U, |px| px * field.px) * scale).min(field.height_u);
    let width = text.width.or(clip.width).map_or(field.width_u - 2.0 * margin, |px| px * field.px * scale);
    let width = width.min(field.width_u * 2.0);
    let lines = text.max_lines.unwrap_or_else(|| lines_that_fit(text, field.height_u - 2.0 * margin, size_u));
    let (_, side_y) = clip.position.sides();
    // Without a height, the box is as high as its words; so it is placed by its middle or by the edge that it is at.
    let height = text.height.or(clip.height).map(|px| px * field.px * scale);
    let frame = field.place(clip, width, height.unwrap_or(0.0), margin);
    let valign = match (height, text.alignment.vertical) {
        (Some(_), Vertical::Top) => Valign::Top,
        (Some(_), Vertical::Bottom) => Valign::Bottom,
        (None, _) if side_y < 0.0 => Valign::Top,
        (None, _) if side_y > 0.0 => Valign::Bottom,
        _ => Valign::Middle,
    };
    let y_u = match valign {
        Valign::Top => frame.top,
        Valign::Middle => frame.top + frame.height / 2.0,
        Valign::Bottom => frame.top + frame.height,
    };
    let (align, x_u) = match text.alignment.horizontal {
        Horizontal::Left => (Align::Left, frame.left),
        Horizontal::Center => (Align::Center, frame.left + frame.width / 2.0),
        Horizontal::Right => (Align::Right, frame.left + frame.width),
    };
    let plate = text.background.map(|plate| Plate {
        color: plate.color.faded(plate.opacity),
        padding_u: plate.padding * field.px,
        radius_u: plate.border_radius * field.px,
    });
    let (family, typeface) = match letters.family.as_str() {
        "Inter" => (Family::Text, None),
        "Inter Display" => (Family::Display, None),
        name => (Family::Display, Some(name.to_owned())),
    };
    let set = TextBox {
        text: text.text.clone(),
        at: Point { x_u, y_u },
        width_u: width,
        size_u,
        max_lines: lines,
        family,
        typeface,
        weight: letters.weight,
        color: letters.color.faded(letters.opacity),
        align,
        valign,
        line_height: letters.line_height,
        tracking: letters.letter_spacing,
        shadow: text.shadow,
        plate,
        outline: text.stroke.map(|stroke| Outline { color: stroke.color.0, width_u: stroke.width * field.px }),
    };
    let own = Frame { height: frame.height.max(size_u * 1.2 * lines.min(3) as f32), ..frame };
    (own, set)
}

/// As many lines as there is room for; the author's own line ends count.
fn lines_that_fit(text: &Text, height_u: f32, size_u: f32) -> u32 {
    let own = text.text.lines().count() as u32;
    let room = (height_u / (size_u * text.font.line_height)).floor().max(1.0) as u32;
    room.max(own)
}

impl Title {
    /// The same words as a text.
    pub(super) fn as_text(&self, px: f32) -> Text {
        let size_u = match self.size {
            TitleSize::XxSmall => 28.0,
            TitleSize::XSmall => 36.0,
            TitleSize::Small => 48.0,
            TitleSize::Medium => 72.0,
            TitleSize::Large => 96.0,
            TitleSize::XLarge => 128.0,
            TitleSize::XxLarge => 168.0,
        };
        let letters = super::asset::Letters {
            size: Some(size_u / px),
            color: self.color.unwrap_or(Hex::WHITE),
            ..super::asset::Letters::default()
        };
        let plate = |color: Hex| super::asset::Plate { color, opacity: 1.0, padding: 24.0, border_radius: 8.0 };
        Text {
            text: self.text.clone(),
            font: letters,
            width: None,
            height: None,
            max_lines: None,
            background: self.background.map(plate),
            alignment: super::asset::Alignment::default(),
            stroke: None,
            shadow: 0.0,
            animation: None,
        }
    }
}

impl From<Animation> for Enter {
    fn from(animation: Animation) -> Self {
        match animation {
            Animation::Fade => Self::Fade,
            Animation::FadeUp => Self::FadeUp,
            Animation::Rise => Self::Rise,
            Animation::Pop => Self::Pop,
            Animation::FromLeft => Self::FromLeft,
            Animation::FromRight => Self::FromRight,
            Animation::GrowRight => Self::GrowRight,
        }
    }
}
