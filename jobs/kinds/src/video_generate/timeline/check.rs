//! What is wrong with a timeline and its schema cannot say.

use jobs_core::{Fault, fault::pointer_to};

use super::{
    Asset, Clip, Src, TimelineRequest,
    asset::{Form, Shape},
    merge::placeholder,
    timing::{MAX_SECONDS, Times},
};

/// More than UHD is refused.
const MAX_PIXELS: u32 = 3840 * 2160;
const MAX_CLIPS: usize = 500;
/// What is larger than any picture is a slip.
const MAX_SHAPE_PX: f32 = 8000.0;
const MAX_SOURCES: usize = 50;
/// A GIF is a toy: each of its pictures has a palette of its own.
const MAX_GIF_PIXELS: u32 = 960 * 960;
const MAX_GIF_SECONDS: f64 = 30.0;

/// Everything that is wrong, with pointers relative to the request.
pub(super) fn faults(request: &TimelineRequest) -> Vec<Fault> {
    let mut faults = Vec::new();
    let timeline = &request.timeline;
    let (width, height) = request.output.size_px();
    if width * height > MAX_PIXELS {
        faults.push(Fault::new("/output/size", format!("{width} x {height} is more than {MAX_PIXELS} pixels")));
    }
    let is_gif = request.output.format == super::output::Kind::Gif;
    if is_gif && width * height > MAX_GIF_PIXELS {
        faults.push(Fault::new("/output", format!("{width} x {height} is more than a GIF's {MAX_GIF_PIXELS} pixels")));
    }
    if timeline.clips().count() > MAX_CLIPS {
        faults.push(Fault::new("/timeline", format!("more than {MAX_CLIPS} clips")));
    }
    let sources = request.sources();
    if sources.len() > MAX_SOURCES {
        faults.push(Fault::new("/timeline", format!("more than {MAX_SOURCES} different sources")));
    }
    for (pointer, src) in sources {
        faults.extend(source_fault(src).map(|detail| Fault::new(pointer, detail)));
    }
    if let Some(Err(detail)) = timeline.soundtrack.as_ref().and_then(|track| track.src.mood()) {
        faults.push(Fault::new("/timeline/soundtrack/src", detail));
    }
    for (pointer, clip) in timeline.clips() {
        clip_faults(&pointer, clip, &mut faults);
    }
    match Times::of(timeline, &|_| None) {
        Ok(times) if is_gif && times.seconds > MAX_GIF_SECONDS => {
            let detail = format!("a GIF of {:.1} seconds is longer than {MAX_GIF_SECONDS}", times.seconds);
            faults.push(Fault::new("/output/format", detail));
        }
        Ok(_) => {}
        Err(wrong) => faults.extend(wrong),
    }
    if let Ok(value) = serde_json::to_value(&request.timeline) {
        unmerged(&value, "/timeline", &mut faults);
    }
    faults
}

fn source_fault(src: &Src) -> Option<&'static str> {
    let text = src.as_str();
    if let Some(data) = text.strip_prefix("data:") {
        let is_base64 = data.split_once(',').is_some_and(|(head, _)| head.ends_with(";base64"));
        return (!is_base64).then_some("a data URL must be base64: data:image/png;base64,...");
    }
    let is_web = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    (!is_web).then_some("must be an http:, https: or data: URL")
}

fn clip_faults(pointer: &str, clip: &Clip, faults: &mut Vec<Fault>) {
    if clip.asset.src().and_then(Src::mood).is_some() {
        faults.push(Fault::new(format!("{pointer}/asset/src"), "generator: makes soundtracks only"));
    }
    match &clip.asset {
        Asset::Shape(shape) => {
            if let Some(name) = missing_measures(shape) {
                faults.push(Fault::new(format!("{pointer}/asset/{name}"), "required for this shape"));
            }
            if largest_px(shape) * clip.scale > MAX_SHAPE_PX {
                faults.push(Fault::new(
                    format!("{pointer}/scale"),
                    format!("makes it larger than {MAX_SHAPE_PX} pixels"),
                ));
            }
        }
        Asset::Text(text) if text.text.trim().is_empty() => {
            faults.push(Fault::new(format!("{pointer}/asset/text"), "has nothing to read"));
        }
        Asset::Caption(caption) if !caption.text.chars().any(char::is_alphanumeric) => {
            faults.push(Fault::new(format!("{pointer}/asset/text"), "has no letter or digit"));
        }
        _ => {}
    }
    for (name, list, range) in clip.keyframes.iter().flat_map(|keyframes| keyframes.lists()) {
        let mut before = -1.0;
        for (index, key) in list.iter().enumerate() {
            let (time, value, _) = key.parts();
            let at = format!("{pointer}/keyframes/{name}/{index}");
            if time <= before {
                faults.push(Fault::new(format!("{at}/0"), "is not after the keyframe before it"));
            }
            if !range.contains(&value) {
                let detail = format!("is not within {} to {}", range.start(), range.end());
                faults.push(Fault::new(format!("{at}/1"), detail));
            }
            before = time;
        }
        if before > MAX_SECONDS {
            faults.push(Fault::new(format!("{pointer}/keyframes/{name}"), "ends after the longest film"));
        }
    }
}

/// The longer side of a shape before it is sized.
fn largest_px(shape: &Shape) -> f32 {
    match shape.shape {
        Form::Rectangle => shape.rectangle.map_or(0.0, |rectangle| rectangle.width.max(rectangle.height)),
        Form::Circle => shape.circle.map_or(0.0, |circle| circle.radius * 2.0),
        Form::Line => shape.line.map_or(0.0, |line| line.length.max(line.thickness)),
    }
}

fn missing_measures(shape: &Shape) -> Option<&'static str> {
    match shape.shape {
        Form::Rectangle => shape.rectangle.is_none().then_some("rectangle"),
        Form::Circle => shape.circle.is_none().then_some("circle"),
        Form::Line => shape.line.is_none().then_some("line"),
    }
}

/// Placeholders that nothing was put in for: a viewer would read them.
fn unmerged(value: &serde_json::Value, pointer: &str, faults: &mut Vec<Fault>) {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            if let Some((_, name, _)) = placeholder(text) {
                let detail = format!("no merge field has a value for {{{{{}}}}}", name.trim());
                faults.push(Fault::new(pointer, detail));
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| unmerged(item, &format!("{pointer}/{at}"), faults));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| unmerged(field, &pointer_to(pointer, name), faults));
        }
        _ => {}
    }
}
