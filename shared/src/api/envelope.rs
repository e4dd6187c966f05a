//! The envelope of every reply: `{"success": true, "data": …}` or `{"success": false, "error": {"code": …, "message": …}}`.

use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::ApiError;
use crate::telemetry;

/// The reply of a function that a program invokes directly, without the API. The cause of an internal error is logged.
pub fn reply(result: &Result<impl Serialize, ApiError>, request_id: &str) -> Box<RawValue> {
    let text = match result {
        Ok(data) => success(data),
        Err(err) => failure(err, request_id),
    };
    RawValue::from_string(text).expect("an envelope is JSON")
}

pub(super) fn success(data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).expect("a reply's data has string keys and no failing parts");
    format!(r#"{{"success":true,"data":{data}}}"#)
}

/// Also logs the cause of an internal error, which the client does not see.
pub(super) fn failure(err: &ApiError, request_id: &str) -> String {
    let (_, code) = err.parts();
    if let ApiError::Internal(cause) = err {
        tracing::error!(request_id, cause = telemetry::chain(cause.as_ref()), "request failed");
    }
    // Written by hand, because a serialised map would not keep the published page's order.
    let message = json!(err.to_string());
    let field = err.field().map(|field| format!(r#","field":{}"#, json!(field))).unwrap_or_default();
    format!(r#"{{"success":false,"error":{{"code":"{code}","message":{message}{field}}}}}"#)
}
