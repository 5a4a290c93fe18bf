//! Where a clip is on the picture, and how it moves: places, entrances and effects as curves.

use jobs_core::port::video::{Curve, Ease, Edge, Key, Motion, Reveal};

use super::{
    Clip,
    clip::{Effect, Keyframe, Position, Transition},
};

/// The picture in units, and how clips on it are timed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) width_u: f32,
    pub(super) height_u: f32,
    /// Units of a pixel.
    pub(super) px: f32,
    pub(super) fps: f64,
}

/// A frame on the picture, in units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

impl Field {
    pub(super) fn new(width_px: u32, height_px: u32, fps: u32) -> Self {
        let px = jobs_core::port::video::SHORT_SIDE_U / width_px.min(height_px).max(1) as f32;
        Self { width_u: width_px as f32 * px, height_u: height_px as f32 * px, px, fps: f64::from(fps) }
    }

    pub(super) fn frames(&self, seconds: f64) -> u32 {
        (seconds * self.fps).round().max(0.0) as u32
    }

    /// A frame of this size where `clip` wants it: at an edge it touches it, but for `margin`.
    pub(super) fn place(&self, clip: &Clip, width: f32, height: f32, margin: f32) -> Frame {
        self.place_at(clip.position, (clip.offset.x, clip.offset.y), (width, height), margin)
    }

    pub(super) fn place_at(
        &self,
        position: Position,
        offset: (f32, f32),
        (width, height): (f32, f32),
        margin: f32,
    ) -> Frame {
        let (side_x, side_y) = position.sides();
        let left = (self.width_u - width) / 2.0 * (1.0 + side_x) - margin * side_x;
        let top = (self.height_u - height) / 2.0 * (1.0 + side_y) - margin * side_y;
        Frame { left: left + offset.0 * self.width_u, top: top - offset.1 * self.height_u, width, height }
    }

    /// How a clip of so many frames moves. `moves_within` is a picture, which moves within its frame.
    pub(super) fn motion(&self, clip: &Clip, frame: Frame, frames: u32, moves_within: bool) -> Motion {
        let mut motion = Motion::default();
        if clip.opacity < 1.0 {
            motion.opacity.push(Curve::constant(clip.opacity));
        }
        if let Some(angle) = clip.transform.map(|transform| transform.rotate.angle).filter(|angle| *angle != 0.0) {
            motion.turn_deg.push(Curve::constant(angle));
        }
        if let Some(effect) = clip.effect {
            if moves_within { within(effect, frames, &mut motion) } else { self.along(effect, frames, &mut motion) }
        }
        for (transition, enters) in [(clip.transition.enter, true), (clip.transition.leave, false)] {
            if let Some(transition) = transition {
                self.transition(transition, enters, frame, frames, &mut motion);
            }
        }
        if let Some(keyframes) = &clip.keyframes {
            let curve = |list: &[Keyframe], by: f32| {
                let key = |key: &Keyframe| {
                    let (time, value, ease) = key.parts();
                    Key { frame: self.frames(time), value: value * by, ease }
                };
                Curve::through(list.iter().map(key).collect())
            };
            motion.x_u.extend(curve(&keyframes.x, self.width_u));
            motion.y_u.extend(curve(&keyframes.y, -self.height_u));
            motion.scale.extend(curve(&keyframes.scale, 1.0));
            motion.turn_deg.extend(curve(&keyframes.rotation, 1.0));
            motion.opacity.extend(curve(&keyframes.opacity, 1.0));
        }
        motion
    }

    /// Moves the whole clip while it is seen.
    fn along(&self, effect: Effect, frames: u32, motion: &mut Motion) {
        let (what, by) = effect.parts();
        let way = by * 0.25;
        let curve = |from: f32, to: f32| Curve::between((0, from), (frames, to), Ease::Linear);
        match what {
            Way::In => motion.scale.push(curve(1.0, 1.0 + way)),
            Way::Out => motion.scale.push(curve(1.0 + way, 1.0)),
            Way::Left => motion.x_u.push(curve(way * 400.0, -way * 400.0)),
            Way::Right => motion.x_u.push(curve(-way * 400.0, way * 400.0)),
            Way::Up => motion.y_u.push(curve(way * 400.0, -way * 400.0)),
            Way::Down => motion.y_u.push(curve(-way * 400.0, way * 400.0)),
        }
    }

    fn transition(&self, transition: Transition, enters: bool, frame: Frame, frames: u32, motion: &mut Motion) {
        let Some((kind, seconds)) = transition.parts() else { return };
        let length = self.frames(seconds).min(frames / 2).max(1);
        // Both as values away (0) and there (1): going is coming, backwards.
        let curve = |away: f32, there: f32, coming: Ease, going: Ease| {
            if enters {
                Curve::between((0, away), (length, there), coming)
            } else {
                // The last frame that is seen is the last step before nothing.
                Curve::between((frames - length, there), (frames, away), going)
            }
        };
        let way = if enters { 1.0 } else { -1.0 };
        match kind {
            Change::Fade => motion.opacity.push(curve(0.0, 1.0, Ease::Linear, Ease::Linear)),
            Change::Zoom => {
                motion.scale.push(curve(if enters { 0.7 } else { 1.3 }, 1.0, Ease::Out, Ease::In));
                motion.opacity.push(curve(0.0, 1.0, Ease::Out, Ease::In));
            }
            Change::Wipe(to) => {
                // Coming, the edge runs to that side and uncovers; going, it runs there and covers.
                let from = if enters { opposite(to) } else { to };
                motion.reveal.push(Reveal { from, share: curve(0.0, 1.0, Ease::InOut, Ease::InOut) });
            }
            Change::Slide(to) => {
                let (x, y) = match to {
                    Edge::Left => (if enters { self.width_u - frame.left } else { frame.left + frame.width }, 0.0),
                    Edge::Right => (-if enters { frame.left + frame.width } else { self.width_u - frame.left }, 0.0),
                    Edge::Top => (0.0, if enters { self.height_u - frame.top } else { frame.top + frame.height }),
                    Edge::Bottom => (0.0, -if enters { frame.top + frame.height } else { self.height_u - frame.top }),
                };
                if x != 0.0 {
                    motion.x_u.push(curve(x * way, 0.0, Ease::Out, Ease::In));
                }
                if y != 0.0 {
                    motion.y_u.push(curve(y * way, 0.0, Ease::Out, Ease::In));
                }
            }
        }
    }
}

