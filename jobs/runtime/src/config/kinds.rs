//! What tasks of a kind have unless they say otherwise, as an operator sets it: `[kinds."video.generate"]` in the file,
//! `LONGSHORE_KINDS_VIDEO_GENERATE_…` in the environment.

use std::{collections::BTreeMap, time::Duration};

use jobs_core::Registry;

use super::{ConfigError, Listed, value::Value};

/// What is set for a kind. What is not is as the kind itself says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KindConfig {
    /// The queue.
    pub queue: Option<String>,
    /// The priority, from 0 to 9.
    pub priority: Option<u8>,
    /// How long an attempt may run.
    pub timeout: Option<Duration>,
    /// How many attempts may fail.
    pub max_attempts: Option<u32>,
    /// The bound of the first wait between attempts, in milliseconds.
    pub retry_initial_ms: Option<u32>,
    /// By how much the bound grows.
    pub retry_factor: Option<f64>,
    /// The bound never grows beyond this, in milliseconds.
    pub retry_max_ms: Option<u32>,
    /// Whether the wait is drawn at random below its bound.
    pub retry_jitter: Option<bool>,
    /// The name of one of the settings, for whoever finds that there is no such kind.
    pub source: String,
}

/// A setting of a kind: its key behind the kind's name, how it is read, what it does.
type Field = (&'static str, fn(&mut KindConfig, &str) -> Result<(), String>, &'static str);

/// A day.
const LONGEST_MS: u64 = 86_400_000;

// One that ends like another comes before it.
const FIELDS: &[Field] = &[
    (
        "retry.initial_ms",
        |kind, text| put(&mut kind.retry_initial_ms, number(text, 1, LONGEST_MS)),
        "first wait between attempts, at most",
    ),
    (
        "retry.factor",
        |kind, text| put(&mut kind.retry_factor, factor(text)),
        "growth of that wait from one attempt to the next",
    ),
    (
        "retry.max_ms",
        |kind, text| put(&mut kind.retry_max_ms, number(text, 1, LONGEST_MS)),
        "longest wait between attempts",
    ),
    ("retry.jitter", |kind, text| put(&mut kind.retry_jitter, bool::read(text)), "whether waits are drawn at random"),
    ("timeout_ms", timeout, "how long an attempt may run"),
    ("max_attempts", |kind, text| put(&mut kind.max_attempts, number(text, 1, 100)), "how many attempts may fail"),
    ("priority", |kind, text| put(&mut kind.priority, number(text, 0, 9)), "priority of its tasks"),
    ("queue", |kind, text| put(&mut kind.queue, queue(text)), "queue that its tasks wait in"),
];

/// A kind as it is spelled in a variable, in small letters: `video.generate` is `video_generate`.
#[must_use]
pub fn kind_word(name: &str) -> String {
    name.replace(['.', '-'], "_").to_ascii_lowercase()
}

/// The kinds with what an operator set for them.
///
/// # Errors
/// When there is no kind of the name that a setting has.
pub fn configured(mut registry: Registry, kinds: &BTreeMap<String, KindConfig>) -> Result<Registry, ConfigError> {
    let names: Vec<&'static str> = registry.iter().map(|kind| kind.spec().name).collect();
    for (word, config) in kinds {
        let kind = names.iter().find(|name| kind_word(name) == *word).and_then(|name| registry.get(name)).cloned();
        let Some(kind) = kind else {
            let problem = format!("there is no kind of this name; known are {}", names.join(", "));
            return Err(ConfigError::Bad { name: config.source.clone(), problem });
        };
        let spec = kind.spec();
        let mut defaults = spec.defaults();
        let KindConfig { queue, priority, timeout, max_attempts, .. } = config.clone();
        defaults.queue = queue.unwrap_or(defaults.queue);
        defaults.priority = priority.unwrap_or(defaults.priority);
        defaults.timeout = timeout;
        defaults.max_attempts = max_attempts.unwrap_or(defaults.max_attempts);
        let retry = &mut defaults.retry;
        retry.initial_ms = config.retry_initial_ms.unwrap_or(retry.initial_ms);
        retry.factor = config.retry_factor.unwrap_or(retry.factor);
        retry.max_ms = config.retry_max_ms.unwrap_or(retry.max_ms);
        retry.jitter = config.retry_jitter.unwrap_or(retry.jitter);
        registry = registry.with_defaults(spec.name, defaults);
    }
    Ok(registry)
}

