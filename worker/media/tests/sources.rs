//! Files of clients: drawn, heard, and refused, by the real program.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use jobs_core::port::video::{
    Background, CaptionStyle, Color, Curve, Ease, Element, Film, Filter, Fit, Format, InspectRequest, MediaBox, Mood,
    Motion, Music, Point, Quality, RenderFault, RenderJob, RenderLine, RenderRequest, SHEET_FILE, Scene, Shape,
    SheetRequest, Sound, SoundClip, Source, SourceFacts, ThumbnailSpec, Tune, VideoSpec,
};
use tiny_skia::{Pixmap, PremultipliedColorU8};

/// What the program says last.
fn run(job: &RenderJob) -> RenderLine {
    let mut child = Command::new(env!("CARGO_BIN_EXE_longshore-media"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut line = serde_json::to_vec(job).expect("json");
    line.push(b'\n');
    stdin.write_all(&line).expect("it reads");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let last = lines.map(|line| line.expect("text")).last().expect("a last word");
    child.wait().expect("an end");
    serde_json::from_str(&last).expect("a line of the protocol")
}

fn source(path: &Path) -> Source {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    Source { path: path.to_owned(), name }
}

fn inspect(path: &Path) -> Result<SourceFacts, (RenderFault, String)> {
    let dir = path.parent().expect("a directory").to_owned();
    match run(&RenderJob::Inspect(InspectRequest { sources: vec![source(path)], dir })) {
        RenderLine::Facts(facts) => Ok(facts.into_iter().next().expect("one source")),
        RenderLine::Error(error) => Err((error.code, error.message)),
        other => panic!("{other:?}"),
    }
}

/// A picture of four colours: red, green; blue, white.
fn picture(path: &Path, width: u32, height: u32) {
    let mut pixmap = Pixmap::new(width, height).expect("a size");
    for y in 0..height {
        for x in 0..width {
            let (r, g, b) = match (x < width / 2, y < height / 2) {
                (true, true) => (255, 0, 0),
                (false, true) => (0, 255, 0),
                (true, false) => (0, 0, 255),
                (false, false) => (255, 255, 255),
            };
            pixmap.pixels_mut()[(y * width + x) as usize] =
                PremultipliedColorU8::from_rgba(r, g, b, 255).expect("a colour");
        }
    }
    pixmap.save_png(path).expect("written");
}

/// A tone, 16 bits, one channel of 44.1 kHz: neither is what a film has.
fn tone(path: &Path, seconds: u32) {
    let samples: Vec<u8> =
        (0..44_100 * seconds).flat_map(|n| (((n as f32 * 0.0627).sin() * 12_000.0) as i16).to_le_bytes()).collect();
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + samples.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(44_100u32.to_le_bytes());
    wav.extend(88_200u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((samples.len() as u32).to_le_bytes());
    wav.extend(samples);
    fs::write(path, wav).expect("written");
}

fn media(source: usize, x_u: f32, y_u: f32, width_u: f32, height_u: f32, fit: Fit) -> MediaBox {
    MediaBox { source, at: Point { x_u, y_u }, width_u, height_u, fit, radius_u: 0.0, filter: None, from_ms: 0 }
}

/// One scene of 160 x 90 on grey, 10 frames a second.
fn film(sources: Vec<Source>, elements: Vec<Element>, frames: u32) -> Film {
    let color = Color::rgb(0x80_8080);
    let spec = VideoSpec { width_px: 160, height_px: 90, fps: 10, quality: Quality::High, format: Format::Mp4 };
    let background = Background::Color { color };
    Film {
        title: String::new(),
        output: spec,
        sources,
        fonts: Vec::new(),
        scenes: vec![Scene { id: "one".to_owned(), frames, background, elements, transition: None }],
        overlays: Vec::new(),
        caption_style: CaptionStyle {
            at: Point { x_u: 960.0, y_u: 1000.0 },
            width_u: 1600.0,
            size_u: 60.0,
            weight: 600,
            color,
            highlight: color,
            highlight_box: None,
            background: color,
            radius_u: 0.0,
        },
        captions: Vec::new(),
        sound: Sound { music: None, clips: Vec::new(), loudness_lufs: -14.0 },
        thumbnail: ThumbnailSpec { frame: 0, width_px: 160 },
    }
}

/// The pictures of a film, each in its place on a sheet of one row.
struct Sheet(Pixmap);

impl Sheet {
    fn of(film: Film, dir: &Path, pictures: u32) -> Self {
        let request = SheetRequest { film, dir: dir.to_owned(), columns: pictures, pictures, width_px: 160 };
        let said = run(&RenderJob::Sheet(request));
        assert_eq!(said, RenderLine::Drawn);
        Self(Pixmap::load_png(dir.join(SHEET_FILE)).expect("a PNG"))
    }

    /// The colour of picture `index` at a pixel.
    fn at(&self, index: u32, x: u32, y: u32) -> [u8; 3] {
        let px = self.0.pixel(6 + index * 166 + x, 6 + y).expect("a pixel");
        [px.red(), px.green(), px.blue()]
    }
}

fn is_near(a: [u8; 3], b: [u8; 3]) -> bool {
    a.into_iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 12)
}

const GREY: [u8; 3] = [128, 128, 128];
const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const WHITE: [u8; 3] = [255, 255, 255];

#[test]
fn a_picture_fills_its_frame_as_its_fit_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("four.png");
    picture(&path, 400, 200);
    // Units: 1920 x 1080 on 160 x 90 pixels, twelve to a pixel. The frame is 60 x 60 pixels at 12, 12.
    let drawn = |fit| {
        let element = Element::still(Shape::Media(media(0, 144.0, 144.0, 720.0, 720.0, fit)));
        let sheet = Sheet::of(film(vec![source(&path)], vec![element], 3), dir.path(), 1);
        [(20, 14), (64, 14), (20, 70), (64, 70), (42, 14)].map(|(x, y)| sheet.at(0, x, y))
    };
    let filled = drawn(Fit::Crop);
    assert!(
        is_near(filled[0], RED) && is_near(filled[1], GREEN) && is_near(filled[2], BLUE) && is_near(filled[3], WHITE)
    );
    let stretched = drawn(Fit::Stretch);
    assert!(is_near(stretched[0], RED) && is_near(stretched[3], WHITE), "{stretched:?}");
    let whole = drawn(Fit::Contain);
    assert!(whole.iter().all(|px| is_near(*px, GREY)), "above and below it is empty: {whole:?}");
    let blurred = drawn(Fit::ContainBlur);
    assert!(blurred.iter().all(|px| !is_near(*px, GREY)), "a blurred copy is behind it: {blurred:?}");
}

#[test]
fn a_clip_comes_fades_moves_and_goes() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("four.png");
    picture(&path, 80, 80);
    let mut element = Element::still(Shape::Media(media(0, 0.0, 0.0, 480.0, 480.0, Fit::Crop)));
    element.start_frame = 10;
    element.end_frame = Some(30);
    element.motion = Motion {
        opacity: vec![Curve::between((0, 0.0), (10, 1.0), Ease::Linear)],
        x_u: vec![Curve::between((10, 0.0), (11, 960.0), Ease::Linear)],
        ..Motion::default()
    };
    // Frames 2, 7, 12, 17, 22, 27, 32, 37 of 40.
    let sheet = Sheet::of(film(vec![source(&path)], vec![element], 40), dir.path(), 8);
    assert!(is_near(sheet.at(1, 5, 5), GREY), "it has not come");
    let fading = sheet.at(2, 5, 5);
    assert!(fading[0] > 140 && fading[0] < 175 && fading[1] < 120, "{fading:?}");
    assert!(is_near(sheet.at(4, 85, 5), RED) && is_near(sheet.at(4, 5, 5), GREY), "it has moved");
    assert!(is_near(sheet.at(6, 85, 5), GREY), "it has gone");
}

