//! From a timeline to the film that an engine renders: pure, and the same every time.

use std::collections::BTreeMap;

use jobs_core::{
    Fault,
    port::video::{
        self, Color, Cue, Drift, Element, Enter, Film, MediaBox, Motion, Music, Point, Sound, SoundClip, Source,
        SourceFacts, Transition, Tune,
    },
};

use super::{
    Asset, Clip, Src, TimelineRequest,
    asset::{Background, Form, Gradient, Shape, SoundEffect},
    caption,
    clip::{Filter, Fit},
    placing::{self, Field, Frame},
    text,
    timing::{Span, Times},
};

/// What music is turned down to while a clip is heard.
const DUCKED: f32 = 0.22;

/// A source of a request: the file that it became, and what is in it.
pub(in crate::video_generate) type Found = BTreeMap<String, (Source, SourceFacts)>;

/// The film of a request whose sources were found.
///
/// # Errors
/// What is wrong with it, now that the lengths of all sources are known.
pub(in crate::video_generate) fn compile(request: &TimelineRequest, found: &Found) -> Result<Film, Vec<Fault>> {
    let timeline = &request.timeline;
    let spec = request.output.spec();
    let known = |clip: &Clip| {
        let (_, facts) = found.get(clip.asset.src()?.as_str())?;
        facts.duration_ms.map(|ms| ms as f64 / 1000.0)
    };
    let times = Times::of(timeline, &known)?;
    let mut making = Making {
        field: Field::new(spec.width_px, spec.height_px, spec.fps),
        found,
        sources: Vec::new(),
        cues: Vec::new(),
        clips: Vec::new(),
        is_mute: request.output.mute,
    };
    let total = making.field.frames(times.seconds).max(1);
    let scenes = making.scenes(request, &times, total);
    let mut overlays = Vec::new();
    // The first track is on top, and what is drawn last.
    for (track, spans) in timeline.tracks.iter().zip(&times.tracks).rev() {
        for (clip, span) in track.clips.iter().zip(spans) {
            overlays.extend(making.element(clip, *span, 0, total));
        }
    }
    let music = timeline.soundtrack.as_ref().filter(|_| !request.output.mute).map(|track| {
        let tune = match track.src.mood() {
            Some(mood) => Tune::Made { mood: mood.unwrap_or(video::Mood::Warm), seed: seed(request) },
            None => Tune::Source { source: making.source(&track.src) },
        };
        let (fade_in_ms, fade_out_ms) = match track.effect {
            None => (200, 1500),
            effect => SoundEffect::fades_ms(effect),
        };
        let ducked = if track.duck { DUCKED } else { 1.0 };
        Music { tune, gain: track.volume, ducked, fade_in_ms, fade_out_ms }
    });
    let first_caption = timeline.clips().find_map(|(_, clip)| match &clip.asset {
        Asset::Caption(caption) => Some((caption, clip)),
        _ => None,
    });
    let fonts = timeline.fonts.iter().filter_map(|font| found.get(font.src.as_str()));
    let fonts = fonts.map(|(source, _)| source.clone()).collect();
    making.cues.sort_by_key(|cue| cue.start_frame);
    // Two that would be seen at once: the later one takes over.
    for at in 1..making.cues.len() {
        let next = making.cues[at].start_frame;
        let before = &mut making.cues[at - 1];
        before.end_frame = before.end_frame.min(next);
    }
    making.cues.retain(|cue| cue.start_frame < cue.end_frame);
    Ok(Film {
        title: request.title.clone().unwrap_or_default(),
        output: spec,
        scenes,
        overlays,
        caption_style: caption::style(first_caption, making.field),
        captions: making.cues,
        sound: Sound { music, clips: making.clips, loudness_lufs: request.output.loudness },
        thumbnail: request.output.thumbnail(total),
        sources: making.sources,
        fonts,
    })
}

/// The seed of what is made up (FNV-1a of the timeline).
fn seed(request: &TimelineRequest) -> u64 {
    let text = serde_json::to_string(&request.timeline).unwrap_or_default();
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// A film that is being made.
struct Making<'a> {
    field: Field,
    found: &'a Found,
    sources: Vec<Source>,
    cues: Vec<Cue>,
    clips: Vec<SoundClip>,
    is_mute: bool,
}

