//! An element as it is drawn: painted pieces, and where they are at a frame.

use jobs_core::port::video::{
    Align, Drift, Edge, Element, Enter, Motion, Point, Pose, RenderError, Shape, Source, TextBox, Valign,
};

use crate::{
    canvas::{Canvas, Clip},
    fonts::Fonts,
    media::Media,
    projection::Projection,
    sprite::{Sprite, premultiplied},
    text,
};

/// What every layer must know of the film.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Pixels of a unit.
    pub(crate) scale: f32,
    pub(crate) fps: f32,
    /// Of the whole film.
    pub(crate) total_frames: u32,
}

/// An element, painted.
pub(crate) struct Layer {
    pieces: Vec<Piece>,
    bar: Option<Bar>,
    media: Option<Media>,
    motion: Motion,
    start: f32,
    enter: Enter,
    enter_frames: f32,
    drift: Drift,
    frame: Frame,
}

struct Piece {
    sprite: Sprite,
    x: f32,
    y: f32,
    /// Where it may be seen while it rises.
    slot: (f32, f32),
    /// Later lines come later.
    delay_frames: f32,
}

/// The line that grows with the film: drawn anew every time.
struct Bar {
    left: f32,
    top: f32,
    width: f32,
    height: f32,
    color: u32,
    track: u32,
}

impl Layer {
    pub(crate) fn new(
        fonts: &mut Fonts,
        element: &Element,
        sources: &[Source],
        frame: Frame,
    ) -> Result<Self, RenderError> {
        let mut media = None;
        let (pieces, bar) = match &element.shape {
            Shape::Progress { at, width_u, height_u, color, track } => {
                let bar = Bar {
                    left: at.x_u * frame.scale,
                    top: at.y_u * frame.scale,
                    width: width_u * frame.scale,
                    height: (height_u * frame.scale).max(1.0),
                    color: premultiplied(*color),
                    track: premultiplied(*track),
                };
                (Vec::new(), Some(bar))
            }
            Shape::Text(text) => (text_pieces(fonts, text, frame), None),
            Shape::Media(what) => {
                media = Some(Media::open(what, &element.motion, sources, frame)?);
                (Vec::new(), None)
            }
            shape => (shape_piece(shape, frame.scale).into_iter().collect(), None),
        };
        Ok(Self {
            pieces,
            bar,
            media,
            motion: element.motion.clone(),
            start: element.start_frame as f32,
            enter: element.enter,
            enter_frames: (element.enter_frames as f32).max(1.0),
            drift: element.drift,
            frame,
        })
    }

    /// Whether it looks the same on `now` and on every later frame.
    pub(crate) fn is_settled(&self, now: u32) -> bool {
        let entrance = if self.enter == Enter::Cut { 0.0 } else { self.enter_frames };
        let last = self.pieces.iter().map(|piece| piece.delay_frames).fold(0.0, f32::max);
        let moves = self.media.as_ref().is_some_and(|media| !media.is_still());
        self.bar.is_none()
            && !moves
            && self.motion.is_still()
            && self.drift == Drift::Still
            && now as f32 >= self.start + entrance + last
    }