#[test]
fn a_turned_and_sized_picture_turns_around_its_middle() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("four.png");
    picture(&path, 80, 80);
    let mut element = Element::still(Shape::Media(media(0, 600.0, 300.0, 480.0, 480.0, Fit::Crop)));
    element.motion =
        Motion { turn_deg: vec![Curve::constant(180.0)], scale: vec![Curve::constant(0.5)], ..Motion::default() };
    let sheet = Sheet::of(film(vec![source(&path)], vec![element], 2), dir.path(), 1);
    // Its middle is at pixel 70, 45, and it is 20 pixels large.
    assert!(is_near(sheet.at(0, 65, 40), WHITE) && is_near(sheet.at(0, 75, 50), RED));
    assert!(is_near(sheet.at(0, 57, 45), GREY) && is_near(sheet.at(0, 83, 45), GREY));
}

/// A film of red, then blue, five frames each, and a tone from its sixth frame on.
fn clip(dir: &Path, format: Format) -> RenderLine {
    let wav = dir.join("tone.wav");
    tone(&wav, 2);
    let scene = |color| Scene {
        id: "one".to_owned(),
        frames: 5,
        background: Background::Color { color: Color::rgb(color) },
        elements: Vec::new(),
        transition: None,
    };
    let mut made = film(vec![source(&wav)], Vec::new(), 1);
    made.scenes = vec![scene(0xff_0000), scene(0x00_00ff)];
    made.output.format = format;
    let heard =
        SoundClip { source: 0, from_ms: 0, start_frame: 5, frames: 5, gain: 1.0, fade_in_ms: 0, fade_out_ms: 0 };
    made.sound.clips.push(heard);
    run(&RenderJob::Render(RenderRequest { film: made, dir: dir.to_owned() }))
}

