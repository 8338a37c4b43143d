//! Values of a type, written in Rust: what a function may give instead of what it should. A guess that does not compile
//! costs one build and counts for nothing.

/// Different values of the type, the emptiest first.
pub fn of(kind: &str) -> Vec<String> {
    let kind = kind.trim();
    let (head, arguments) = generic(kind);
    let last = head.rsplit("::").next().unwrap_or(head);
    let first = || arguments.first().map(|a| of(a)).unwrap_or_default();
    let wrap = |open: &str, values: Vec<String>| values.into_iter().map(|v| format!("{open}({v})")).collect::<Vec<_>>();
    match last {
        "" | "()" => words(&["()"]),
        "bool" => words(&["false", "true"]),
        "f32" | "f64" => words(&["0.0", "7.0"]),
        "String" => words(&["::std::string::String::new()", "::std::string::String::from(\"~\")"]),
        "char" => words(&["'\\0'", "'~'"]),
        "Duration" => words(&["::std::time::Duration::ZERO", "::std::time::Duration::from_secs(7)"]),
        "Ordering" => words(&["::std::cmp::Ordering::Equal", "::std::cmp::Ordering::Less", "::std::cmp::Ordering::Greater"]),
        "Option" => [vec!["None".to_string()], wrap("Some", first())].concat(),
        "Result" => wrap("Ok", first()),
        "Vec" | "VecDeque" => {
            let one = first().into_iter().next_back().unwrap_or_else(|| "Default::default()".to_string());
            vec!["Default::default()".to_string(), format!("::std::iter::once({one}).collect()")]
        }
        "HashMap" | "BTreeMap" => words(&["Default::default()", "::std::iter::once((Default::default(), Default::default())).collect()"]),
        "HashSet" | "BTreeSet" => words(&["Default::default()", "::std::iter::once(Default::default()).collect()"]),
        "Box" => wrap("::std::boxed::Box::new", first()),
        "Arc" => wrap("::std::sync::Arc::new", first()),
        "Rc" => wrap("::std::rc::Rc::new", first()),
        "Cow" => words(&["\"\".into()", "\"~\".into()"]),
        "str" if kind.starts_with('&') => words(&["\"\"", "\"~\""]),
        "!" | "Self" if kind == "!" => Vec::new(),
        _ if is_integer(last) && !kind.starts_with('&') => words(&["0", "7"]),
        _ if kind.starts_with('(') => tuple(kind),
        _ if kind.starts_with("&[") || kind.starts_with("&'static [") => words(&["&[]"]),
        _ => words(&["Default::default()"]),
    }
}

fn words(values: &[&str]) -> Vec<String> {
    values.iter().map(|v| v.to_string()).collect()
}

pub fn is_integer(word: &str) -> bool {
    word.strip_prefix(['u', 'i']).is_some_and(|size| matches!(size, "8" | "16" | "32" | "64" | "128" | "size"))
}

/// `a::Result<T, E>` → (`a::Result`, [`T`, `E`]).
fn generic(kind: &str) -> (&str, Vec<&str>) {
    let kind = kind.trim_start_matches('&').trim_start_matches("'static ").trim_start_matches("mut ").trim();
    match kind.find('<').filter(|_| kind.ends_with('>') && !kind.starts_with('(')) {
        Some(at) => (&kind[..at], split(&kind[at + 1..kind.len() - 1])),
        None => (kind, Vec::new()),
    }
}

fn tuple(kind: &str) -> Vec<String> {
    let parts: Vec<Vec<String>> = split(&kind[1..kind.len() - 1]).into_iter().map(of).collect();
    let nth = |n: usize| {
        parts.iter().map(|p| p.get(n.min(p.len().saturating_sub(1))).cloned().unwrap_or_default()).collect::<Vec<_>>().join(", ")
    };
    vec![format!("({})", nth(0)), format!("({})", nth(1))]
}

/// At commas that stand in no bracket.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[begin..].trim());
    parts.retain(|p| !p.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_values_of_their_own() {
        assert_eq!(of("Option<u32>"), ["None", "Some(0)", "Some(7)"]);
        assert_eq!(of("Result<(), Box<dyn Error>>"), ["Ok(())"]);
        assert_eq!(of("Result<(bool, f64)>"), ["Ok((false, 0.0))", "Ok((true, 7.0))"]);
        assert_eq!(of("&'static str"), ["\"\"", "\"~\""]);
        assert_eq!(of("Cart"), ["Default::default()"]);
    }
}
