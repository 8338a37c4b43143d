//! Lists: a bare array unless the client asks for pages.

use crate::{Json, Problem};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub const PAGE_SIZE_DEFAULT: i64 = 25;
pub const PAGE_SIZE_MAX: i64 = 100;
/// What a bare array holds at most; whoever has more asks for pages.
pub const BARE_MAX: i64 = 1_000;

/// `?page=&page_size=`; put it beside a handler's own `Query`.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// From 1. Without it the answer is a bare array.
    pub page: Option<String>,
    /// 1 to 100, 25 by default.
    pub page_size: Option<String>,
}

impl Paging {
    pub fn asked(&self) -> bool {
        self.page.is_some() || self.page_size.is_some()
    }
    pub fn page(&self) -> i64 {
        self.page.as_deref().and_then(|p| p.parse().ok()).unwrap_or(1).clamp(1, 1_000_000)
    }
    pub fn size(&self) -> i64 {
        self.page_size.as_deref().and_then(|p| p.parse::<i64>().ok()).map_or(PAGE_SIZE_DEFAULT, |n| n.clamp(1, PAGE_SIZE_MAX))
    }
    /// `(limit, offset)` for the store.
    pub fn window(&self) -> (i64, i64) {
        if self.asked() { (self.size(), (self.page() - 1) * self.size()) } else { (BARE_MAX, 0) }
    }
    /// Cuts a list that was read whole, and shapes the answer.
    pub fn cut<T: Serialize>(&self, all: Vec<T>) -> Response {
        if !self.asked() {
            return Json(all).into_response();
        }
        let count = all.len() as i64;
        let (limit, offset) = self.window();
        let results = all.into_iter().skip(offset as usize).take(limit as usize).collect();
        Json(Page::new(self, count, results)).into_response()
    }
    /// Shapes a list that the store already cut to [`Paging::window`].
    pub fn shape<T: Serialize>(&self, count: i64, results: Vec<T>) -> Response {
        if self.asked() { Json(Page::new(self, count, results)).into_response() } else { Json(results).into_response() }
    }
}

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    pub count: i64,
    pub page: i64,
    pub page_size: i64,
    pub next_page: Option<i64>,
    pub previous_page: Option<i64>,
    pub results: Vec<T>,
}

impl<T> Page<T> {
    pub fn new(paging: &Paging, count: i64, results: Vec<T>) -> Self {
        let (page, page_size) = (paging.page(), paging.size());
        Page {
            count,
            page,
            page_size,
            next_page: (page * page_size < count).then_some(page + 1),
            previous_page: (page > 1).then_some(page - 1),
            results,
        }
    }
}

/// For lists whose cursor is a sequence number: `?after=`.
pub fn parse_after(text: Option<&str>) -> Result<i64, Problem> {
    match text.map(str::trim) {
        None | Some("") => Ok(0),
        Some(text) => text
            .parse::<i64>()
            .ok()
            .filter(|n| *n >= 0)
            .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "`after` is the number of the last event you have seen, from 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(page: &str, size: &str) -> Paging {
        Paging { page: Some(page.into()), page_size: Some(size.into()) }
    }

    #[test]
    fn bad_numbers_fall_back_instead_of_failing() {
        assert_eq!(paging("x", "y").window(), (25, 0));
        assert_eq!(paging("0", "0").window(), (1, 0));
        assert_eq!(paging("3", "1000").window(), (100, 200));
        assert_eq!(Paging::default().window(), (BARE_MAX, 0));
        let last = Page::new(&paging("2", "5"), 10, vec![1]);
        assert_eq!((last.next_page, last.previous_page), (None, Some(1)));
    }
}
