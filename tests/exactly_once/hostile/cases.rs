//! The records, and the end that each must have.

use assize::intake::{CREATED_AT_MS, Reject};

use super::{datum::Datum, schemas::Ids};

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Judged,
    /// No answer: it was answered before.
    Repeat,
    Dead(Reject),
}

impl End {
    /// What a dead letter's headers say.
    pub fn of(stage: &str, code: &str, text: &str) -> Self {
        let found = Reject::ALL.into_iter().find(|reject| reject.code() == code).expect(code);
        assert_eq!((stage, text), (found.stage(), found.text()));
        Self::Dead(found)
    }
}

#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub end: End,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp: Option<i64>,
    pub compression: &'static str,
    /// Where the order of two records matters.
    pub partition: Option<usize>,
}

impl Case {
    fn new(name: impl Into<String>, end: End, value: Option<Vec<u8>>) -> Self {
        let key = Some(b"7".to_vec());
        let (name, headers) = (name.into(), Vec::new());
        Self { name, end, key, value, headers, timestamp: None, compression: "none", partition: None }
    }

    fn header(mut self, name: &str, value: Option<&[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.map(<[u8]>::to_vec)));
        self
    }

    fn key(self, key: Option<Vec<u8>>) -> Self {
        Self { key, ..self }
    }
}

/// A good record of another user each.
pub fn good(ids: &Ids, number: usize) -> Case {
    let value = Datum::head(&format!("good-{number}"), 1_000 + i64::try_from(number).unwrap()).tail();
    Case::new(format!("good {number}"), End::Judged, Some(value.value(ids["ours"])))
}

/// Everything else.
pub fn all(ids: &Ids) -> Vec<Case> {
    let mut cases = values(ids);
    cases.extend(claims(ids));
    cases.extend(rules(ids));
    cases.extend(evolved(ids));
    cases.extend(surroundings(ids));
    cases.extend(identities(ids));
    cases
}

/// 2^62, and 10^9.
const HUGE: [i64; 2] = [1 << 62, 1_000_000_000];

/// Values that are no message at all, and those around the limit of size.
fn values(ids: &Ids) -> Vec<Case> {
    let dead = |name: &str, reject, value: &[u8]| Case::new(name, End::Dead(reject), Some(value.to_vec()));
    let sized = |name: &str, end, bytes: usize| {
        let around = Datum::head(name, 7).tail().value(ids["ours"]).len() - "see you at noon".len();
        // The length of the text takes two bytes more than that of the short one.
        let text = "a".repeat(bytes - around - 2);
        let value = Datum::new().string(name).number(7).string(text).tail().value(ids["ours"]);
        assert_eq!(value.len(), bytes);
        Case::new(name, end, Some(value))
    };
    let whole = Datum::head("whole", 7).tail();
    let value = whole.clone().value(ids["ours"]);
    vec![
        Case::new("null value", End::Dead(Reject::NullValue), None),
        Case::new("null value and null key", End::Dead(Reject::NullValue), None).key(None),
        dead("empty value", Reject::BadMagic, b""),
        dead("JSON", Reject::BadMagic, br#"{"message_id":"m","user_id":7,"text":"hello"}"#),
        dead("garbage", Reject::BadMagic, &[0xfe; 300]),
        dead("half a header", Reject::BadMagic, b"\0\0\0"),
        dead("only a header", Reject::Undecodable, &value[..5]),
        dead("cut short", Reject::Undecodable, &value[..value.len() - 1]),
        dead("one byte more", Reject::TrailingBytes, &[&value[..], b"\0"].concat()),
        dead("twice", Reject::TrailingBytes, &whole.clone().raw(&value[5..]).value(ids["ours"])),
        sized("value at the limit", End::Judged, 1_000_000),
        sized("value above the limit", End::Dead(Reject::Oversize), 1_000_001),
        sized("value as large as the topic takes", End::Dead(Reject::Oversize), 1_048_400),
    ]
}

/// Datums that claim what cannot be.
fn claims(ids: &Ids) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut dead = |name: String, datum: Datum, schema: &str| {
        cases.push(Case::new(name, End::Dead(Reject::Undecodable), Some(datum.value(ids[schema]))));
    };
    for huge in HUGE.into_iter().chain([-1, i64::MIN]) {
        dead(format!("id of {huge} bytes"), Datum::new().number(huge).raw(b"id"), "ours");
        dead(format!("text of {huge} bytes"), Datum::new().string("id").number(7).number(huge).raw(b"text"), "ours");
        dead(format!("{huge} bytes"), Datum::head("id", 7).number(huge).raw(b"more"), "bytes");
    }
    for huge in HUGE.into_iter().chain([-1_000_000_000, i64::MIN]) {
        let metadata = Datum::head("id", 7).number(0).number(huge).raw(&[2; 100]);
        dead(format!("metadata of {huge} entries"), metadata, "ours");
        // What takes no bytes could be counted for ever.
        dead(format!("{huge} nulls"), Datum::head("id", 7).number(huge).number(0).number(0), "nulls");
        dead(format!("{huge} arrays"), Datum::head("id", 7).number(huge).raw(&[0; 100]), "array");
        dead(format!("{huge} entries"), Datum::head("id", 7).number(huge).raw(&[2; 100]), "map");
    }
    dead("a fixed of 2 GB".into(), Datum::head("id", 7).raw(&[0; 100]), "fixed");
    dead("position beyond a union".into(), Datum::head("id", 7).number(2).number(0).number(0), "ours");
    dead("position before a union".into(), Datum::head("id", 7).number(-1).number(0).number(0), "ours");
    dead("a number without end".into(), Datum::new().string("id").raw(&[0xff; 12]), "ours");
    for (name, bytes) in [("cut", &b"caf\xc3"[..]), ("surrogate", b"\xed\xa0\x80"), ("overlong", b"\xc0\xaf")] {
        let text = Datum::new().string("id").number(7).string(bytes).tail();
        dead(format!("UTF-8 of a text: {name}"), text, "ours");
        dead(format!("UTF-8 of an id: {name}"), Datum::new().string(bytes).number(7).string("text").tail(), "ours");
        let metadata = Datum::head("id", 7).number(0).number(1).string("k").string(bytes).number(0).number(5);
        dead(format!("UTF-8 of metadata: {name}"), metadata, "ours");
    }
    dead("an order, no message".into(), Datum::new().number(5), "other");
    cases
}

