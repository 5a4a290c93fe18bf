//! tmp
use jobs_core::port::video::RenderRequest;
fn main() {
    let mut a = std::env::args().skip(1);
    let (file, dir) = (a.next().unwrap(), a.next().unwrap());
    let mut v: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for kv in a {
        let (k, x) = kv.split_once('=').unwrap();
        let x = serde_json::from_str(x).unwrap_or(serde_json::Value::String(x.into()));
        if let Some(o) = k.strip_prefix("output.") { v["output"][o] = x } else { v[k] = x }
    }
    let b: jobs_kinds::video_generate::Briefing = serde_json::from_value(v).unwrap();
    let p = jobs_kinds::video_generate::expand(&b);
    for w in &p.warnings {
        eprintln!("warning: {w}");
    }
    for s in &p.timeline.scenes {
        eprintln!("{} {}", s.id, s.frames);
    }
    println!("{}", serde_json::to_string(&RenderRequest { timeline: p.timeline, dir: dir.into() }).unwrap());
}
