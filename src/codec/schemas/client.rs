//! The registry's HTTP interface: what of it we use, and what its answers mean.
//!
//! Only a 404 with the registry's own code for "no such schema" says something about an id. A 404 without it comes from
//! a wrong URL or a proxy; 401, 403, 429, 5xx, timeouts and answers that are no JSON say something about the registry.
//! Source: the Confluent Schema Registry API, errors 40403 and `Retry-After`.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use reqwest::{
    Certificate, RequestBuilder, Response, StatusCode,
    header::{CONTENT_TYPE, DATE},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{CodecError, board::QUESTION_MS_MAX};
use crate::{
    config,
    http::{because, retry_after},
};

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Most of an error's text that is passed on, characters.
const TEXT_CHARS_MAX: usize = 300;
/// The registry's code for "schema not found".
const SCHEMA_NOT_FOUND: u64 = 40_403;
/// Its codes for "subject not found" and "version not found".
const NOTHING_REGISTERED: [u64; 2] = [40_401, 40_402];
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Why a question has no good answer.
#[derive(Clone, Debug)]
pub(super) enum Problem {
    /// No connection, no answer in time, or half of one.
    Silent(String),
    /// An answer that a registry would not give.
    Garbage(&'static str),
    /// A status other than success.
    Status { status: StatusCode, code: Option<u64>, text: String, retry_after: Option<Duration> },
}

impl Problem {
    /// The registry took longer than it may.
    pub(super) fn late(limit: Duration) -> Self {
        Self::Silent(format!("none within {} s", limit.as_secs_f32()))
    }

    /// As an error about a subject.
    pub(super) fn of(&self, subject: &str) -> CodecError {
        let text = format!("subject {subject}: {self}");
        if self.is_refusal() { CodecError::Refused(text) } else { CodecError::Registry(text) }
    }

    fn is_empty_subject(&self) -> bool {
        matches!(self, Self::Status { status: StatusCode::NOT_FOUND, code: Some(code), .. }
            if NOTHING_REGISTERED.contains(code))
    }

    /// An answer, if not the wanted one: another URL of the registry would give it too.
    fn is_an_answer(&self) -> bool {
        self.is_not_found() || self.is_refusal() || self.is_empty_subject()
    }

    /// "No such schema", in the registry's own words.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status: StatusCode::NOT_FOUND, code: Some(SCHEMA_NOT_FOUND), .. })
    }

    /// Whether the registry has understood and refused: asking again would change nothing.
    pub(super) fn is_refusal(&self) -> bool {
        use StatusCode as S;
        matches!(self, Self::Status { status: S::CONFLICT | S::UNPROCESSABLE_ENTITY | S::BAD_REQUEST, .. })
    }

    /// Whether it is about one answer only: the registry may have others.
    pub(super) fn is_of_one_answer(&self) -> bool {
        matches!(self, Self::Garbage(_) | Self::Status { status: StatusCode::INTERNAL_SERVER_ERROR, .. })
    }

