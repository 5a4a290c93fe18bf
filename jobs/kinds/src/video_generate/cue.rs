//! Captions: what is said, in one or two lines, word by word in time.

use std::ops::Range;

use jobs_core::port::video::{Cue, Word};

use super::prose::{width, words};

/// What captions keep to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The widest line, in letters.
    pub(super) line: usize,
}

impl Limits {
    /// By the shape of the picture: upright ones have room for few letters that can be read on a telephone.
    pub(super) fn of(width_px: u32, height_px: u32) -> Self {
        let ratio = f64::from(width_px) / f64::from(height_px.max(1));
        let line = if ratio < 0.9 {
            24
        } else if ratio < 1.3 {
            32
        } else {
            42
        };
        Self { line }
    }
}

/// The cues of one passage, filling `frames` of the film.
pub(super) fn cues(text: &str, frames: Range<u32>, limits: Limits) -> Vec<Cue> {
    let words = words(text);
    if words.is_empty() || frames.is_empty() {
        return Vec::new();
    }
    let starts = word_starts(&words, &frames);
    let groups = groups(&words, limits);
    let mut cues = Vec::with_capacity(groups.len());
    for (index, group) in groups.iter().enumerate() {
        let end_frame = groups.get(index + 1).map_or(frames.end, |next| starts[next.start]);
        let start_frame = starts[group.start];
        // So many words in so few frames that two cues fall on one: they could not be read anyway.
        if start_frame >= end_frame {
            continue;
        }
        let timed = |range: Range<usize>| -> Vec<Word> {
            range.map(|at| Word { text: words[at].clone(), start_frame: starts[at] }).collect()
        };
        let lines = match line_break(&words[group.clone()], limits) {
            Some(at) => vec![timed(group.start..group.start + at), timed(group.start + at..group.end)],
            None => vec![timed(group.clone())],
        };
        cues.push(Cue { start_frame, end_frame, lines });
    }
    cues
}

/// When each word is said: by its letters, with a pause after punctuation.
fn word_starts(words: &[String], frames: &Range<u32>) -> Vec<u32> {
    let weight = |word: &String| {
        let pause = match word.trim_end().chars().last() {
            Some('.' | '!' | '?' | ':' | ';' | '…' | '。') => 5,
            Some(',' | '、' | '，' | '—') => 3,
            _ => 0,
        };
        (width(word.trim_end()) + 2 + pause) as f64
    };
    let total: f64 = words.iter().map(weight).sum();
    let length = f64::from(frames.end - frames.start);
    let mut so_far = 0.0;
    let start = |word: &String| {
        let at = frames.start + (so_far / total * length) as u32;
        so_far += weight(word);
        at
    };
    words.iter().map(start).collect()
}

/// Ranges of words that are shown together: as even as can be, and ending where the text pauses.
fn groups(words: &[String], limits: Limits) -> Vec<Range<usize>> {
    let total: usize = words.iter().map(|word| width(word)).sum();
    let count = (total as f64 / (1.75 * limits.line as f64)).ceil().max(1.0);
    let ideal = total as f64 / count;
    // best[end] is the cheapest way to show the first `end` words, and where its last group starts.
    let mut best: Vec<(f64, usize)> = vec![(0.0, 0)];
    for end in 1..=words.len() {
        let mut cheapest = (f64::INFINITY, end - 1);
        for start in (0..end).rev() {
            let group = &words[start..end];
            if start + 1 < end && !fits(group, limits) {
                break;
            }
            let size: usize = group.iter().map(|word| width(word)).sum();
            let off = (size as f64 - ideal) / ideal;
            let seam = if end == words.len() { 0.0 } else { seam_cost(&words[end - 1]) };
            // Two sentences on one box are read as one.
            let inside = group[..group.len() - 1].iter().filter(|word| seam_cost(word) == 0.0).count();
            let cost = best[start].0 + off * off + seam + inside as f64 * 0.8;
            if cost < cheapest.0 {
                cheapest = (cost, start);
            }
        }
        best.push(cheapest);
    }
    let mut groups = Vec::new();
    let mut end = words.len();
    while end > 0 {
        let start = best[end].1;
        groups.push(start..end);
        end = start;
    }
    groups.reverse();
    groups
}

/// How bad it is to stop after `word`.
fn seam_cost(word: &str) -> f64 {
    let word = word.trim_end();
    match word.chars().last() {
        Some('.' | '!' | '?' | ';' | ':' | '…' | '。') => 0.0,
        Some(',' | '、' | '，' | '—') => 0.05,
        // A short word belongs to the next one.
        _ if width(word) <= 3 => 0.6,
        _ => 0.3,
    }
}

fn fits(group: &[String], limits: Limits) -> bool {
    line_width(group) <= limits.line || line_break(group, limits).is_some()
}

fn line_width(words: &[String]) -> usize {
    width(words.concat().trim_end())
}

/// How many words go on the first of two lines; `None` when one line is enough, or two are not.
fn line_break(group: &[String], limits: Limits) -> Option<usize> {
    if line_width(group) <= limits.line {
        return None;
    }
    let sizes = |at: usize| (line_width(&group[..at]), line_width(&group[at..]));
    let fitting = (1..group.len()).filter(|at| {
        let (first, second) = sizes(*at);
        first <= limits.line && second <= limits.line
    });
    let cost = |at: &usize| {
        let (first, second) = sizes(*at);
        first.abs_diff(second) as f64 / limits.line as f64 + seam_cost(&group[at - 1])
    };
    fitting.min_by(|a, b| cost(a).total_cmp(&cost(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_have_at_most_two_lines_that_fit_and_give_the_text_back() {
        let text = include_str!("testdata/prose.txt").split_whitespace().collect::<Vec<_>>().join(" ");
        for line in [24, 32, 42] {
            let limits = Limits { line };
            let cues = cues(&text, 100..6000, limits);
            assert!(cues.iter().all(|cue| (1..=2).contains(&cue.lines.len())));
            for cue in &cues {
                assert!(cue.text().lines().all(|shown| width(shown) <= line), "{:?}", cue.text());
            }
            let said: Vec<String> = cues.iter().map(|cue| cue.text().replace('\n', " ")).collect();
            assert_eq!(said.join(" "), text);
        }
    }

    #[test]
    fn no_second_line_is_a_lonely_word() {
        let text = include_str!("testdata/prose.txt").split_whitespace().collect::<Vec<_>>().join(" ");
        for cue in cues(&text, 0..6000, Limits { line: 42 }) {
            if let [_, second] = &cue.lines[..] {
                assert!(second.len() > 1, "{:?}", cue.text());
            }
        }
    }

    #[test]
    fn cues_fill_their_frames_without_gap_or_overlap() {
        let text =
            "One two three, four five six. Seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen.";
        let cues = cues(text, 30..330, Limits { line: 24 });
        assert_eq!((cues[0].start_frame, cues[cues.len() - 1].end_frame), (30, 330));
        assert!(cues.windows(2).all(|pair| pair[0].end_frame == pair[1].start_frame));
        let starts: Vec<u32> = cues.iter().flat_map(|cue| cue.lines.iter().flatten()).map(|w| w.start_frame).collect();
        assert!(starts.is_sorted());
    }
}