    /// Draws it as it is on `now`, a frame of its scene.
    pub(crate) fn draw(&mut self, canvas: &mut Canvas, now: u32) -> Result<(), RenderError> {
        let now = now as f32;
        if now < self.start {
            return Ok(());
        }
        let mut pose = self.motion.pose(now - self.start);
        let (dx, dy) = self.offset(now);
        let arrived = self.arrived(now, 0.0);
        if let Some(media) = &mut self.media {
            (pose.x_u, pose.y_u) = (pose.x_u + dx / self.frame.scale, pose.y_u + dy / self.frame.scale);
            pose.opacity *= arrived;
            let whole = canvas.clip();
            let extent = media.extent(&pose);
            let seconds = f64::from(now - self.start) / f64::from(self.frame.fps);
            return media.draw(canvas, &pose, seconds, uncovered(whole, extent, pose.reveal));
        }
        if let Some(bar) = &self.bar {
            bar.draw(canvas, now / (self.frame.total_frames.max(2) - 1) as f32);
        }
        let Some(extent) = self.extent() else { return Ok(()) };
        let (dx, dy) = (dx + pose.x_u * self.frame.scale, dy + pose.y_u * self.frame.scale);
        let moved = (extent.0 + dx, extent.1 + dy, extent.2 + dx, extent.3 + dy);
        let clip = uncovered(canvas.clip(), moved, pose.reveal);
        let is_upright = pose.scale == 1.0 && pose.turn_deg == 0.0;
        for piece in &self.pieces {
            let p = self.arrived(now, piece.delay_frames);
            if p <= 0.0 {
                continue;
            }
            if is_upright {
                self.draw_piece(canvas, piece, (piece.x + dx, piece.y + dy), p, (pose.opacity, clip));
            } else {
                project_piece(canvas, piece, moved, (dx, dy), &pose, clip);
            }
        }
        Ok(())
    }

    /// How far it has come in, 0 to 1.
    fn arrived(&self, now: f32, delay_frames: f32) -> f32 {
        if self.enter == Enter::Cut {
            return 1.0;
        }
        ((now - self.start - delay_frames + 1.0) / self.enter_frames).clamp(0.0, 1.0)
    }

    /// Left, top, right and bottom of all pieces together.
    fn extent(&self) -> Option<(f32, f32, f32, f32)> {
        let edges = self.pieces.iter().map(|piece| {
            let (width, height) = (piece.sprite.width as f32, piece.sprite.height as f32);
            (piece.x, piece.y, piece.x + width, piece.y + height)
        });
        edges.reduce(|a, b| (a.0.min(b.0), a.1.min(b.1), a.2.max(b.2), a.3.max(b.3)))
    }

    fn draw_piece(
        &self,
        canvas: &mut Canvas,
        piece: &Piece,
        (x, y): (f32, f32),
        p: f32,
        (opacity, whole): (f32, Clip),
    ) {
        let (width, height) = (piece.sprite.width as f32, piece.sprite.height as f32);
        let eased = ease_out(p);
        let fade = (p * 2.0).min(1.0);
        let u = self.frame.scale;
        match self.enter {
            _ if p >= 1.0 => canvas.lay(&piece.sprite, x, y, opacity, whole),
            Enter::Cut => canvas.lay(&piece.sprite, x, y, opacity, whole),
            Enter::Fade => canvas.lay(&piece.sprite, x, y, smooth(p) * opacity, whole),
            Enter::FadeUp => canvas.lay(&piece.sprite, x, y + 56.0 * u * (1.0 - eased), smooth(fade) * opacity, whole),
            Enter::FromLeft => {
                canvas.lay(&piece.sprite, x - (x + width).max(0.0) * (1.0 - eased), y, fade * opacity, whole);
            }
            Enter::FromRight => {
                let way = (canvas.width as f32 - x).max(0.0);
                canvas.lay(&piece.sprite, x + way * (1.0 - eased), y, fade * opacity, whole);
            }
            Enter::Rise => {
                let clip = Clip { top: piece.slot.0 as i32, bottom: piece.slot.1.ceil() as i32, ..whole };
                let way = piece.slot.1 - piece.slot.0;
                canvas.lay(&piece.sprite, x, y + way * (1.0 - eased), opacity, clip.within(whole));
            }
            Enter::GrowRight => {
                let clip = Clip { right: (x + width * eased).ceil() as i32, ..whole };
                canvas.lay(&piece.sprite, x, y, opacity, clip.within(whole));
            }
            Enter::GrowUp => {
                let clip = Clip { top: (y + height * (1.0 - eased)).floor() as i32, ..whole };
                canvas.lay(&piece.sprite, x, y, opacity, clip.within(whole));
            }
            Enter::Pop => {
                let by = overshoot(p).max(0.01);
                let sprite = piece.sprite.scaled(by);
                let (left, top) = (x + width * (1.0 - by) / 2.0, y + height * (1.0 - by) / 2.0);
                canvas.lay(&sprite, left, top, fade * opacity, whole);
            }
        }
    }