    /// The pause that the registry asks for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        if let Self::Status { retry_after, .. } = self { *retry_after } else { None }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent(why) => write!(f, "no answer ({why}); check schemas.registry and that the registry runs"),
            Self::Garbage(what) => write!(f, "{what}; check that schemas.registry is the URL of a registry's API"),
            Self::Status { status, text, .. } => {
                write!(f, "HTTP {status}")?;
                if !text.is_empty() {
                    write!(f, " ({text})")?;
                }
                match *status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                        f.write_str("; check schemas.username, schemas.password or schemas.token")
                    }
                    StatusCode::NOT_FOUND => f.write_str("; check the path in schemas.registry"),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// The schema of an id.
pub(super) enum Answer {
    /// An Avro schema's text.
    Schema(String),
    /// Why it is none that our readers can use.
    Unusable(&'static str),
}

/// What a registry says of a schema as the next version of a subject.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Compatibility {
    /// Whether it takes it.
    pub is_compatible: bool,
    /// Whether there is nothing yet that it could contradict.
    pub is_first: bool,
    /// Why not, in the registry's words, where it says so.
    pub messages: Vec<String>,
}

/// An answer, and when the registry gave it.
type Dated = (Value, Option<SystemTime>);

/// Who asks.
enum Credentials {
    None,
    Basic(String, Option<SecretString>),
    Bearer(SecretString),
}

/// A client of one registry, which may have several URLs.
pub(super) struct Client {
    http: reqwest::Client,
    urls: Vec<String>,
    /// The URL that answered last is asked first.
    first: AtomicUsize,
    credentials: Credentials,
}

impl Client {
    /// # Errors
    /// [`CodecError::Settings`] when a secret or certificate cannot be read.
    pub(super) fn try_new(config: &config::Schemas) -> Result<Self, CodecError> {
        let urls: Vec<String> = config.urls().map(str::to_owned).collect();
        let patience = QUESTION_MS_MAX / u32::try_from(urls.len().max(1)).unwrap_or(u32::MAX);
        let mut builder = reqwest::Client::builder().timeout(patience).connect_timeout(patience);
        for certificate in certificates(config)? {
            builder = builder.add_root_certificate(certificate);
        }
        let http = builder.build().map_err(|error| CodecError::Settings(because(error)))?;
        let secret = |error: config::SecretError| CodecError::Settings(error.to_string());
        let credentials = match (&config.username, config.token.read("schemas.token").map_err(secret)?) {
            (_, Some(token)) => Credentials::Bearer(token),
            (Some(user), None) => {
                Credentials::Basic(user.clone(), config.password.read("schemas.password").map_err(secret)?)
            }
            (None, None) => Credentials::None,
        };
        Ok(Self { http, urls, first: AtomicUsize::new(0), credentials })
    }

    /// The first URL, which names the registry.
    pub(super) fn url(&self) -> &str {
        self.urls.first().map_or("", String::as_str)
    }

    /// The schema of an id.
    pub(super) async fn schema(&self, id: u32) -> Result<Answer, Problem> {
        // Deleted versions too: records outlive them.
        let answer = self.ask(&format!("/schemas/ids/{id}?deleted=true"), None).await?;
        if answer["schemaType"].as_str().is_some_and(|kind| kind != "AVRO") {
            return Ok(Answer::Unusable("it is not Avro"));
        }
        match &answer["schema"] {
            Value::String(text) => Ok(Answer::Schema(text.clone())),
            _ => Err(Problem::Garbage("an answer without a schema")),
        }
    }

    /// Registers a schema, or finds it registered; its id. Of several who register the same for the first time at once, a
    /// registry may refuse all but one (Apicurio: 409, "already exists"): the others find it there.
    pub(super) async fn register(&self, subject: &str, schema: &str) -> Result<u32, Problem> {
        let path = format!("/subjects/{}/versions", escaped(subject));
        let answer = match self.ask(&path, Some(schema)).await {
            // A schema that does not fit is refused again.
            Err(Problem::Status { status: StatusCode::CONFLICT, .. }) => self.ask(&path, Some(schema)).await?,
            answer => answer?,
        };
        let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or(Problem::Garbage("an answer without an id"))
    }

