//! Noticing that a model goes in circles. Pure.

use llm::ToolCall;

/// After so many identical calls with identical results the model is told.
const TOLD_AT: usize = 3;
/// And after so many the turn ends.
const ENDED_AT: usize = 8;

#[derive(Debug, Default)]
pub struct LoopGuard {
    last: Option<(String, String, String)>,
    count: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Notice {
    Fine,
    /// To be added to the tool's result.
    Tell(String),
    End,
}

impl LoopGuard {
    pub fn saw(&mut self, call: &ToolCall, result: &str) -> Notice {
        let this = (call.name.clone(), call.arguments.clone(), result.to_string());
        self.count = if self.last.as_ref() == Some(&this) { self.count + 1 } else { 1 };
        self.last = Some(this);
        match self.count {
            ..TOLD_AT => Notice::Fine,
            ENDED_AT.. => Notice::End,
            count => Notice::Tell(format!(
                "\n\nThis is the same call with the same result for the {count}th time. Try something else, or say why you can't go on."
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_call_with_the_same_result_counts() {
        let call = |arguments: &str| ToolCall { name: "ls".into(), arguments: arguments.into(), ..ToolCall::default() };
        let mut guard = LoopGuard::default();
        assert_eq!(guard.saw(&call("{}"), "a"), Notice::Fine);
        assert_eq!(guard.saw(&call("{}"), "a"), Notice::Fine);
        assert!(matches!(guard.saw(&call("{}"), "a"), Notice::Tell(_)));
        assert_eq!(guard.saw(&call("{}"), "b"), Notice::Fine);
        assert_eq!(guard.saw(&call("{1}"), "b"), Notice::Fine);
        for _ in 0..6 {
            guard.saw(&call("{1}"), "b");
        }
        assert_eq!(guard.saw(&call("{1}"), "b"), Notice::End);
    }
}
