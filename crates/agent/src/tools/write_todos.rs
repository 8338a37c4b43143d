//! `write_todos`: the model's own plan, for it and for those who watch.

use super::{Ground, Tool, parsed};
use async_trait::async_trait;
use domain::turn::{AgentEvent, PlanItem};
use domain::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

const ITEMS_MAX: usize = 50;

pub struct WriteTodos;

#[derive(Deserialize)]
struct Arguments {
    todos: Vec<PlanItem>,
}

#[async_trait]
impl Tool for WriteTodos {
    fn name(&self) -> &'static str {
        "write_todos"
    }
    fn description(&self) -> &'static str {
        "Replaces the list of what is to be done. Keep it up to date while you work."
    }
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {"todos": {"type": "array", "items": {
                "type": "object",
                "properties": {
                    "content": {"type": "string"},
                    "status": {"type": "string", "enum": ["pending", "in_progress", "completed"]},
                },
                "required": ["content", "status"],
            }}},
            "required": ["todos"],
        })
    }
    async fn run(&self, ground: &Ground, _id: &str, arguments: Value) -> Result<String> {
        let arguments: Arguments = parsed(arguments)?;
        if arguments.todos.len() > ITEMS_MAX {
            return Err(Error::limit(format!("a list has at most {ITEMS_MAX} items")));
        }
        let open = arguments.todos.iter().filter(|item| item.status != "completed").count();
        ground.tell(AgentEvent::Plan { items: arguments.todos }).await;
        Ok(format!("Noted; {open} open."))
    }
}