    fn offset(&self, now: f32) -> (f32, f32) {
        let seconds = (now - self.start) / self.frame.fps;
        let turn = |period_ms: u32, phase: f32| seconds * 1000.0 / period_ms.max(1) as f32 + phase;
        let (x, y) = match self.drift {
            Drift::Still => (0.0, 0.0),
            Drift::Linear { x_u_per_s, y_u_per_s } => (x_u_per_s * seconds, y_u_per_s * seconds),
            Drift::Float { x_u, y_u, period_ms, phase } => {
                let angle = turn(period_ms, phase) * std::f32::consts::TAU;
                (angle.sin() * x_u, angle.cos() * y_u)
            }
            Drift::Bounce { height_u, period_ms, phase } => {
                let t = turn(period_ms, phase).fract();
                (0.0, -height_u * 4.0 * t * (1.0 - t))
            }
        };
        (x * self.frame.scale, y * self.frame.scale)
    }
}

impl Bar {
    fn draw(&self, canvas: &mut Canvas, done: f32) {
        let at = |share: f32| Clip {
            left: self.left.round() as i32,
            top: self.top.round() as i32,
            right: (self.left + self.width * share).round() as i32,
            bottom: (self.top + self.height).round() as i32,
        };
        canvas.fill_rect(at(1.0), self.track);
        canvas.fill_rect(at(done.clamp(0.0, 1.0)), self.color);
    }
}

fn shape_piece(shape: &Shape, scale: f32) -> Option<Piece> {
    let (sprite, x, y) = match shape {
        Shape::Rect { at, width_u, height_u, radius_u, color } => {
            // Whole pixels, or a thin rule would be two grey rows.
            let (width, height) = ((width_u * scale).round().max(1.0), (height_u * scale).round().max(1.0));
            let sprite = Sprite::rect(width, height, radius_u * scale, *color)?;
            (sprite, (at.x_u * scale).round(), (at.y_u * scale).round())
        }
        Shape::Ellipse { at, radius_x_u, radius_y_u, color, stroke_u, blur_u } => {
            let (rx, ry) = (radius_x_u * scale, radius_y_u * scale);
            let (sprite, margin) = Sprite::ellipse(rx, ry, stroke_u.map(|u| u * scale), blur_u * scale, *color)?;
            (sprite, at.x_u * scale - rx - margin, at.y_u * scale - ry - margin)
        }
        Shape::Polygon { points, color } => {
            let points: Vec<_> = points.iter().map(|p| (p.x_u * scale, p.y_u * scale)).collect();
            Sprite::polygon(&points, *color)?
        }
        Shape::Gradient { at, width_u, height_u, radius_u, from, to, angle_deg } => {
            let (width, height) = ((width_u * scale).round().max(1.0), (height_u * scale).round().max(1.0));
            let sprite = Sprite::gradient(width, height, radius_u * scale, (*from, *to), *angle_deg)?;
            (sprite, (at.x_u * scale).round(), (at.y_u * scale).round())
        }
        Shape::Text(_) | Shape::Progress { .. } | Shape::Media(_) => return None,
    };
    let slot = (y, y + sprite.height as f32);
    Some(Piece { sprite, x, y, slot, delay_frames: 0.0 })
}

