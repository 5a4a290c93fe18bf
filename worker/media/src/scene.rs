//! A scene as it is drawn: what no longer moves is drawn once.

use jobs_core::port::video::Scene;

use crate::{
    background,
    canvas::Canvas,
    fonts::Fonts,
    layer::{Frame, Layer},
};

/// A scene with its layers painted.
pub(crate) struct Stage {
    /// The background and the lowest layers, as far as they have come to rest.
    base: Canvas,
    layers: Vec<Layer>,
    settled: usize,
}

impl Stage {
    pub(crate) fn new(fonts: &mut Fonts, scene: &Scene, size: (usize, usize), frame: Frame) -> Self {
        let mut base = Canvas::new(size.0, size.1);
        background::fill(&mut base, &scene.background, frame.scale);
        let layers = scene.elements.iter().map(|element| Layer::new(fonts, element, frame)).collect();
        Self { base, layers, settled: 0 }
    }

    /// Draws the scene as it is `now` frames after its start. `now` must not go back.
    pub(crate) fn draw(&mut self, canvas: &mut Canvas, now: u32) {
        while let Some(layer) = self.layers.get(self.settled).filter(|layer| layer.is_settled(now)) {
            layer.draw(&mut self.base, now);
            self.settled += 1;
        }
        canvas.copy_from(&self.base);
        for layer in &self.layers[self.settled..] {
            layer.draw(canvas, now);
        }
    }
}
