//! Why there is no answer.

use std::{error::Error, fmt};

use serde::{Deserialize, Serialize};

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelError {
    /// What sort of fault it is.
    pub fault: ModelFault,
    /// A sentence for people: lower case, no full stop.
    pub message: String,
    /// A JSON pointer into the request, where one part of it is to blame.
    pub pointer: Option<String>,
}

/// What sort of fault ended a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelFault {
    /// No model has this name, or it does something else.
    UnknownModel,
    /// Its files are missing, broken, or of a sort that the engine cannot run.
    ModelInvalid,
    /// It needs more memory than models may have together.
    ModelTooLarge,
    /// The prompt and the answer do not fit into the context of the model.
    ContextLengthExceeded,
    /// The template of the model refuses the conversation.
    TemplateRefused,
    /// The form of the answer cannot be kept to.
    UnsupportedSchema,
    /// Keeping to the form of the answer takes more work than is allowed.
    SchemaTooComplex,
    /// The answer does not have the form that was asked for.
    InvalidModelOutput,
    /// Too many requests wait for the model.
    Overloaded,
    /// Somebody asked to stop.
    Canceled,
    /// The engine itself failed.
    EngineFailed,
}

impl ModelFault {
    /// The fault's code: a stable word for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownModel => "unknown_model",
            Self::ModelInvalid => "model_invalid",
            Self::ModelTooLarge => "model_too_large",
            Self::ContextLengthExceeded => "context_length_exceeded",
            Self::TemplateRefused => "template_refused",
            Self::UnsupportedSchema => "unsupported_schema",
            Self::SchemaTooComplex => "schema_too_complex",
            Self::InvalidModelOutput => "invalid_model_output",
            Self::Overloaded => "model_overloaded",
            Self::Canceled => "canceled",
            Self::EngineFailed => "engine_failed",
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Overloaded | Self::EngineFailed | Self::InvalidModelOutput)
    }
}

impl ModelError {
    /// A fault and what to say about it.
    pub fn new(fault: ModelFault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into(), pointer: None }
    }

    /// The same error, with the part of the request that is to blame.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault.code(), self.message)
    }
}

impl Error for ModelError {}
