//! Whatever comes in, something clear comes out.

use jobs_prices::{
    eval::Form,
    gpu,
    json::Json,
    page::{self, Options, Outcome, Rules},
    path::{Document, Path},
    robots::Robots,
};
use proptest::prelude::*;
use serde_json::Value;

/// Pieces that pages are made of, in any order.
fn piece() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "<div itemscope itemtype='https://schema.org/Offer'>",
        "<span itemprop=price>",
        "<meta itemprop=price content='1,50'>",
        "</div>",
        "</span>",
        "<script type=application/ld+json>",
        "</script>",
        "{\"@type\":\"Product\",\"offers\":",
        "{\"price\":",
        "[",
        "]",
        "}",
        ",",
        "5.00",
        "\"€ 5\"",
        "<meta property='product:price:amount' content='5'>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<",
        ">",
        "\u{0}",
        "é",
        "&quot;",
        "window.x = ",
        "\"@graph\":",
        "\"@id\":\"#a\"",
        "\"lowPrice\":1",
        "<table>",
        "<template>",
        "<svg>",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn a_page_of_any_pieces_is_read(pieces in prop::collection::vec(piece(), 0..60)) {
        let reading = page::read(&pieces.concat(), &Rules::default(), &Options::default());
        prop_assert_eq!(reading.outcome == Outcome::Ok, reading.offer.is_some());
    }

    #[test]
    fn the_strict_reader_takes_what_serde_json_takes(text in r#"[\[\]{}",:0-9truefalsn\\eE.+ \-]{0,24}"#) {
        let theirs = serde_json::from_str::<Value>(&text);
        // Where the text is kept, no number is out of range.
        let is_too_large = theirs.as_ref().is_err_and(|err| err.to_string().contains("out of range"));
        if !is_too_large {
            prop_assert_eq!(Json::parse(&text).ok().map(|json| json.to_value()), theirs.ok());
        }
        let _ = Json::parse_tolerant(&text);
    }

    #[test]
    fn a_path_of_any_characters_compiles_or_is_refused(text in r#"\$[\[\]().*?@'"a-c0-9:,&|!<>= \-]{0,40}"#) {
        if let Ok(path) = text.parse::<Path>() {
            let document = Document::parse(r#"{"a": [1, {"b": 2}], "c": "x"}"#).expect("a document");
            let found = path.query_located(document.root());
            // The normalised path of what was found finds it again.
            for (place, node) in found {
                let again: Path = place.to_string().parse().expect("a normalised path is a path");
                prop_assert_eq!(again.first(document.root()).map(|node| node.json), Some(node.json));
            }
        }
    }

    #[test]
    fn rules_of_any_bytes_allow_their_own_file(file in any::<Vec<u8>>(), path in "/[a-z*$%?]{0,20}") {
        let robots = Robots::parse(&file);
        prop_assert!(robots.allows("Longshore", "https://shop.test/robots.txt"));
        let _ = robots.verdict("Longshore", &path);
    }

    #[test]
    fn a_name_of_any_letters_has_an_answer(raw in any::<String>()) {
        let named = gpu::name(&raw, None);
        prop_assert!(named.gpu.is_none_or(|gpu| gpu::spec(gpu).is_some()));
    }

    #[test]
    fn every_line_is_answered_by_a_line(line in any::<String>()) {
        for (_, form) in Form::ALL {
            let answer = form.answer(&line);
            prop_assert!(!answer.contains('\n') && serde_json::from_str::<Value>(&answer).is_ok());
        }
    }
}
