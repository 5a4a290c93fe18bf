//! Whole films, made by the real program and read back with FFmpeg's libraries.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use ffmpeg_next::{format, media};
use jobs_core::port::video::{
    Align, Background, CAPTIONS_FILE, CaptionStyle, Color, Cue, Drift, Element, Enter, Family, Film, Format, Mood,
    Music, Point, Quality, RenderFault, RenderJob, RenderLine, RenderRequest, Scene, Shape, Sound, THUMBNAIL_FILE,
    TextBox, ThumbnailSpec, Transition, TransitionKind, Tune, Valign, VideoSpec, Word,
};

const VIDEO_FILE: &str = "video.mp4";

const WHITE: Color = Color::rgb(0xff_ffff);

fn at(x_u: f32, y_u: f32) -> Point {
    Point { x_u, y_u }
}

/// Two scenes with one of everything.
fn film(frames: u32) -> Film {
    let text = TextBox {
        text: "Two scenes with one of everything".to_owned(),
        at: at(960.0, 400.0),
        width_u: 1200.0,
        size_u: 140.0,
        max_lines: 2,
        family: Family::Display,
        weight: 800,
        color: WHITE,
        align: Align::Center,
        valign: Valign::Middle,
        line_height: 1.1,
        tracking: 0.0,
        shadow: 0.4,
        typeface: None,
        plate: None,
        outline: None,
    };
    let disc = |blur_u, stroke_u| Shape::Ellipse {
        at: at(300.0, 300.0),
        radius_x_u: 90.0,
        radius_y_u: 60.0,
        color: Color::rgb(0xff_8800).alpha(200),
        stroke_u,
        blur_u,
    };
    let elements = [
        (disc(0.0, None), Enter::Pop, Drift::Bounce { height_u: 80.0, period_ms: 700, phase: 0.0 }),
        (disc(40.0, None), Enter::Fade, Drift::Float { x_u: 30.0, y_u: 30.0, period_ms: 900, phase: 0.5 }),
        (disc(0.0, Some(6.0)), Enter::FromLeft, Drift::Linear { x_u_per_s: 40.0, y_u_per_s: -10.0 }),
        (
            Shape::Polygon { points: vec![at(1500.0, 0.0), at(1920.0, 0.0), at(1700.0, 1080.0)], color: WHITE },
            Enter::FromRight,
            Drift::Still,
        ),
        (
            Shape::Rect { at: at(100.0, 700.0), width_u: 400.0, height_u: 40.0, radius_u: 20.0, color: WHITE },
            Enter::GrowRight,
            Drift::Still,
        ),
        (Shape::Text(text.clone()), Enter::Rise, Drift::Still),
        (Shape::Text(text), Enter::FadeUp, Drift::Linear { x_u_per_s: 0.0, y_u_per_s: -3.0 }),
    ];
    let elements: Vec<Element> = elements
        .into_iter()
        .map(|(shape, enter, drift)| Element::still(shape).enters(enter, 2, 10).drifts(drift))
        .collect();
    let progress = Shape::Progress {
        at: at(0.0, 1070.0),
        width_u: 1920.0,
        height_u: 10.0,
        color: WHITE,
        track: Color::rgb(0).alpha(90),
    };
    let scene = |id: &str, frames, background, transition| Scene {
        id: id.to_owned(),
        frames,
        background,
        elements: elements.clone(),
        transition,
    };
    let linear = Background::Linear { from: Color::rgb(0x10_2040), to: Color::rgb(0x40_2010), angle_deg: 30.0 };
    let radial = Background::Radial {
        center: Color::rgb(0x30_3060),
        edge: Color::rgb(0),
        at: at(960.0, 540.0),
        radius_u: 900.0,
    };
    let word = |text: &str, start_frame| Word { text: text.to_owned(), start_frame };
    let change = Transition { kind: TransitionKind::Wipe, frames: 8 };
    Film {
        title: "A test".to_owned(),
        output: VideoSpec { width_px: 320, height_px: 180, fps: 25, quality: Quality::Draft, format: Format::Mp4 },
        scenes: vec![scene("one", frames / 2, linear, None), scene("two", frames - frames / 2, radial, Some(change))],
        overlays: vec![Element::still(progress)],
        caption_style: CaptionStyle {
            at: at(960.0, 1000.0),
            width_u: 1600.0,
            size_u: 60.0,
            weight: 600,
            color: WHITE,
            highlight: Color::rgb(0xff_d000),
            highlight_box: Some(Color::rgb(0x20_20ff)),
            background: Color::rgb(0).alpha(180),
            radius_u: 20.0,
        },
        captions: vec![Cue {
            start_frame: 5,
            end_frame: 40,
            lines: vec![vec![word("Said ", 5), word("word ", 15)], vec![word("by ", 22), word("word.", 30)]],
        }],
        sound: Sound {
            music: Some(Music {
                tune: Tune::Made { mood: Mood::Warm, seed: 3 },
                gain: 1.0,
                ducked: 1.0,
                fade_in_ms: 100,
                fade_out_ms: 300,
            }),
            clips: Vec::new(),
            loudness_lufs: -14.0,
        },
        sources: Vec::new(),
        fonts: Vec::new(),
        thumbnail: ThumbnailSpec { frame: 20, width_px: 160 },
    }
}

/// The program at work, and its standard input, which must stay open.
fn start(film: Film, dir: &Path) -> (Child, ChildStdin) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_longshore-media"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let request = RenderJob::Render(RenderRequest { film, dir: dir.to_owned() });
    let mut line = serde_json::to_vec(&request).expect("json");
    line.push(b'\n');
    stdin.write_all(&line).expect("it reads");
    (child, stdin)
}