/// What is set for kinds, by [`kind_word`], with a line for each setting. `file` are the keys and values of the settings file, and its name.
pub(super) fn read(
    environment: &BTreeMap<String, String>,
    file: Option<(&BTreeMap<String, String>, &str)>,
) -> Result<(BTreeMap<String, KindConfig>, Vec<Listed>), ConfigError> {
    let mut kinds: BTreeMap<String, KindConfig> = BTreeMap::new();
    let mut listed = BTreeMap::new();
    let from_file = file.into_iter().flat_map(|(values, path)| {
        values.iter().map(move |(key, value)| (part_of_key(key), format!("{key} in {path}"), value))
    });
    let from_environment = environment.iter().map(|(name, value)| (part_of_variable(name), name.clone(), value));
    // The environment comes last, and wins.
    for (part, source, value) in from_file.chain(from_environment) {
        let Some((kind, (key, set, help))) = part else { continue };
        let config = kinds.entry(kind.clone()).or_default();
        set(config, value).map_err(|problem| ConfigError::Bad { name: source.clone(), problem })?;
        config.source.clone_from(&source);
        let name = format!("LONGSHORE_KINDS_{kind}_{}", key.replace('.', "_")).to_ascii_uppercase();
        let line =
            Listed { key: format!("kinds.{kind}.{key}"), value: value.clone(), source, help, name: name.clone() };
        listed.insert(name, line);
    }
    Ok((kinds, listed.into_values().collect()))
}

/// Whether a key of the settings file is one of a kind.
pub(super) fn is_key(key: &str) -> bool {
    part_of_key(key).is_some()
}

/// Whether a variable is one of a kind.
pub(super) fn is_variable(name: &str) -> bool {
    part_of_variable(name).is_some()
}

fn part_of_key(key: &str) -> Option<(String, &'static Field)> {
    let rest = key.strip_prefix("kinds.")?;
    let with = |field: &'static Field| Some((kind_word(rest.strip_suffix(field.0)?.strip_suffix('.')?), field));
    FIELDS.iter().find_map(with).filter(|(kind, _)| !kind.is_empty())
}

fn part_of_variable(name: &str) -> Option<(String, &'static Field)> {
    let rest = name.strip_prefix("LONGSHORE_KINDS_")?;
    let with = |field: &'static Field| {
        let suffix = field.0.replace('.', "_").to_ascii_uppercase();
        Some((kind_word(rest.strip_suffix(&suffix)?.strip_suffix('_')?), field))
    };
    FIELDS.iter().find_map(with).filter(|(kind, _)| !kind.is_empty())
}

fn put<T>(field: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    *field = Some(value?);
    Ok(())
}

fn timeout(kind: &mut KindConfig, text: &str) -> Result<(), String> {
    put(&mut kind.timeout, number(text, 1, LONGEST_MS).map(Duration::from_millis))
}

fn number<T: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Result<T, String> {
    let number = text.replace('_', "").parse().ok().filter(|number| (least..=most).contains(number));
    let number = number.and_then(|number: u64| T::try_from(number).ok());
    number.ok_or_else(|| format!("`{text}` is not a whole number from {least} to {most}"))
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor| (1.0..=10.0).contains(factor));
    factor.ok_or_else(|| format!("`{text}` is not a number from 1 to 10"))
}

fn queue(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    let is_name = (1..=100).contains(&text.len()) && text.bytes().all(is_plain);
    if is_name { Ok(text.to_owned()) } else { Err(format!("`{text}` is not a name of a queue")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_kind_is_set_in_the_file_and_in_the_environment_which_wins() {
        let file = map(&[("kinds.video.generate.timeout_ms", "5000"), ("kinds.video.generate.retry.factor", "1.5")]);
        let environment = map(&[
            ("LONGSHORE_KINDS_VIDEO_GENERATE_TIMEOUT_MS", "6_000"),
            ("LONGSHORE_KINDS_ECHO_QUEUE", "small"),
            ("LONGSHORE_KINDS_ECHO_RETRY_MAX_MS", "7"),
        ]);
        let (kinds, listed) = read(&environment, Some((&file, "x.toml"))).expect("settings");
        let video = &kinds["video_generate"];
        assert_eq!((video.timeout, video.retry_factor), (Some(Duration::from_secs(6)), Some(1.5)));
        assert_eq!((kinds["echo"].queue.as_deref(), kinds["echo"].retry_max_ms), (Some("small"), Some(7)));
        assert_eq!(listed.len(), 4);
        assert!(is_key("kinds.a.queue") && !is_key("kinds.queue") && !is_key("kinds.a.colour"));
        assert!(is_variable("LONGSHORE_KINDS_A_PRIORITY") && !is_variable("LONGSHORE_KINDS_PRIORITY"));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_its_name() {
        for (name, value) in [
            ("LONGSHORE_KINDS_ECHO_TIMEOUT_MS", "0"),
            ("LONGSHORE_KINDS_ECHO_MAX_ATTEMPTS", "101"),
            ("LONGSHORE_KINDS_ECHO_PRIORITY", "10"),
            ("LONGSHORE_KINDS_ECHO_QUEUE", "a b"),
            ("LONGSHORE_KINDS_ECHO_RETRY_FACTOR", "0.5"),
            ("LONGSHORE_KINDS_ECHO_RETRY_JITTER", "perhaps"),
        ] {
            let error = read(&map(&[(name, value)]), None).expect_err(name).to_string();
            assert!(error.starts_with(&format!("{name}: `{value}` is ")), "{error}");
        }
    }
}