/// Each rule of intake, and what is just within it.
fn rules(ids: &Ids) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name: &str, reject: Option<Reject>, datum: Datum| {
        let end = reject.map_or(End::Judged, End::Dead);
        cases.push(Case::new(name, end, Some(datum.value(ids["ours"]))));
    };
    for (number, blank) in ["", "  \n\t", "\u{200b}\u{ad}", "&#1;", "&nbsp;", "\0"].into_iter().enumerate() {
        let datum = Datum::new().string(format!("blank-{number}")).number(7).string(blank).tail();
        case(&format!("text {blank:?}"), Some(Reject::EmptyText), datum);
    }
    for user in [0, -1, i64::MIN] {
        case(&format!("user {user}"), Some(Reject::BadUserId), Datum::head("user", user).tail());
    }
    case("the last user", None, Datum::head("last user", i64::MAX).tail());
    for language in ["", "EN", "eng", "é"] {
        let datum = Datum::head("language", 7).number(1).string(language).number(0).number(5);
        case(&format!("language {language:?}"), Some(Reject::BadLanguage), datum);
    }
    let metadata =
        |id: &str, value: &str| Datum::head(id, 7).number(0).number(1).string("key").string(value).number(0).number(5);
    case("metadata at the limit", None, metadata("full", &"é".repeat(997)));
    case("metadata above the limit", Some(Reject::MetadataTooLarge), metadata("over", &"é".repeat(998)));
    case("JSON 400 deep", None, metadata("json-400", &"[".repeat(400)));
    let deep = format!("{}1{}", "[".repeat(2_000), "]".repeat(2_000));
    case("JSON 2,000 deep", Some(Reject::MetadataTooLarge), metadata("json-2000", &deep));
    let many = (0..100_000_i64).fold(Datum::head("many", 7).number(0).number(100_000), |datum, entry| {
        datum.string(format!("{entry:x}")).string("")
    });
    case("metadata of 100,000 entries", Some(Reject::MetadataTooLarge), many.number(0).number(5));
    case("no id", Some(Reject::BadMessageId), Datum::head("", 7).tail());
    case("id at the limit", None, Datum::head(&"é".repeat(128), 7).tail());
    case("id above the limit", Some(Reject::BadMessageId), Datum::head(&"é".repeat(129), 7).tail());
    let (first, last) = CREATED_AT_MS.into_inner();
    for (time, reject) in [
        (first, None),
        (first - 1, Some(Reject::BadCreatedAt)),
        (-1, None),
        (0, None),
        (last, None),
        (last + 1, Some(Reject::BadCreatedAt)),
        (i64::MIN, Some(Reject::BadCreatedAt)),
        (i64::MAX, Some(Reject::BadCreatedAt)),
    ] {
        let datum = Datum::head(&format!("time {time}"), 7).number(0).number(0).number(time);
        case(&format!("created at {time}"), reject, datum);
    }
    cases
}

