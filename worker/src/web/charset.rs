//! The text of a body: its byte order mark says what it is, or the header, or the page itself, or a guess.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8};

/// So much of a page is looked through for what it says of itself, as the HTML standard has it.
const PRESCAN_BYTES: usize = 1_024;

/// A body as text, where `content_type` is the header that came with it.
pub(super) fn text(body: &[u8], content_type: Option<&str>) -> String {
    let said = Encoding::for_bom(body).map(|(encoding, _)| encoding);
    let said = said.or_else(|| content_type.and_then(named)).or_else(|| in_page(body));
    let encoding = said.unwrap_or_else(|| guess(body));
    encoding.decode(body).0.into_owned()
}

/// The encoding that a text names: `charset=…`.
fn named(text: &str) -> Option<&'static Encoding> {
    let lower = text.to_ascii_lowercase();
    let rest = lower.split_once("charset")?.1.trim_start().strip_prefix('=')?.trim_start();
    let label: String = rest
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.'))
        .collect();
    Encoding::for_label(label.as_bytes())
}

/// What a page says of itself, in a `meta` element or the declaration of XML.
fn in_page(body: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&body[..body.len().min(PRESCAN_BYTES)]).to_ascii_lowercase();
    if let Some(declared) = head.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).map(|(head, _)| head) {
        let label = declared.split_once("encoding=")?.1.trim_start_matches(['"', '\'']);
        return Encoding::for_label(label.split(['"', '\'']).next()?.as_bytes());
    }
    let found = head.split("<meta").skip(1).find_map(|meta| named(meta.split('>').next()?))?;
    // A page that can be read so far is none of UTF-16.
    Some(if [encoding_rs::UTF_16BE, encoding_rs::UTF_16LE].contains(&found) { UTF_8 } else { found })
}

fn guess(body: &[u8]) -> &'static Encoding {
    if std::str::from_utf8(body).is_ok() {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(body, true);
    detector.guess(None, Utf8Detection::Allow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_then_the_header_then_the_page_then_a_guess_decides() {
        let page = b"<meta charset='windows-1252'>10 \x80";
        assert!(text(page, None).ends_with("10 €"));
        assert!(text(b"10 \xe2\x82\xac", Some("text/html; charset=UTF-8")).ends_with('€'));
        assert!(text(b"10 \xa4", Some("text/html;charset=\"iso-8859-15\"")).ends_with('€'));
        assert_eq!(text(b"\xff\xfe5\x00\xac\x20", Some("text/html; charset=utf-8")), "5€");
        assert_eq!(text("10 ₽".as_bytes(), None), "10 ₽");
        assert!(text(b"<?xml version='1.0' encoding='windows-1251'?>10 \xf0\xf3\xe1", None).ends_with("10 руб"));
        // Nothing is said: Russian of the old days.
        let (bytes, ..) = encoding_rs::WINDOWS_1251.encode("Цена этого товара составляет 1200 рублей за штуку");
        assert!(text(&bytes, None).contains("рублей"));
    }
}
