//! The chat template of a model: a conversation as the one text that the model was trained on.
//!
//! Templates are Jinja, written for Python's. They come with the weights and run without access to anything.

use std::{path::Path, time::SystemTime};

use jobs_core::port::model::{Message, ModelError, ModelFault};
use minijinja::{Environment, Error, ErrorKind, Value, context, value::Kwargs};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use time::OffsetDateTime;

use crate::checkpoint::{Checkpoint, invalid, text};

const NAME: &str = "chat";

/// A template, ready to be filled.
pub(crate) struct Template {
    environment: Environment<'static>,
    begin: String,
    end: String,
}

impl Template {
    /// The template in `path`, or the model's own; none where it has none.
    pub(crate) fn load(files: &Checkpoint, path: Option<&Path>) -> Result<Option<Self>, ModelError> {
        let settings = files.json("tokenizer_config.json")?.unwrap_or_default();
        let beside = files.dir.join("chat_template.jinja");
        let source = match path {
            Some(path) => Some(text(path)?),
            None if beside.exists() => Some(text(&beside)?),
            None => usual(&settings["chat_template"]).map(str::to_owned).or_else(|| files.template.clone()),
        };
        let Some(source) = source else { return Ok(None) };
        let token = |name: &str| {
            let token = &settings[name];
            token.as_str().or_else(|| token["content"].as_str()).unwrap_or_default().to_owned()
        };
        Self::new(source, token("bos_token"), token("eos_token")).map(Some)
    }

    fn new(source: String, begin: String, end: String) -> Result<Self, ModelError> {
        let mut environment = Environment::new();
        // As transformers sets Python's Jinja up.
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_keep_trailing_newline(true);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        let parsed = environment.add_template_owned(NAME, source);
        parsed.map_err(|error| invalid(format!("the chat template: {error}")))?;
        Ok(Self { environment, begin, end })
    }

    /// The text of a conversation, up to where the model speaks.
    pub(crate) fn render(&self, messages: &[Message]) -> Result<String, ModelError> {
        let refused = |error: Error| ModelError::new(ModelFault::TemplateRefused, error.to_string()).at("/messages");
        let template = self.environment.get_template(NAME).map_err(refused)?;
        let values = context! {
            messages => Value::from_serialize(messages),
            add_generation_prompt => true,
            bos_token => self.begin,
            eos_token => self.end,
        };
        template.render(values).map_err(refused)
    }
}

/// The template in a `tokenizer_config.json`: the only one, or the one of several that is for conversations without tools.
fn usual(setting: &serde_json::Value) -> Option<&str> {
    let named = || setting.as_array()?.iter().find(|template| template["name"] == "default")?["template"].as_str();
    setting.as_str().or_else(named)
}

fn raise(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// The date, which some templates put into their instructions.
fn strftime_now(format: &str) -> Result<String, Error> {
    let wrong = |error: &dyn std::fmt::Display| Error::new(ErrorKind::InvalidOperation, error.to_string());
    let format = time::format_description::parse_strftime_owned(format).map_err(|error| wrong(&error))?;
    OffsetDateTime::from(SystemTime::now()).format(&format).map_err(|error| wrong(&error))
}

/// JSON as Python writes it: a space after commas and colons, and letters as they are.
fn tojson(value: Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // `ensure_ascii`, `separators` and `sort_keys` are what transformers knows besides; no template was seen to use them.
    let wrong = |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    let mut json = Vec::new();
    match indent {
        Some(indent) => {
            let indent = " ".repeat(indent.min(16));
            let format = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut json, format)).map_err(wrong)?;
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut json, Spaced)).map_err(wrong)?,
    }
    Ok(Value::from_safe_string(String::from_utf8_lossy(&json).into_owned()))
}

/// Writes `{"a": 1, "b": [2, 3]}`.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use jobs_core::port::model::Role;

    use super::*;

    fn render(source: &str, messages: &[(Role, &str)]) -> Result<String, ModelError> {
        let template = Template::new(source.to_owned(), "<s>".to_owned(), "</s>".to_owned()).unwrap();
        let message = |(role, content): &(Role, &str)| Message { role: *role, content: (*content).to_owned() };
        template.render(&messages.iter().map(message).collect::<Vec<_>>())
    }

    #[test]
    fn a_conversation_becomes_the_text_that_pythons_jinja_makes() {
        let source = "{{ bos_token }}{% for m in messages %}\n    {%- if m['role'] == 'user' %}\n[INST] \
                      {{ m.content.strip() }} [/INST]\n    {%- else %}\n{{ m['content'] | tojson }}{% endif %}\n\
                      {% endfor %}\n{% if add_generation_prompt %}>{% endif %}";
        let found = render(source, &[(Role::User, " hi "), (Role::Assistant, "<é>")]).unwrap();
        assert_eq!(found, "<s>[INST] hi [/INST]\"<é>\">");
    }

    #[test]
    fn of_several_templates_the_usual_one_is_taken() {
        let several = serde_json::json!([{ "name": "tools", "template": "t" }, { "name": "default", "template": "d" }]);
        assert_eq!(usual(&several), Some("d"));
        assert_eq!(usual(&serde_json::json!("only")), Some("only"));
        assert_eq!(usual(&serde_json::Value::Null), None);
    }

    #[test]
    fn a_template_may_refuse_a_conversation() {
        let source = "{% if messages[0].role != 'user' %}{{ raise_exception('users speak first') }}{% endif %}";
        let error = render(source, &[(Role::System, "x")]).unwrap_err();
        assert_eq!(error.fault, ModelFault::TemplateRefused);
        assert!(error.message.contains("users speak first"), "{error}");
    }

    #[test]
    fn json_is_written_as_python_writes_it() {
        let source = "{{ {'a': [1, 2], 'b': '<&>'} | tojson }}{{ [1] | tojson(indent=2) }}";
        assert_eq!(render(source, &[]).unwrap(), "{\"a\": [1, 2], \"b\": \"<&>\"}[\n  1\n]");
    }
}
