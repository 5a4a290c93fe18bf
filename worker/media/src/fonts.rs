//! The fonts that letters are taken from: the bundled ones and those of one directory, never the machine's own.
//!
//! So a film looks the same wherever it is made.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use cosmic_text::{FontSystem, SwashCache, fontdb};
use jobs_core::port::video::{Family, RenderError, Source};

use crate::source;

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

/// The largest fonts, those of Chinese letters, have 20 MB.
const MAX_FONT_BYTES: u64 = 64 << 20;

/// Fonts, what was shaped with them, and what they could not show.
pub(crate) struct Fonts {
    pub(crate) system: FontSystem,
    pub(crate) cache: SwashCache,
    missing: Vec<char>,
    used: BTreeSet<fontdb::ID>,
}

impl Fonts {
    /// The bundled fonts, those in `extra_dir`, which are used for letters that the bundled ones lack, and a film's own.
    pub(crate) fn load(extra_dir: Option<&Path>, own: &[Source]) -> Result<Self, RenderError> {
        let mut db = fontdb::Database::new();
        for data in BUNDLED {
            db.load_font_source(fontdb::Source::Binary(Arc::new(data)));
        }
        if let Some(dir) = extra_dir {
            db.load_fonts_dir(dir);
        }
        for font in own {
            let file = std::fs::metadata(&font.path).map_err(|error| source::invalid(font, error))?;
            if !file.is_file() || file.len() > MAX_FONT_BYTES {
                return Err(source::invalid(font, format!("is no font of at most {MAX_FONT_BYTES} bytes")));
            }
            let data = std::fs::read(&font.path).map_err(|error| source::invalid(font, error))?;
            let before = db.len();
            db.load_font_source(fontdb::Source::Binary(Arc::new(data)));
            if db.len() == before {
                return Err(source::invalid(font, "is no TrueType or OpenType font"));
            }
        }
        db.set_sans_serif_family("Inter");
        let system = FontSystem::new_with_locale_and_db("en-US".to_owned(), db);
        Ok(Self { system, cache: SwashCache::new(), missing: Vec::new(), used: BTreeSet::new() })
    }

    /// The name of `family` in the font files.
    pub(crate) fn name(family: Family) -> &'static str {
        match family {
            Family::Text => "Inter",
            Family::Display => "Inter Display",
        }
    }

    /// The weight of `family` that is nearest to `wanted`. A weight that it does not have would be looked for in other families
    /// first, and a space of an emoji font is as wide as an emoji.
    pub(crate) fn weight(&self, family: &str, wanted: u16) -> u16 {
        let is_of = |face: &&fontdb::FaceInfo| face.families.iter().any(|(name, _)| name == family);
        let weights = self.system.db().faces().filter(is_of).map(|face| face.weight.0);
        weights.min_by_key(|weight| (weight.abs_diff(wanted), *weight)).unwrap_or(wanted)
    }

    /// Remembers that letters of a font were drawn.
    pub(crate) fn used(&mut self, font: fontdb::ID) {
        self.used.insert(font);
    }

    /// The families of the letters that were drawn.
    pub(crate) fn families(&self) -> Vec<String> {
        let faces = self.used.iter().filter_map(|id| self.system.db().face(*id));
        let names = faces.filter_map(|face| face.families.first().map(|(name, _)| name.clone()));
        names.collect::<BTreeSet<_>>().into_iter().collect()
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
