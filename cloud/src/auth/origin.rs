//! Whether a browser sends a request for our own page, or for somebody else's.
//!
//! The session cookie is `SameSite=Strict` and every change needs a token that only our page
//! knows; this check comes before both and needs no state. Programs other than browsers send
//! neither header and are held by the token alone.

use crate::server::Request;

/// Whether `request` comes from another site's page.
#[must_use]
pub fn is_foreign(request: &Request) -> bool {
    if let Some(site) = request.header("sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        return true;
    }
    let Some(origin) = request.header("origin") else {
        return false;
    };
    let Some(host) = request.header("host") else {
        return true;
    };
    origin.strip_prefix("https://").is_none_or(|origin| !origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request {
        let headers = headers.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        crate::routes::tests::request("POST", "/", headers, "")
    }

    #[test]
    fn only_our_own_page_and_programs_pass() {
        let host = ("host", "cloud.example:8443");
        for (headers, foreign) in [
            (vec![host], false),
            (vec![host, ("sec-fetch-site", "same-origin")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], true),
            (vec![host, ("sec-fetch-site", "same-site")], true),
            (vec![host, ("origin", "https://cloud.example:8443")], false),
            (vec![host, ("origin", "https://cloud.example")], true),
            (vec![host, ("origin", "http://cloud.example:8443")], true),
            (vec![host, ("origin", "null")], true),
            (vec![("origin", "https://cloud.example:8443")], true),
        ] {
            assert_eq!(is_foreign(&request(&headers)), foreign, "{headers:?}");
        }
    }
}
