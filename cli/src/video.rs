//! `longshore video`: briefings and timelines, checked, previewed and rendered without a server.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jobs_core::{
    Fault,
    port::video::{
        Film, RenderProgress, RenderRequest, RenderSink, SHEET_FILE, SheetRequest, Source, SourceFacts, VideoEngine,
    },
};
use jobs_kinds::video_generate::{self, Input};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use worker::{Limits, media::MediaProcess};

/// The commands below `video`.
#[derive(Debug, Subcommand)]
pub(crate) enum Video {
    /// Say everything that is wrong with a briefing or a timeline, by JSON pointer
    Validate(Which),
    /// Draw a contact sheet, in seconds
    Preview(Preview),
    /// Render the film into a directory
    Render(Render),
}

/// Which file.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// A JSON file: the input of video.generate. Sources may be paths, from the file's own folder
    file: PathBuf,
}

/// What a contact sheet has.
#[derive(Debug, Args)]
pub(crate) struct Preview {
    #[command(flatten)]
    which: Which,
    /// Where the PNG goes
    #[arg(short, long, value_name = "PNG", default_value = "sheet.png")]
    output: PathBuf,
    /// Pictures beside each other
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=20))]
    columns: u32,
    /// Pictures in all, evenly spread
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=400))]
    pictures: u32,
    /// The width of a picture
    #[arg(long, value_name = "PIXELS", default_value_t = 360, value_parser = clap::value_parser!(u32).range(64..=1920))]
    width: u32,
}

/// Where a film goes.
#[derive(Debug, Args)]
pub(crate) struct Render {
    #[command(flatten)]
    which: Which,
    /// An existing directory; the film, its thumbnail and its captions are put there
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
}

/// Far more than a film of UHD takes: this machine is its owner's.
const LIMITS: Limits = Limits { memory_bytes: 8 << 30, disk_bytes: 16 << 30 };

