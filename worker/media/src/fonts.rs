//! The fonts that letters are taken from: the bundled ones and those of one directory, never the machine's own.
//!
//! So a film looks the same wherever it is made.

use std::{path::Path, sync::Arc};

use cosmic_text::{FontSystem, SwashCache, fontdb};
use jobs_core::port::video::Family;

/// Inter, under the SIL Open Font License (see `fonts/OFL.txt`).
const BUNDLED: [&[u8]; 7] = [
    include_bytes!("../fonts/Inter-Regular.otf"),
    include_bytes!("../fonts/Inter-SemiBold.otf"),
    include_bytes!("../fonts/Inter-Bold.otf"),
    include_bytes!("../fonts/InterDisplay-Light.otf"),
    include_bytes!("../fonts/InterDisplay-SemiBold.otf"),
    include_bytes!("../fonts/InterDisplay-ExtraBold.otf"),
    include_bytes!("../fonts/InterDisplay-Black.otf"),
];

/// Fonts, what was shaped with them, and what they could not show.
pub(crate) struct Fonts {
    pub(crate) system: FontSystem,
    pub(crate) cache: SwashCache,
    missing: Vec<char>,
}

impl Fonts {
    /// The bundled fonts and those in `extra_dir`, which are used for letters that the bundled ones lack.
    pub(crate) fn load(extra_dir: Option<&Path>) -> Self {
        let mut db = fontdb::Database::new();
        for data in BUNDLED {
            db.load_font_source(fontdb::Source::Binary(Arc::new(data)));
        }
        if let Some(dir) = extra_dir {
            db.load_fonts_dir(dir);
        }
        db.set_sans_serif_family("Inter");
        let system = FontSystem::new_with_locale_and_db("en-US".to_owned(), db);
        Self { system, cache: SwashCache::new(), missing: Vec::new() }
    }

    /// The name of `family` in the font files.
    pub(crate) fn name(family: Family) -> &'static str {
        match family {
            Family::Text => "Inter",
            Family::Display => "Inter Display",
        }
    }

    /// Remembers that no font has `letter`.
    pub(crate) fn miss(&mut self, letter: char) {
        if !letter.is_whitespace() && !letter.is_control() && !self.missing.contains(&letter) {
            self.missing.push(letter);
        }
    }

    /// What the viewer will not see, for a person; `None` when there was a glyph for everything.
    pub(crate) fn warning(&self) -> Option<String> {
        if self.missing.is_empty() {
            return None;
        }
        let shown: String = self.missing.iter().take(20).collect();
        let more = if self.missing.len() > 20 { " and others" } else { "" };
        Some(format!("no font has these letters, boxes are shown: {shown}{more}; put fonts into LONGSHORE_FONTS_DIR"))
    }
}
