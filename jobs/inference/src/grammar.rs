//! The grammar of an answer: what a response format means to a decoder, and whether it can be kept to at all.

use std::sync::OnceLock;

use jobs_core::{
    Fault,
    fault::pointer_to,
    port::model::{JsonSchemaFormat, ResponseFormat},
};
use llguidance::{
    Matcher, ParserFactory,
    api::TopLevelGrammar,
    toktrie::{ApproximateTokEnv, InferenceCapabilities},
};
use serde_json::{Value, json};

use crate::narrow::narrow;

/// How deep schemas may be nested.
pub const MAX_SCHEMA_DEPTH: usize = 64;
/// How many bytes a schema, an expression or a grammar may have.
pub const MAX_GRAMMAR_BYTES: usize = 256 * 1024;
/// How many parts of a refused schema are tried to find the one to blame.
const MAX_TRIALS: usize = 256;

/// The grammar that answers of this form follow; none where any text will do.
///
/// # Errors
/// When the form is too large or too deep; the pointer is relative to the response format.
pub fn grammar(format: &ResponseFormat) -> Result<Option<TopLevelGrammar>, Fault> {
    match format {
        ResponseFormat::Text => Ok(None),
        ResponseFormat::JsonObject => Ok(Some(of_schema(&json!({ "type": "object" })))),
        ResponseFormat::JsonSchema { json_schema: JsonSchemaFormat { schema, .. } } => {
            check_size(schema)?;
            Ok(Some(of_schema(schema)))
        }
        ResponseFormat::Regex { pattern } => {
            check_bytes("/pattern", pattern.len())?;
            Ok(Some(TopLevelGrammar::from_regex(pattern)))
        }
        ResponseFormat::Grammar { grammar } => {
            check_bytes("/grammar", grammar.len())?;
            Ok(Some(TopLevelGrammar::from_lark(grammar.clone())))
        }
    }
}

/// Whether answers of this form can be written. It needs no model: the grammar is compiled for an alphabet of bytes.
///
/// # Errors
/// What is wrong, with a pointer relative to the response format.
pub fn check(format: &ResponseFormat) -> Result<(), Fault> {
    let Some(compiled) = grammar(format)? else { return Ok(()) };
    if let ResponseFormat::JsonSchema { json_schema } = format {
        // A schema that is wrong in itself is told apart from one that is right and not supported.
        if let Err(error) = jsonschema::meta::validate(&json_schema.schema) {
            let at = format!("{SCHEMA}{}", error.instance_path());
            return Err(Fault::new(at, format!("not a JSON Schema: {error}")));
        }
        if let Err(error) = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .build(&json_schema.schema)
        {
            return Err(Fault::new(SCHEMA, format!("not a JSON Schema that can be checked: {error}")));
        }
    }
    let Err(reason) = compile(compiled) else { return Ok(()) };
    Err(match format {
        ResponseFormat::Regex { .. } => Fault::new("/pattern", reason),
        ResponseFormat::Grammar { .. } => Fault::new("/grammar", reason),
        ResponseFormat::JsonSchema { json_schema } => {
            Blame { root: &json_schema.schema, trials: 0 }.find(&json_schema.schema, SCHEMA.to_owned(), reason)
        }
        ResponseFormat::Text | ResponseFormat::JsonObject => Fault::new("", reason),
    })
}

/// Where the schema is in a response format.
const SCHEMA: &str = "/json_schema/schema";

/// The grammar of documents of a schema, written without white space, and so that they come to an end.
fn of_schema(schema: &Value) -> TopLevelGrammar {
    let mut narrowed = narrow(schema);
    if let Some(keywords) = narrowed.as_object_mut() {
        // A document that several alternatives of a oneOf accept is caught when it is validated.
        let options = json!({ "whitespace_flexible": false, "coerce_one_of": true });
        keywords.insert("x-guidance".to_owned(), options);
    }
    TopLevelGrammar::from_json_schema(narrowed)
}

/// Compiles a grammar for an alphabet of bytes.
fn compile(grammar: TopLevelGrammar) -> Result<(), String> {
    static FACTORY: OnceLock<Option<ParserFactory>> = OnceLock::new();
    let factory = FACTORY.get_or_init(|| {
        let alphabet = ApproximateTokEnv::single_byte_env();
        let mut factory = ParserFactory::new(&alphabet, InferenceCapabilities::default(), &[]).ok()?;
        factory.quiet();
        factory.limits_mut().verbose_errors = false;
        Some(factory)
    });
    let Some(factory) = factory else { return Err("no grammar can be compiled".to_owned()) };
    let matcher = Matcher::new(factory.create_parser(grammar));
    match matcher.get_error() {
        None => Ok(()),
        Some(error) => Err(reason(&error)),
    }
}

/// The first line of what the compiler says, as our messages are written.
fn reason(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default().trim_end_matches('.');
    let mut letters = line.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Finds the part of a schema that is to blame for its being refused.
struct Blame<'a> {
    root: &'a Value,
    trials: usize,
}

