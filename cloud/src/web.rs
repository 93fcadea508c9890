//! The GUI's files, built into the program.
//!
//! `/assets/*` and the other files answer under their own names; every other path is a page of the
//! one-page application and answers `index.html`. Files whose name carries a hash of their content
//! never change and are kept by browsers for a year; the rest is asked for again by its ETag.

use std::io::Write;

use data_encoding::BASE64URL_NOPAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use ring::digest::{SHA256, digest};

use crate::front::SHORT_BODY_BYTES;
use crate::server::{Body, Request, Response};

/// Paths and bytes of `web/dist`, by path.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

/// The page that starts the GUI.
const INDEX: &str = "/index.html";

/// Hashed files are kept by browsers for a year.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Everything else is asked for again each time.
const REVALIDATE: &str = "no-cache";

/// Characters of a hash in a file's name, at least.
const MIN_HASH_CHARS: usize = 8;

/// Smaller files are not worth compressing, bytes.
const COMPRESS_FROM: usize = 1024;

/// All files, ready to be sent.
pub struct Site {
    files: Vec<File>,
}

/// One of them; also any other text of this build that strangers may ask for.
pub(crate) struct File {
    path: String,
    content_type: &'static str,
    bytes: Vec<u8>,
    /// The same compressed, where that is shorter.
    gzip: Option<Vec<u8>>,
    /// Of the bytes; the compressed form has another.
    etag: String,
    cache: &'static str,
}

impl Site {
    /// The files that were there when this program was built.
    #[must_use]
    pub fn embedded() -> Self {
        Self::new(FILES)
    }

    /// The paths of [`embedded`](Self::embedded).
    pub fn embedded_paths() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(path, _)| *path)
    }

    /// These files, by paths that begin with `/`.
    #[must_use]
    pub fn new(files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(path, bytes)| File::new(path, bytes)).collect();
        Self { files }
    }

    /// Whether the program was built without pages.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Answers a GET of any path outside the API.
    #[must_use]
    pub fn serve(&self, request: &Request) -> Response {
        let path = request.path.as_str();
        if let Some(file) = self.file(path) {
            return file.serve(request);
        }
        if path.starts_with("/assets/") {
            let sentence = "This file belongs to another version of the page: reload the page.";
            return Response::text(404, sentence);
        }
        self.file(INDEX).map_or_else(not_built, |index| index.serve(request))
    }

    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

fn not_built() -> Response {
    Response::text(
        503,
        "This ringside-cloud was built without its pages: run ci/web, then build it again. The API \
         under /api/v1 works.",
    )
}

impl File {
    /// Whether it would be a long answer if it were not compressed. Of those there are few at once;
    /// strangers who ask for one slowly would take them from people who export. Such a file is sent
    /// compressed whatever the client says: every browser reads that.
    const fn is_long(&self) -> bool {
        self.bytes.len() > SHORT_BODY_BYTES
    }

    /// This file, at a path that begins with `/` and whose extension tells its type.
    pub(crate) fn new(path: &str, bytes: &[u8]) -> Self {
        let content_type = content_type(path);
        let hash = digest(&SHA256, bytes);
        Self {
            path: path.to_owned(),
            content_type,
            bytes: bytes.to_vec(),
            gzip: compressed(content_type, bytes),
            etag: BASE64URL_NOPAD.encode(&hash.as_ref()[..16]),
            cache: if is_hashed(path) { IMMUTABLE } else { REVALIDATE },
        }
    }

    /// Answers a GET of it.
    pub(crate) fn serve(&self, request: &Request) -> Response {
        let gzip = self.gzip.as_ref().filter(|_| self.is_long() || accepts_gzip(request));
        let etag = format!("\"{}{}\"", self.etag, if gzip.is_some() { "-gz" } else { "" });
        let mut response = Response::new(200)
            .with_header("Content-Type", self.content_type)
            .with_header("Cache-Control", self.cache)
            .with_header("ETag", &etag);
        if self.gzip.is_some() {
            response = response.with_header("Vary", "Accept-Encoding");
        }
        if request.header("if-none-match").is_some_and(|tags| matches_etag(tags, &etag)) {
            response.status = 304;
            return response;
        }
        if let Some(gzip) = gzip {
            response = response.with_header("Content-Encoding", "gzip");
            response.body = Body::Bytes(gzip.clone());
        } else {
            response.body = Body::Bytes(self.bytes.clone());
        }
        response
    }
}

/// RFC 9110 §13.1.2: weak comparison.
fn matches_etag(tags: &str, etag: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// RFC 9110 §12.5.3, as far as gzip goes.
fn accepts_gzip(request: &Request) -> bool {
    request.header("accept-encoding").is_some_and(|accepted| {
        accepted.split(',').any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            name.trim().eq_ignore_ascii_case("gzip") && weight.parse().is_ok_and(|q: f32| q > 0.0)
        })
    })
}

fn compressed(content_type: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let is_text = content_type.starts_with("text/")
        || content_type.contains("json")
        || content_type.contains("svg");
    if !is_text || bytes.len() < COMPRESS_FROM {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().filter(|gzip| gzip.len() < bytes.len())
}

/// Whether a name is `name-HASH.ext` or `name.HASH.ext` in the folder of assets.
fn is_hashed(path: &str) -> bool {
    let Some(name) = path.strip_prefix("/assets/") else {
        return false;
    };
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem.trim_end_matches(".js"));
    let hash = stem.rsplit(['-', '.']).next().unwrap_or("");
    let is_hash = |hash: &str| hash.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    hash.len() >= MIN_HASH_CHARS && hash.len() < stem.len() && is_hash(hash)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
