//! Timelines as clients write them: what is taken, what is refused and where, and what becomes of it.

use jobs_core::{
    Fault,
    port::video::{PictureFacts, Shape, Source, SourceFacts},
    schema::Schema,
};
use serde_json::{Value, json};

use super::{Found, TimelineRequest, compile};
use crate::video_generate::{Input, input};

/// A film as readers of Shotstack's documentation write it.
fn shotstack() -> Value {
    json!({
        "timeline": {
            "soundtrack": { "src": "https://media.example.com/music/disco.mp3", "effect": "fadeInFadeOut" },
            "background": "#000000",
            "tracks": [
                { "clips": [
                    { "asset": { "type": "title", "text": "HELLO {{ NAME }}", "style": "minimal", "size": "x-large" },
                      "start": 1, "length": 4, "transition": { "in": "fade", "out": "slideLeftFast" }, "position": "bottomLeft" },
                    { "asset": { "type": "text", "text": "below", "font": { "family": "Inter", "size": 40, "color": "#fff",
                        "weight": 600, "lineHeight": 1.2 }, "background": { "color": "#000000", "padding": 12, "borderRadius": 6 },
                        "alignment": { "horizontal": "left", "vertical": "bottom" }, "width": 400, "height": 90 },
                      "start": "auto", "length": "end", "offset": { "x": -0.1, "y": 0.2 } }
                ] },
                { "clips": [
                    { "asset": { "type": "image", "src": "https://media.example.com/a.jpg" }, "start": 0, "length": 5,
                      "effect": "zoomInSlow", "filter": "greyscale" },
                    { "asset": { "type": "video", "src": "https://media.example.com/b.mp4", "trim": 2, "volume": 0.5 },
                      "start": "auto", "length": "auto", "fit": "crop", "scale": 0.4, "position": "topRight",
                      "transform": { "rotate": { "angle": 12 } }, "opacity": 0.9 }
                ] }
            ]
        },
        "output": { "format": "mp4", "resolution": "sd", "aspectRatio": "9:16", "fps": 25 },
        "merge": [{ "find": "NAME", "replace": "WORLD" }]
    })
}

fn faults(mut value: Value) -> Vec<Fault> {
    input::tidy(&mut value);
    let faults = Schema::of::<Input>().check(&value);
    if !faults.is_empty() {
        return faults;
    }
    serde_json::from_value::<Input>(value).expect("an input").faults()
}

fn pointers(value: Value) -> Vec<String> {
    faults(value).into_iter().map(|fault| fault.pointer).collect()
}

fn request(mut value: Value) -> TimelineRequest {
    input::tidy(&mut value);
    assert_eq!(Schema::of::<Input>().check(&value), []);
    serde_json::from_value(value).expect("a request")
}

/// All sources of a request: pictures of 1600 x 900, films of twelve seconds.
fn found(request: &TimelineRequest) -> Found {
    let facts = |url: &str| SourceFacts {
        duration_ms: url.ends_with(".mp4").then_some(12_000),
        picture: Some(PictureFacts { width_px: 1600, height_px: 900, moves: url.ends_with(".mp4") }),
        has_sound: url.ends_with(".mp4"),
    };
    let source = |url: &str| Source { path: url.rsplit('/').next().unwrap_or_default().into(), name: url.to_owned() };
    let urls = request.sources().into_iter().map(|(_, src)| src.as_str().to_owned());
    urls.map(|url| (url.clone(), (source(&url), facts(&url)))).collect()
}

