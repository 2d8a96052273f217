//! What a credential is for: claims about the task, set by whoever asks and kept by everything below (house rule C11).

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// Longest value of a task claim, in bytes: an id or a short name, not a text.
pub const MAX_TASK_BYTES: usize = 256;

/// Most tools that `allowed_tools` can name.
pub const MAX_TOOLS: usize = 64;

/// The claims about a task. Absent ones say nothing; an empty list of tools allows none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskClaims {
    /// The session it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session_id: Option<String>,
    /// The task it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub task_id: Option<String>,
    /// What kind of task that is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub task_type: Option<String>,
    /// The only tools it may be used with; any when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub allowed_tools: Option<Vec<String>>,
    /// The workspace it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workspace: Option<String>,
    /// The environment it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub environment: Option<String>,
}

/// A task claim that is not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskClaimError {
    /// The value is empty, too long, or has control characters.
    #[error("must be 1 to {MAX_TASK_BYTES} bytes without control characters")]
    Text,
    /// More tools than the bound.
    #[error("must name at most {MAX_TOOLS} tools")]
    TooManyTools,
}

impl TaskClaims {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Check the bounds of what somebody asks for.
    ///
    /// # Errors
    /// The claim, and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, TaskClaimError)> {
        for (name, value) in self.texts() {
            if value.is_some_and(|value| !is_short(value)) {
                return Err((name, TaskClaimError::Text));
            }
        }
        let tools = self.allowed_tools.as_deref().unwrap_or_default();
        if tools.len() > MAX_TOOLS {
            return Err(("allowed_tools", TaskClaimError::TooManyTools));
        }
        if tools.iter().all(|tool| is_short(tool)) {
            Ok(())
        } else {
            Err(("allowed_tools", TaskClaimError::Text))
        }
    }

    /// What a child has that asks for `asked`: everything of its parent's as it is, fewer tools, and what the parent
    /// says nothing of.
    ///
    /// # Errors
    /// [`Refusal::TaskClaim`] when something inherited would change, or a tool be added.
    pub fn inherited_by(&self, asked: &Self) -> Result<Self, Refusal> {
        for ((name, held), (_, wanted)) in self.texts().into_iter().zip(asked.texts()) {
            if held.is_some() && wanted.is_some() && held != wanted {
                return Err(Refusal::TaskClaim(name));
            }
        }
        let tools = match (&self.allowed_tools, &asked.allowed_tools) {
            (Some(held), Some(wanted)) if !wanted.iter().all(|tool| held.contains(tool)) => {
                return Err(Refusal::TaskClaim("allowed_tools"));
            }
            (held, wanted) => wanted.as_ref().or(held.as_ref()),
        };
        let or = |held: &Option<String>, wanted: &Option<String>| held.as_ref().or(wanted.as_ref()).cloned();
        Ok(Self {
            session_id: or(&self.session_id, &asked.session_id),
            task_id: or(&self.task_id, &asked.task_id),
            task_type: or(&self.task_type, &asked.task_type),
            allowed_tools: tools.cloned(),
            workspace: or(&self.workspace, &asked.workspace),
            environment: or(&self.environment, &asked.environment),
        })
    }

    /// What is left of it when nobody authenticated asks: fewer tools are a limit, and everything else is a word that
    /// nobody stands for (house rule C8).
    pub fn unproven(&self) -> Self {
        Self { allowed_tools: self.allowed_tools.clone(), ..Self::default() }
    }

    /// Each claim that is one text, by its name.
    fn texts(&self) -> [(&'static str, Option<&String>); 5] {
        [
            ("session_id", self.session_id.as_ref()),
            ("task_id", self.task_id.as_ref()),
            ("task_type", self.task_type.as_ref()),
            ("workspace", self.workspace.as_ref()),
            ("environment", self.environment.as_ref()),
        ]
    }
}

fn is_short(value: &str) -> bool {
    (1..=MAX_TASK_BYTES).contains(&value.len()) && !value.chars().any(char::is_control)
}
