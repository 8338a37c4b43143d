//! What a function that gives nothing works on, changed behind its back: a test that looks at what was done notices.

use super::mutants::FUNCTIONS;
use crate::syntax::{Source, above, below, named};
use std::collections::BTreeSet;
use tree_sitter::Node;

/// Something more in a collection, another value for what is plain, one level deep.
const SHAKE: &str = "const _s = (v, d = 1) => { if (Array.isArray(v)) v.push('~'); else if (v instanceof Map) v.set('~', '~'); else if (v instanceof Set) v.add('~'); else if (v && typeof v === 'object') { if (d) for (const k of Object.keys(v)) try { v[k] = _s(v[k], 0); } catch {} else v['~'] = '~'; } return typeof v === 'number' ? v + 7 : typeof v === 'string' ? v + '~' : typeof v === 'boolean' ? !v : v; };";

/// What it gives, if that is nothing or the object itself.
pub fn gives(source: &Source<'_>, function: Node<'_>) -> Option<&'static str> {
    let body = function.child_by_field_name("body").filter(|b| b.kind() == "statement_block")?;
    if function.kind().starts_with("generator") || source.text[function.start_byte()..body.start_byte()].contains('*') {
        return None;
    }
    let is_own = |node: &Node<'_>| node.parent().and_then(|p| above(p, FUNCTIONS)) == Some(function);
    let returns: Vec<Node<'_>> = below(body).into_iter().filter(|n| n.kind() == "return_statement" && is_own(n)).collect();
    let given: BTreeSet<&str> = returns.into_iter().filter_map(|n| named(n).into_iter().next()).map(|n| source.of(n)).collect();
    match given.into_iter().collect::<Vec<_>>()[..] {
        [] | ["undefined"] => Some("undefined"),
        ["this"] => Some("this"),
        _ => None,
    }
}

/// Statements that disturb the fields and parameters that it mentions; `None` if there are none.
pub fn disturbed(source: &Source<'_>, function: Node<'_>) -> Option<String> {
    let nodes = below(function);
    let is_of_this = |n: &&Node<'_>| n.child_by_field_name("object").is_some_and(|o| o.kind() == "this");
    let fields: BTreeSet<&str> =
        nodes.iter().filter(|n| n.kind() == "member_expression").filter(is_of_this).map(|n| source.of(*n)).collect();
    let lists = named(function).into_iter().filter(|n| n.kind() == "formal_parameters");
    let parameters: BTreeSet<&str> = lists.flat_map(below).filter(|n| n.kind() == "identifier").map(|n| source.of(n)).collect();
    if fields.is_empty() && parameters.is_empty() {
        return None;
    }
    // Nothing can be put into an optional chain.
    let fields = fields.iter().map(|field| field.replacen("?.", ".", 1));
    let fields = fields.map(|field| format!(" try {{ {field} = _s({field}); }} catch {{}}"));
    let parameters = parameters.iter().map(|name| format!(" try {{ _s({name}); }} catch {{}}"));
    Some(format!("{SHAKE}{}", fields.chain(parameters).collect::<String>()))
}
