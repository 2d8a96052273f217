//! What an identity is: its type and, within the type, its role.

use serde::{Deserialize, Serialize};

use crate::vocabulary;

vocabulary!(
    /// The type of a workload; the third path segment of its SPIFFE ID.
    IdentityType, "identity type", {
        /// Autonomous agents, orchestrators, tool agents, evaluators, assistants.
        Agent = "agent",
        /// Applications that host or invoke agent workflows.
        Application = "application",
        /// MCP servers and other tool servers.
        McpServer = "mcp_server",
        /// Internal services and other workloads.
        Service = "service",
    }
);

vocabulary!(
    /// The role of an identity within its type.
    SubType, "sub-type", {
        /// Directs other agents.
        Orchestrator = "orchestrator",
        /// Works alone.
        Autonomous = "autonomous",
        /// Does one kind of task for others.
        ToolAgent = "tool_agent",
        /// Acts in a person's stead.
        HumanProxy = "human_proxy",
        /// Judges what others did.
        Evaluator = "evaluator",
        /// Talks to people.
        Chatbot = "chatbot",
        /// Helps a person.
        Assistant = "assistant",
        /// Exposes an API.
        ApiService = "api_service",
        /// Anything else.
        Custom = "custom",
        /// Writes code.
        CodeAgent = "code_agent",
        /// Serves a language model.
        LlmProvider = "llm_provider",
    }
);

/// A type with a sub-type it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawKind")]
pub struct Kind {
    identity_type: IdentityType,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_type: Option<SubType>,
}

/// The type does not have this sub-type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sub_type `{sub_type}` is not valid for identity_type `{identity_type}`")]
pub struct KindError {
    /// The type.
    pub identity_type: IdentityType,
    /// The sub-type it does not have.
    pub sub_type: SubType,
}

#[derive(Deserialize)]
struct RawKind {
    identity_type: IdentityType,
    sub_type: Option<SubType>,
}

impl TryFrom<RawKind> for Kind {
    type Error = KindError;
    fn try_from(raw: RawKind) -> Result<Self, KindError> {
        Self::new(raw.identity_type, raw.sub_type)
    }
}

impl Kind {
    /// The pair, when the type has the sub-type. No sub-type is always valid.
    ///
    /// # Errors
    /// [`KindError`] names both (house rule P5).
    pub fn new(identity_type: IdentityType, sub_type: Option<SubType>) -> Result<Self, KindError> {
        match sub_type {
            Some(sub_type) if !identity_type.has(sub_type) => Err(KindError { identity_type, sub_type }),
            _ => Ok(Self { identity_type, sub_type }),
        }
    }

    /// The pair a new registration gets: an agent without a sub-type is a `tool_agent`.
    ///
    /// # Errors
    /// As [`Kind::new`].
    pub fn for_registration(
        identity_type: IdentityType,
        sub_type: Option<SubType>,
    ) -> Result<Self, KindError> {
        let default = matches!(identity_type, IdentityType::Agent).then_some(SubType::ToolAgent);
        Self::new(identity_type, sub_type.or(default))
    }

    /// The type.
    pub const fn identity_type(self) -> IdentityType {
        self.identity_type
    }

    /// The sub-type, if it has one.
    pub const fn sub_type(self) -> Option<SubType> {
        self.sub_type
    }
}

impl IdentityType {
    /// Whether the sub-type is one of this type's.
    pub const fn has(self, sub_type: SubType) -> bool {
        use SubType::{
            ApiService, Assistant, Autonomous, Chatbot, CodeAgent, Custom, Evaluator, HumanProxy,
            LlmProvider, Orchestrator, ToolAgent,
        };
        match self {
            Self::Agent => matches!(
                sub_type,
                Orchestrator
                    | Autonomous
                    | ToolAgent
                    | HumanProxy
                    | Evaluator
                    | Chatbot
                    | Assistant
                    | CodeAgent
                    | Custom
            ),
            Self::Application => matches!(sub_type, Chatbot | Assistant | ApiService | Custom | CodeAgent),
            Self::McpServer => false,
            Self::Service => matches!(sub_type, LlmProvider),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix() {
        let check = |identity_type: IdentityType, expected: &[&str]| {
            let had: Vec<_> =
                SubType::ALL.iter().filter(|sub| identity_type.has(**sub)).map(|sub| sub.as_str()).collect();
            assert_eq!(had, expected, "{identity_type}");
        };
        check(
            IdentityType::Agent,
            &[
                "orchestrator",
                "autonomous",
                "tool_agent",
                "human_proxy",
                "evaluator",
                "chatbot",
                "assistant",
                "custom",
                "code_agent",
            ],
        );
        check(IdentityType::Application, &["chatbot", "assistant", "api_service", "custom", "code_agent"]);
        check(IdentityType::McpServer, &[]);
        check(IdentityType::Service, &["llm_provider"]);
    }

    #[test]
    fn an_agent_without_a_role_is_a_tool_agent() {
        let kind = Kind::for_registration(IdentityType::Agent, None).unwrap();
        assert_eq!(kind.sub_type(), Some(SubType::ToolAgent));
        assert_eq!(Kind::for_registration(IdentityType::Service, None).unwrap().sub_type(), None);
    }

    #[test]
    fn serde_goes_through_the_same_door() {
        let good = r#"{"identity_type":"agent","sub_type":"evaluator"}"#;
        assert!(serde_json::from_str::<Kind>(good).is_ok());
        let bad = r#"{"identity_type":"mcp_server","sub_type":"evaluator"}"#;
        assert!(serde_json::from_str::<Kind>(bad).is_err());
    }
}
