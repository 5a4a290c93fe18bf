//! A briefing goes in over HTTP, and a film comes out.

use std::{io::Write as _, process::Command, time::Duration};

use e2e::{Client, System};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// How long a film may take on a machine that has other things to do.
const RENDER: Duration = Duration::from_secs(150);

fn briefing() -> Value {
    json!({
        "title": "Slow work, done well",
        "description": "Some work takes longer than a request should. It is taken at once, and done by workers. Nothing is lost.",
        "duration": 15, "style": "minimal", "tone": "calm",
        "output": { "width": 320, "height": 180, "fps": 24, "quality": "draft" },
    })
}

/// What ffprobe says of a film; nothing where it is not installed.
fn probe(film: &[u8]) -> Option<Value> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(film).expect("a film on disk");
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-show_streams", "-show_format", "-of", "json"])
        .arg(file.path())
        .output()
        .ok()?;
    assert!(probe.status.success(), "{}", String::from_utf8_lossy(&probe.stderr));
    Some(serde_json::from_slice(&probe.stdout).expect("JSON"))
}

/// The address of a file is good for what it names, until it ends, and for nothing else.
#[expect(clippy::disallowed_methods, reason = "clients have clocks of their own")]
async fn is_signed(client: &Client, file: &Value) {
    let url = file["url"].as_str().expect("an address");
    let (address, ticket) = url.split_once('?').expect("a signed address");
    assert!(ticket.contains("signature=") && ticket.contains("expires="), "{url}");
    let expires_at = file["expires_at"].as_str().expect("an end");
    let good_for = OffsetDateTime::parse(expires_at, &Rfc3339).expect("a time") - OffsetDateTime::now_utc();
    assert!(good_for > time::Duration::minutes(9) && good_for <= time::Duration::minutes(15), "{good_for}");
    assert!(client.send(client.request(Method::HEAD, url)).await.expect(200).bytes.is_empty());

    let other = address.replace("video.mp4", "other.mp4");
    let bad = [
        url.replacen("project=1", "project=2", 1),
        url.replacen("expires=1", "expires=2", 1),
        url.replacen("signature=", "signature=00", 1),
        format!("{other}?{ticket}"),
        format!("{address}?signature="),
    ];
    for bad in bad {
        assert_ne!(bad, url);
        assert_eq!(client.get(&bad).await.expect(403).code(), "signature_invalid", "{bad}");
    }
}

#[tokio::test]
async fn a_briefing_becomes_a_film_that_can_be_downloaded_and_played() {
    let system = System::with_worker("video=1").await;
    let client = &system.client;
    let id = client.submit("video.generate", briefing(), json!({})).await;
    let task = client.wait(&id, "succeeded", RENDER).await;
    let artifacts = task["artifacts"].as_array().expect("artifacts");
    println!(
        "{} ms for 15 s of 320x180: {:?}",
        task["metrics"]["run_ms"],
        artifacts.iter().map(|file| &file["name"]).collect::<Vec<_>>()
    );
    let film = artifacts.iter().find(|file| file["content_type"] == "video/mp4").expect("a film");
    let picture = artifacts.iter().find(|file| file["content_type"] == "image/jpeg").expect("a thumbnail");

    for file in [film, picture] {
        let url = file["url"].as_str().expect("an address");
        let answer = client.get(url).await.expect(200);
        assert_eq!(answer.header("content-type"), file["content_type"].as_str());
        assert_eq!(Some(answer.bytes.len() as u64), file["size"].as_u64());
        assert_eq!(Some(&*hex::encode(Sha256::digest(&answer.bytes))), file["sha256"].as_str());
        let size = answer.bytes.len();
        for (range, wanted) in [
            ("bytes=0-99".to_owned(), &answer.bytes[..100]),
            (format!("bytes={}-", size - 7), &answer.bytes[size - 7..]),
            ("bytes=-11".to_owned(), &answer.bytes[size - 11..]),
        ] {
            let part = client.send(client.request(Method::GET, url).header("range", &range)).await.expect(206);
            assert_eq!(part.bytes, wanted, "{range}");
            assert!(part.header("content-range").is_some_and(|range| range.ends_with(&format!("/{size}"))), "{part:?}");
        }
        client.send(client.request(Method::GET, url).header("range", format!("bytes={size}-"))).await.expect(416);
    }
    is_signed(client, film).await;
    let bytes = client.get(film["url"].as_str().expect("an address")).await.bytes;
    let place = |atom: &[u8]| bytes.windows(4).position(|window| window == atom);
    assert!(place(b"moov").expect("moov") < place(b"mdat").expect("mdat"), "it can be played while it is loaded");
    let thumbnail = client.get(picture["url"].as_str().expect("an address")).await.bytes;
    assert!(thumbnail.starts_with(&[0xff, 0xd8, 0xff]));

    if let Some(probed) = probe(&bytes) {
        let codec = |kind: &str| {
            let streams = probed["streams"].as_array().expect("streams");
            streams.iter().find(|stream| stream["codec_type"] == kind).unwrap_or_else(|| panic!("no {kind}")).clone()
        };
        let (video, audio) = (codec("video"), codec("audio"));
        assert_eq!((&video["codec_name"], &audio["codec_name"]), (&json!("h264"), &json!("aac")));
        assert_eq!((&video["width"], &video["height"]), (&json!(320), &json!(180)));
        let duration: f64 =
            probed["format"]["duration"].as_str().and_then(|text| text.parse().ok()).expect("a duration");
        assert!((duration - 15.0).abs() <= 0.1, "{duration} s");
    }
    // It said how far it was, at least once a second, and never went back.
    let history = client.history(&id).await;
    let percents: Vec<f64> = history.iter().filter_map(|event| event["progress"]["percent"].as_f64()).collect();
    assert!(percents.is_sorted() && !percents.is_empty(), "{percents:?}");
    system.holds(&[id]).await;
}
