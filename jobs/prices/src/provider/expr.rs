//! Expressions: how a definition says where a value stands, and what is done with it.

use regex::Regex;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::{
    json::Json,
    path::{Node, Path},
};

/// Patterns may be so big when they are compiled, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// A compiled expression.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    source: Source,
    pipe: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Source {
    Place(Place),
    Template(Vec<Piece>),
    Const(Json),
}

/// A path, and the item that it starts from: 0 is the innermost.
#[derive(Debug, Clone)]
struct Place {
    up: usize,
    path: Path,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Place(Place),
}

/// What is done with a value. Nothing is done with null but what says so.
#[derive(Debug, Clone)]
enum Step {
    /// The first group of a pattern, or all that it matches; null where it does not.
    Regex(Regex),
    /// Another value for each; `*` for all others, which are null without it.
    Map(Vec<(String, Json)>),
    /// The value beside the first pattern that matches; one without a pattern always does.
    Switch(Vec<(Option<Regex>, Expr)>),
    Div(Expr),
    Mul(Expr),
    Add(Expr),
    /// Whether it is a number above zero.
    Gt0,
    /// Whether it is one of these.
    In(Vec<String>),
    /// Whether there is something.
    Nonempty,
    /// The opposite of whether it counts as yes.
    Not,
    /// This instead of null.
    Default(Expr),
    Lower,
    Upper,
    Trim,
    /// The amount of a price text.
    Price,
}

/// The items that an expression sees, the outermost first.
pub(super) type Items<'a> = [Node<'a>];

impl Expr {
    /// Compiles an expression. The error says what is wrong and, as a pointer, where in it.
    pub(super) fn compile(data: &Value) -> Result<Self, (String, String)> {
        let here = |message: String| (String::new(), message);
        match data {
            Value::String(text) if is_path(text) => {
                Ok(Self { source: Source::Place(Place::compile(text).map_err(here)?), pipe: Vec::new() })
            }
            Value::Object(members) => {
                let source = match (members.get("path"), members.get("template"), members.get("const")) {
                    (Some(Value::String(path)), None, None) => {
                        Source::Place(Place::compile(path).map_err(|err| ("/path".into(), err))?)
                    }
                    (None, Some(Value::String(template)), None) => {
                        Source::Template(template_pieces(template).map_err(|err| ("/template".into(), err))?)
                    }
                    (None, None, Some(value)) => Source::Const(value.into()),
                    _ => return Err(here("an expression has one of path, template and const".into())),
                };
                if let Some(unknown) =
                    members.keys().find(|name| !["path", "template", "const", "pipe"].contains(&name.as_str()))
                {
                    return Err((format!("/{unknown}"), "an expression has no such member".into()));
                }
                let steps = match members.get("pipe") {
                    None => &[][..],
                    Some(Value::Array(steps)) => steps,
                    Some(_) => return Err(("/pipe".into(), "a pipe is an array of steps".into())),
                };
                let step = |(index, step)| {
                    Step::compile(step).map_err(|(pointer, err)| (format!("/pipe/{index}{pointer}"), err))
                };
                Ok(Self { source, pipe: steps.iter().enumerate().map(step).collect::<Result<_, _>>()? })
            }
            Value::Array(_) => Err(here("an expression is no array".into())),
            literal => Ok(Self { source: Source::Const(literal.into()), pipe: Vec::new() }),
        }
    }

