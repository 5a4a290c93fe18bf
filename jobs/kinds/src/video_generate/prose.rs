//! Prose taken apart: sentences, words, and the phrase that can stand for a sentence.

/// A part of the text that is said in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passage {
    /// One line, single spaces.
    pub(super) text: String,
    /// Whether a paragraph starts with it: such sentences matter most.
    pub(super) opens: bool,
}

/// Sentences longer than this are said in several passages.
const LONGEST_PASSAGE: usize = 150;

/// The passages of a text, in order.
pub(super) fn passages(text: &str) -> Vec<Passage> {
    let mut all = Vec::new();
    for paragraph in paragraphs(text) {
        let mut opens = true;
        for sentence in sentences(&paragraph) {
            for part in parts_of(&sentence) {
                all.push(Passage { text: part, opens });
                opens = false;
            }
        }
    }
    all
}

/// How much room letters take: one each, two for those of East Asian scripts and emoji.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|letter| if is_wide(letter) { 2 } else { 1 }).sum()
}

fn is_wide(letter: char) -> bool {
    matches!(u32::from(letter), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
        | 0xfe30..=0xfe4f | 0xff00..=0xff60 | 0x1f300..=0x1faff | 0x20000..=0x3fffd)
}

/// Words with the space after them. Scripts without spaces, and words longer than a line, are cut into pieces.
pub(super) fn words(text: &str) -> Vec<String> {
    const LONGEST: usize = 20;
    let mut words = Vec::new();
    for token in text.split_whitespace() {
        let limit = if token.chars().any(is_wide) { 14 } else { LONGEST };
        let mut piece = String::new();
        for letter in token.chars() {
            let is_full = width(&piece) + width(letter.encode_utf8(&mut [0; 4])) > limit;
            let is_new = piece.chars().next_back().is_some_and(|before| starts_phrase(before, letter));
            if (is_full || is_new) && !piece.is_empty() && !is_joined(letter) {
                words.push(std::mem::take(&mut piece));
            }
            piece.push(letter);
        }
        piece.push(' ');
        words.push(piece);
    }
    if let Some(last) = words.last_mut() {
        last.truncate(last.trim_end().len());
    }
    words
}

/// Whether a reader of Japanese takes a breath between two letters: particles and endings are hiragana, and what follows them in
/// another script is the next phrase.
fn starts_phrase(before: char, letter: char) -> bool {
    let is_hiragana = |letter: char| ('\u{3041}'..='\u{309f}').contains(&letter);
    let is_mark = matches!(before, '。' | '、' | '，' | '！' | '？');
    is_mark
        || (is_hiragana(before)
            && is_wide(letter)
            && !is_hiragana(letter)
            && !('\u{3000}'..='\u{303f}').contains(&letter))
}

/// Marks that belong to the letter before them.
fn is_joined(letter: char) -> bool {
    matches!(u32::from(letter), 0x300..=0x36f | 0x200d | 0xfe00..=0xfe0f | 0x1f3fb..=0x1f3ff | 0x3001..=0x3002 | 0xff0c)
}

/// Blank lines and the starts of list items part paragraphs; other line ends are spaces.
fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs: Vec<String> = vec![String::new()];
    for line in text.lines() {
        let line: String = line.chars().filter(|letter| !letter.is_control() || *letter == '\t').collect();
        let line = line.trim();
        let item = line.trim_start_matches(['-', '*', '•', '–', '#', '>']).trim_start();
        let is_item =
            item.len() < line.len() && (line.starts_with(['•', '#', '>']) || line[1..].starts_with([' ', '*', '-']));
        if line.is_empty() || is_item {
            paragraphs.push(String::new());
        }
        if let Some(last) = paragraphs.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(if is_item { item } else { line });
        }
    }
    let tidy = |paragraph: &String| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    paragraphs.iter().map(tidy).filter(|paragraph| !paragraph.is_empty()).collect()
}

fn sentences(paragraph: &str) -> Vec<String> {
    let letters: Vec<char> = paragraph.chars().collect();
    let mut sentences = Vec::new();
    let mut current = String::new();
    for (index, letter) in letters.iter().enumerate() {
        current.push(*letter);
        if ends_sentence(&letters, index, &current) {
            sentences.push(std::mem::take(&mut current).trim().to_owned());
        }
    }
    sentences.push(current.trim().to_owned());
    sentences.retain(|sentence| sentence.chars().any(char::is_alphanumeric));
    sentences
}