impl Blame<'_> {
    /// The fault of `schema`, which cannot be compiled for `reason`: in the deepest part that fails by itself.
    fn find(&mut self, schema: &Value, pointer: String, reason: String) -> Fault {
        for (below, part) in parts(schema) {
            self.trials += 1;
            if self.trials > MAX_TRIALS {
                break;
            }
            if let Err(reason) = compile(of_schema(&self.with_definitions(part))) {
                return self.find(part, format!("{pointer}{below}"), reason);
            }
        }
        let keyword = schema.as_object().and_then(|keywords| keywords.keys().find(|name| names(&reason, name)));
        match keyword {
            Some(keyword) => Fault::new(pointer_to(&pointer, keyword), format!("is not supported: {reason}")),
            None => Fault::new(pointer, format!("is not supported: {reason}")),
        }
    }

    /// A part of the schema that can be read alone: references point into the definitions of the whole.
    fn with_definitions(&self, part: &Value) -> Value {
        let mut alone = part.clone();
        if let Some(keywords) = alone.as_object_mut() {
            for name in ["$defs", "definitions"] {
                if let Some(definitions) = self.root.get(name) {
                    keywords.insert(name.to_owned(), definitions.clone());
                }
            }
        }
        alone
    }
}

/// Whether the compiler blames a keyword, which it does by its name in quotes.
fn names(reason: &str, keyword: &str) -> bool {
    reason.contains(&format!("\"{keyword}\""))
}

/// The schemas within a schema, with their pointers.
fn parts(schema: &Value) -> Vec<(String, &Value)> {
    let mut parts = Vec::new();
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        let at = pointer_to("", keyword);
        match (keyword.as_str(), value) {
            ("$defs" | "definitions" | "properties" | "patternProperties", Value::Object(schemas)) => {
                parts.extend(schemas.iter().map(|(name, schema)| (pointer_to(&at, name), schema)));
            }
            ("prefixItems" | "anyOf" | "oneOf" | "allOf", Value::Array(schemas)) => {
                parts.extend(schemas.iter().enumerate().map(|(index, schema)| (format!("{at}/{index}"), schema)));
            }
            ("items" | "additionalProperties", schema @ Value::Object(_)) => parts.push((at, schema)),
            _ => {}
        }
    }
    parts
}

fn check_bytes(pointer: &str, bytes: usize) -> Result<(), Fault> {
    if bytes > MAX_GRAMMAR_BYTES {
        return Err(Fault::new(pointer, format!("must have at most {MAX_GRAMMAR_BYTES} bytes")));
    }
    Ok(())
}

/// Refuses what is too deep before anything recursive looks at it, then what is too large.
fn check_size(schema: &Value) -> Result<(), Fault> {
    let mut level: Vec<&Value> = vec![schema];
    // A schema within a schema is two levels further down in JSON.
    for _ in 0..2 * MAX_SCHEMA_DEPTH {
        level = level.into_iter().flat_map(children).collect();
        if level.is_empty() {
            return check_bytes(SCHEMA, schema.to_string().len());
        }
    }
    Err(Fault::new(SCHEMA, format!("must not be nested more than {MAX_SCHEMA_DEPTH} schemas deep")))
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn schema(schema: Value) -> ResponseFormat {
        ResponseFormat::JsonSchema { json_schema: JsonSchemaFormat { name: None, schema, strict: None } }
    }

    fn blamed(document: Value) -> String {
        check(&schema(document)).unwrap_err().pointer
    }

    #[test]
    fn what_can_be_kept_to_passes() {
        let tree = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "pattern": "^[A-Z][a-z]+$" },
                "born": { "type": "string", "format": "date" },
                "children": { "type": "array", "items": { "$ref": "#" }, "maxItems": 3 },
            },
            "required": ["name"],
        });
        assert_eq!(check(&schema(tree)), Ok(()));
        assert_eq!(check(&ResponseFormat::JsonObject), Ok(()));
        assert_eq!(check(&ResponseFormat::Regex { pattern: "[a-c]{2,4}".to_owned() }), Ok(()));
        assert_eq!(check(&ResponseFormat::Grammar { grammar: "start: \"yes\" | \"no\"".to_owned() }), Ok(()));
    }

    #[test]
    fn the_part_that_is_to_blame_is_named() {
        let not = json!({ "type": "object", "properties": { "a": { "items": { "not": {} } }, "b": true } });
        assert_eq!(blamed(not), "/json_schema/schema/properties/a/items/not");
        let unique = json!({ "$defs": { "l": { "type": "array", "uniqueItems": true } }, "$ref": "#/$defs/l" });
        assert_eq!(blamed(unique), "/json_schema/schema/$defs/l/uniqueItems");
        assert_eq!(blamed(json!({ "type": "strin" })), "/json_schema/schema/type");
        assert_eq!(blamed(json!({ "$ref": "#/$defs/none" })), "/json_schema/schema");
    }

    #[test]
    fn a_wrong_expression_or_grammar_is_refused() {
        let look_around = ResponseFormat::Regex { pattern: "(?=a)b".to_owned() };
        assert_eq!(check(&look_around).unwrap_err().pointer, "/pattern");
        let no_start = ResponseFormat::Grammar { grammar: "other: \"x\"".to_owned() };
        assert_eq!(check(&no_start).unwrap_err().pointer, "/grammar");
    }

    #[test]
    fn a_schema_ten_thousand_deep_is_refused_and_nothing_is_spent_on_it() {
        let mut deep = json!({ "type": "string" });
        for _ in 0..10_000 {
            let mut list = Map::new();
            list.insert("items".to_owned(), deep);
            deep = Value::Object(list);
        }
        let format = schema(deep);
        assert_eq!(check(&format).unwrap_err().pointer, "/json_schema/schema");
        // Dropping a value of this depth takes more stack than a test has.
        std::mem::forget(format);
    }
}
