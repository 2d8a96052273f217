//! Problem documents (RFC 9457): how the administrative routes say no.

use serde_json::{Value, json};

use crate::body::Issue;

/// What a problem document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP reason phrase.
    pub title: &'static str,
    /// What happened.
    pub detail: String,
    /// Where, if there are places to name.
    pub issues: Vec<Issue>,
}

/// The body of a problem document.
pub fn problem(problem: &Problem) -> Value {
    let mut body = json!({"title": problem.title, "status": problem.status, "detail": problem.detail});
    if !problem.issues.is_empty()
        && let Some(members) = body.as_object_mut()
    {
        let issues = problem.issues.iter().map(|issue| {
            let mut told = json!({"message": issue.message, "location": issue.location});
            if let (Some(value), Some(told)) = (&issue.value, told.as_object_mut()) {
                told.insert("value".to_owned(), value.clone().into());
            }
            told
        });
        members.insert("errors".to_owned(), issues.collect());
    }
    body
}
