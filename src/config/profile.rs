//! One setting for many: `stream.profile` chooses other defaults. What the configuration says itself goes before them.

use super::ConfigError;

/// Names and defaults of the profiles. `throughput` is what every key's own default is for.
const PROFILES: [(&str, &str); 2] = [("throughput", ""), ("latency", LATENCY)];

/// A verdict can be read some 10 ms after its message was: small transactions, no output waits for others, and one lane,
/// because two would make twice the transactions of the same messages. It makes many small transactions, so it is
/// for streams that are far from the limit.
const LATENCY: &str = r#"
[stream]
lanes = 1
transaction_ms_max = 10
[kafka.librdkafka]
"linger.ms" = "0"
"#;

/// Lays the defaults of the profile that `table` names under it.
pub(super) fn lay_under(table: &mut toml::Table) -> Result<(), ConfigError> {
    let Some(name) = table.get("stream").and_then(|stream| stream.get("profile")) else { return Ok(()) };
    let found = PROFILES.iter().find(|(known, _)| name.as_str() == Some(known));
    let (_, defaults) = found.ok_or_else(|| ConfigError::Limit {
        key: "stream.profile".into(),
        found: name.to_string(),
        allowed: PROFILES.map(|(known, _)| format!("{known:?}")).join(" or "),
    })?;
    // A constant, held by a test.
    let defaults: toml::Table = toml::from_str(defaults).unwrap_or_default();
    merge(table, defaults);
    Ok(())
}

fn merge(table: &mut toml::Table, defaults: toml::Table) {
    for (key, default) in defaults {
        match (table.get_mut(&key), default) {
            (None, default) => {
                table.insert(key, default);
            }
            (Some(toml::Value::Table(inner)), toml::Value::Table(default)) => merge(inner, default),
            // Said already; of the wrong type, if so, is told later.
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, std::iter::empty()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_profile_changes_defaults_and_nothing_that_is_said() {
        let linger = |config: &Config| config.kafka.librdkafka.get("linger.ms").cloned();
        let latency = parse("[stream]\nprofile = \"latency\"").unwrap();
        assert_eq!((latency.stream.transaction_ms_max, linger(&latency).as_deref()), (10, Some("0")));
        assert_eq!(latency.stream.lanes(), 1);
        let own = "[stream]\nprofile = \"latency\"\ntransaction_ms_max = 40\n[kafka.librdkafka]\n\"linger.ms\" = \"1\"";
        let own = parse(own).unwrap();
        assert_eq!((own.stream.transaction_ms_max, linger(&own).as_deref()), (40, Some("1")));
        let throughput = parse("[stream]\nprofile = \"throughput\"").unwrap();
        assert_eq!((throughput.stream.transaction_ms_max, linger(&throughput)), (100, None));
        let environment = [("ASSIZE_STREAM__PROFILE".to_owned(), "latency".to_owned())];
        assert_eq!(Config::parse("", environment.into_iter()).unwrap().stream.transaction_ms_max, 10);
    }

    #[test]
    fn every_profile_is_a_configuration_by_itself() {
        for (name, defaults) in PROFILES {
            parse(defaults).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn a_profile_that_is_none() {
        for value in ["\"fast\"", "1"] {
            assert_eq!(
                parse(&format!("[stream]\nprofile = {value}")).unwrap_err(),
                format!("config key stream.profile: found {value}, allowed is \"throughput\" or \"latency\"")
            );
        }
    }
}