#[test]
fn a_film_within_a_film_shows_its_own_pictures_at_their_times_and_in_their_colours() {
    for format in [Format::Mp4, Format::Webm] {
        let dir = tempfile::tempdir().expect("a directory");
        let RenderLine::Done(made) = clip(dir.path(), format) else { panic!("no {format:?}") };
        assert_eq!((made.video.frames.max(10), made.video.width_px), (10, 160));
        let path = dir.path().join(format.file());
        let facts = inspect(&path).expect("facts");
        assert!(facts.has_sound && facts.picture.as_ref().is_some_and(|picture| picture.moves), "{facts:?}");
        let length = facts.duration_ms.expect("a length");
        assert!((1000..=1100).contains(&length), "{length} ms");

        // From its third frame on: two frames of red, then blue, which stays.
        let mut inner = media(0, 960.0, 0.0, 960.0, 1080.0, Fit::Stretch);
        inner.from_ms = 300;
        let element = Element::still(Shape::Media(inner));
        let sheet = Sheet::of(film(vec![source(&path)], vec![element], 12), dir.path(), 12);
        let seen = |index| sheet.at(index, 120, 45);
        assert!(is_near(seen(0), RED) && is_near(seen(1), RED), "{format:?}: {:?} {:?}", seen(0), seen(1));
        assert!(is_near(seen(2), BLUE) && is_near(seen(11), BLUE), "{format:?}: {:?} {:?}", seen(2), seen(11));
        assert!(is_near(sheet.at(3, 30, 45), GREY));
    }
}

#[test]
fn a_gif_has_no_sound_and_all_of_its_pictures() {
    let dir = tempfile::tempdir().expect("a directory");
    let RenderLine::Done(made) = clip(dir.path(), Format::Gif) else { panic!("no GIF") };
    assert_eq!((made.video.audio_codec, made.video.loudness_lufs, made.video.width_px), (None, None, 160));
    assert_eq!(&fs::read(dir.path().join("video.gif")).expect("a file")[..6], b"GIF89a");
    let facts = inspect(&dir.path().join("video.gif")).expect("facts");
    assert_eq!((facts.duration_ms, facts.has_sound), (Some(1000), false));
}