/// Compatible schemas, older and newer; and those that nobody should have registered.
fn evolved(ids: &Ids) -> Vec<Case> {
    let judged = |name: &str, datum: Datum| Case::new(name, End::Judged, Some(datum.value(ids[name])));
    let unusable = |name: &str, datum: Datum| {
        Case::new(format!("schema: {name}"), End::Dead(Reject::UnreadableSchema), Some(datum.value(ids[name])))
    };
    let next = (0..2_000).fold(Datum::head("recursive", 7), |datum, _| datum.number(1));
    vec![
        judged("older", Datum::head("older", 7).number(5)),
        judged("newer", Datum::head("newer", 7).number(1).number(1).number(5)),
        judged("reordered", Datum::new().number(5).string("see you at noon").number(7).string("reordered")),
        judged("nulls", Datum::head("nulls", 7).number(20).number(0).number(5)),
        judged("bytes", Datum::head("bytes", 7).string([0xff; 20]).number(5)),
        unusable("recursive", next.number(0).number(5)),
        unusable("deep", Datum::head("deep", 7).number(5)),
        unusable("json", Datum::new().raw(br#"{"message_id":"m"}"#)),
    ]
}

/// What is around the value: key, headers, time of the record, compression of the batch.
fn surroundings(ids: &Ids) -> Vec<Case> {
    let mut cases = Vec::new();
    let garbage = End::Dead(Reject::BadMagic);
    let mut both = |name: &str, change: &dyn Fn(Case) -> Case| {
        let value = Datum::head(name, 7).tail().value(ids["ours"]);
        cases.push(change(Case::new(name, End::Judged, Some(value))));
        cases.push(change(Case::new(format!("garbage, {name}"), garbage, Some(b"garbage".to_vec()))));
    };
    both("no key", &|case| case.key(None));
    both("empty key", &|case| case.key(Some(Vec::new())));
    both("key of another user", &|case| case.key(Some(b"8".to_vec())));
    both("key that is not UTF-8", &|case| case.key(Some(vec![0xff, 0, 0xfe])));
    both("key of 900 KB", &|case| case.key(Some(vec![b'k'; 900_000])));
    both("1,000 headers", &|case| {
        (0..1_000).fold(case, |case, number| case.header(&format!("header-{}", number % 500), Some(b"\xff\0")))
    });
    both("header without name or value", &|case| case.header("", Some(b"")).header("null", None));
    both("header of 500 KB", &|case| case.header("large", Some(&vec![0; 500_000])));
    both("header with a long name", &|case| case.header(&"ä".repeat(10_000), Some(b"1")));
    both("traceparent that is none", &|case| case.header("traceparent", Some(b"\xff")));
    both("null key and revision in headers", &|case| {
        case.header("idempotency-key", None).header("assize-revision", None)
    });
    for (name, timestamp) in [("no", -1), ("1970", 1), ("the last", i64::MAX)] {
        both(&format!("{name} timestamp"), &|case| Case { timestamp: Some(timestamp), ..case });
    }
    for compression in ["gzip", "snappy", "lz4", "zstd"] {
        both(compression, &|case| Case { compression, ..case });
    }
    cases
}

/// Identity: its headers, repeats and conflicts.
fn identities(ids: &Ids) -> Vec<Case> {
    let text = |name: &str, text: &str, end| {
        let value = Datum::new().string("twin").number(7).string(text).tail().value(ids["ours"]);
        Case { partition: Some(0), ..Case::new(name, end, Some(value)) }
    };
    let dead = |name: &str, reject| text(name, "text of a bad header", End::Dead(reject));
    let (key, revision) = ("idempotency-key", "assize-revision");
    let mut cases = vec![
        text("first", "one", End::Judged),
        text("repeat", "one", End::Repeat),
        text("another text", "two", End::Dead(Reject::IdempotencyConflict)),
        text("another key", "two", End::Judged).header(key, Some(b"k")),
        text("another revision", "two", End::Judged).header(revision, Some(b"1")),
        // Of two headers the last counts.
        text("key twice", "two", End::Repeat).header(key, Some(b"other")).header(key, Some(b"k")),
        text("revision twice", "two", End::Repeat).header(revision, Some(b"x")).header(revision, Some(b"1")),
    ];
    for (name, bad) in [("empty", &b""[..]), ("not UTF-8", b"\xff"), ("long", &[b'k'; 129])] {
        cases.push(dead(&format!("key {name}"), Reject::BadIdempotencyKey).header(key, Some(bad)));
    }
    for bad in ["", "-1", "+1", " 1", "1.0", "2147483648", "99999999999999999999999", "١"] {
        cases.push(dead(&format!("revision {bad:?}"), Reject::BadRevision).header(revision, Some(bad.as_bytes())));
    }
    cases
}