fn text_pieces(fonts: &mut Fonts, text: &TextBox, frame: Frame) -> Vec<Piece> {
    let lines = text::lines_of(fonts, text, frame.scale);
    let height: f32 = lines.iter().map(|line| line.height).sum();
    let Point { x_u, y_u } = text.at;
    let mut top = y_u * frame.scale
        - match text.valign {
            Valign::Top => 0.0,
            Valign::Middle => height / 2.0,
            Valign::Bottom => height,
        };
    let mut pieces = Vec::with_capacity(lines.len() + 1);
    if let Some(plate) = text.plate {
        let widest = lines.iter().map(|line| line.width).fold(0.0, f32::max);
        let padding = plate.padding_u * frame.scale;
        let left = x_u * frame.scale
            - match text.align {
                Align::Left => 0.0,
                Align::Center => widest / 2.0,
                Align::Right => widest,
            };
        let size = ((widest + 2.0 * padding).round().max(1.0), (height + 2.0 * padding).round().max(1.0));
        if let Some(sprite) = Sprite::rect(size.0, size.1, plate.radius_u * frame.scale, plate.color) {
            let (x, y) = ((left - padding).round(), (top - padding).round());
            pieces.push(Piece { sprite, x, y, slot: (y, y + size.1), delay_frames: 0.0 });
        }
    }
    for (index, line) in lines.into_iter().enumerate() {
        let left = x_u * frame.scale
            - match text.align {
                Align::Left => 0.0,
                Align::Center => line.width / 2.0,
                Align::Right => line.width,
            };
        // At rest letters stand on whole pixels, where they are sharpest.
        let (x, y) = ((left - line.pad).round(), (top - line.pad).round());
        let reach = line.pad * 0.3;
        pieces.push(Piece {
            sprite: line.sprite,
            x,
            y,
            slot: (top - reach, top + line.height + reach),
            delay_frames: index as f32 * frame.fps * 0.09,
        });
        top += line.height;
    }
    pieces
}

/// The part of `whole` that is not covered any more.
fn uncovered(whole: Clip, extent: (f32, f32, f32, f32), reveal: Option<(Edge, f32)>) -> Clip {
    let Some((from, share)) = reveal else { return whole };
    let (left, top, right, bottom) = extent;
    let share = share.clamp(0.0, 1.0);
    match from {
        Edge::Left => Clip { right: (left + (right - left) * share).round() as i32, ..whole },
        Edge::Right => Clip { left: (right - (right - left) * share).round() as i32, ..whole },
        Edge::Top => Clip { bottom: (top + (bottom - top) * share).round() as i32, ..whole },
        Edge::Bottom => Clip { top: (bottom - (bottom - top) * share).round() as i32, ..whole },
    }
    .within(whole)
}

/// Draws a piece that is sized and turned with all pieces of its element, around their middle.
fn project_piece(
    canvas: &mut Canvas,
    piece: &Piece,
    extent: (f32, f32, f32, f32),
    (dx, dy): (f32, f32),
    pose: &Pose,
    clip: Clip,
) {
    let (width, height) = (piece.sprite.width as f32, piece.sprite.height as f32);
    let middle = (f32::midpoint(extent.0, extent.2), f32::midpoint(extent.1, extent.3));
    let (x, y) = (piece.x + dx + width / 2.0 - middle.0, piece.y + dy + height / 2.0 - middle.1);
    let (sin, cos) = pose.turn_deg.to_radians().sin_cos();
    let at = (middle.0 + (x * cos - y * sin) * pose.scale, middle.1 + (x * sin + y * cos) * pose.scale);
    let view = Projection {
        middle: at,
        // A pixel more on each side, where there is nothing: that smooths the edge.
        size: (width + 2.0, height + 2.0),
        scale: pose.scale,
        turn_deg: pose.turn_deg,
        radius: 0.0,
        from: (-1.0, -1.0),
        step: (1.0, 1.0),
        opacity: pose.opacity,
        has_edge: false,
    };
    canvas.project(piece.sprite.texture(), &view, clip);
}

/// Fast at first, then slower (cubic).
pub(crate) fn ease_out(p: f32) -> f32 {
    1.0 - (1.0 - p).powi(3)
}

/// Slow at both ends.
pub(crate) fn smooth(p: f32) -> f32 {
    p * p * (3.0 - 2.0 * p)
}

/// Past the end and back (Penner's easeOutBack).
fn overshoot(p: f32) -> f32 {
    const PAST: f32 = 1.4;
    1.0 + (PAST + 1.0) * (p - 1.0).powi(3) + PAST * (p - 1.0).powi(2)
}
