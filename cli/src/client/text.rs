//! Text for people: spans of time, sizes, and words of the server made safe for a terminal.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `text` on one line and without control characters: what a task logs must not move the cursor
/// or change the title of the window it is shown in.
pub(super) fn clean(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.trim_end().chars().map(visible).collect()
}

/// A span in the unit that suits it: `12 ms`, `4.2 s`, `3m 05s`, `2h 10m`, `3d 4h`.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{}.{} s", seconds, ms % 1000 / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A span in one coarse unit, as in a column of ages: `12s`, `5m`, `3h`, `9d`.
pub(super) fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A size in powers of ten, as file managers and shops count: `999 B`, `12.3 MB`.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    format!("{value:.1} {unit}")
}

/// The instant that an RFC 3339 text names.
pub(super) fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// Milliseconds from `from` to `to`; none when the clocks disagree.
pub(super) fn ms_between(from: OffsetDateTime, to: OffsetDateTime) -> u64 {
    u64::try_from((to - from).whole_milliseconds()).unwrap_or(0)
}

/// `text` as one word of a POSIX shell.
pub(super) fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_use_the_unit_that_suits_them() {
        let spans = [0, 12, 999, 4_250, 185_000, 7_800_000, 273_600_000].map(span);
        assert_eq!(spans, ["0 ms", "12 ms", "999 ms", "4.2 s", "3m 05s", "2h 10m", "3d 4h"]);
    }

    #[test]
    fn sizes_use_powers_of_ten() {
        let sizes = [0, 999, 1000, 12_345_678, 5_000_000_000].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "12.3 MB", "5.0 GB"]);
    }

    #[test]
    fn words_of_a_task_cannot_drive_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\nc\n"), "a\u{fffd}[2Jb c");
    }

    #[test]
    fn a_quote_survives_the_shell() {
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }
}
