//! What styles look like: one file each, and what they share.

mod bold;
mod cinematic;
mod corporate;
mod minimal;
mod playful;

use jobs_core::port::video::{
    Align, Background, CaptionStyle, Color, Drift, Element, Enter, Family, Point, SHORT_SIDE_U, Shape, TextBox, Valign,
};

use super::Style;

/// The picture, in units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) width: f32,
    pub(super) height: f32,
}

impl Place {
    pub(super) fn new(width_px: u32, height_px: u32) -> Self {
        let unit = width_px.min(height_px).max(1) as f32 / SHORT_SIDE_U;
        Self { width: width_px as f32 / unit, height: height_px as f32 / unit }
    }

    /// Whether it is higher than wide, or nearly: then things stand below each other.
    pub(super) fn is_upright(self) -> bool {
        self.width < self.height * 1.3
    }

    /// Kept free at the sides.
    fn margin(self) -> f32 {
        if self.is_upright() { 84.0 } else { self.width * 0.062 }
    }

    /// The bottom of the captions. Upright films are watched under the buttons of an app.
    fn caption_bottom(self) -> f32 {
        if self.height > self.width * 1.3 { self.height * 0.82 } else { self.height - 84.0 }
    }

    /// The top of the captions, when they have two lines.
    fn caption_top(self) -> f32 {
        self.caption_bottom() - 170.0
    }

    /// A point by shares of width and height.
    fn at(self, x: f32, y: f32) -> Point {
        Point { x_u: self.width * x, y_u: self.height * y }
    }
}

/// What a scene is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// The title, first.
    Opening,
    /// One of the points.
    Point {
        /// From 1.
        number: usize,
        /// Of so many.
        count: usize,
    },
    /// A point that was shown before.
    Again,
    /// The title, last.
    Closing,
}

/// A scene to be dressed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shot<'a> {
    pub(super) place: Place,
    pub(super) sight: Sight,
    pub(super) headline: &'a str,
    /// Of the film.
    pub(super) title: &'a str,
    pub(super) frames: u32,
    pub(super) fps: u32,
    /// Frames before anything comes in.
    pub(super) delay: u32,
    /// Of the scene in the film.
    pub(super) index: usize,
    pub(super) seed: u64,
}

impl Shot<'_> {
    /// `element`, coming after so many seconds for so many.
    fn enter(&self, element: Element, how: Enter, after_s: f32, for_s: f32) -> Element {
        let fps = self.fps as f32;
        // Short scenes are hurried through.
        let hurry = (self.frames as f32 / fps / 2.5).min(1.0);
        let start = self.delay + (after_s * hurry * fps).round() as u32;
        element.enters(how, start, ((for_s * hurry * fps).round() as u32).max(1))
    }

    fn is_title(&self) -> bool {
        matches!(self.sight, Sight::Opening | Sight::Closing)
    }

    /// One of several, by the seed.
    fn pick<T: Copy>(&self, from: &[T]) -> T {
        pick(self.seed, from)
    }

    /// The title of the film, if it is short enough to stand small on every scene.
    fn running_title(&self) -> Option<&str> {
        (!self.is_title() && super::prose::width(self.title) <= 42).then_some(self.title)
    }
}

fn pick<T: Copy>(seed: u64, from: &[T]) -> T {
    from[(seed >> 8) as usize % from.len()]
}

/// The background and the elements of a scene.
pub(super) fn dress(style: Style, shot: &Shot<'_>) -> (Background, Vec<Element>) {
    match style {
        Style::Minimal => minimal::dress(shot),
        Style::Corporate => corporate::dress(shot),
        Style::Cinematic => cinematic::dress(shot),
        Style::Playful => playful::dress(shot),
        Style::Bold => bold::dress(shot),
    }
}

/// What lies over all scenes.
pub(super) fn overlays(style: Style, place: Place, seed: u64) -> Vec<Element> {
    match style {
        Style::Minimal => minimal::overlays(place, seed),
        Style::Corporate => corporate::overlays(place, seed),
        Style::Cinematic => cinematic::overlays(place, seed),
        Style::Playful => playful::overlays(place, seed),
        Style::Bold => bold::overlays(place, seed),
    }
}

