//! A film, picture by picture.

use jobs_core::port::video::{Film, RenderError, SHORT_SIDE_U};

use crate::{
    canvas::Canvas,
    caption::Captions,
    fonts::Fonts,
    layer::Frame,
    scene::{Cast, Stage},
    transition,
};

/// Draws the pictures of a film, forwards: some may be left out.
pub(crate) struct Reel<'a> {
    film: &'a Film,
    size: (usize, usize),
    frame: Frame,
    /// The first frame of each scene.
    starts: Vec<u32>,
    now: Option<(usize, Stage<'a>)>,
    /// The scene before, while both are seen.
    before: Option<(usize, Stage<'a>)>,
    overlays: Cast<'a>,
    captions: Captions<'a>,
    canvas: Canvas,
    other: Canvas,
}

impl<'a> Reel<'a> {
    pub(crate) fn new(film: &'a Film) -> Self {
        let spec = &film.output;
        let size = (spec.width_px as usize, spec.height_px as usize);
        let scale = spec.width_px.min(spec.height_px) as f32 / SHORT_SIDE_U;
        let frame = Frame { scale, fps: spec.fps as f32, total_frames: film.frames() };
        let mut start = 0;
        let starts = film.scenes.iter().map(|scene| {
            start += scene.frames;
            start - scene.frames
        });
        Self {
            film,
            size,
            frame,
            starts: starts.collect(),
            now: None,
            before: None,
            overlays: Cast::new(&film.overlays, &film.sources, frame, film.frames()),
            captions: Captions::new(&film.caption_style, &film.captions, scale),
            canvas: Canvas::new(size.0, size.1),
            other: Canvas::new(size.0, size.1),
        }
    }

    /// The picture of a frame of the film. `frame` must not go back.
    pub(crate) fn draw(&mut self, fonts: &mut Fonts, frame: u32) -> Result<&Canvas, RenderError> {
        let index = self.starts.partition_point(|start| *start <= frame).saturating_sub(1);
        let at = frame - self.starts[index];
        let change = self.film.scenes[index].transition.filter(|change| index > 0 && at < change.frames);
        let shown = self.now.as_ref().map(|(index, _)| *index);
        if shown != Some(index) {
            self.before = self.now.take().filter(|(shown, _)| shown + 1 == index);
            self.now = Some((index, self.stage(index)));
        }
        if change.is_none() {
            self.before = None;
        } else if self.before.is_none() {
            self.before = Some((index - 1, self.stage(index - 1)));
        }
        if let Some((_, stage)) = &mut self.now {
            match (change, &mut self.before) {
                (Some(change), Some((old, before))) => {
                    before.draw(fonts, &mut self.canvas, self.film.scenes[*old].frames + at)?;
                    stage.draw(fonts, &mut self.other, at)?;
                    let p = (at + 1) as f32 / (change.frames + 1) as f32;
                    transition::apply(change.kind, &mut self.canvas, &self.other, p);
                }
                _ => stage.draw(fonts, &mut self.canvas, at)?,
            }
        }
        self.overlays.draw(fonts, &mut self.canvas, frame)?;
        self.captions.draw(fonts, &mut self.canvas, frame);
        Ok(&self.canvas)
    }

    fn stage(&self, index: usize) -> Stage<'a> {
        Stage::new(&self.film.scenes[index], &self.film.sources, self.size, self.frame)
    }
}
