//! From a briefing to a film: pure, and the same every time.

use jobs_core::port::video::{
    Cue, Film, Format, Mood, Music, Scene, Sound, ThumbnailSpec, Transition, TransitionKind, Tune, VideoSpec,
};

use super::{
    Briefing, Tone,
    cue::{self, Limits},
    look::{self, Place, Shot, Sight},
    pace,
    prose::{self, Passage, width},
};

/// A film, and what the briefing asked for and does not get.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The film.
    pub film: Film,
    /// For the person who asked.
    pub warnings: Vec<String>,
}

/// A scene is about this long.
const SCENE_SECONDS: f64 = 5.5;
/// With scenes longer than this the film would stand still: then the points are shown once more.
const LONGEST_SCENE_SECONDS: f64 = 9.0;
const MAX_SCENES: usize = 60;
const LOUDNESS_LUFS: f32 = -14.0;
const THUMBNAIL_WIDTH_PX: u32 = 640;

/// The film that `briefing` describes.
pub fn expand(briefing: &Briefing) -> Plan {
    let output = briefing.output;
    let spec = VideoSpec {
        width_px: output.width,
        height_px: output.height,
        fps: output.fps,
        quality: output.quality.into(),
        format: Format::Mp4,
    };
    let fps = f64::from(output.fps);
    let seed = briefing.seed();
    let total = (briefing.duration * fps).round() as u32;
    let (opening_s, closing_s) = pace::ends(briefing.duration);
    let (opening, closing) = ((opening_s * fps).round() as u32, (closing_s * fps).round() as u32);
    let body = total - opening - closing;
    let mut warnings = Vec::new();
    let said = choose(prose::passages(briefing.narration()), f64::from(body) / fps, briefing.tone, &mut warnings);
    let points = points(&said, f64::from(body) / fps);
    let weights: Vec<f64> = points.iter().map(|point| point.weight).collect();
    let lengths = pace::split(body, &weights);

    let place = Place::new(output.width, output.height);
    let title = briefing.title.split_whitespace().collect::<Vec<_>>().join(" ");
    let numbered = points.iter().filter(|point| !point.again).count();
    let limits = Limits::of(output.width, output.height);
    let mut scenes: Vec<Scene> = Vec::with_capacity(points.len() + 2);
    let mut captions: Vec<Cue> = Vec::new();
    let mut start = 0;
    let ends = [Sight::Opening, Sight::Closing];
    let sights = std::iter::once((ends[0], opening, None))
        .chain(points.iter().zip(&lengths).map(|(point, frames)| (point.sight(numbered), *frames, Some(point))))
        .chain(std::iter::once((ends[1], closing, None)));
    for (index, (sight, frames, point)) in sights.enumerate() {
        let transition = transition(briefing.tone, index, frames, fps);
        let shot = Shot {
            place,
            sight,
            headline: point.map_or(title.as_str(), |point| point.headline.as_str()),
            title: &title,
            frames,
            fps: output.fps,
            // Nothing comes in before the picture has.
            delay: transition.map_or(0, |transition| transition.frames * 3 / 5),
            index,
            seed,
        };
        let (background, elements) = look::dress(briefing.style, &shot);
        let id = format!("scene-{}", index + 1);
        scenes.push(Scene { id, frames, background, elements, transition });
        if let Some(point) = point.filter(|point| !point.again) {
            let quiet = shot.delay.min(frames / 4);
            captions.extend(cue::cues(&point.text, start + quiet..start + frames, limits));
        }
        start += frames;
    }
    let film = Film {
        title,
        output: spec,
        scenes,
        overlays: look::overlays(briefing.style, place, seed),
        caption_style: look::captions(briefing.style, place, seed),
        captions,
        sound: Sound {
            music: Some(Music {
                tune: Tune::Made { mood: mood(briefing.tone), seed },
                gain: 1.0,
                ducked: 1.0,
                fade_in_ms: 300,
                fade_out_ms: (closing_s * 800.0) as u32,
            }),
            clips: Vec::new(),
            loudness_lufs: LOUDNESS_LUFS,
        },
        sources: Vec::new(),
        fonts: Vec::new(),
        // When the opening title stands.
        thumbnail: ThumbnailSpec { frame: opening * 7 / 10, width_px: THUMBNAIL_WIDTH_PX },
    };
    Plan { film, warnings }
}