fn lines(child: &mut Child) -> impl Iterator<Item = RenderLine> + use<> {
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    lines.map(|line| serde_json::from_str(&line.expect("text")).expect("a line of the protocol"))
}

fn boxes(path: &Path) -> Vec<String> {
    let data = fs::read(path).expect("the file");
    let mut boxes = Vec::new();
    let mut at = 0;
    while at + 8 <= data.len() {
        let size = u32::from_be_bytes(data[at..at + 4].try_into().expect("four bytes")) as usize;
        boxes.push(String::from_utf8_lossy(&data[at + 4..at + 8]).into_owned());
        at += size.max(8);
    }
    boxes
}

#[test]
fn a_film_has_the_asked_size_rate_length_and_codecs() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut child, _stdin) = start(film(63), dir.path());
    let told: Vec<RenderLine> = lines(&mut child).collect();
    assert!(child.wait().expect("an end").success());
    let Some(RenderLine::Done(rendered)) = told.last() else { panic!("{told:?}") };
    let percents: Vec<f32> = told
        .iter()
        .filter_map(|line| if let RenderLine::Progress(p) = line { Some(p.percent) } else { None })
        .collect();
    assert!(percents.len() >= 4 && percents.is_sorted(), "{percents:?}");

    let path = dir.path().join(VIDEO_FILE);
    let input = format::input(&path).expect("a film");
    let video = input.streams().best(media::Type::Video).expect("pictures");
    let audio = input.streams().best(media::Type::Audio).expect("sound");
    assert_eq!((video.parameters().id().name(), audio.parameters().id().name()), ("h264", "aac"));
    assert_eq!((video.frames(), f64::from(video.avg_frame_rate())), (63, 25.0));
    assert!((input.duration() - 2_520_000).abs() < 50_000, "{} us", input.duration());
    let order = boxes(&path);
    let place = |name: &str| order.iter().position(|found| found == name);
    assert!(place("moov") < place("mdat"), "{order:?}");

    let facts = &rendered.video;
    assert_eq!((facts.width_px, facts.height_px, facts.frames, facts.fps), (320, 180, 63, 25.0));
    assert!((facts.loudness_lufs.expect("sound") + 14.0).abs() < 0.5, "{:?}", facts.loudness_lufs);
    assert_eq!((rendered.thumbnail.width_px, rendered.thumbnail.height_px), (160, 90));
    assert_eq!(&fs::read(dir.path().join(THUMBNAIL_FILE)).expect("a thumbnail")[..3], [0xff, 0xd8, 0xff]);
    let captions = fs::read_to_string(dir.path().join(CAPTIONS_FILE)).expect("captions");
    assert_eq!(captions, "1\n00:00:00,200 --> 00:00:01,600\nSaid word\nby word.\n\n");
    assert_eq!(rendered.warnings, Vec::<String>::new());
}

#[test]
fn the_same_timeline_gives_the_same_bytes() {
    let films: Vec<Vec<u8>> = (0..2)
        .map(|_| {
            let dir = tempfile::tempdir().expect("a directory");
            let (mut child, _stdin) = start(film(30), dir.path());
            assert!(matches!(lines(&mut child).last(), Some(RenderLine::Done(_))));
            child.wait().expect("an end");
            fs::read(dir.path().join(VIDEO_FILE)).expect("a film")
        })
        .collect();
    assert!(films[0] == films[1]);
}

/// A film that takes long, and a program that is in the middle of it.
fn in_the_middle(dir: &Path) -> (Child, ChildStdin, impl Iterator<Item = RenderLine> + use<>) {
    let mut long = film(25 * 500);
    long.output = VideoSpec { width_px: 1280, height_px: 720, ..long.output };
    let (mut child, stdin) = start(long, dir);
    let mut lines = lines(&mut child);
    let drawing = |line: &RenderLine| matches!(line, RenderLine::Progress(progress) if progress.frame > 0);
    assert!(lines.any(|line| drawing(&line)), "it never drew a frame");
    (child, stdin, lines)
}

#[test]
fn sigterm_ends_a_render_within_two_seconds_and_removes_its_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut child, _stdin, mut lines) = in_the_middle(dir.path());
    assert!(dir.path().join(VIDEO_FILE).exists());
    let since = Instant::now();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
    let last = lines.by_ref().last();
    child.wait().expect("an end");
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    assert!(matches!(last, Some(RenderLine::Error(error)) if error.is_cancelled()));
    assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 0);
}

#[test]
fn a_render_ends_with_its_parent() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut child, stdin, lines) = in_the_middle(dir.path());
    let since = Instant::now();
    drop(stdin);
    lines.for_each(drop);
    child.wait().expect("an end");
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert!(!dir.path().join(VIDEO_FILE).exists());
}

#[test]
fn what_cannot_be_drawn_is_refused_for_good() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut odd = film(30);
    odd.output.width_px = 321;
    let mut endless = film(30);
    endless.scenes[0].frames = u32::MAX;
    for refused in [odd, endless] {
        let (mut child, _stdin) = start(refused, dir.path());
        let Some(RenderLine::Error(error)) = lines(&mut child).last() else { panic!("it was drawn") };
        assert_eq!((error.code, error.retryable), (RenderFault::TimelineInvalid, false));
        child.wait().expect("an end");
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error_and_not_a_crash() {
    let (mut child, _stdin) = start(film(30), Path::new("/nonexistent/directory"));
    let last = lines(&mut child).last();
    assert!(matches!(last, Some(RenderLine::Error(error)) if error.retryable));
    child.wait().expect("an end");
}