    /// The id of a schema under a subject, if it is there.
    pub(super) async fn registered(&self, subject: &str, schema: &str) -> Result<Option<u32>, Problem> {
        match self.ask(&format!("/subjects/{}", escaped(subject)), Some(schema)).await {
            Ok(answer) => Ok(answer["id"].as_u64().and_then(|id| u32::try_from(id).ok())),
            Err(problem) if problem.is_not_found() || problem.is_empty_subject() => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Whether the registry would take a schema as the next version of a subject.
    pub(super) async fn compatibility(&self, subject: &str, schema: &str) -> Result<Compatibility, Problem> {
        let path = format!("/compatibility/subjects/{}/versions/latest?verbose=true", escaped(subject));
        let answer = match self.ask(&path, Some(schema)).await {
            Ok(answer) => answer,
            Err(problem) if problem.is_empty_subject() => {
                return Ok(Compatibility { is_compatible: true, is_first: true, messages: Vec::new() });
            }
            Err(problem) => return Err(problem),
        };
        let is_compatible = answer["is_compatible"].as_bool().ok_or(Problem::Garbage("an answer without a result"))?;
        let messages = answer["messages"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let short = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect();
        Ok(Compatibility { is_compatible, is_first: false, messages: messages.map(short).collect() })
    }

    /// The id and the schema of a subject's latest version, if it has any.
    pub(super) async fn latest(&self, subject: &str) -> Result<Option<(u32, String)>, Problem> {
        let answer = match self.ask(&format!("/subjects/{}/versions/latest", escaped(subject)), None).await {
            Ok(answer) => answer,
            Err(problem) if problem.is_empty_subject() => return Ok(None),
            Err(problem) => return Err(problem),
        };
        match (answer["id"].as_u64().and_then(|id| u32::try_from(id).ok()), answer["schema"].as_str()) {
            (Some(id), Some(schema)) => Ok(Some((id, schema.to_owned()))),
            _ => Err(Problem::Garbage("an answer without an id or a schema")),
        }
    }

    /// Asks for something small; the time that the registry says it is.
    pub(super) async fn time(&self) -> Result<Option<SystemTime>, Problem> {
        Ok(self.ask_dated("/subjects?subjectPrefix=none", None).await?.1)
    }

    async fn ask(&self, path: &str, schema: Option<&str>) -> Result<Value, Problem> {
        Ok(self.ask_dated(path, schema).await?.0)
    }

    /// Asks one URL after another until one answers; with the time of the answer.
    async fn ask_dated(&self, path: &str, schema: Option<&str>) -> Result<Dated, Problem> {
        let first = self.first.load(Ordering::Relaxed);
        let mut last = Problem::Garbage("no URL");
        for index in (0..self.urls.len()).map(|step| (first + step) % self.urls.len()) {
            match self.ask_one(&format!("{}{path}", self.urls[index]), schema).await {
                Err(problem) if !problem.is_an_answer() => last = problem,
                answer => {
                    self.first.store(index, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(last)
    }

    async fn ask_one(&self, url: &str, schema: Option<&str>) -> Result<Dated, Problem> {
        let request = match schema {
            None => self.http.get(url),
            Some(schema) => {
                let body = json!({"schema": schema, "schemaType": "AVRO"});
                self.http.post(url).header(CONTENT_TYPE, MEDIA_TYPE).body(body.to_string())
            }
        };
        let silent = |error| Problem::Silent(because(error));
        let mut response = self.authorized(request).send().await.map_err(silent)?;
        let (status, retry_after, date) = (response.status(), retry_after(&response), date(&response));
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(silent)? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(Problem::Garbage("an answer without end"));
            }
            body.extend_from_slice(&part);
        }
        let answer = serde_json::from_slice::<Value>(&body);
        if status.is_success() {
            let answer = answer.map_err(|_| Problem::Garbage("an answer that is no JSON"))?;
            return Ok((answer, date));
        }
        let answer = answer.unwrap_or_default();
        let text = answer["message"].as_str().unwrap_or_default().chars().take(TEXT_CHARS_MAX).collect();
        Err(Problem::Status { status, code: answer["error_code"].as_u64(), text, retry_after })
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.credentials {
            Credentials::None => request,
            Credentials::Basic(user, password) => {
                request.basic_auth(user, password.as_ref().map(ExposeSecret::expose_secret))
            }
            Credentials::Bearer(token) => request.bearer_auth(token.expose_secret()),
        }
    }
}

fn certificates(config: &config::Schemas) -> Result<Vec<Certificate>, CodecError> {
    let Some(path) = &config.ca_file else { return Ok(Vec::new()) };
    let refused = |why: String| {
        CodecError::Settings(format!("config key schemas.ca_file: {}: {why}; give certificates in PEM", path.display()))
    };
    let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| refused(because(error)))?;
    if found.is_empty() { Err(refused("no certificate".into())) } else { Ok(found) }
}

/// What the clock of whoever answered says.
fn date(response: &Response) -> Option<SystemTime> {
    httpdate::parse_http_date(response.headers().get(DATE)?.to_str().ok()?).ok()
}

/// A subject as one part of a path.
fn escaped(subject: &str) -> String {
    let mut url = String::new();
    for byte in subject.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}
