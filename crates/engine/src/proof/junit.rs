//! A run as JUnit XML, for the bundle and for whoever keeps such files.

use domain::evidence::Outcome;
use domain::harness::VariantReport;
use std::fmt::Write;

pub fn write(suite: &str, report: &VariantReport) -> String {
    let count = |outcome: Outcome| report.tests.iter().filter(|t| t.outcome == outcome).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\">",
        escape(suite),
        report.tests.len(),
        count(Outcome::Failed),
        count(Outcome::Error),
        count(Outcome::Skipped),
        report.duration_ms as f64 / 1000.0
    );
    for test in &report.tests {
        let (class, name) = test.id.split_once("::").unwrap_or(("", &test.id));
        let _ = write!(
            xml,
            "  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escape(class),
            escape(name),
            test.duration_ms as f64 / 1000.0
        );
        let message = test.chain.first().map(|l| format!("{}: {}", l.kind, l.message)).unwrap_or_default();
        let _ = match test.outcome {
            Outcome::Passed => writeln!(xml, "/>"),
            Outcome::Skipped => writeln!(xml, "><skipped/></testcase>"),
            Outcome::Failed => writeln!(xml, "><failure message=\"{}\"/></testcase>", escape(&message)),
            Outcome::Error => writeln!(xml, "><error message=\"{}\"/></testcase>", escape(&message)),
        };
    }
    xml.push_str("</testsuite>\n");
    xml
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\r' | '\t' => safe.push(' '),
            c if c.is_control() => {}
            c => safe.push(c),
        }
    }
    safe
}