    /// The value that it has in the innermost of these items.
    pub(super) fn eval(&self, items: &Items<'_>) -> Json {
        let value = match &self.source {
            Source::Place(place) => place.find(items).cloned().unwrap_or(Json::Null),
            Source::Const(value) => value.clone(),
            Source::Template(pieces) => {
                let text = pieces.iter().map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Place(place) => place.find(items).and_then(Json::to_text).unwrap_or_default(),
                });
                Json::String(text.collect::<String>().trim().to_owned())
            }
        };
        self.pipe.iter().fold(value, |value, step| step.apply(value, items))
    }

    /// How many items above the innermost it looks at.
    pub(super) fn reach(&self) -> usize {
        let of_source = match &self.source {
            Source::Place(place) => place.up,
            Source::Template(pieces) => {
                pieces.iter().map(|piece| if let Piece::Place(place) = piece { place.up } else { 0 }).max().unwrap_or(0)
            }
            Source::Const(_) => 0,
        };
        let of_step = |step: &Step| match step {
            Step::Div(expr) | Step::Mul(expr) | Step::Add(expr) | Step::Default(expr) => expr.reach(),
            Step::Switch(arms) => arms.iter().map(|(_, expr)| expr.reach()).max().unwrap_or(0),
            _ => 0,
        };
        self.pipe.iter().map(of_step).fold(of_source, usize::max)
    }
}

impl Place {
    fn compile(text: &str) -> Result<Self, String> {
        let up = text.chars().take_while(|c| *c == '^').count();
        let path = if up > 0 { format!("${}", &text[up..]) } else { text.to_owned() };
        let path: Path = path.parse().map_err(|err: crate::path::PathError| err.to_string())?;
        if path.descents() > 2 {
            return Err("a path looks at everything below at most twice".into());
        }
        Ok(Self { up, path })
    }

    fn find<'a>(&self, items: &Items<'a>) -> Option<&'a Json> {
        let item = *items.get(items.len().checked_sub(1 + self.up)?)?;
        self.path.first(item).map(|node| node.json)
    }
}

impl Step {
    fn compile(data: &Value) -> Result<Self, (String, String)> {
        let here = |message: &str| (String::new(), message.to_owned());
        let one = match data {
            Value::String(name) => Some((name.as_str(), &Value::Null)),
            Value::Object(members) if members.len() == 1 => {
                members.iter().next().map(|(name, argument)| (name.as_str(), argument))
            }
            _ => None,
        };
        let Some((name, argument)) = one else { return Err(here("a step has one name")) };
        let inside = |(pointer, err): (String, String)| (format!("/{name}{pointer}"), err);
        let expr = || Expr::compile(argument).map_err(inside);
        Ok(match name {
            "regex" => Self::Regex(pattern(argument).map_err(|err| inside((String::new(), err)))?),
            "map" => {
                let Value::Object(members) = argument else { return Err(inside(here("a map is an object"))) };
                Self::Map(members.iter().map(|(from, to)| (from.clone(), to.into())).collect())
            }
            "switch" => {
                let Value::Array(arms) = argument else {
                    return Err(inside(here("a switch is an array of match and value")));
                };
                let arm = |(index, arm): (usize, &Value)| {
                    let at = |(pointer, err): (String, String)| inside((format!("/{index}{pointer}"), err));
                    let matches = arm.get("match").map(pattern).transpose();
                    let matches = matches.map_err(|err| at(("/match".into(), err)))?;
                    let value = arm.get("value").ok_or_else(|| at(here("an arm has a value")))?;
                    Ok((matches, Expr::compile(value).map_err(|(pointer, err)| at((format!("/value{pointer}"), err)))?))
                };
                Self::Switch(arms.iter().enumerate().map(arm).collect::<Result<_, (String, String)>>()?)
            }
            "in" => {
                let Value::Array(values) = argument else { return Err(inside(here("the values are an array"))) };
                Self::In(values.iter().filter_map(|value| Json::from(value).to_text()).collect())
            }
            "div" => Self::Div(expr()?),
            "mul" => Self::Mul(expr()?),
            "add" => Self::Add(expr()?),
            "default" => Self::Default(expr()?),
            "gt0" => Self::Gt0,
            "nonempty" => Self::Nonempty,
            "not" => Self::Not,
            "lower" => Self::Lower,
            "upper" => Self::Upper,
            "trim" => Self::Trim,
            "price" => Self::Price,
            _ => {
                let known =
                    "regex, map, switch, in, div, mul, add, default, gt0, nonempty, not, lower, upper, trim, price";
                return Err(here(&format!("no such step: there are {known}")));
            }
        })
    }

