//! A picture or a film in its frame, as it is drawn.

use jobs_core::port::video::{Fit, MediaBox, Motion, Pose, RenderError, RenderFault, Source};

use crate::{
    canvas::{Canvas, Clip},
    frames::{self, Frames, Picture},
    layer::Frame,
    projection::{Projection, Texture},
    tint,
};

/// A picture or a film in its frame.
pub(crate) struct Media {
    what: MediaBox,
    content: Content,
    /// A film's picture, with its filter; the picture that it is made of is the film's.
    filtered: Option<(f64, Picture)>,
    behind: Option<Picture>,
    frame: Frame,
}

enum Content {
    Still(Picture),
    Moving(Box<Frames>),
}

/// The blurred copy behind a picture is this wide: nobody sees more of it.
const BEHIND_PX: u32 = 96;

impl Media {
    pub(crate) fn open(
        what: &MediaBox,
        motion: &Motion,
        sources: &[Source],
        frame: Frame,
    ) -> Result<Self, RenderError> {
        let missing = || RenderError::new(RenderFault::TimelineInvalid, format!("there is no source {}", what.source));
        let source = sources.get(what.source).ok_or_else(missing)?;
        let (width, height) = (what.width_u * frame.scale, what.height_u * frame.scale);
        let most = motion.largest().clamp(0.1, 8.0);
        let fit = what.fit;
        // No more pixels than are ever seen, so that looking them up between pixels is enough.
        let size = move |own_width: u32, own_height: u32| {
            let (x, y) = (width / own_width as f32 * most, height / own_height as f32 * most);
            let by = match fit {
                Fit::Stretch => return (least(own_width, x), least(own_height, y)),
                Fit::Contain | Fit::ContainBlur => x.min(y),
                Fit::Crop => x.max(y),
                Fit::None => 1.0,
            };
            (least(own_width, by), least(own_height, by))
        };
        let moves = crate::source::inspect(source)?.picture.is_some_and(|picture| picture.moves);
        let content = if moves {
            Content::Moving(Box::new(Frames::open(source, what.from_ms, size)?))
        } else {
            let mut picture = frames::still(source, size)?;
            if let Some(filter) = what.filter {
                tint::apply(filter, &mut picture);
            }
            Content::Still(picture)
        };
        let mut behind = None;
        if fit == Fit::ContainBlur {
            let small =
                |width: u32, height: u32| (BEHIND_PX, (height * BEHIND_PX).div_ceil(width.max(1)).clamp(1, 400));
            let mut picture = frames::still(source, small)?;
            tint::soften(&mut picture, 5);
            tint::apply(jobs_core::port::video::Filter::Darken, &mut picture);
            behind = Some(picture);
        }
        Ok(Self { what: what.clone(), content, filtered: None, behind, frame })
    }

    /// Whether it is always the same picture.
    pub(crate) fn is_still(&self) -> bool {
        matches!(self.content, Content::Still(_))
    }

    /// Left, top, right and bottom of its frame on the canvas, where it is not turned.
    pub(crate) fn extent(&self, pose: &Pose) -> (f32, f32, f32, f32) {
        let u = self.frame.scale;
        let (x, y) = ((self.what.at.x_u + pose.x_u) * u, (self.what.at.y_u + pose.y_u) * u);
        (x, y, x + self.what.width_u * u, y + self.what.height_u * u)
    }

    /// Draws it `seconds` after it was first seen.
    pub(crate) fn draw(
        &mut self,
        canvas: &mut Canvas,
        pose: &Pose,
        seconds: f64,
        clip: Clip,
    ) -> Result<(), RenderError> {
        let u = self.frame.scale;
        let (width, height) = (self.what.width_u * u, self.what.height_u * u);
        let left = (self.what.at.x_u + pose.x_u) * u;
        let top = (self.what.at.y_u + pose.y_u) * u;
        let view = Projection {
            middle: (left + width / 2.0, top + height / 2.0),
            size: (width, height),
            scale: pose.scale,
            turn_deg: pose.turn_deg,
            radius: (self.what.radius_u * u).min(width.min(height) / 2.0),
            from: (0.0, 0.0),
            step: (1.0, 1.0),
            opacity: pose.opacity,
            has_edge: true,
        };
        if let Some(behind) = &self.behind {
            let texture = behind.texture();
            canvas.project(texture, &seen(view, texture, Fit::Crop, pose), clip);
        }
        let picture = match &mut self.content {
            Content::Still(picture) => picture,
            Content::Moving(frames) => {
                let at_ms = f64::from(self.what.from_ms) + seconds * 1000.0;
                let picture = frames.at(at_ms)?;
                match self.what.filter {
                    None => picture,
                    Some(filter) => {
                        if self.filtered.as_ref().is_none_or(|(at, _)| *at != at_ms) {
                            let mut changed =
                                Picture { width: picture.width, height: picture.height, px: picture.px.clone() };
                            tint::apply(filter, &mut changed);
                            self.filtered = Some((at_ms, changed));
                        }
                        match &self.filtered {
                            Some((_, picture)) => picture,
                            None => picture,
                        }
                    }
                }
            }
        };
        let texture = picture.texture();
        canvas.project(texture, &seen(view, texture, self.what.fit, pose), clip);
        Ok(())
    }
}

/// So many pixels as are needed of `own`, and no more than there are.
fn least(own: u32, by: f32) -> u32 {
    ((own as f32 * by).ceil() as u32).clamp(1, own)
}

/// What is seen of `texture` through the frame of `view`.
fn seen(view: Projection, texture: Texture<'_>, fit: Fit, pose: &Pose) -> Projection {
    let (own_width, own_height) = (texture.width as f32, texture.height as f32);
    let (x, y) = (view.size.0 / own_width, view.size.1 / own_height);
    let (x, y) = match fit {
        Fit::Crop => (x.max(y), x.max(y)),
        Fit::Stretch => (x, y),
        // The frame becomes as small as the picture: there is nothing in the rest of it.
        Fit::Contain | Fit::ContainBlur | Fit::None => {
            let by = if fit == Fit::None { 1.0 } else { x.min(y) };
            let size = ((own_width * by).min(view.size.0), (own_height * by).min(view.size.1));
            return seen(Projection { size, ..view }, texture, Fit::Crop, pose);
        }
    };
    let step = (1.0 / (x * pose.zoom.max(0.01)), 1.0 / (y * pose.zoom.max(0.01)));
    let free = (own_width - view.size.0 * step.0, own_height - view.size.1 * step.1);
    let from = (free.0 / 2.0 * (1.0 + pose.pan_x), free.1 / 2.0 * (1.0 + pose.pan_y));
    Projection { step, from, ..view }
}

impl Picture {
    pub(crate) fn texture(&self) -> Texture<'_> {
        Texture { width: self.width, height: self.height, px: &self.px }
    }
}