/// What there is time to read: paragraphs' first sentences first, then the others in order.
fn choose(all: Vec<Passage>, seconds: f64, tone: Tone, warnings: &mut Vec<String>) -> Vec<String> {
    let room = (seconds * pace::letters_per_second(tone)) as usize;
    let mut chosen = vec![false; all.len()];
    let mut used = 0;
    for opening in [true, false] {
        for (index, passage) in all.iter().enumerate().filter(|(_, passage)| passage.opens == opening) {
            let size = width(&passage.text);
            if used == 0 || used + size <= room {
                used += size;
                chosen[index] = true;
            } else if !opening {
                // What follows would be out of its context.
                break;
            }
        }
    }
    let count = chosen.iter().filter(|chosen| **chosen).count();
    if count < all.len() {
        let left = all.len() - count;
        warnings
            .push(format!("{seconds:.0} seconds are too short for all sentences: {left} of {} left out", all.len()));
    }
    all.into_iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(passage, _)| passage.text).collect()
}

/// What one scene shows.
struct Point {
    headline: String,
    /// What is said.
    text: String,
    weight: f64,
    number: usize,
    /// Whether it was shown before, and is shown without captions now.
    again: bool,
}

impl Point {
    fn sight(&self, count: usize) -> Sight {
        if self.again { Sight::Again } else { Sight::Point { number: self.number, count } }
    }
}

/// Neighbouring passages together, until a scene is about as long as one should be.
fn points(said: &[String], seconds: f64) -> Vec<Point> {
    let wanted = ((seconds / SCENE_SECONDS).round() as usize).clamp(1, MAX_SCENES);
    let mut groups: Vec<Vec<&str>> = said.iter().map(|text| vec![text.as_str()]).collect();
    let size = |group: &[&str]| group.iter().map(|text| width(text)).sum::<usize>();
    while groups.len() > wanted {
        let shortest = (0..groups.len() - 1).min_by_key(|at| size(&groups[*at]) + size(&groups[at + 1]));
        let Some(at) = shortest else { break };
        let next = groups.remove(at + 1);
        groups[at].extend(next);
    }
    let mut points: Vec<Point> = Vec::with_capacity(groups.len());
    for (index, group) in groups.iter().enumerate() {
        points.push(Point {
            headline: prose::headline(group[0]),
            text: group.join(" "),
            // A headline needs its time, however little is said.
            weight: size(group).max(28) as f64,
            number: index + 1,
            again: false,
        });
    }
    let shown = points.len();
    let mean = points.iter().map(|point| point.weight).sum::<f64>() / shown.max(1) as f64;
    if shown > 0 && seconds / shown as f64 > LONGEST_SCENE_SECONDS {
        for extra in 0..wanted.saturating_sub(shown) {
            let headline = points[extra % shown].headline.clone();
            points.push(Point { headline, text: String::new(), weight: mean, number: 0, again: true });
        }
    }
    points
}

fn transition(tone: Tone, index: usize, frames: u32, fps: f64) -> Option<Transition> {
    use TransitionKind::{Circle, Crossfade, SlideLeft, SlideUp, ThroughBlack, Wipe};
    let (kinds, seconds): (&[TransitionKind], f64) = match tone {
        Tone::Professional => (&[Wipe, Crossfade], 0.6),
        Tone::Friendly => (&[SlideLeft, Circle, SlideLeft], 0.65),
        Tone::Energetic => (&[SlideUp, Wipe, SlideLeft], 0.42),
        Tone::Calm => (&[Crossfade], 1.0),
        Tone::Dramatic => (&[ThroughBlack, Crossfade], 0.9),
    };
    let frames = ((seconds * fps).round() as u32).min(frames / 3);
    let before = index.checked_sub(1)?;
    (frames > 0).then(|| Transition { kind: kinds[before % kinds.len()], frames })
}

