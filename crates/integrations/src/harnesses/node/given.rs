//! What the tests alone give to the patch: further arguments, which base's functions let fall, and fields that nobody else
//! sets. A test that fails as on base without them shows a way around the fault, which no caller takes.

use super::mutants::{FUNCTIONS, name, parse};
use crate::syntax::{Source, line, named, replace};
use domain::harness::{Mutant, MutantKind, Patched};
use std::collections::{BTreeMap, BTreeSet};
use tree_sitter::Node;

/// The test file without them, a copy for each.
pub fn ungiven(path: &str, text: &str, tests: &[(u32, u32)], patch: &[Patched<'_>]) -> Vec<Mutant> {
    let Some(source) = parse(path, text) else { return Vec::new() };
    let asked: Vec<Node<'_>> = source.nodes().into_iter().filter(|n| tests.iter().any(|(a, b)| (*a..=*b).contains(&line(*n)))).collect();
    let mut cuts: BTreeMap<String, Vec<Node<'_>>> = BTreeMap::new();
    for (name, taken) in grown(patch) {
        for call in asked.iter().filter(|n| called(&source, **n).as_deref() == Some(name.as_str())) {
            let further = arguments(*call).into_iter().skip(taken);
            cuts.entry(format!("what only the test gives `{name}`")).or_default().extend(further);
        }
    }
    let fields = fields(patch);
    for statement in asked.iter().filter(|n| n.kind() == "expression_statement") {
        let set = named(*statement).into_iter().find_map(|n| set(&source, n)).filter(|name| fields.contains(*name));
        cuts.entry(format!("what only the test sets `{}` to", set.unwrap_or_default())).or_default().extend(set.map(|_| *statement));
    }
    cuts.retain(|_, nodes| !nodes.is_empty());
    let mutant = |(what, nodes): (String, Vec<Node<'_>>)| Mutant {
        description: what,
        file: path.to_string(),
        line: line(nodes[0]),
        text: Some(without(text, nodes)),
        kind: MutantKind::Given,
    };
    cuts.into_iter().map(mutant).collect()
}

/// Functions that take more than on base, with what they took; unless somebody in the patch gives them that.
fn grown(patch: &[Patched<'_>]) -> Vec<(String, usize)> {
    let (mut before, mut after, mut given) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for file in patch {
        for (text, found) in [(file.old, &mut before), (Some(file.new), &mut after)] {
            let Some(source) = text.and_then(|t| parse(file.path, t)) else { continue };
            for function in source.nodes().into_iter().filter(|n| FUNCTIONS.contains(&n.kind())) {
                most(found, name(&source, function), parameters(function));
            }
        }
        let Some(source) = parse(file.path, file.new) else { continue };
        for call in source.nodes() {
            called(&source, call).into_iter().for_each(|name| most(&mut given, name, arguments(call).len()));
        }
    }
    let more = |(name, taken): (String, usize)| {
        let old = *before.get(&name)?;
        (taken > old && given.get(&name).is_none_or(|count| *count <= old)).then_some((name, old))
    };
    after.into_iter().filter_map(more).collect()
}

/// Fields that added code reads, and that the patch's files neither had on base nor set or define now.
fn fields(patch: &[Patched<'_>]) -> BTreeSet<String> {
    let (mut read, mut other) = (BTreeSet::new(), BTreeSet::new());
    for file in patch {
        let old = file.old.and_then(|text| parse(file.path, text));
        let is_name = |n: &Node<'_>| n.kind().ends_with("property_identifier") || n.kind() == "shorthand_property_identifier_pattern";
        other.extend(old.iter().flat_map(|old| old.nodes().into_iter().filter(is_name).map(|n| old.of(n).to_string())));
        let Some(source) = parse(file.path, file.new) else { continue };
        for node in source.nodes().into_iter().filter(is_name) {
            let holder = node.parent().filter(|p| p.kind() == "member_expression");
            let is_set =
                holder.and_then(|h| h.parent()).is_some_and(|p| set(&source, p).is_some() && p.child_by_field_name("left") == holder);
            if holder.is_some() && !is_set { &mut read } else { &mut other }.insert(source.of(node).to_string());
        }
    }
    read.difference(&other).cloned().collect()
}

/// The field that an assignment sets.
fn set<'a>(source: &Source<'a>, node: Node<'_>) -> Option<&'a str> {
    let field = node.child_by_field_name("left").filter(|_| node.kind().ends_with("assignment_expression"))?;
    field.child_by_field_name("property").map(|name| source.of(name))
}

fn most(found: &mut BTreeMap<String, usize>, name: String, count: usize) {
    let known = found.entry(name).or_default();
    *known = count.max(*known);
}

/// The last word of what a call calls: `sms.address(…)` → `address`.
fn called(source: &Source<'_>, node: Node<'_>) -> Option<String> {
    let function = node.child_by_field_name(if node.kind() == "new_expression" { "constructor" } else { "function" })?;
    let last = function.child_by_field_name("property").unwrap_or(function);
    matches!(last.kind(), "identifier" | "property_identifier").then(|| source.of(last).to_string())
}

fn arguments(call: Node<'_>) -> Vec<Node<'_>> {
    call.child_by_field_name("arguments").map(named).unwrap_or_default()
}

fn parameters(function: Node<'_>) -> usize {
    match function.child_by_field_name("parameters") {
        Some(list) => named(list).len(),
        None => usize::from(function.child_by_field_name("parameter").is_some()),
    }
}

/// Taken out with the comma before each.
fn without(text: &str, mut nodes: Vec<Node<'_>>) -> String {
    nodes.sort_by_key(|n| std::cmp::Reverse(n.start_byte()));
    nodes.iter().fold(text.to_string(), |text, node| {
        let before = text[..node.start_byte()].trim_end();
        let from = before.strip_suffix(',').unwrap_or(before).len();
        replace(&text, from..node.end_byte(), "")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(old: &str, new: &str, test: &str) -> Vec<(String, String)> {
        let patch = [Patched { path: "a.js", old: Some(old), new }];
        let mutants = ungiven("a.test.js", test, &[(1, 9)], &patch);
        mutants.into_iter().map(|m| (m.description, m.text.unwrap_or_default())).collect()
    }

    #[test]
    fn what_only_a_test_gives_is_taken_out() {
        let old = "class Sms {\n  address(person) {\n    return person.phone.number;\n  }\n}\n";
        let lenient = old.replace("(person)", "(person, { lenient = false } = {})");
        let test = "it('a', () => sms.address({ a: 1 }, { lenient: true }));\n";
        assert_eq!(
            found(old, &lenient, test),
            [("what only the test gives `address`".into(), "it('a', () => sms.address({ a: 1 }));\n".into())]
        );
        assert_eq!(found(old, &format!("{lenient}new Sms().address(ada, {{ lenient: true }});\n"), test), []);
        assert_eq!(found(old, &old.replace(".phone.", ".phone?."), test), []);
    }

    #[test]
    fn a_field_that_only_a_test_sets_is_not_set() {
        let old = "class Sms {\n  to(person) {\n    return person.phone;\n  }\n}\n";
        let hooked = old.replace("person.phone", "(person ?? this.nobody).phone");
        let test = "it('a', () => {\n  sms.nobody = { phone: 1 };\n  sms.to();\n});\n";
        let set = [("what only the test sets `nobody` to".to_string(), "it('a', () => {\n  sms.to();\n});\n".to_string())];
        assert_eq!(found(old, &hooked, test), set);
        let defined = hooked.replace("class Sms {\n", "class Sms {\n  nobody = null;\n");
        assert_eq!(found(old, &defined, test), []);
        assert_eq!(found(&hooked, &hooked.replace(".phone", ".number"), test), []);
    }
}