fn ends_sentence(letters: &[char], index: usize, so_far: &str) -> bool {
    const NOT_AN_END: [&str; 14] =
        ["e.g.", "i.e.", "mr.", "mrs.", "ms.", "dr.", "vs.", "no.", "st.", "approx.", "inc.", "prof.", "cf.", "z.b."];
    match letters[index] {
        '。' | '！' | '？' => true,
        '.' | '!' | '?' | '…' | '"' | '”' | ')' => {
            let mark = so_far.trim_end_matches(['"', '”', ')']);
            if !mark.ends_with(['.', '!', '?', '…']) || letters.get(index + 1).is_some_and(|next| *next != ' ') {
                return false;
            }
            // A small letter after it: it was an abbreviation.
            if letters.get(index + 2).is_some_and(|next| next.is_lowercase()) {
                return false;
            }
            let word = mark.rsplit(' ').next().unwrap_or_default().to_lowercase();
            let initial =
                word.chars().count() == 2 && word.ends_with('.') && word.chars().all(|c| c == '.' || c.is_alphabetic());
            !initial && !NOT_AN_END.contains(&word.as_str())
        }
        _ => false,
    }
}

/// A long sentence in parts that can be said by themselves; others as they are.
fn parts_of(sentence: &str) -> Vec<String> {
    if width(sentence) <= LONGEST_PASSAGE {
        return vec![sentence.to_owned()];
    }
    let mut parts: Vec<String> = Vec::new();
    let mut current = String::new();
    let words = words(sentence);
    for (index, word) in words.iter().enumerate() {
        let room = LONGEST_PASSAGE.saturating_sub(width(&current));
        let after_pause = current.trim_end().ends_with([',', ';', ':', '—', '–', '、', '，']);
        let before_clause = is_clause_start(word.trim());
        let far = width(&current) > LONGEST_PASSAGE / 2;
        if !current.is_empty() && (width(word) > room || (far && (after_pause || before_clause))) {
            parts.push(std::mem::take(&mut current).trim().to_owned());
        }
        current.push_str(word);
        if index + 1 == words.len() && !current.trim().is_empty() {
            parts.push(current.trim().to_owned());
        }
    }
    parts
}

/// A headline is at most this wide.
const LONGEST_HEADLINE: usize = 48;

/// The phrase that stands for a passage: a whole clause, never cut where the reader would wait for the next word.
pub(super) fn headline(passage: &str) -> String {
    let whole = bare(passage);
    if width(&whole) <= LONGEST_HEADLINE {
        return capital(&whole);
    }
    let clauses = clauses(passage);
    // "When a worker dies, its tasks are taken back": what follows is what matters.
    let main = |clause: &&String| {
        let first = clause.split(' ').next().unwrap_or_default();
        clause.split(' ').count() >= 2 && !is_clause_start(first) && !is_preposition(first)
    };
    let fitting = clauses.iter().filter(main).chain(&clauses);
    for clause in fitting {
        let clause = bare(clause);
        if clause.split(' ').count() >= 2 && width(&clause) <= LONGEST_HEADLINE {
            return capital(&clause);
        }
        if let Some(shorter) = shortened(&clause) {
            return capital(&shorter);
        }
    }
    // No place to stop: all of it, in smaller letters; or, at last, as much as can be read.
    if width(&whole) <= 2 * LONGEST_HEADLINE {
        return capital(&whole);
    }
    let mut cut = String::new();
    for word in words(&whole) {
        if width(&cut) + width(&word) > 2 * LONGEST_HEADLINE {
            break;
        }
        cut.push_str(&word);
    }
    capital(cut.trim_end()) + " …"
}

/// A clause up to a word that starts something new, if what is before it is complete enough.
fn shortened(clause: &str) -> Option<String> {
    let words: Vec<&str> = clause.split(' ').collect();
    let longest = words.len().min(11);
    (3..longest).rev().find_map(|count| {
        let next = words[count].to_lowercase();
        let stops = is_clause_start(&next) || is_preposition(&next);
        let phrase = words[..count].join(" ");
        let open = is_unfinished(&words[count - 1].to_lowercase());
        (stops && !open && width(&phrase) <= LONGEST_HEADLINE).then_some(phrase)
    })
}

