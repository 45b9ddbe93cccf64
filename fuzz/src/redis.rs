//! Value of a user in the feature store: numbers or nothing, and violations only of features that are there.
#![no_main]

use std::sync::LazyLock;

use assize::features::store::Parser;
use libfuzzer_sys::fuzz_target;

const FEATURES: usize = 3;

static PARSER: LazyLock<Parser> =
    LazyLock::new(|| Parser::new(&["account_age_days", "follower_count", "verified"].map(String::from)));

fuzz_target!(|value: &[u8]| {
    let (mut values, mut violations) = ([0.0; FEATURES], Vec::new());
    if PARSER.parse(value, &mut values, |feature| violations.push(feature)).is_ok() {
        assert!(values.iter().all(|value| !value.is_infinite()), "{values:?}");
        assert!(violations.iter().all(|&feature| feature < FEATURES));
    }
});