    fn apply(&self, value: Json, items: &Items<'_>) -> Json {
        let text = |value: &Json, change: fn(&str) -> String| {
            value.to_text().map_or(Json::Null, |text| Json::String(change(&text)))
        };
        match self {
            Self::Gt0 => Json::Bool(value.to_decimal().is_some_and(|number| number > Decimal::ZERO)),
            Self::Nonempty => Json::Bool(is_something(&value)),
            Self::Not => Json::Bool(!value.is_truthy()),
            Self::In(values) => Json::Bool(value.to_text().is_some_and(|text| values.contains(&text))),
            Self::Default(other) if value == Json::Null => other.eval(items),
            Self::Default(_) => value,
            Self::Regex(pattern) => {
                value.to_text().and_then(|text| captured(pattern, &text)).map_or(Json::Null, Json::String)
            }
            Self::Map(pairs) => {
                let text = value.to_text().unwrap_or_default();
                let pair =
                    pairs.iter().find(|(from, _)| *from == text).or_else(|| pairs.iter().find(|(from, _)| from == "*"));
                pair.map_or(Json::Null, |(_, to)| to.clone())
            }
            Self::Switch(arms) => {
                let text = value.to_text().unwrap_or_default();
                let arm =
                    arms.iter().find(|(pattern, _)| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&text)));
                arm.map_or(Json::Null, |(_, result)| result.eval(items))
            }
            Self::Div(by) => number(&value, by, items, Decimal::checked_div),
            Self::Mul(by) => number(&value, by, items, Decimal::checked_mul),
            Self::Add(by) => number(&value, by, items, Decimal::checked_add),
            Self::Lower => text(&value, str::to_lowercase),
            Self::Upper => text(&value, str::to_uppercase),
            Self::Trim => text(&value, |text| text.trim().to_owned()),
            Self::Price => {
                let amount =
                    value.to_text().and_then(|text| crate::text::read(&text, crate::text::Hints::default()).amount);
                amount.map_or(Json::Null, |amount| Json::Number(amount.to_string()))
            }
        }
    }
}

/// Whether a text is a path: it starts at an item.
pub(super) fn is_path(text: &str) -> bool {
    let rest = text.trim_start_matches('^');
    let begins = rest.is_empty() || rest.starts_with(['.', '[']);
    text.starts_with('$') || rest.len() < text.len() && begins
}

fn pattern(data: &Value) -> Result<Regex, String> {
    let Value::String(text) = data else { return Err("a pattern is a string".into()) };
    regex::RegexBuilder::new(text).size_limit(MAX_PATTERN_BYTES).build().map_err(|err| err.to_string())
}

fn captured(pattern: &Regex, text: &str) -> Option<String> {
    let found = pattern.captures(text)?;
    found.get(1).or_else(|| found.get(0)).map(|found| found.as_str().to_owned())
}

fn number(value: &Json, by: &Expr, items: &Items<'_>, operation: fn(Decimal, Decimal) -> Option<Decimal>) -> Json {
    let result = value.to_decimal().zip(by.eval(items).to_decimal()).and_then(|(left, right)| operation(left, right));
    result.map_or(Json::Null, |result| Json::Number(result.to_string()))
}

fn is_something(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::String(text) => !text.is_empty(),
        Json::Array(elements) => !elements.is_empty(),
        Json::Object(members) => !members.is_empty(),
        Json::Bool(_) | Json::Number(_) => true,
    }
}

fn template_pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}').ok_or("a brace is not closed")?;
        pieces.push(Piece::Text(rest[..open].to_owned()));
        pieces.push(Piece::Place(Place::compile(&rest[open + 1..open + close])?));
        rest = &rest[open + close + 1..];
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}
