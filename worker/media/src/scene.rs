//! A scene as it is drawn: what no longer moves is drawn once, and what is not seen takes no memory.

use jobs_core::port::video::{Element, RenderError, Scene, Source};

use crate::{
    background,
    canvas::Canvas,
    fonts::Fonts,
    layer::{Frame, Layer},
};

/// A scene, with the layers that are seen just now painted.
pub(crate) struct Stage<'a> {
    /// The background and the lowest layers, as far as they have come to rest.
    base: Canvas,
    cast: Cast<'a>,
    settled: usize,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(scene: &'a Scene, sources: &'a [Source], size: (usize, usize), frame: Frame) -> Self {
        let mut base = Canvas::new(size.0, size.1);
        background::fill(&mut base, &scene.background, frame.scale);
        Self { base, cast: Cast::new(&scene.elements, sources, frame, scene.frames), settled: 0 }
    }

    /// Draws the scene as it is `now` frames after its start. `now` must not go back.
    pub(crate) fn draw(&mut self, fonts: &mut Fonts, canvas: &mut Canvas, now: u32) -> Result<(), RenderError> {
        while let Some(member) = self.cast.members.get_mut(self.settled) {
            if !member.is_settled(&self.cast.of, fonts, now)? {
                break;
            }
            member.draw(&self.cast.of, fonts, &mut self.base, now)?;
            // It will not be drawn again.
            member.layer = None;
            self.settled += 1;
        }
        canvas.copy_from(&self.base);
        for member in &mut self.cast.members[self.settled..] {
            member.draw(&self.cast.of, fonts, canvas, now)?;
        }
        Ok(())
    }
}

/// Elements that come and go.
pub(crate) struct Cast<'a> {
    members: Vec<Member<'a>>,
    of: Common<'a>,
}

#[derive(Clone, Copy)]
struct Common<'a> {
    sources: &'a [Source],
    frame: Frame,
    /// Whoever is there on the last frame stays for good.
    frames: u32,
}

struct Member<'a> {
    element: &'a Element,
    /// Painted while it is seen.
    layer: Option<Layer>,
}

impl<'a> Cast<'a> {
    pub(crate) fn new(elements: &'a [Element], sources: &'a [Source], frame: Frame, frames: u32) -> Self {
        let members = elements.iter().map(|element| Member { element, layer: None }).collect();
        Self { members, of: Common { sources, frame, frames } }
    }

    /// Draws all that are seen on `now`. `now` must not go back.
    pub(crate) fn draw(&mut self, fonts: &mut Fonts, canvas: &mut Canvas, now: u32) -> Result<(), RenderError> {
        self.members.iter_mut().try_for_each(|member| member.draw(&self.of, fonts, canvas, now))
    }
}

impl Member<'_> {
    fn layer(&mut self, of: &Common<'_>, fonts: &mut Fonts) -> Result<&mut Layer, RenderError> {
        let layer = match self.layer.take() {
            Some(layer) => layer,
            None => Layer::new(fonts, self.element, of.sources, of.frame)?,
        };
        Ok(self.layer.insert(layer))
    }

    fn is_settled(&mut self, of: &Common<'_>, fonts: &mut Fonts, now: u32) -> Result<bool, RenderError> {
        let leaves = self.element.end_frame.is_some_and(|end| end < of.frames);
        if leaves || now < self.element.start_frame {
            return Ok(false);
        }
        Ok(self.layer(of, fonts)?.is_settled(now))
    }

    fn draw(&mut self, of: &Common<'_>, fonts: &mut Fonts, canvas: &mut Canvas, now: u32) -> Result<(), RenderError> {
        // In a transition a scene is drawn for longer than it lasts: what stays until its end stays on.
        let end = self.element.end_frame.filter(|end| *end < of.frames);
        if end.is_some_and(|end| now >= end) {
            self.layer = None;
            return Ok(());
        }
        if now < self.element.start_frame {
            return Ok(());
        }
        self.layer(of, fonts)?.draw(canvas, now)
    }
}