impl Video {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Validate(which) => {
                let Some((input, _)) = which.read()? else { return Ok(ExitCode::FAILURE) };
                let known = if let Input::Briefing(_) = input { "briefing" } else { "timeline" };
                println!("{}: a {known} without faults", which.file.display());
            }
            Self::Preview(preview) => {
                let Some((input, files)) = preview.which.read()? else { return Ok(ExitCode::FAILURE) };
                let engine = MediaProcess::find(None, LIMITS)?;
                let scratch = tempfile::tempdir()?;
                let Some(film) = film(&input, files, &engine, scratch.path()).await? else {
                    return Ok(ExitCode::FAILURE);
                };
                let request = SheetRequest {
                    film,
                    dir: scratch.path().to_owned(),
                    columns: preview.columns,
                    pictures: preview.pictures,
                    width_px: preview.width,
                };
                engine.sheet(request, &Terminal, CancellationToken::new()).await?;
                let put = fs::copy(scratch.path().join(SHEET_FILE), &preview.output);
                put.with_context(|| format!("write {}", preview.output.display()))?;
                println!("{}", preview.output.display());
            }
            Self::Render(render) => {
                let Some((input, files)) = render.which.read()? else { return Ok(ExitCode::FAILURE) };
                let engine = MediaProcess::find(None, LIMITS)?;
                let dir = std::path::absolute(&render.output)?;
                fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
                let Some(film) = film(&input, files, &engine, &dir).await? else { return Ok(ExitCode::FAILURE) };
                let file = dir.join(film.output.format.file());
                let request = RenderRequest { film, dir };
                let rendered = engine.render(request, &Terminal, CancellationToken::new()).await?;
                for warning in &rendered.warnings {
                    eprintln!("warning: {warning}");
                }
                let (video, stats) = (&rendered.video, &rendered.stats);
                let loudness = video.loudness_lufs.map_or("silent".to_owned(), |lufs| format!("{lufs:.1} LUFS"));
                println!(
                    "{}: {} x {}, {} frames at {}, {loudness}, {} bytes; {:.1} s, {:.1} CPU s, {:.0} frames/s, {} MB",
                    file.display(),
                    video.width_px,
                    video.height_px,
                    video.frames,
                    video.fps,
                    video.size_bytes,
                    stats.wall_ms as f64 / 1000.0,
                    stats.cpu_ms as f64 / 1000.0,
                    stats.render_fps,
                    stats.peak_rss_bytes.unwrap_or_default() >> 20,
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Local files, by how the input calls them.
type Files = BTreeMap<String, PathBuf>;

impl Which {
    /// The input and its local files; none when there are faults, which were told.
    fn read(&self) -> anyhow::Result<Option<(Input, Files)>> {
        let name = self.file.display();
        let text = fs::read_to_string(&self.file).with_context(|| format!("read {name}"))?;
        let value: Value = serde_json::from_str(&text).with_context(|| format!("{name} is not JSON"))?;
        let input = match video_generate::parse(value) {
            Ok(input) => input,
            Err(faults) => {
                tell(&faults);
                return Ok(None);
            }
        };
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let mut files = Files::new();
        let mut pointers = Vec::new();
        let mut faults = Vec::new();
        for (pointer, src) in video_generate::sources(&input).into_iter().filter(|(_, src)| !src.contains(':')) {
            let path = folder.join(&src);
            pointers.push(pointer.clone());
            if path.is_file() {
                files.insert(src, std::path::absolute(path)?);
            } else {
                faults.push(Fault::new(pointer, format!("there is no file {}", path.display())));
            }
        }
        // A path is no source for a server, and one here.
        faults.extend(input.faults().into_iter().filter(|fault| !pointers.contains(&fault.pointer)));
        if !faults.is_empty() {
            tell(&faults);
            return Ok(None);
        }
        Ok(Some((input, files)))
    }
}

/// The film of an input; none when it has faults that only its files show, which were told.
async fn film(input: &Input, files: Files, engine: &MediaProcess, dir: &Path) -> anyhow::Result<Option<Film>> {
    let mut sources = Vec::new();
    let mut fonts = BTreeMap::new();
    for (pointer, src) in video_generate::sources(input) {
        let Some(path) = files.get(&src) else {
            bail!("{pointer}: {src} is fetched by workers only: use a local file")
        };
        let source = Source { path: path.clone(), name: format!("{pointer} ({src})") };
        if pointer.starts_with("/timeline/fonts/") {
            fonts.insert(src, (source, SourceFacts::default()));
        } else {
            sources.push((src, source));
        }
    }
    let asked: Vec<Source> = sources.iter().map(|(_, source)| source.clone()).collect();
    let facts = if asked.is_empty() {
        Vec::new()
    } else {
        engine.inspect(asked, dir.to_owned(), CancellationToken::new()).await?
    };
    let mut found = fonts;
    found.extend(sources.into_iter().zip(facts).map(|((src, source), facts)| (src, (source, facts))));
    match video_generate::film(input, &found) {
        Ok(film) => Ok(Some(film)),
        Err(faults) => {
            tell(&faults);
            Ok(None)
        }
    }
}

fn tell(faults: &[Fault]) {
    for fault in faults {
        let pointer = if fault.pointer.is_empty() { "(the whole file)" } else { &fault.pointer };
        eprintln!("{pointer}: {}", fault.detail);
    }
}

/// Shows progress where somebody looks, and warnings.
struct Terminal;

impl RenderSink for Terminal {
    fn progress(&self, progress: RenderProgress) {
        let mut out = io::stderr();
        if out.is_terminal() {
            let left = progress.remaining_ms.map_or(String::new(), |ms| format!(", {} s left", ms.div_ceil(1000)));
            // Nobody needs to know that nobody looks any more.
            let _ = write!(out, "\r\x1b[K{:3.0} % {}{left}\r", progress.percent, progress.message);
        }
    }

    fn log(&self, level: &str, message: &str) {
        if level == "warn" || level == "error" {
            eprintln!("{level}: {message}");
        }
    }
}
