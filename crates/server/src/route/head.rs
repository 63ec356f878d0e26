//! How long the head of a request may be: its address and its headers. Whoever is told so need not be known: it says nothing
//! of what there is.

use super::Problem;
use super::sketch::Sketch;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

/// Bytes of an address: the path and the question after it.
const ADDRESS_BYTES_MAX: usize = 8 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 100;
/// Bytes of their names and values together.
const HEADERS_BYTES_MAX: usize = 32 << 10;

/// Refuses a head that is too long.
pub async fn within(request: Request, next: Next) -> Result<Response, Problem> {
    let address = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if address > ADDRESS_BYTES_MAX {
        let why = format!("the address has {address} bytes; the server takes at most {ADDRESS_BYTES_MAX}");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "TL0505", why).help("what is longer belongs into a body"));
    }
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > HEADERS_MAX || bytes > HEADERS_BYTES_MAX {
        let why = format!(
            "the request has {} headers of {bytes} bytes; the server takes at most {HEADERS_MAX} of {HEADERS_BYTES_MAX} bytes",
            headers.len()
        );
        let problem = Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "TL0505", why);
        return Err(problem.help("leave out headers that this server does not need, such as cookies of others"));
    }
    Ok(next.run(request).await)
}

/// What the document says of it, which holds for every address.
pub fn describe(sketch: &mut Sketch<'_>) {
    sketch.refusal(414, &format!("the address has more than {ADDRESS_BYTES_MAX} bytes"));
    sketch.refusal(431, &format!("there are more than {HEADERS_MAX} headers, or more than {HEADERS_BYTES_MAX} bytes of them"));
}