fn clauses(sentence: &str) -> Vec<String> {
    let mut clauses = Vec::new();
    let mut current = String::new();
    for word in sentence.split(' ') {
        if matches!(word, "—" | "–" | "-") {
            clauses.push(std::mem::take(&mut current));
            continue;
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
        if word.ends_with([',', ';', ':', '、', '，', '；']) {
            clauses.push(std::mem::take(&mut current));
        }
    }
    clauses.push(current);
    clauses.retain(|clause| clause.chars().any(char::is_alphanumeric));
    clauses
}

/// Without the marks around it. A question stays one.
fn bare(text: &str) -> String {
    let text = text.trim().trim_matches(['"', '“', '”', '(', ')']);
    text.trim_end_matches(['.', ',', ';', ':', '。', '，', '、', ' ']).to_owned()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn is_clause_start(word: &str) -> bool {
    const STARTS: [&str; 24] = [
        "and", "but", "or", "so", "because", "when", "while", "where", "which", "who", "that", "if", "unless", "until",
        "before", "after", "since", "although", "though", "whenever", "wherever", "whether", "as", "than",
    ];
    STARTS.contains(&word.to_lowercase().as_str())
}

fn is_preposition(word: &str) -> bool {
    const PREPOSITIONS: [&str; 18] = [
        "in", "on", "at", "with", "for", "from", "by", "through", "without", "into", "across", "over", "under",
        "between", "during", "within", "instead", "using",
    ];
    PREPOSITIONS.contains(&word.to_lowercase().as_str())
}

/// Whether the reader expects more after this word.
fn is_unfinished(word: &str) -> bool {
    const OPEN: [&str; 44] = [
        "a", "an", "the", "to", "of", "is", "are", "was", "were", "be", "been", "has", "have", "had", "can", "will",
        "would", "should", "may", "must", "do", "does", "its", "your", "their", "our", "my", "his", "her", "this",
        "these", "those", "every", "each", "very", "more", "most", "not", "no", "it", "you", "we", "they", "i",
    ];
    OPEN.contains(&word) || is_preposition(word) || is_clause_start(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        passages(text).into_iter().map(|passage| passage.text).collect()
    }

    #[test]
    fn sentences_end_where_a_reader_would_say_so() {
        assert_eq!(
            texts("It costs 3.50 a day, e.g. in Ulm. Dr. Who agrees! \"Really?\" Yes…\nand on. Version 2.0 is out"),
            [
                "It costs 3.50 a day, e.g. in Ulm.",
                "Dr. Who agrees!",
                "\"Really?\"",
                "Yes… and on.",
                "Version 2.0 is out"
            ]
        );
        assert_eq!(texts("一つ目です。二つ目です。"), ["一つ目です。", "二つ目です。"]);
        assert_eq!(texts("We do:\n- one thing\n- another thing"), ["We do:", "one thing", "another thing"]);
    }

    #[test]
    fn passages_are_never_longer_than_can_be_said_in_one_go() {
        let text = format!("{} {} {}", "word ".repeat(200), "x".repeat(400), "猫".repeat(300));
        let all = texts(&text);
        assert!(all.iter().all(|passage| width(passage) <= LONGEST_PASSAGE), "{all:?}");
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
        assert_eq!(all.iter().map(|passage| letters(passage)).sum::<usize>(), letters(&text));
    }

    #[test]
    fn a_headline_is_a_whole_phrase() {
        for (passage, expected) in [
            ("Deploy in minutes.", "Deploy in minutes"),
            (
                "Longshore takes slow work off your hands, runs it on workers, and tells you.",
                "Longshore takes slow work off your hands",
            ),
            (
                "Every accepted task is stored in Postgres before you get an answer.",
                "Every accepted task is stored in Postgres",
            ),
            (
                "When a worker dies, its tasks are taken back at once by the others.",
                "Its tasks are taken back at once by the others",
            ),
            (
                "A team of four has six of the best ideas in the world this year alone.",
                "A team of four has six of the best ideas",
            ),
        ] {
            assert_eq!(headline(passage), expected);
        }
    }

    #[test]
    fn a_headline_never_ends_in_a_word_that_waits_for_another() {
        let text = include_str!("testdata/prose.txt");
        for passage in passages(text) {
            let headline = headline(&passage.text);
            let last = headline.rsplit(' ').next().unwrap_or_default().to_lowercase();
            let whole = width(&passage.text) <= width(&headline) + 2;
            assert!(whole || !is_unfinished(&last), "{headline:?} of {:?}", passage.text);
        }
    }

    #[test]
    fn words_give_the_text_back_and_fit_on_lines() {
        let text = format!("one two {} 猫猫猫猫猫猫猫猫猫猫 end", "y".repeat(50));
        let words = words(&text);
        assert_eq!(words.concat(), text);
        assert!(words.iter().all(|word| width(word) <= 21));
    }
}