/// The samples of a film's sound, as the `ffmpeg` program decodes it; none where it is not installed.
fn decoded(path: &Path) -> Option<Vec<f32>> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0:a", "-f", "f32le", "-ac", "1", "-ar", "48000", "-"])
        .output()
        .ok()?;
    let samples = out.stdout.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    Some(samples.collect())
}

#[test]
fn a_clip_is_heard_at_its_time_and_the_film_has_its_loudness() {
    let dir = tempfile::tempdir().expect("a directory");
    let RenderLine::Done(made) = clip(dir.path(), Format::Mp4) else { panic!("no film") };
    let loudness = made.video.loudness_lufs.expect("it is heard");
    assert!((loudness + 14.0).abs() < 1.0, "{loudness}");
    let Some(samples) = decoded(&dir.path().join("video.mp4")) else { return };
    let first = samples.iter().position(|sample| sample.abs() > 0.02).expect("a tone");
    let late_ms = first as f64 / 48.0 - 500.0;
    assert!(late_ms.abs() <= 20.0, "{late_ms} ms after its picture");
}

#[test]
fn music_goes_down_under_a_voice() {
    let dir = tempfile::tempdir().expect("a directory");
    let wav = dir.path().join("tone.wav");
    tone(&wav, 1);
    let mut ducked = film(vec![source(&wav)], Vec::new(), 40);
    ducked.sound.music = Some(Music {
        tune: Tune::Made { mood: Mood::Still, seed: 1 },
        gain: 1.0,
        ducked: 0.0,
        fade_in_ms: 0,
        fade_out_ms: 0,
    });
    // Heard, but hardly: what is measured then is the music.
    ducked.sound.clips.push(SoundClip {
        source: 0,
        from_ms: 0,
        start_frame: 20,
        frames: 10,
        gain: 0.06,
        fade_in_ms: 0,
        fade_out_ms: 0,
    });
    let said = run(&RenderJob::Render(RenderRequest { film: ducked, dir: dir.path().to_owned() }));
    assert!(matches!(said, RenderLine::Done(_)), "{said:?}");
    let Some(samples) = decoded(&dir.path().join("video.mp4")) else { return };
    let loud = |from: f32, to: f32| {
        let part = &samples[(from * 48_000.0) as usize..(to * 48_000.0) as usize];
        (part.iter().map(|sample| sample * sample).sum::<f32>() / part.len() as f32).sqrt()
    };
    let (before, during) = (loud(1.0, 1.7), loud(2.3, 2.9));
    assert!(during < before * 0.5, "{before} before, {during} under the voice");
}

#[test]
fn a_filter_changes_colours() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("four.png");
    picture(&path, 80, 80);
    let mut grey = media(0, 0.0, 0.0, 1080.0, 1080.0, Fit::Crop);
    grey.filter = Some(Filter::Greyscale);
    let element = Element::still(Shape::Media(grey));
    let sheet = Sheet::of(film(vec![source(&path)], vec![element], 2), dir.path(), 1);
    let [r, g, b] = sheet.at(0, 10, 10);
    assert!(r == g && g == b && r < 80, "red is a dark grey: {r} {g} {b}");
}

/// A PNG whose head says that it is `width` x `height`, with little in it.
fn png_of(width: u32, height: u32) -> Vec<u8> {
    let crc = |data: &[u8]| {
        let step = |crc: u32, byte: &u8| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
        };
        !data.iter().fold(!0, step)
    };
    let chunk = |name: &[u8], data: &[u8]| {
        let body = [name, data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
    };
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let data = [0x78, 0x9c, 0x63, 0, 0, 0, 1, 0, 1];
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &head), chunk(b"IDAT", &data), chunk(b"IEND", b"")].concat()
}

