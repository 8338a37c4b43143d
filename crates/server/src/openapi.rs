//! The API's description, generated from the routes and kept in a file that a test compares.

use crate::routes;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, OpenApi};
use utoipa::{Modify, OpenApi as _};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "AstraForge",
        description = "From an alert to a proven fix. Every path is accepted with and without its trailing slash; every error is a problem document.",
        license(name = "MIT", identifier = "MIT")
    ),
    modifiers(&Schemes),
    components(schemas(crate::problem::ProblemView)),
    security(("api_key" = []), ("session" = []))
)]
pub struct Base;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut OpenApi) {
        let components = openapi.components.take().unwrap_or_default();
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Api-Key")));
        let session = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            "sessionid",
            "Set by signing in. Unsafe methods also need the `csrftoken` cookie echoed as `X-CSRFToken`.",
        )));
        let with_schemes = ComponentsBuilder::from(components).security_scheme("api_key", key).security_scheme("session", session);
        openapi.components = Some(with_schemes.build());
    }
}

/// Rendered once; both texts are asked for rarely and never change while the program runs.
pub struct Document {
    pub json: String,
    pub yaml: String,
    /// `(path, has parameters)` of everything that can be listed.
    pub collections: Vec<String>,
}

impl Document {
    pub fn new() -> Self {
        let openapi = document();
        let value = serde_json::to_value(&openapi).expect("the description is plain data");
        let collections =
            openapi.paths.paths.iter().filter(|(path, item)| item.get.is_some() && !path.contains('{')).map(|(path, _)| path.clone());
        Document {
            json: serde_json::to_string_pretty(&value).expect("a value is JSON") + "\n",
            yaml: serde_norway::to_string(&value).expect("a value is YAML"),
            collections: collections.filter(|path| path.starts_with("/api/") && path.len() > "/api/".len()).collect(),
        }
    }
}

impl Default for Document {
    fn default() -> Self {
        Self::new()
    }
}

/// The description of every route.
pub fn document() -> OpenApi {
    let (_, mut openapi) = routes::all().split_for_parts();
    openapi.info.version = env!("CARGO_PKG_VERSION").to_string();
    for item in openapi.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        operations.into_iter().flatten().for_each(name);
    }
    openapi
}

/// Handlers are called `list` and `create` in every file; the description needs names that are unique: `workspaces_list`.
fn name(operation: &mut Operation) {
    let noun = operation.tags.as_ref().and_then(|tags| tags.first()).map_or("api", String::as_str).replace('-', "_");
    let verb = operation.operation_id.take().unwrap_or_default();
    operation.operation_id = Some(format!("{noun}_{verb}"));
}

/// An empty description to which the routes add theirs.
pub fn base() -> OpenApi {
    Base::openapi()
}