fn mood(tone: Tone) -> Mood {
    match tone {
        Tone::Professional => Mood::Confident,
        Tone::Friendly => Mood::Warm,
        Tone::Energetic => Mood::Driving,
        Tone::Calm => Mood::Still,
        Tone::Dramatic => Mood::Tense,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video_generate::{OutputOptions, Style};

    const TEXT: &str = include_str!("testdata/prose.txt");

    /// Briefings of every style and tone, several lengths, shapes and amounts of text.
    fn briefings() -> Vec<Briefing> {
        let texts = ["Ten letters", "One point. Another one, said at more length than the first!", TEXT];
        let wide = "猫が好きです。".repeat(60);
        let texts = texts.into_iter().chain([wide.as_str()]);
        let mut all = Vec::new();
        for (count, text) in texts.enumerate() {
            for style in Style::ALL {
                for (index, tone) in Tone::ALL.into_iter().enumerate() {
                    let (width, height) = [(1920, 1080), (1080, 1920), (1080, 1080), (640, 360)][(index + count) % 4];
                    let duration = [15.0, 31.7, 60.0, 180.0, 22.25][index];
                    let output =
                        OutputOptions { width, height, fps: [24, 25, 30, 60][index % 4], ..Default::default() };
                    all.push(Briefing {
                        description: text.to_owned(),
                        duration,
                        style,
                        tone,
                        output,
                        ..Briefing::example()
                    });
                }
            }
        }
        all
    }

    #[test]
    fn frames_add_up_to_the_asked_length() {
        for briefing in briefings() {
            let film = expand(&briefing).film;
            let asked = (briefing.duration * f64::from(briefing.output.fps)).round() as u32;
            assert_eq!(film.frames(), asked);
            assert!(film.scenes.iter().all(|scene| scene.frames > 0));
            assert!(film.thumbnail.frame < asked);
        }
    }

    #[test]
    fn captions_are_in_order_short_and_within_the_film() {
        for briefing in briefings() {
            let film = expand(&briefing).film;
            let line = Limits::of(briefing.output.width, briefing.output.height).line;
            assert!(!film.captions.is_empty());
            assert!(film.captions.windows(2).all(|pair| pair[0].end_frame <= pair[1].start_frame));
            assert!(film.captions.iter().all(|cue| cue.end_frame <= film.frames()));
            for cue in &film.captions {
                assert!(
                    cue.lines.len() <= 2 && cue.text().lines().all(|shown| width(shown) <= line),
                    "{:?}",
                    cue.text()
                );
            }
        }
    }

    #[test]
    fn transitions_are_shorter_than_their_scenes() {
        for briefing in briefings() {
            for scene in expand(&briefing).film.scenes {
                assert!(scene.transition.is_none_or(|transition| transition.frames * 2 < scene.frames));
            }
        }
    }

    #[test]
    fn the_same_briefing_gives_the_same_film() {
        for briefing in briefings() {
            assert_eq!(expand(&briefing), expand(&briefing));
        }
        let mut other = Briefing::example();
        other.seed = Some(1);
        let one = expand(&other);
        other.seed = Some(2);
        assert_ne!(one, expand(&other));
    }

    #[test]
    fn every_style_has_a_look_of_its_own() {
        let looks: Vec<_> =
            Style::ALL.into_iter().map(|style| expand(&Briefing { style, ..Briefing::example() }).film).collect();
        for (index, one) in looks.iter().enumerate() {
            assert!(looks[..index].iter().all(|other| other.caption_style != one.caption_style));
            assert!(looks[..index].iter().all(|other| other.scenes[1].background != one.scenes[1].background));
        }
    }

    #[test]
    fn a_long_text_is_cut_at_sentences_and_said_so() {
        let briefing = Briefing { description: TEXT.repeat(4), duration: 20.0, ..Briefing::example() };
        let plan = expand(&briefing);
        assert_eq!(plan.warnings.len(), 1);
        assert!(expand(&Briefing::example()).warnings.is_empty());
    }

    #[test]
    fn a_short_text_in_a_long_film_still_changes_its_picture() {
        let briefing = Briefing { description: "Just ten letters.".to_owned(), duration: 180.0, ..Briefing::example() };
        let film = expand(&briefing).film;
        let longest = film.scenes.iter().map(|scene| scene.frames).max().unwrap_or_default();
        assert!(f64::from(longest) / 30.0 <= LONGEST_SCENE_SECONDS, "{longest} frames");
    }

    #[test]
    fn a_timeline_reads_back_as_it_is_written() {
        let film = expand(&Briefing::example()).film;
        let json = serde_json::to_string(&film).expect("json");
        assert_eq!(serde_json::from_str::<Film>(&json).expect("a film"), film);
    }
}
