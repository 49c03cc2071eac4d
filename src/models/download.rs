//! Fetching one file from a hub, continued where it stopped, and checked against what the hub says it is.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use ureq::http::header::{ACCEPT_ENCODING, AUTHORIZATION, LOCATION, RANGE};
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::{Agent, Body};

use super::{KnownModel, ModelError};
use crate::progress::Progress;

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// Renamed repositories redirect within the hub; nobody renames often.
const MAX_RENAMES: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Also the longest that a cancelled download may go on, on a connection that hangs.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
const BUFFER_BYTES: usize = 1 << 18;

/// A Hugging Face hub or a mirror of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    endpoint: String,
    token: Option<String>,
}

/// What the hub says of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fetched {
    /// Commit that the revision led to.
    pub(super) commit: Option<String>,
    /// Verified; small files have none.
    pub(super) sha256: Option<String>,
    /// In bytes.
    size: Option<u64>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::from_env()
    }
}

impl Hub {
    /// huggingface.co, or the mirror in `HF_ENDPOINT`; with the token in `HF_TOKEN`, where one is set.
    pub fn from_env() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            token: set("HF_TOKEN"),
            ..Self::at(set("HF_ENDPOINT").as_deref().unwrap_or(DEFAULT_ENDPOINT))
        }
    }

    /// A hub at another address, without a token.
    pub fn at(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: None,
        }
    }

    /// Fetches `file` of `model` to `to` by way of `to.part`, and verifies the SHA-256 that the hub states for large files.
    pub(super) fn fetch(
        &self,
        model: &KnownModel,
        file: &str,
        to: &Path,
        progress: &Progress<'_>,
    ) -> Result<Fetched, ModelError> {
        let revision = model.revision.replace('/', "%2F");
        let url = format!(
            "{}/{}/resolve/{revision}/{file}",
            self.endpoint, model.repository
        );
        progress
            .check()
            .map_err(|_cancelled| ModelError::Cancelled)?;
        let described = self.describe(&url)?;
        if to.is_file() {
            // came whole in an earlier try, and was verified then
            return Ok(described);
        }
        let part = to.with_added_extension("part");
        self.fetch_part(&url, &part, described.size, progress)?;
        if let Some(expected) = &described.sha256 {
            let got = sha256_of(&part)?;
            if got != *expected {
                fs::remove_file(&part).map_err(ModelError::io("delete the wrong file", &part))?;
                return Err(ModelError::WrongHash {
                    got,
                    expected: expected.clone(),
                    url,
                });
            }
        }
        fs::rename(&part, to).map_err(ModelError::io("name the downloaded file", to))?;
        Ok(described)
    }

    /// Asks for the headers alone. The hub answers for large files with a redirect to its storage; the redirect's own
    /// headers hold what is wanted, so it is not followed.
    fn describe(&self, url: &str) -> Result<Fetched, ModelError> {
        let mut url = url.to_owned();
        for _ in 0..MAX_RENAMES {
            let response = self.call(agent(0).head(&url), &url)?;
            let headers = response.headers();
            let renamed =
                text(headers, LOCATION.as_str()).filter(|location| location.starts_with('/'));
            match renamed {
                Some(location) if !headers.contains_key("x-linked-etag") => {
                    url = format!("{}{location}", self.endpoint);
                }
                _ => return Ok(described(headers)),
            }
        }
        Err(ModelError::Download {
            message: "the hub redirects in circles".to_owned(),
            url,
        })
    }

    /// Appends to `part` what is missing of the file.
    fn fetch_part(
        &self,
        url: &str,
        part: &Path,
        size: Option<u64>,
        progress: &Progress<'_>,
    ) -> Result<(), ModelError> {
        let mut done = part.metadata().map_or(0, |metadata| metadata.len());
        if done > 0 && size == Some(done) {
            return Ok(());
        }
        // a part longer than the file is of another file
        let is_continued = done > 0 && size.is_some_and(|size| done < size);
        let mut request = agent(10).get(url);
        if is_continued {
            request = request.header(RANGE, format!("bytes={done}-"));
        }
        let response = self.call(request, url)?;
        let is_continued = is_continued && response.status() == StatusCode::PARTIAL_CONTENT;
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(is_continued)
            .truncate(!is_continued)
            .open(part);
        let mut file = file.map_err(ModelError::io("write the download", part))?;
        if !is_continued {
            done = 0;
        }
        let mut reader = response.into_body().into_reader();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let total = size.unwrap_or(done) as usize;
            progress
                .step(done as usize, total)
                .map_err(|_cancelled| ModelError::Cancelled)?;
            let num_bytes = reader
                .read(&mut buffer)
                .map_err(|error| ModelError::Download {
                    message: error.to_string(),
                    url: url.to_owned(),
                })?;
            if num_bytes == 0 {
                break;
            }
            file.write_all(&buffer[..num_bytes])
                .map_err(ModelError::io("write the download", part))?;
            done += num_bytes as u64;
        }
        file.sync_all()
            .map_err(ModelError::io("write the download", part))?;
        match size {
            Some(size) if size != done => {
                let message = format!("the connection ended after {done} of {size} bytes");
                Err(ModelError::Download {
                    message,
                    url: url.to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    fn call(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithoutBody>,
        url: &str,
    ) -> Result<Response<Body>, ModelError> {
        // packed content would have another length and could not be continued
        let mut request = request.header(ACCEPT_ENCODING, "identity");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        request.call().map_err(|error| ModelError::Download {
            message: error.to_string(),
            url: url.to_owned(),
        })
    }
}

fn agent(max_redirects: u32) -> Agent {
    Agent::config_builder()
        .max_redirects(max_redirects)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        .user_agent(concat!("shotlens/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn described(headers: &HeaderMap) -> Fetched {
    let sha256 = text(headers, "x-linked-etag")
        .map(|etag| {
            etag.trim_start_matches("W/")
                .trim_matches('"')
                .to_ascii_lowercase()
        })
        .filter(|etag| etag.len() == 64 && etag.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let size = text(headers, "x-linked-size").or(text(headers, "content-length"));
    Fetched {
        commit: text(headers, "x-repo-commit").map(str::to_owned),
        sha256,
        size: size.and_then(|size| size.parse().ok()),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn sha256_of(path: &Path) -> Result<String, ModelError> {
    let mut file = File::open(path).map_err(ModelError::io("read the download", path))?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; BUFFER_BYTES]);
    loop {
        let num_bytes = file
            .read(&mut buffer)
            .map_err(ModelError::io("read the download", path))?;
        if num_bytes == 0 {
            break;
        }
        hasher.update(&buffer[..num_bytes]);
    }
    Ok(hasher
        .finalize()
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            write!(hex, "{byte:02x}").ok();
            hex
        }))
}