#[test]
fn a_timeline_of_shotstack_is_taken_as_it_is() {
    assert_eq!(faults(shotstack()), []);
    let request = request(shotstack());
    assert_eq!(request.seconds(), None, "nobody has looked at the video yet");
    let film = compile(&request, &found(&request)).expect("a film");
    // The image is seen for 5 seconds, then the video for 12 - 2.
    assert_eq!((film.frames(), film.output.width_px, film.output.height_px), (15 * 25, 576, 1024));
    let kinds: Vec<&str> = film
        .overlays
        .iter()
        .map(|element| match element.shape {
            Shape::Media(_) => "media",
            Shape::Text(_) => "text",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["media", "media", "text", "text"], "the first track lies on top");
    let spans: Vec<_> = film.overlays.iter().map(|element| (element.start_frame, element.end_frame)).collect();
    assert_eq!(spans, [(0, Some(125)), (125, Some(375)), (25, Some(125)), (125, Some(375))]);
    let Shape::Text(title) = &film.overlays[2].shape else { panic!("no text") };
    assert_eq!(title.text, "HELLO WORLD");
    assert_eq!((film.sound.clips.len(), film.sound.clips[0].from_ms, film.sound.clips[0].start_frame), (1, 2000, 125));
}

#[test]
fn an_input_reads_back_as_it_is_written() {
    let request = request(shotstack());
    let again = serde_json::to_value(Input::Timeline(Box::new(request.clone()))).expect("json");
    assert_eq!(Schema::of::<Input>().check(&again), []);
    assert_eq!(serde_json::from_value::<TimelineRequest>(again).expect("a request"), request);
}

#[test]
fn every_fault_is_named_by_its_pointer() {
    let clip = |asset: Value| json!({ "timeline": { "tracks": [{ "clips": [{ "asset": asset, "length": 2 }] }] } });
    let at = "/timeline/tracks/0/clips/0";
    for (asset, pointer) in [
        (json!({ "type": "html", "html": "<p>" }), "/asset/type"),
        (json!({ "type": "text" }), "/asset/text"),
        (json!({ "type": "text", "text": "x", "colour": "#fff" }), "/asset/colour"),
        (json!({ "type": "text", "text": "x", "font": { "color": "red" } }), "/asset/font/color"),
        (json!({ "type": "image", "src": "file:///etc/passwd" }), "/asset/src"),
        (json!({ "type": "image", "src": "data:image/png,raw" }), "/asset/src"),
        (json!({ "type": "shape", "shape": "circle" }), "/asset/circle"),
        (json!({ "type": "caption", "text": "…" }), "/asset/text"),
        (json!({ "type": "text", "text": "Dear {{NAME}}" }), "/asset/text"),
    ] {
        assert_eq!(pointers(clip(asset.clone())), [format!("{at}{pointer}")], "{asset}");
    }
    for (change, pointer) in [
        (json!({ "start": "soon" }), "/start"),
        (json!({ "start": -1 }), "/start"),
        (json!({ "length": 0 }), "/length"),
        (json!({ "opacity": 2 }), "/opacity"),
        (json!({ "transition": { "in": "explode" } }), "/transition/in"),
        (json!({ "keyframes": { "x": [[0, 0], [1, 0.5, "ease_sideways"]] } }), "/keyframes/x/1/2"),
        (json!({ "keyframes": { "opacity": [[1, 0], [1, 0.5]] } }), "/keyframes/opacity/1/0"),
        (json!({ "keyframes": { "opacity": [[1, 5]] } }), "/keyframes/opacity/0/1"),
    ] {
        let mut input = clip(json!({ "type": "text", "text": "x" }));
        let target = input.pointer_mut(at).and_then(Value::as_object_mut).expect("the clip");
        target.extend(change.as_object().expect("an object").clone());
        assert_eq!(pointers(input), [format!("{at}{pointer}")], "{change}");
    }
}

#[test]
fn a_film_without_end_or_of_too_many_pixels_is_refused() {
    let text = json!({ "type": "text", "text": "x" });
    let endless = json!({ "timeline": { "tracks": [{ "clips": [{ "asset": text, "length": "end" }] }] } });
    assert_eq!(pointers(endless), ["/timeline"]);
    let follows = json!({ "timeline": { "tracks": [{ "clips": [
        { "asset": text, "length": "end" }, { "asset": text, "length": 3 }
    ] }] } });
    assert_eq!(pointers(follows), ["/timeline/tracks/0/clips/1/start"]);
    let long = json!({ "timeline": { "scenes": [{ "duration": 500 }, { "duration": 101 }] } });
    assert_eq!(pointers(long), ["/timeline"]);
    let huge = json!({ "timeline": { "scenes": [{ "duration": 5 }] }, "output": { "size": { "width": 3840, "height": 3840 } } });
    assert_eq!(pointers(huge), ["/output/size"]);
    let gif =
        json!({ "timeline": { "scenes": [{ "duration": 60 }] }, "output": { "format": "gif", "resolution": "1080" } });
    assert_eq!(pointers(gif), ["/output", "/output/format"]);
}

#[test]
fn scenes_are_as_long_as_they_say_and_tracks_go_on_after_them() {
    let text = json!({ "type": "text", "text": "x" });
    let request = request(json!({ "timeline": {
        "scenes": [
            { "duration": 1.01, "background": { "type": "gradient", "colors": ["#000", "#ffffff"] } },
            { "duration": 1.01, "transition": { "type": "wipe", "duration": 5 }, "elements": [{ "asset": text }] }
        ],
        "tracks": [{ "clips": [{ "asset": { "type": "caption", "text": "One two three four." }, "length": 3 }] }]
    } }));
    let film = compile(&request, &found(&request)).expect("a film");
    assert_eq!(film.scenes.iter().map(|scene| scene.frames).collect::<Vec<_>>(), [25, 26, 24]);
    assert_eq!(film.scenes[1].transition.map(|change| change.frames), Some(13), "never more than half a scene");
    assert_eq!(film.scenes[1].elements[0].end_frame, Some(25), "until its scene ends");
    let said: Vec<String> = film.captions.iter().map(jobs_core::port::video::Cue::text).collect();
    assert_eq!(said.join(" "), "One two three four.");
}

#[test]
fn the_same_timeline_gives_the_same_film() {
    let request = request(shotstack());
    assert_eq!(compile(&request, &found(&request)), compile(&request, &found(&request)));
}
