//! The kinds of jobs. This list is the only place that names them all: a new kind is a folder and a line here.

use jobs_core::Registry;

pub mod echo;
pub mod price_scrape;
pub mod video_generate;

/// All kinds, in alphabetical order.
#[must_use]
#[rustfmt::skip] // A line a kind.
pub fn registry() -> Registry {
    Registry::default()
        .with::<echo::Echo>()
        .with::<price_scrape::PriceScrape>()
        .with::<video_generate::VideoGenerate>()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_folder_is_a_kind_on_the_list() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let entries = fs::read_dir(source).expect("the folder of the kinds").map(|entry| entry.expect("an entry"));
        let folders: BTreeSet<String> = entries
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        let listed: BTreeSet<String> = registry().iter().map(|kind| kind.spec().name.replace('.', "_")).collect();
        assert_eq!(folders, listed);
    }

    #[test]
    fn every_example_is_accepted() {
        for kind in registry().iter() {
            let spec = kind.spec();
            assert!(kind.check(spec.example.clone()).is_ok(), "{}: {:?}", spec.name, kind.check(spec.example.clone()));
            assert!(!spec.summary.ends_with('.'), "{}: a summary has no full stop", spec.name);
        }
    }

    #[test]
    fn every_kind_refuses_fields_that_it_does_not_know() {
        for kind in registry().iter() {
            let mut input = kind.spec().example.clone();
            input["no_such_field"] = true.into();
            let faults = kind.check(input).expect_err(kind.spec().name);
            assert_eq!(faults[0].pointer, "/no_such_field", "{}", kind.spec().name);
        }
    }
}
