//! What a method works on, changed behind its back: where nothing is given, a test that looks at what was done notices.

use super::values;
use crate::syntax::{Source, above, named};
use tree_sitter::Node;

/// Statements for before the body and, in place of its value, for when it panicked.
pub struct Disturbance {
    pub before: String,
    pub after: String,
}

impl Disturbance {
    /// Of every field of `&mut self` whose type is understood; `None` when there is none.
    pub fn of(source: &Source<'_>, function: Node<'_>) -> Option<Self> {
        let parameters = named(function.child_by_field_name("parameters")?);
        let changes_self = parameters
            .iter()
            .any(|p| p.kind() == "self_parameter" && source.of(*p).split_whitespace().collect::<Vec<_>>().join(" ") == "&mut self");
        if !changes_self {
            return None;
        }
        let given: Vec<(&str, &str)> = parameters
            .iter()
            .filter(|p| p.kind() == "parameter")
            .filter_map(|p| Some((source.of(p.child_by_field_name("pattern")?), source.of(p.child_by_field_name("type")?))))
            .collect();
        let mut made = Disturbance { before: "let _ = &self; ".to_string(), after: String::new() };
        for (field, kind) in fields(source, function)? {
            made.field(&format!("self.{field}"), kind, &given);
        }
        made.after = format!("{{ {}}}", made.after);
        (made.after.len() > 4).then_some(made)
    }

    fn field(&mut self, place: &str, kind: &str, given: &[(&str, &str)]) {
        let one = element(kind);
        let words = match kind {
            "bool" => format!("{place} = !{place};"),
            "f32" | "f64" => format!("{place} += 7.0;"),
            "String" => format!("{place}.push('~');"),
            _ if values::is_integer(kind) => format!("{place} = {place}.wrapping_add(7);"),
            _ => {
                let Some((holder, one)) = one else { return };
                let Some(value) = self.value(one, given) else { return };
                match holder {
                    "Vec" => format!("{place}.push({value});"),
                    "VecDeque" => format!("{place}.push_back({value});"),
                    _ => format!("{place} = if {place}.is_some() {{ None }} else {{ Some({value}) }};"),
                }
            }
        };
        self.after.push_str(&words);
        self.after.push(' ');
    }

    /// One of what was given, kept before the body takes it, or a value that any program can write.
    fn value(&mut self, kind: &str, given: &[(&str, &str)]) -> Option<String> {
        if let Some((name, _)) = given.iter().find(|(name, of)| *of == kind && name.chars().all(|c| c.is_alphanumeric() || c == '_')) {
            let kept = format!("kept_{name}");
            if !self.before.contains(&format!("let {kept} ")) {
                self.before.push_str(&format!("let {kept} = {name}.clone(); "));
            }
            return Some(format!("{kept}.clone()"));
        }
        values::of(kind).into_iter().next_back().filter(|v| !v.contains("Default::default()"))
    }
}

/// `Vec<u8>` → (`Vec`, `u8`)
fn element(kind: &str) -> Option<(&str, &str)> {
    let (holder, rest) = kind.split_once('<')?;
    let holder = holder.rsplit("::").next().unwrap_or(holder);
    matches!(holder, "Vec" | "VecDeque" | "Option").then_some((holder, rest.strip_suffix('>')?.trim()))
}

/// Name and type of each field of the type that the function is a method of, if it is declared in the same file.
fn fields<'a>(source: &Source<'a>, function: Node<'_>) -> Option<Vec<(&'a str, &'a str)>> {
    let block = above(function, &["impl_item"])?;
    let name = source.of(block.child_by_field_name("type")?).split('<').next().unwrap_or_default().trim();
    let declared = source
        .nodes()
        .into_iter()
        .find(|n| n.kind() == "struct_item" && n.child_by_field_name("name").is_some_and(|m| source.of(m) == name))?;
    let body = declared.child_by_field_name("body").filter(|b| b.kind() == "field_declaration_list")?;
    let fields = named(body).into_iter().filter(|n| n.kind() == "field_declaration");
    Some(
        fields
            .filter_map(|f| Some((source.of(f.child_by_field_name("name")?), source.of(f.child_by_field_name("type")?).trim())))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::Language;

    fn of(text: &str) -> Option<(String, String)> {
        let source = Source::parse(Language::Rust, text).expect("parses");
        let function = source.nodes().into_iter().find(|n| n.kind() == "function_item").expect("a function");
        Disturbance::of(&source, function).map(|d| (d.before, d.after))
    }

    #[test]
    fn fields_of_known_types_are_changed() {
        let text =
            "struct Ring<T> { items: Vec<T>, next: usize, other: Odd }\nimpl<T: Clone> Ring<T> {\n    fn push(&mut self, item: T) {}\n}\n";
        let (before, after) = of(text).expect("two of its fields are known");
        assert!(before.contains("let kept_item = item.clone();"));
        assert_eq!(after, "{ self.items.push(kept_item.clone()); self.next = self.next.wrapping_add(7); }");
        assert_eq!(of(&text.replace("&mut self", "&self")), None);
        assert_eq!(of("struct A { other: Odd }\nimpl A { fn f(&mut self) {} }\n"), None);
    }
}
