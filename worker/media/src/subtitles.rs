//! Captions as files: SubRip, and WebVTT for players of the web.

use std::fmt::Write;

use jobs_core::port::video::Cue;

/// A WebVTT file (W3C).
pub(crate) fn webvtt(cues: &[Cue], fps: u32) -> String {
    let mut out = "WEBVTT\n\n".to_owned();
    for cue in cues {
        let [start, end] = [cue.start_frame, cue.end_frame].map(|frame| timestamp(frame, fps).replace(',', "."));
        // Its marks are escaped as in HTML, and an arrow would be taken for times.
        let text = cue.text().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(out, "{start} --> {end}\n{text}\n\n");
    }
    out
}

/// A SubRip file.
pub(crate) fn subrip(cues: &[Cue], fps: u32) -> String {
    let mut out = String::new();
    for (index, cue) in cues.iter().enumerate() {
        let (start, end) = (timestamp(cue.start_frame, fps), timestamp(cue.end_frame, fps));
        // Writing to a string cannot fail.
        let _ = write!(out, "{}\n{start} --> {end}\n{}\n\n", index + 1, cue.text());
    }
    out
}

fn timestamp(frame: u32, fps: u32) -> String {
    let fps = u64::from(fps.max(1));
    let ms = (u64::from(frame) * 1000 + fps / 2) / fps;
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02},{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use jobs_core::port::video::Word;

    use super::*;

    #[test]
    fn a_cue_is_its_number_its_times_and_its_lines() {
        let word = |text: &str| Word { text: text.to_owned(), start_frame: 45 };
        let lines = vec![vec![word("Two "), word("lines")], vec![word("here.")]];
        let cue = Cue { start_frame: 45, end_frame: 108_031, lines };
        assert_eq!(subrip(std::slice::from_ref(&cue), 30), "1\n00:00:01,500 --> 01:00:01,033\nTwo lines\nhere.\n\n");
        assert_eq!(webvtt(&[cue], 30), "WEBVTT\n\n00:00:01.500 --> 01:00:01.033\nTwo lines\nhere.\n\n");
    }
}