impl Making<'_> {
    /// The place of a file among the film's.
    fn source(&mut self, src: &Src) -> usize {
        let Some((source, _)) = self.found.get(src.as_str()) else { return usize::MAX };
        self.sources.iter().position(|known| known == source).unwrap_or_else(|| {
            self.sources.push(source.clone());
            self.sources.len() - 1
        })
    }

    fn scenes(&mut self, request: &TimelineRequest, times: &Times, total: u32) -> Vec<video::Scene> {
        let timeline = &request.timeline;
        let ground = |color: Color| video::Background::Color { color };
        let mut scenes = Vec::new();
        let mut seconds = 0.0;
        let mut start = 0;
        for (index, scene) in timeline.scenes.iter().enumerate() {
            seconds += scene.duration;
            let frames = self.field.frames(seconds).saturating_sub(start).max(1);
            let mut elements = Vec::new();
            let background = match &scene.background {
                None => ground(timeline.background.0),
                Some(Background::Color(plain)) => ground(plain.color.0),
                Some(Background::Gradient(Gradient { colors: [from, to], angle })) => {
                    video::Background::Linear { from: from.0, to: to.0, angle_deg: *angle }
                }
                Some(Background::Image(media) | Background::Video(media)) => {
                    let whole = MediaBox {
                        source: self.source(&media.src),
                        at: Point { x_u: 0.0, y_u: 0.0 },
                        width_u: self.field.width_u,
                        height_u: self.field.height_u,
                        fit: fit(media.fit),
                        radius_u: 0.0,
                        filter: Filter::of(media.filter),
                        from_ms: 0,
                    };
                    let element = Element::still(video::Shape::Media(whole));
                    elements.push(Element { motion: placing::ken_burns(media.effect, frames), ..element });
                    ground(timeline.background.0)
                }
            };
            for (clip, span) in scene.elements.iter().zip(&times.scenes[index]) {
                elements.extend(self.element(clip, *span, start, frames));
            }
            let transition = scene.transition.filter(|_| index > 0).and_then(|change| {
                let frames = self.field.frames(change.duration).min(frames / 2);
                (frames > 0).then(|| Transition { kind: change.kind.into(), frames })
            });
            let id = scene.id.clone().unwrap_or_else(|| format!("scene-{}", index + 1));
            scenes.push(video::Scene { id, frames, background, elements, transition });
            start += frames;
        }
        // Tracks may go on after the last scene.
        if start < total {
            scenes.push(video::Scene {
                id: "tracks".to_owned(),
                frames: total - start,
                background: ground(timeline.background.0),
                elements: Vec::new(),
                transition: None,
            });
        }
        scenes
    }

    /// What is seen of a clip; what is heard and said of it is noted. `base` is the first frame of its scene, which has `most`.
    fn element(&mut self, clip: &Clip, span: Span, base: u32, most: u32) -> Option<Element> {
        let start_frame = self.field.frames(span.start);
        let end_frame = self.field.frames(span.end).max(start_frame + 1).min(most.max(start_frame + 1));
        let frames = end_frame - start_frame;
        let (shape, frame, enter) = match &clip.asset {
            Asset::Text(words) => {
                let (frame, set) = text::set(words, clip, self.field);
                (video::Shape::Text(set), frame, words.animation.map_or(Enter::Cut, Enter::from))
            }
            Asset::Title(title) => {
                let (frame, set) = text::set(&title.as_text(self.field.px), clip, self.field);
                (video::Shape::Text(set), frame, Enter::Cut)
            }
            Asset::Image(image) => {
                let (shape, frame) = self.media(clip, &image.src, 0.0);
                (shape, frame, Enter::Cut)
            }
            Asset::Video(film) => {
                let fades = SoundEffect::fades_ms(film.volume_effect);
                self.hear(&film.src, film.trim, film.volume, fades, (base + start_frame, frames));
                let (shape, frame) = self.media(clip, &film.src, film.trim);
                (shape, frame, Enter::Cut)
            }
            Asset::Audio(audio) => {
                let fades = SoundEffect::fades_ms(audio.effect);
                self.hear(&audio.src, audio.trim, audio.volume, fades, (base + start_frame, frames));
                return None;
            }
            Asset::Caption(caption) => {
                let frames = base + start_frame..base + end_frame;
                self.cues.extend(caption::cues(caption, frames, self.field));
                return None;
            }
            Asset::Color(plain) => {
                let frame = self.frame(clip);
                (rect(frame, clip.radius * self.field.px, plain.color.0), frame, Enter::Cut)
            }
            Asset::Gradient(Gradient { colors: [from, to], angle }) => {
                let frame = self.frame(clip);
                let shape = video::Shape::Gradient {
                    at: Point { x_u: frame.left, y_u: frame.top },
                    width_u: frame.width,
                    height_u: frame.height,
                    radius_u: clip.radius * self.field.px,
                    from: from.0,
                    to: to.0,
                    angle_deg: *angle,
                };
                (shape, frame, Enter::Cut)
            }
            Asset::Shape(shape) => {
                let (shape, frame) = self.shape(shape, clip)?;
                (shape, frame, Enter::Cut)
            }
        };
        let moves_within = matches!(shape, video::Shape::Media(_));
        let motion: Motion = self.field.motion(clip, frame, frames, moves_within);
        let enter_frames = if enter == Enter::Cut { 0 } else { self.field.frames(0.6).min(frames / 2).max(1) };
        Some(Element {
            shape,
            start_frame,
            enter,
            enter_frames,
            drift: Drift::Still,
            end_frame: Some(end_frame),
            motion,
        })
    }

    /// The frame of a clip: the whole picture, unless it says its size.
    fn frame(&self, clip: &Clip) -> Frame {
        // More than this is never seen, and would have to be painted.
        let bound = |side: f32, of: f32| (side * clip.scale).min(of * 2.0);
        let width = bound(clip.width.map_or(self.field.width_u, |px| px * self.field.px), self.field.width_u);
        let height = bound(clip.height.map_or(self.field.height_u, |px| px * self.field.px), self.field.height_u);
        self.field.place(clip, width, height, 0.0)
    }

    /// A picture. One that does not fill its frame gets a frame of its own shape, so that it is placed by its own edges.
    fn media(&mut self, clip: &Clip, src: &Src, trim: f64) -> (video::Shape, Frame) {
        let mut frame = self.frame(clip);
        let mut fit = fit(clip.fit);
        let facts = self.found.get(src.as_str()).and_then(|(_, facts)| facts.picture.as_ref());
        let shape = facts.map(|facts| (facts.width_px as f32, facts.height_px as f32));
        if let Some((width, height)) = shape {
            let by = match fit {
                video::Fit::Contain => Some((frame.width / width).min(frame.height / height)),
                video::Fit::None => Some(self.field.px * clip.scale),
                _ => None,
            };
            if let Some(by) = by {
                frame = self.field.place(clip, width * by, height * by, 0.0);
                fit = video::Fit::Stretch;
            }
        }
        let media = MediaBox {
            source: self.source(src),
            at: Point { x_u: frame.left, y_u: frame.top },
            width_u: frame.width,
            height_u: frame.height,
            fit,
            radius_u: clip.radius * self.field.px,
            filter: Filter::of(clip.filter),
            from_ms: (trim * 1000.0).round() as u32,
        };
        (video::Shape::Media(media), frame)
    }

    fn shape(&self, shape: &Shape, clip: &Clip) -> Option<(video::Shape, Frame)> {
        let by = self.field.px * clip.scale;
        let color = shape.fill.map_or(Color::rgb(0xff_ffff), |fill| fill.color.faded(fill.opacity));
        let place = |width: f32, height: f32| self.field.place(clip, width * by, height * by, 0.0);
        Some(match shape.shape {
            Form::Rectangle => {
                let rectangle = shape.rectangle?;
                let frame = place(rectangle.width, rectangle.height);
                (rect(frame, rectangle.corner_radius * by, color), frame)
            }
            Form::Line => {
                let line = shape.line?;
                let frame = place(line.length, line.thickness);
                (rect(frame, line.thickness * by / 2.0, color), frame)
            }
            Form::Circle => {
                let radius = shape.circle?.radius;
                let frame = place(radius * 2.0, radius * 2.0);
                let at = Point { x_u: frame.left + radius * by, y_u: frame.top + radius * by };
                let (color, stroke_u) = match (shape.fill, shape.stroke) {
                    (None, Some(stroke)) => (stroke.color.0, Some(stroke.width * by)),
                    _ => (color, None),
                };
                let (radius_x_u, radius_y_u) = (radius * by, radius * by);
                (video::Shape::Ellipse { at, radius_x_u, radius_y_u, color, stroke_u, blur_u: 0.0 }, frame)
            }
        })
    }

    fn hear(&mut self, src: &Src, trim: f64, volume: f32, fades: (u32, u32), (start_frame, frames): (u32, u32)) {
        let has_sound = self.found.get(src.as_str()).is_some_and(|(_, facts)| facts.has_sound);
        if self.is_mute || volume <= 0.0 || !has_sound {
            return;
        }
        let source = self.source(src);
        let from_ms = (trim * 1000.0).round() as u32;
        let (fade_in_ms, fade_out_ms) = fades;
        self.clips.push(SoundClip { source, from_ms, start_frame, frames, gain: volume, fade_in_ms, fade_out_ms });
    }
}

fn rect(frame: Frame, radius_u: f32, color: Color) -> video::Shape {
    let at = Point { x_u: frame.left, y_u: frame.top };
    video::Shape::Rect { at, width_u: frame.width, height_u: frame.height, radius_u, color }
}

fn fit(fit: Fit) -> video::Fit {
    match fit {
        Fit::Crop => video::Fit::Crop,
        Fit::Cover => video::Fit::Stretch,
        Fit::Contain => video::Fit::Contain,
        Fit::ContainBlur => video::Fit::ContainBlur,
        Fit::None => video::Fit::None,
    }
}
