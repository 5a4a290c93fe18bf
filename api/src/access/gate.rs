//! What each operation asks of its caller. It is read from the description of the operation, so that what is documented is what holds.

use std::collections::HashMap;

use axum::http::Method;
use jobs_core::{Scope, Scopes};
use serde_json::Value;

use crate::rate::Class;

/// What an operation asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: a key is not even looked at.
    Nothing,
    /// A key with these scopes; or none, and the operation finds another proof in the request.
    KeyOrProof(Scopes),
    /// A key with these scopes.
    Key(Scopes),
}

/// What is to be known of an operation before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gate {
    /// What it asks of its caller.
    pub(crate) need: Need,
    /// With which others it shares limits.
    pub(crate) class: Class,
    /// Whether it is streamed for long.
    pub(crate) streams: bool,
}

/// The gates of all operations.
#[derive(Debug)]
pub(crate) struct Gates(HashMap<(Method, String), Gate>);

impl Gates {
    /// Of the operations that `document` describes.
    pub(crate) fn read(document: &Value) -> Self {
        let mut gates = HashMap::new();
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                let name = operation["operationId"].as_str().unwrap_or_default();
                let class = Class::of(name, method);
                let events = operation.pointer("/responses/200/content/text~1event-stream");
                let streams = events.or_else(|| operation.pointer("/responses/101")).is_some();
                if let Ok(method) = method.to_uppercase().parse() {
                    gates.insert((method, path.clone()), Gate { need: Need::of(operation), class, streams });
                }
            }
        }
        Self(gates)
    }

    /// The gate of a method on a route. What is not described asks for a key: that it is not there is no stranger's business.
    pub(crate) fn of(&self, method: &Method, route: &str) -> Gate {
        let method = if *method == Method::HEAD { Method::GET } else { method.clone() };
        let unknown = Gate { need: Need::Key(Scopes::default()), class: Class::Read, streams: false };
        self.0.get(&(method, route.to_owned())).copied().unwrap_or(unknown)
    }
}

impl Need {
    /// As `security` of an operation says it (OpenAPI 3.1, 4.8.30). One that says nothing is for operators: a route whose author forgot
    /// it is closed.
    fn of(operation: &Value) -> Self {
        let Some(choices) = operation["security"].as_array() else {
            return Self::Key([Scope::Operator].into_iter().collect());
        };
        let is_open = choices.iter().any(|choice| choice.as_object().is_some_and(|choice| choice.is_empty()));
        let names = choices.iter().filter_map(|choice| choice["key"].as_array()).flatten().filter_map(Value::as_str);
        let scopes = names.filter_map(|name| name.parse::<Scope>().ok()).collect();
        let has_key = choices.iter().any(|choice| choice.get("key").is_some());
        match (is_open, has_key) {
            (true, false) => Self::Nothing,
            (true, true) => Self::KeyOrProof(scopes),
            (false, _) => Self::Key(scopes),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_route_asks_for_what_its_description_says() {
        let gates = Gates::read(&json!({ "paths": {
            "/api/v1/tasks": { "get": { "security": [{ "key": ["tasks:read"] }] }, "post": {} },
            "/api/v1/ping": { "get": { "security": [{}] } },
            "/api/v1/file": { "get": { "security": [{}, { "key": ["tasks:read"] }] } },
        } }));
        let scopes = |scope| [scope].into_iter().collect();
        let need = |method: &str, route: &str| gates.of(&method.parse().unwrap(), route).need;
        assert_eq!(need("GET", "/api/v1/tasks"), Need::Key(scopes(Scope::TasksRead)));
        assert_eq!(need("HEAD", "/api/v1/tasks"), Need::Key(scopes(Scope::TasksRead)));
        assert_eq!(need("POST", "/api/v1/tasks"), Need::Key(scopes(Scope::Operator)), "nobody said what it needs");
        assert_eq!(need("PUT", "/api/v1/tasks"), Need::Key(Scopes::default()));
        assert_eq!(need("GET", "/api/v1/ping"), Need::Nothing);
        assert_eq!(need("GET", "/api/v1/file"), Need::KeyOrProof(scopes(Scope::TasksRead)));

        let gates = Gates::read(&crate::openapi::document(&jobs_kinds::registry()));
        assert_eq!(gates.of(&Method::GET, "/api/v1/docs").need, Need::Nothing);
        let socket = gates.of(&Method::GET, "/api/v1/ws");
        assert_eq!((socket.need, socket.streams), (Need::KeyOrProof(scopes(Scope::TasksRead)), true));
    }
}
