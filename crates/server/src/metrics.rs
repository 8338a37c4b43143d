//! A small registry in Prometheus' text format: what the HTTP face does. No label holds a name or an id.

use http::{Method, StatusCode};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const BUCKETS_SECONDS: [f64; 9] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

#[derive(Default)]
pub struct Metrics {
    routes: Mutex<BTreeMap<(String, &'static str), Route>>,
}

#[derive(Default)]
struct Route {
    by_status: BTreeMap<u16, u64>,
    buckets: [u64; BUCKETS_SECONDS.len()],
    sum_seconds: f64,
    count: u64,
}

impl Metrics {
    /// `route` is the pattern that matched, so that there are only as many series as routes.
    pub fn observe(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = routes.entry((route.to_string(), word(method))).or_default();
        *entry.by_status.entry(status.as_u16()).or_default() += 1;
        let seconds = took.as_secs_f64();
        entry.sum_seconds += seconds;
        entry.count += 1;
        for (bucket, bound) in entry.buckets.iter_mut().zip(BUCKETS_SECONDS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    /// The text, with the gauges that only the moment of asking knows.
    pub fn render(&self, gauges: &[(&str, &str, f64)]) -> String {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from(
            "# HELP astraforge_http_requests_total Answers by route, method and status.\n# TYPE astraforge_http_requests_total counter\n",
        );
        for ((route, method), entry) in routes.iter() {
            for (status, count) in &entry.by_status {
                let _ =
                    writeln!(text, "astraforge_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} {count}");
            }
        }
        text.push_str(
            "# HELP astraforge_http_request_seconds Time to the answer's head.\n# TYPE astraforge_http_request_seconds histogram\n",
        );
        for ((route, method), entry) in routes.iter() {
            let labels = format!("route=\"{route}\",method=\"{method}\"");
            for (bucket, bound) in entry.buckets.iter().zip(BUCKETS_SECONDS) {
                let _ = writeln!(text, "astraforge_http_request_seconds_bucket{{{labels},le=\"{bound}\"}} {bucket}");
            }
            let _ = writeln!(text, "astraforge_http_request_seconds_bucket{{{labels},le=\"+Inf\"}} {}", entry.count);
            let _ = writeln!(text, "astraforge_http_request_seconds_sum{{{labels}}} {}", entry.sum_seconds);
            let _ = writeln!(text, "astraforge_http_request_seconds_count{{{labels}}} {}", entry.count);
        }
        for (name, help, value) in gauges {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
        text
    }
}

/// Methods we know; anything else a client invents shares one label.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