#[test]
fn hostile_files_are_refused_by_name_and_soon_and_open_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let secret = dir.path().join("secret.wav");
    tone(&secret, 1);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("set");
    let url = format!("http://{}/x.mp4", listener.local_addr().expect("an address"));
    let playlist = |target: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n");
    let secret = secret.display();
    let svg = r#"<?xml version="1.0"?><!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg">&x;</svg>"#;
    let sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n";
    let mut hostile: Vec<(String, Vec<u8>)> = [
        ("empty.mp4", String::new()),
        ("text.png", "this is no picture".repeat(50)),
        ("list.m3u8", playlist(&url)),
        ("list.mp4", playlist(&url)),
        ("list.mkv", playlist(&format!("concat:{secret}|{secret}"))),
        ("list.mov", playlist(&format!("subfile,,start,0,end,9,,:{secret}"))),
        ("list.mp3", playlist("file:///etc/passwd")),
        ("concat.mp4", format!("ffconcat version 1.0\nfile '{secret}'\n")),
        ("concat.txt", format!("file '{secret}'\nfile '{url}'\n")),
        ("picture.svg", svg.to_owned()),
        ("picture.png", svg.to_owned()),
        ("stream.sdp", sdp.to_owned()),
        ("dash.mp4", format!("<?xml version=\"1.0\"?><MPD><BaseURL>{url}</BaseURL></MPD>")),
        ("script.avs", "Version()".to_owned()),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text.into_bytes()))
    .collect();
    hostile.push(("huge.png".to_owned(), png_of(100_000, 100_000)));
    hostile.push(("wide.png".to_owned(), png_of(1 << 30, 1)));
    hostile.push(("none.png".to_owned(), png_of(0, 0)));
    hostile
        .push(("noise.mp4".to_owned(), (0..40_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()));
    hostile.push(("zeros.mov".to_owned(), vec![0; 100_000]));
    for (name, data) in hostile {
        let path = dir.path().join(&name);
        fs::write(&path, data).expect("written");
        let since = Instant::now();
        let (fault, message) = inspect(&path).expect_err(&name);
        assert_eq!(fault, RenderFault::AssetInvalid, "{name}: {message}");
        assert!(message.starts_with(&name), "{message}");
        assert!(since.elapsed() < Duration::from_secs(10), "{name} took {:?}", since.elapsed());
    }
    assert!(listener.accept().is_err(), "somebody was called");
    for special in ["/dev/zero", "/etc", "/nonexistent"] {
        assert_eq!(inspect(Path::new(special)).expect_err(special).0, RenderFault::AssetInvalid);
    }
    let link = dir.path().join("link.wav");
    std::os::unix::fs::symlink(dir.path().join("secret.wav"), &link).expect("a link");
    assert_eq!(inspect(&link).expect_err("a link").0, RenderFault::AssetInvalid);
}

#[test]
fn a_broken_film_gives_what_it_has_or_a_failure_and_never_a_crash() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(matches!(clip(dir.path(), Format::Webm), RenderLine::Done(_)));
    let whole = fs::read(dir.path().join("video.webm")).expect("a film");
    let mut state = 7u64;
    for round in 0..12usize {
        let mut broken = whole.clone();
        for _ in 0..30 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (state >> 33) as usize % broken.len();
            broken[at] = (state >> 20) as u8;
        }
        broken.truncate(whole.len() * (12 - round) / 12);
        let path = dir.path().join(format!("broken-{round}.webm"));
        fs::write(&path, broken).expect("written");
        let element = Element::still(Shape::Media(media(0, 0.0, 0.0, 1920.0, 1080.0, Fit::Crop)));
        let request = SheetRequest {
            film: film(vec![source(&path)], vec![element], 10),
            dir: dir.path().to_owned(),
            columns: 2,
            pictures: 4,
            width_px: 160,
        };
        match run(&RenderJob::Sheet(request)) {
            RenderLine::Drawn => {}
            RenderLine::Error(error) => assert_eq!(error.code, RenderFault::AssetInvalid, "{error}"),
            other => panic!("{other:?}"),
        }
    }
}