/// Moves a picture within its frame (Ken Burns): it is always a little larger than the frame.
fn within(effect: Effect, frames: u32, motion: &mut Motion) {
    let (what, by) = effect.parts();
    let zoom = 1.0 + 0.2 * by;
    let curve = |from: f32, to: f32| Curve::between((0, from), (frames, to), Ease::Linear);
    match what {
        Way::In => motion.zoom.push(curve(1.0, zoom)),
        Way::Out => motion.zoom.push(curve(zoom, 1.0)),
        Way::Left | Way::Right | Way::Up | Way::Down => {
            motion.zoom.push(Curve::constant(zoom));
            // What moves to the left shows more and more of its right.
            match what {
                Way::Left => motion.pan_x.push(curve(-1.0, 1.0)),
                Way::Right => motion.pan_x.push(curve(1.0, -1.0)),
                Way::Up => motion.pan_y.push(curve(-1.0, 1.0)),
                _ => motion.pan_y.push(curve(1.0, -1.0)),
            }
        }
    }
}

pub(super) fn ken_burns(effect: Option<Effect>, frames: u32) -> Motion {
    let mut motion = Motion::default();
    if let Some(effect) = effect {
        within(effect, frames, &mut motion);
    }
    motion
}

#[derive(Debug, Clone, Copy)]
enum Way {
    In,
    Out,
    Left,
    Right,
    Up,
    Down,
}

impl Effect {
    /// What it does, and how much of it.
    fn parts(self) -> (Way, f32) {
        let way = match self {
            Self::ZoomIn | Self::ZoomInSlow | Self::ZoomInFast => Way::In,
            Self::ZoomOut | Self::ZoomOutSlow | Self::ZoomOutFast => Way::Out,
            Self::SlideLeft | Self::SlideLeftSlow | Self::SlideLeftFast => Way::Left,
            Self::SlideRight | Self::SlideRightSlow | Self::SlideRightFast => Way::Right,
            Self::SlideUp | Self::SlideUpSlow | Self::SlideUpFast => Way::Up,
            Self::SlideDown | Self::SlideDownSlow | Self::SlideDownFast => Way::Down,
        };
        (way, speed(&format!("{self:?}")))
    }
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Fade,
    Zoom,
    Wipe(Edge),
    Slide(Edge),
}

impl Transition {
    /// What it looks like and how many seconds it takes; none when nothing is to be seen.
    fn parts(self) -> Option<(Change, f64)> {
        use Transition as T;
        let change = match self {
            T::None => return None,
            T::Fade | T::FadeSlow | T::FadeFast => Change::Fade,
            T::Zoom | T::ZoomSlow | T::ZoomFast => Change::Zoom,
            T::Reveal | T::RevealSlow | T::RevealFast => Change::Wipe(Edge::Right),
            T::WipeLeft | T::WipeLeftSlow | T::WipeLeftFast => Change::Wipe(Edge::Left),
            T::WipeRight | T::WipeRightSlow | T::WipeRightFast => Change::Wipe(Edge::Right),
            T::WipeUp | T::WipeUpSlow | T::WipeUpFast => Change::Wipe(Edge::Top),
            T::WipeDown | T::WipeDownSlow | T::WipeDownFast => Change::Wipe(Edge::Bottom),
            T::SlideLeft | T::SlideLeftSlow | T::SlideLeftFast => Change::Slide(Edge::Left),
            T::CarouselLeft | T::CarouselLeftSlow | T::CarouselLeftFast => Change::Slide(Edge::Left),
            T::SlideRight | T::SlideRightSlow | T::SlideRightFast => Change::Slide(Edge::Right),
            T::CarouselRight | T::CarouselRightSlow | T::CarouselRightFast => Change::Slide(Edge::Right),
            T::SlideUp | T::SlideUpSlow | T::SlideUpFast => Change::Slide(Edge::Top),
            T::CarouselUp | T::CarouselUpSlow | T::CarouselUpFast => Change::Slide(Edge::Top),
            T::SlideDown | T::SlideDownSlow | T::SlideDownFast => Change::Slide(Edge::Bottom),
            T::CarouselDown | T::CarouselDownSlow | T::CarouselDownFast => Change::Slide(Edge::Bottom),
        };
        Some((change, f64::from(1.0 / speed(&format!("{self:?}")))))
    }
}

/// Half for names that end in slow, twice for those that end in fast.
fn speed(name: &str) -> f32 {
    if name.ends_with("Slow") {
        0.5
    } else if name.ends_with("Fast") {
        2.0
    } else {
        1.0
    }
}

fn opposite(edge: Edge) -> Edge {
    match edge {
        Edge::Left => Edge::Right,
        Edge::Right => Edge::Left,
        Edge::Top => Edge::Bottom,
        Edge::Bottom => Edge::Top,
    }
}
