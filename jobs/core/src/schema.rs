//! All faults of a JSON document at once, by JSON Schema.

use jsonschema::{Validator, error::ValidationErrorKind as Kind};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::fault::{Fault, pointer_to};

/// A JSON Schema (draft 2020-12) that can check documents.
#[derive(Debug)]
pub struct Schema {
    document: Value,
    validator: Validator,
}

impl Schema {
    /// The schema of what `T` reads.
    ///
    /// # Panics
    /// When the type derives a schema that is not valid: a mistake in the code, found by the first test that starts it.
    #[must_use]
    pub fn of<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12();
        Self::compile(settings.into_generator().into_root_schema_for::<T>().to_value())
    }

    /// The schema of what `T` writes.
    ///
    /// # Panics
    /// As [`Schema::of`].
    #[must_use]
    pub fn of_output<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        Self::compile(settings.into_generator().into_root_schema_for::<T>().to_value())
    }

    fn compile(document: Value) -> Self {
        let validator = match jsonschema::draft202012::new(&document) {
            Ok(validator) => validator,
            Err(error) => panic!("a type derives an invalid JSON Schema: {error}"),
        };
        Self { document, validator }
    }

    /// The schema itself.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Everything that is wrong with `value`, in the order of the document; empty when it is right.
    #[must_use]
    pub fn check(&self, value: &Value) -> Vec<Fault> {
        // Most are right, and that is found out much faster.
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        let mut faults = Vec::new();
        for error in self.validator.iter_errors(value) {
            let at = error.instance_path().to_string();
            match error.kind() {
                Kind::AdditionalProperties { unexpected } => {
                    faults.extend(unexpected.iter().map(|name| Fault::new(pointer_to(&at, name), "unknown field")));
                }
                Kind::Required { property } => {
                    let name = property.as_str().unwrap_or_default();
                    faults.push(Fault::new(pointer_to(&at, name), "required"));
                }
                Kind::OneOfNotValid { .. } | Kind::AnyOf { .. } => {
                    let choices = self.choices(&error.schema_path().to_string());
                    let detail = choices.map(|choices| format!("must be one of {choices}"));
                    faults.push(Fault::new(at, detail.unwrap_or_else(|| error.to_string())));
                }
                _ => faults.push(Fault::new(at, error.to_string())),
            }
        }
        faults.sort();
        faults.dedup();
        faults
    }

    /// The values that the alternatives at `path` of the schema leave to choose from, if each is one value.
    fn choices(&self, path: &str) -> Option<String> {
        let mut at = &self.document;
        for token in path.split('/').skip(1) {
            at = match at.get("$ref").filter(|_| token == "$ref") {
                Some(target) => self.document.pointer(target.as_str()?.strip_prefix('#')?)?,
                None => at.get(token).or_else(|| at.get(token.parse::<usize>().ok()?))?,
            };
        }
        let mut values = Vec::new();
        for alternative in at.as_array()? {
            match (alternative.get("const"), alternative.get("enum")) {
                (Some(value), _) => values.push(value.to_string()),
                (_, Some(Value::Array(several))) => values.extend(several.iter().map(Value::to_string)),
                _ => return None,
            }
        }
        Some(values.join(", "))
    }
}

/// The pointer of the first string or key in `value` that holds U+0000, which Postgres cannot store.
#[must_use]
pub fn find_nul(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(at, item)| find_nul(item).map(|rest| format!("/{at}{rest}")))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            if name.contains('\0') {
                return Some(String::new());
            }
            find_nul(field).map(|rest| format!("{}{rest}", pointer_to("", name)))
        }),
        _ => None,
    }
}

/// JSON knows one sort of number, so that `3.0` is a whole one; types are stricter.
pub fn plain_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(plain_numbers),
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        scalar => whole(scalar),
    }
}

/// A number without a fraction as a whole one.
pub fn whole(value: &mut Value) {
    // Beyond this a double does not know its neighbours, and no field goes there.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(number) = value.as_f64()
        && value.is_f64()
        && number.fract() == 0.0
        && number.abs() < EXACT
    {
        // Whole and within the range, so nothing is lost.
        *value = (number as i64).into();
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde_json::json;

    use super::*;

    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    struct Sample {
        #[schemars(length(min = 3))]
        _title: String,
        #[schemars(range(min = 1, max = 9))]
        _count: Option<u8>,
        _must: bool,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Choice {
        /// One.
        Left,
        /// The other.
        Right,
    }

    #[derive(JsonSchema)]
    struct Chosen {
        _choice: Choice,
    }

    #[test]
    fn a_wrong_choice_is_answered_with_the_right_ones() {
        let faults = Schema::of::<Chosen>().check(&json!({ "_choice": "Up" }));
        assert_eq!(faults, [Fault::new("/_choice", r#"must be one of "Left", "Right""#)]);
    }

    #[test]
    fn all_faults_are_named_by_their_pointer() {
        let schema = Schema::of::<Sample>();
        let faults = schema.check(&json!({ "_title": "x", "_count": 12, "wrong/name": 1 }));
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/_count", "/_must", "/_title", "/wrong~1name"]);
        assert!(schema.check(&json!({ "_title": "xyz", "_must": true })).is_empty());
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let mut value = json!({ "a": [3.0, 1.5, -2.0], "b": 1e300, "c": "3.0" });
        plain_numbers(&mut value);
        assert_eq!(value.to_string(), r#"{"a":[3,1.5,-2],"b":1e+300,"c":"3.0"}"#);
    }

    #[test]
    fn a_nul_is_found_wherever_it_hides() {
        assert_eq!(find_nul(&json!({ "a": [1, { "b/c": "x\0" }] })).as_deref(), Some("/a/1/b~1c"));
        assert_eq!(find_nul(&json!({ "a": "fine" })), None);
    }
}
