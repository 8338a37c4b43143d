//! What a red test must show: the incident's exceptions and the places of our own code that they passed.

use domain::alert::{Alert, Exception};
use domain::harness::{Link, Place};

#[derive(Clone, Debug, Default)]
pub struct Shape {
    pub kinds: Vec<String>,
    /// (file as reported, function)
    pub places: Vec<(String, String)>,
}

impl Shape {
    /// `None` when the alert carries no exception: then the request is judged as a plain one.
    pub fn of(alert: &Alert) -> Option<Self> {
        Self::of_exceptions(&alert.exceptions)
    }
    pub fn of_exceptions(exceptions: &[Exception]) -> Option<Self> {
        let kinds: Vec<String> = exceptions.iter().rev().map(|e| last_part(&e.kind).to_string()).filter(|k| !k.is_empty()).collect();
        if kinds.is_empty() {
            return None;
        }
        let frames = || exceptions.iter().flat_map(|e| &e.frames);
        let any_in_app = frames().any(|f| f.in_app);
        let mut places: Vec<(String, String)> = frames()
            .filter(|f| f.in_app || !any_in_app)
            .map(|f| {
                let file = if f.filename.is_empty() { &f.abs_path } else { &f.filename };
                (file.replace('\\', "/"), last_part(&f.function).to_string())
            })
            .collect();
        places.dedup();
        Some(Shape { kinds, places })
    }
    /// The kind and the place that match, if both do on links of one chain. A test's own file is never the place,
    /// whatever it is called.
    pub fn matched<'a>(&self, chain: &'a [Link], is_test: &dyn Fn(&str) -> bool) -> Option<(&'a Link, Option<&'a Place>)> {
        let link = chain.iter().find(|l| self.is_kind(&l.kind))?;
        if self.places.is_empty() {
            return Some((link, None));
        }
        let is_here = |p: &&Place| self.is_place(p) && !is_test(&p.file);
        let own = link.frames.iter().rev().find(is_here);
        let any = own.or_else(|| chain.iter().flat_map(|l| l.frames.iter().rev()).find(is_here))?;
        Some((link, Some(any)))
    }
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kinds.iter().any(|k| k == last_part(kind))
    }
    pub fn is_place(&self, place: &Place) -> bool {
        self.places.iter().any(|(file, function)| {
            same_file(file, &place.file)
                && (is_nameless(function) || is_nameless(last_part(&place.function)) || function == last_part(&place.function))
        })
    }
}

fn is_nameless(function: &str) -> bool {
    function.is_empty() || function == "?" || function.starts_with('<') || function.contains("anonymous") || function.contains("closure")
}

/// The name alone, without what it stands in and what it is generic over.
fn last_part(name: &str) -> &str {
    let name = name.trim_end_matches("{{closure}}").trim_end_matches("::");
    let name = match name.ends_with('>').then(|| opening(name)).flatten() {
        Some(at) if at > 0 && !name[..at].ends_with('.') => name[..at].trim_end_matches("::"),
        _ => name,
    };
    let name = name.rsplit("::").next().unwrap_or(name);
    name.rsplit('.').next().unwrap_or(name)
}

/// Where the bracket opens that the last one closes.
fn opening(name: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in name.char_indices().rev() {
        match c {
            '>' if !name[..at].ends_with('-') => depth += 1,
            '<' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// One path ends with the other, on whole components: releases live in other folders than checkouts.
pub fn same_file(a: &str, b: &str) -> bool {
    let clean = |p: &str| p.trim_start_matches("./").trim_start_matches("app:///").trim_start_matches("file://").to_string();
    let (a, b) = (clean(a), clean(b));
    let ends = |long: &str, short: &str| long == short || long.ends_with(&format!("/{short}"));
    !a.is_empty() && !b.is_empty() && (ends(&a, &b) || ends(&b, &a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_match_on_whole_components() {
        assert!(same_file("/app/checkout/pricing.py", "checkout/pricing.py"));
        assert!(same_file("pricing.py", "checkout/pricing.py"));
        assert!(!same_file("ricing.py", "checkout/pricing.py"));
        assert_eq!(last_part("shop::Cart::total"), "total");
        assert_eq!(last_part("Cart.total"), "total");
        assert_eq!(last_part("Scene<S>::widest"), "widest");
        assert_eq!(last_part("widest<shop::Circle, alloc::vec::Vec<u8>>"), "widest");
        assert_eq!(last_part("<shop::Circle as shop::Shape>::name::{{closure}}"), "name");
        assert_eq!(last_part("remembered.<locals>.<lambda>"), "<lambda>");
    }
}
