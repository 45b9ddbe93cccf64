//! A strict reader of the OpenMetrics text format (<https://prometheus.io/docs/specs/om/open_metrics_spec/>), as far
//! as counters, gauges, histograms and infos go. It panics at the first thing that the format forbids.

use std::collections::{BTreeMap, BTreeSet};

/// What was exposed.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    /// By family name.
    pub(crate) families: BTreeMap<String, Family>,
    /// By sample name with sorted labels, as in `assize_records_total{outcome="verdict"}`.
    pub(crate) samples: BTreeMap<String, f64>,
}

#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    samples: usize,
}

impl Exposition {
    pub(crate) fn read(text: &str) -> Self {
        let mut read = Self::default();
        let mut family = String::new();
        let body = text.strip_suffix("# EOF\n").expect("the text ends with # EOF");
        for line in body.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                family = read.comment(comment, &family);
            } else {
                read.sample(line, &family);
            }
        }
        for (name, family) in &read.families {
            assert!(!family.help.is_empty(), "{name} has no HELP");
            assert!(!family.kind.is_empty(), "{name} has no TYPE");
            assert!(family.samples > 0, "{name} has no samples");
        }
        read.check_histograms();
        read
    }

    /// The value of a sample; labels in alphabetical order.
    #[track_caller]
    pub(crate) fn value(&self, sample: &str) -> f64 {
        *self.samples.get(sample).unwrap_or_else(|| panic!("no sample {sample}"))
    }

    fn comment(&mut self, comment: &str, current: &str) -> String {
        let mut words = comment.splitn(3, ' ');
        let (what, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        if what == "HELP" {
            assert!(!self.families.contains_key(name), "{name} comes twice");
        } else {
            assert_eq!(name, current, "{what} outside its family");
        }
        let family = self.families.entry(name.into()).or_default();
        match what {
            "HELP" => family.help = rest.into(),
            "TYPE" => family.kind = rest.into(),
            "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{name} lacks its unit {rest}"),
            other => panic!("unknown comment {other}"),
        }
        name.into()
    }

    fn sample(&mut self, line: &str, family: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, read_labels(labels.strip_suffix('}').unwrap())),
            None => (series, BTreeSet::new()),
        };
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{name} stands under {family}"));
        let known = self.families.get_mut(family).unwrap();
        let allowed: &[&str] = match known.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum"],
            "info" => &["_info"],
            kind => panic!("unknown type {kind}"),
        };
        assert!(allowed.contains(&suffix), "{name} is no sample of the {} {family}", known.kind);
        known.samples += 1;
        let labels: Vec<String> = labels.into_iter().collect();
        let key = if labels.is_empty() { name.into() } else { format!("{name}{{{}}}", labels.join(",")) };
        assert!(self.samples.insert(key, value).is_none(), "twice: {line}");
    }

    /// Buckets never fall, and the last is the count.
    fn check_histograms(&self) {
        for (bucket, infinite) in self.samples.iter().filter(|(name, _)| name.contains("le=\"+Inf\"")) {
            let count = bucket.replace("_bucket{", "_count{").replace("le=\"+Inf\",", "").replace("le=\"+Inf\"", "");
            assert_eq!(self.value(count.trim_end_matches("{}")), *infinite, "{bucket}");
            let (head, tail) = bucket.split_once("+Inf").unwrap();
            let mut bounds: Vec<(f64, f64)> = self
                .samples
                .iter()
                .filter_map(|(name, value)| {
                    let bound = name.strip_prefix(head)?.strip_suffix(tail)?;
                    Some((bound.parse().ok()?, *value))
                })
                .collect();
            bounds.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(bounds.len() > 2 && bounds.is_sorted_by_key(|(_, count)| *count), "{bucket}: {bounds:?}");
        }
    }
}

/// `a="x",b="y"` as a set of `a="x"`. Values may hold escaped quotes, back-slashes and line ends.
fn read_labels(text: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {rest}"));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "label name {name}");
        let mut escaped = false;
        let end = after.find(|c| {
            let quote = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            quote
        });
        let end = end.unwrap_or_else(|| panic!("no end of {rest}"));
        assert!(labels.insert(format!("{name}=\"{}\"", &after[..end])), "label {name} twice");
        rest = &after[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    labels
}