/// How captions look.
pub(super) fn captions(style: Style, place: Place, seed: u64) -> CaptionStyle {
    match style {
        Style::Minimal => minimal::captions(place, seed),
        Style::Corporate => corporate::captions(place, seed),
        Style::Cinematic => cinematic::captions(place, seed),
        Style::Playful => playful::captions(place, seed),
        Style::Bold => bold::captions(place, seed),
    }
}

const WHITE: Color = Color::rgb(0xff_ffff);
const BLACK: Color = Color::rgb(0);

/// Captions as most styles have them.
fn plain_captions(place: Place) -> CaptionStyle {
    CaptionStyle {
        at: Point { x_u: place.width / 2.0, y_u: place.caption_bottom() },
        width_u: place.width - 2.0 * place.margin(),
        size_u: if place.is_upright() { 54.0 } else { 48.0 },
        weight: 600,
        color: WHITE,
        highlight: WHITE,
        highlight_box: None,
        background: BLACK.alpha(180),
        radius_u: 22.0,
    }
}

/// Display letters, left aligned and in the middle of their height.
fn display(text: &str, at: Point, width_u: f32, size_u: f32, weight: u16, color: Color) -> TextBox {
    TextBox {
        text: text.to_owned(),
        at,
        width_u,
        size_u,
        max_lines: 4,
        family: Family::Display,
        weight,
        color,
        align: Align::Left,
        valign: Valign::Middle,
        line_height: 1.1,
        tracking: -0.015,
        shadow: 0.0,
        typeface: None,
        plate: None,
        outline: None,
    }
}

/// One small line.
fn label(text: &str, at: Point, align: Align, color: Color) -> TextBox {
    TextBox {
        text: text.to_owned(),
        at,
        width_u: 1400.0,
        size_u: 30.0,
        max_lines: 1,
        family: Family::Text,
        weight: 600,
        color,
        align,
        valign: Valign::Middle,
        line_height: 1.2,
        tracking: 0.02,
        shadow: 0.0,
        typeface: None,
        plate: None,
        outline: None,
    }
}

fn text(text: TextBox) -> Element {
    Element::still(Shape::Text(text))
}

fn rect(x_u: f32, y_u: f32, width_u: f32, height_u: f32, radius_u: f32, color: Color) -> Element {
    Element::still(Shape::Rect { at: Point { x_u, y_u }, width_u, height_u, radius_u, color })
}

fn disc(at: Point, radius_u: f32, color: Color) -> Element {
    ellipse(at, radius_u, radius_u, color, None, 0.0)
}

fn ring(at: Point, radius_u: f32, stroke_u: f32, color: Color) -> Element {
    ellipse(at, radius_u, radius_u, color, Some(stroke_u), 0.0)
}

fn ellipse(at: Point, rx_u: f32, ry_u: f32, color: Color, stroke_u: Option<f32>, blur_u: f32) -> Element {
    Element::still(Shape::Ellipse { at, radius_x_u: rx_u, radius_y_u: ry_u, color, stroke_u, blur_u })
}

fn polygon(points: &[(f32, f32)], color: Color) -> Element {
    let points = points.iter().map(|(x_u, y_u)| Point { x_u: *x_u, y_u: *y_u }).collect();
    Element::still(Shape::Polygon { points, color })
}

/// The line that grows with the film, over the whole width.
fn progress(place: Place, y_u: f32, height_u: f32, color: Color, track: Color) -> Element {
    let at = Point { x_u: 0.0, y_u };
    Element::still(Shape::Progress { at, width_u: place.width, height_u, color, track })
}

/// To and fro.
fn float(x_u: f32, y_u: f32, period_ms: u32, phase: f32) -> Drift {
    Drift::Float { x_u, y_u, period_ms, phase }
}
