//! The name of an artifact.

/// The longest name.
const LONGEST: usize = 100;

/// Whether `name` can be the name of an artifact: 1 to 100 ASCII letters, digits, `.`, `_` and `-`, not beginning with a
/// dot. So it is one path segment everywhere, needs no escaping in a URL, and is no hidden file.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=LONGEST).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_plain_path_segment() {
        for good in ["video.mp4", "a", "captions_en-GB.srt", &"x".repeat(100)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "naïve", "a\0", &"x".repeat(101)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
