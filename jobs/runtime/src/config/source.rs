//! Where values come from: the environment, then the settings file, then the defaults.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Config, ConfigError, kinds,
    table::{OTHER_VARIABLES, SETTINGS, Setting},
};

/// The settings with the story of where each came from.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Every setting in the order of the table.
    pub listed: Vec<Listed>,
    /// What looks like a mistake but stops nothing: names that no setting has.
    pub warnings: Vec<String>,
}

/// One line of `longshore config`.
#[derive(Debug, serde::Serialize)]
pub struct Listed {
    /// Its variable.
    pub name: String,
    /// Its key in the settings file.
    pub key: String,
    /// Its value as text, with passwords hidden; empty when not set.
    pub value: String,
    /// Where the value comes from: `default`, a variable, or a file.
    pub source: String,
    /// What it does.
    pub help: &'static str,
}

struct File {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

impl Loaded {
    /// Reads the environment of this process and the settings file: `LONGSHORE_CONFIG`, or `longshore.toml` here.
    ///
    /// # Errors
    /// As [`Config::load`].
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
    pub fn from_process() -> Result<Self, ConfigError> {
        // A variable that is not UTF-8 is none of ours, or will be missed by name.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::from_environment(&environment, Path::new("."))
    }

    /// Reads `environment`, and the settings file that it names or that lies in `here`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_environment(environment: &BTreeMap<String, String>, here: &Path) -> Result<Self, ConfigError> {
        let file = read_file(environment, here)?;
        let mut config = super::table::defaults();
        let mut listed = Vec::with_capacity(SETTINGS.len());
        for setting in SETTINGS {
            let (text, source) = find(setting, environment, file.as_ref());
            (setting.set)(&mut config, &text).map_err(|problem| ConfigError::Bad { name: source.clone(), problem })?;
            let (name, value) = (setting.variable(), setting.shown(&text));
            listed.push(Listed { name, key: setting.key.to_owned(), value, source, help: setting.help });
        }
        let path = file.as_ref().map(|file| file.path.display().to_string()).unwrap_or_default();
        let (kinds, of_kinds) = kinds::read(environment, file.as_ref().map(|file| (&file.values, path.as_str())))?;
        config.kinds = kinds;
        listed.extend(of_kinds);
        check_together(&config)?;
        let warnings = unknown_names(environment, file.as_ref());
        Ok(Self { config, listed, warnings })
    }
}

/// The value of one setting as text, and where it is from.
fn find(setting: &Setting, environment: &BTreeMap<String, String>, file: Option<&File>) -> (String, String) {
    for name in [Some(setting.variable()), setting.also.map(str::to_owned)].into_iter().flatten() {
        if let Some(value) = environment.get(&name) {
            return (value.clone(), name);
        }
    }
    if let Some(file) = file
        && let Some(value) = file.values.get(setting.key)
    {
        return (value.clone(), format!("{} in {}", setting.key, file.path.display()));
    }
    (setting.default.to_owned(), "default".to_owned())
}

/// What each value alone cannot know.
fn check_together(config: &Config) -> Result<(), ConfigError> {
    let worker = &config.worker;
    if worker.lease < worker.heartbeat * 2 {
        let problem = "must be at least twice LONGSHORE_WORKER_HEARTBEAT, or one late heartbeat loses every task";
        return Err(ConfigError::Bad { name: "LONGSHORE_WORKER_LEASE".into(), problem: problem.into() });
    }
    Ok(())
}

fn read_file(environment: &BTreeMap<String, String>, here: &Path) -> Result<Option<File>, ConfigError> {
    let named = environment.get("LONGSHORE_CONFIG").filter(|path| !path.is_empty());
    let path = named.map_or_else(|| here.join("longshore.toml"), PathBuf::from);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        // Only a file that was asked for by name has to be there.
        Err(err) if named.is_none() && err.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    let table: toml::Table = text
        .parse()
        .map_err(|err: toml::de::Error| ConfigError::NotToml { path: path.clone(), problem: err.to_string() })?;
    let mut values = BTreeMap::new();
    flatten("", table, &mut values);
    Ok(Some(File { path, values }))
}

/// `[api] bind = "x"` becomes `api.bind` = `x`; a list becomes its items with commas.
fn flatten(section: &str, table: toml::Table, values: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if section.is_empty() { name } else { format!("{section}.{name}") };
        match value {
            toml::Value::Table(table) => flatten(&key, table, values),
            toml::Value::Array(items) => {
                values.insert(key, items.into_iter().map(plain).collect::<Vec<_>>().join(","));
            }
            value => {
                values.insert(key, plain(value));
            }
        }
    }
}

fn plain(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        value => value.to_string(),
    }
}

/// One warning for each name that no setting has, with the name that was probably meant.
fn unknown_names(environment: &BTreeMap<String, String>, file: Option<&File>) -> Vec<String> {
    let variables: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    let mut warnings = Vec::new();
    for name in environment.keys().filter(|name| name.starts_with("LONGSHORE_")) {
        let other = OTHER_VARIABLES.contains(&name.as_str()) || name.starts_with("LONGSHORE_TEST_");
        if !other && !variables.contains(name) && !kinds::is_variable(name) {
            let known = variables.iter().map(String::as_str);
            warnings.push(format!("{name} is not a setting{}", did_you_mean(name, known)));
        }
    }
    if let Some(file) = file {
        for key in
            file.values.keys().filter(|key| !kinds::is_key(key) && !SETTINGS.iter().any(|setting| setting.key == **key))
        {
            let known = SETTINGS.iter().map(|setting| setting.key);
            let path = file.path.display();
            warnings.push(format!("{key} in {path} is not a setting{}", did_you_mean(key, known)));
        }
    }
    warnings
}

fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.map(|candidate| (distance(name, candidate), candidate)).min();
    match nearest {
        Some((edits, candidate)) if edits <= name.len() / 4 => {
            format!("; did you mean {candidate}?")
        }
        _ => String::new(),
    }
}

/// Levenshtein's distance, by the usual single row.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)], file: Option<&str>) -> Result<Loaded, ConfigError> {
        let here = tempfile::tempdir().expect("a folder");
        if let Some(text) = file {
            std::fs::write(here.path().join("longshore.toml"), text).expect("a file");
        }
        let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Loaded::from_environment(&environment, here.path())
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let file =
            "[api]\nbind = '0.0.0.0:1'\nbody_limit_bytes = 2048\n[worker]\nqueues = ['a=2', 'b']\nconcurrency = 7";
        let loaded = load(&[("LONGSHORE_API_BIND", "0.0.0.0:2")], Some(file)).expect("settings");

        assert_eq!(loaded.config.api.bind, "0.0.0.0:2");
        assert_eq!(loaded.config.api.body_limit_bytes, 2048);
        assert_eq!(loaded.config.worker.queues, [("a".to_owned(), 2), ("b".to_owned(), 7)]);
        let source = |key| loaded.listed.iter().find(|line| line.key == key).map(|line| line.source.clone());
        assert_eq!(source("api.bind").as_deref(), Some("LONGSHORE_API_BIND"));
        assert_eq!(source("log.level").as_deref(), Some("default"));
        assert!(source("worker.queues").is_some_and(|source| source.starts_with("worker.queues in ")));
    }

    #[test]
    fn the_well_known_names_of_the_servers_are_honoured() {
        let loaded = load(&[("DATABASE_URL", "postgres://a/b"), ("REDIS_URL", "redis://c")], None).expect("settings");
        assert_eq!(loaded.config.database.url.as_deref(), Some("postgres://a/b"));
        assert_eq!(loaded.config.redis.url.as_deref(), Some("redis://c"));

        let own = [("DATABASE_URL", "postgres://a/b"), ("LONGSHORE_DATABASE_URL", "postgres://x/y")];
        let loaded = load(&own, None).expect("settings");
        assert_eq!(loaded.config.database.url.as_deref(), Some("postgres://x/y"));
    }

    #[test]
    fn a_bad_value_names_its_variable_or_its_place_in_the_file() {
        let says = |variables: &[(&str, &str)], file| load(variables, file).expect_err("an error").to_string();

        let shown = says(&[("LONGSHORE_WORKER_LEASE", "soon")], None);
        assert_eq!(shown, "LONGSHORE_WORKER_LEASE: `soon` is not a duration such as 500ms, 4s, 2m or 1h");
        assert!(says(&[], Some("[api]\nbody_limit_bytes = 'big'")).starts_with("api.body_limit_bytes in "));
        assert!(says(&[("LONGSHORE_WORKER_HEARTBEAT", "3s")], None).starts_with("LONGSHORE_WORKER_LEASE: "));
        assert!(says(&[], Some("[api")).contains("is not valid TOML"));
        assert!(says(&[("LONGSHORE_CONFIG", "/nowhere/x.toml")], None).contains("/nowhere/x.toml"));
    }

    #[test]
    fn an_unknown_name_is_a_warning_that_knows_what_was_meant() {
        let variables = [("LONGSHORE_WORKER_QUEUE", "a"), ("LONGSHORE_URL", "x"), ("LONGSHORE_XYZ", "1")];
        let loaded = load(&variables, Some("[worker]\nleese = '4s'")).expect("settings");

        assert_eq!(loaded.warnings.len(), 3, "{:?}", loaded.warnings);
        assert_eq!(
            loaded.warnings[0],
            "LONGSHORE_WORKER_QUEUE is not a setting; did you mean LONGSHORE_WORKER_QUEUES?"
        );
        assert_eq!(loaded.warnings[1], "LONGSHORE_XYZ is not a setting");
        assert!(loaded.warnings[2].ends_with("did you mean worker.lease?"), "{}", loaded.warnings[2]);
    }

    #[test]
    fn passwords_are_hidden_in_the_listing() {
        let loaded = load(&[("DATABASE_URL", "postgres://a:hunter2@b/c")], None).expect("settings");
        let listing = serde_json::to_string(&loaded.listed).expect("JSON");
        assert!(!listing.contains("hunter2") && listing.contains("postgres://a:***@b/c"), "{listing}");

        let secrets = [("LONGSHORE_SECRET_KEY", "hunter2".repeat(5)), ("LONGSHORE_ADMIN_KEY", "hunter2".repeat(5))];
        let secrets: Vec<_> = secrets.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let loaded = load(&secrets, None).expect("settings");
        let shown = format!("{}{:?}", serde_json::to_string(&loaded.listed).expect("JSON"), loaded.config);
        assert!(!shown.contains("hunter2") && shown.contains("***"), "{shown}");
    }
}
