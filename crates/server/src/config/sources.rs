//! Where settings come from. Each source becomes a layer: known keys, values of the right type and, for error messages,
//! the place where each was set.

use std::collections::BTreeMap;
use std::path::Path;

use super::ConfigError;
use super::keys::{KEYS, Key, Kind};

/// A value as a source gives it, of its key's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// STUN and TURN servers.
    Servers(Vec<api::IceServer>),
    /// Not of its key's kind. An error only for whoever needs the key.
    Wrong(ConfigError),
}

/// The settings of one source, or of several merged: each value, and the place where it was set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layer {
    values: BTreeMap<&'static str, (Value, String)>,
    /// What nobody knows, and so nobody follows.
    warnings: Vec<String>,
}

impl Layer {
    /// Sets a key; the name must be a known one.
    pub fn set(&mut self, name: &'static str, value: Value, place: impl Into<String>) {
        debug_assert!(Key::find(name).is_some(), "{name} is not a key");
        self.values.insert(name, (value, place.into()));
    }

    /// Lays another source over this one.
    pub fn over(mut self, other: Layer) -> Layer {
        self.values.extend(other.values);
        self.warnings.extend(other.warnings);
        self
    }

    /// Lines for the log about what was left out.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The first value that is not of its key's kind, if any.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = self.values.values().find_map(|(value, _)| match value {
            Value::Wrong(error) => Some(error.clone()),
            _ => None,
        });
        wrong.map_or(Ok(()), Err)
    }

    /// A key's value and the place where it was set.
    pub fn get(&self, name: &str) -> Option<(&Value, &str)> {
        self.values.get(name).map(|(value, place)| (value, place.as_str()))
    }
}

/// Reads a file.
pub fn file(path: &Path) -> Result<Layer, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| ConfigError(format!("cannot read {}: {e}; pass another file with --config", path.display())))?;
    file_text(&text, &path.display().to_string())
}

fn file_text(text: &str, path: &str) -> Result<Layer, ConfigError> {
    use config::Source;
    let table = config::File::from_str(text, config::FileFormat::Toml).collect().map_err(|e| {
        let reason = e.to_string();
        let line = reason.lines().next().unwrap_or("not TOML").trim().to_owned();
        let detail =
            reason.lines().last().filter(|last| *last != line).map_or(String::new(), |last| format!(" ({last})"));
        ConfigError(format!("{path}: {line}{detail}"))
    })?;
    let mut layer = Layer::default();
    take_table(&mut layer, path, "", table.into_iter().collect())?;
    Ok(layer)
}

fn take_table(
    layer: &mut Layer,
    path: &str,
    prefix: &str,
    table: BTreeMap<String, config::Value>,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let name = format!("{prefix}{name}");
        let place = format!("{path}: {name}");
        match (Key::find(&name), value.kind) {
            (Some(key), kind) => {
                let value = from_toml(key, &place, kind).unwrap_or_else(Value::Wrong);
                layer.set(key.name, value, place);
            }
            (None, config::ValueKind::Table(inner)) if KEYS.iter().any(|k| k.name.starts_with(&format!("{name}."))) => {
                take_table(layer, path, &format!("{name}."), inner.into_iter().collect())?;
            }
            (None, _) => return Err(unknown(path, &name)),
        }
    }
    Ok(())
}

fn unknown(path: &str, name: &str) -> ConfigError {
    let hint = match Key::nearest(name) {
        Some(key) => format!("did you mean {:?}?", key.name),
        None => "remove it; `stoa settings` lists every key".to_owned(),
    };
    ConfigError(format!("{path}: unknown key {name:?}; {hint}"))
}

fn wrong(place: &str, kind: Kind) -> ConfigError {
    let wanted = match kind {
        Kind::Bool => "true or false",
        Kind::Number => "a whole number",
        Kind::Text => "a string in quotes",
        Kind::List => "a list of strings",
        Kind::Duration => "a number of seconds, or a string such as \"90s\", \"5m\" or \"1h\"",
        Kind::Servers => "a list of tables, each with urls, username and credential",
    };
    ConfigError(format!("{place}: must be {wanted}"))
}

fn from_toml(key: &Key, place: &str, value: config::ValueKind) -> Result<Value, ConfigError> {
    use config::ValueKind as Toml;
    match (key.kind, value) {
        (Kind::Bool, Toml::Boolean(value)) => Ok(Value::Bool(value)),
        (Kind::Number | Kind::Duration, Toml::I64(value)) => Ok(Value::Number(value)),
        // A port may be written as a number where an address or a range is taken.
        (Kind::Text, Toml::I64(value)) => Ok(Value::Text(value.to_string())),
        (Kind::Text | Kind::Duration, Toml::String(value)) => Ok(Value::Text(value)),
        (Kind::List, Toml::String(value)) => Ok(Value::List(vec![value])),
        (Kind::List, Toml::Array(values)) => texts(values).map(Value::List).ok_or_else(|| wrong(place, Kind::List)),
        (Kind::Servers, Toml::Array(values)) => {
            let servers = values.into_iter().map(|value| server(place, value)).collect::<Result<_, _>>()?;
            Ok(Value::Servers(servers))
        }
        (kind, _) => Err(wrong(place, kind)),
    }
}

fn texts(values: Vec<config::Value>) -> Option<Vec<String>> {
    values
        .into_iter()
        .map(|value| match value.kind {
            config::ValueKind::String(text) => Some(text),
            _ => None,
        })
        .collect()
}

fn server(place: &str, value: config::Value) -> Result<api::IceServer, ConfigError> {
    let config::ValueKind::Table(table) = value.kind else { return Err(wrong(place, Kind::Servers)) };
    let mut server = api::IceServer { urls: Vec::new(), username: None, credential: None };
    for (name, value) in table {
        match (name.as_str(), value.kind) {
            ("urls", config::ValueKind::String(url)) => server.urls.push(url),
            ("urls", config::ValueKind::Array(urls)) => {
                server.urls = texts(urls).ok_or_else(|| wrong(place, Kind::Servers))?;
            }
            ("username", config::ValueKind::String(text)) => server.username = Some(text),
            ("credential", config::ValueKind::String(text)) => server.credential = Some(text),
            ("urls" | "username" | "credential", _) => return Err(wrong(place, Kind::Servers)),
            (other, _) => {
                return Err(ConfigError(format!(
                    "{place}: unknown key {other:?}; the keys here are urls, username and credential"
                )));
            }
        }
    }
    let known = |url: &String| ["stun:", "stuns:", "turn:", "turns:"].iter().any(|scheme| url.starts_with(scheme));
    if server.urls.is_empty() || !server.urls.iter().all(known) {
        return Err(ConfigError(format!("{place}: urls must be stun:, turn: or turns: URLs")));
    }
    Ok(server)
}

/// Reads the environment: `STOA_…` for every key, and the other names some have.
pub fn environment(variables: impl Iterator<Item = (String, String)>) -> Layer {
    let mut layer = Layer::default();
    for (name, text) in variables {
        let known = KEYS.iter().find(|key| key.variable() == name || key.alias == Some(name.as_str()));
        match known {
            Some(key) => {
                // The name of our own wins over another program's.
                let own = name.starts_with("STOA_");
                if !text.is_empty() && (own || layer.get(key.name).is_none()) {
                    let value = from_text(key, &name, &text).unwrap_or_else(Value::Wrong);
                    layer.set(key.name, value, name);
                }
            }
            None if name.starts_with("STOA_") && !foreign(&name) => {
                let as_key = name["STOA_".len()..].to_lowercase();
                let near =
                    KEYS.iter().find(|key| key.name.replace('.', "_") == as_key).or_else(|| Key::nearest(&as_key));
                let hint = near.map_or_else(
                    || "unset it; `stoa settings` lists every key".to_owned(),
                    |key| format!("did you mean {}?", key.variable()),
                );
                layer.warnings.push(format!("ignored {name} in the environment, which is not a setting; {hint}"));
            }
            None => {}
        }
    }
    layer
}

/// `STOA_` names that others set: container platforms for a service called "stoa", and our own tests.
fn foreign(name: &str) -> bool {
    name == "STOA_CONFIG"
        || name.starts_with("STOA_SERVICE_")
        || name.starts_with("STOA_PORT")
        || name.starts_with("STOA_UPDATE_")
        || name.starts_with("STOA_TEST_")
}

/// Turns flags into a layer.
pub fn flags(given: Vec<(&'static str, &'static str, String)>) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    for (name, flag, text) in given {
        let key = Key::find(name).expect("flags are named in `cli` after keys of the table");
        layer.set(key.name, from_text(key, flag, &text)?, flag);
    }
    Ok(layer)
}

fn from_text(key: &Key, place: &str, text: &str) -> Result<Value, ConfigError> {
    match key.kind {
        Kind::Bool => match text {
            "true" | "1" | "yes" | "on" => Ok(Value::Bool(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Bool(false)),
            _ => Err(wrong(place, Kind::Bool)),
        },
        Kind::Number => text.parse().map(Value::Number).map_err(|_| wrong(place, Kind::Number)),
        Kind::Text | Kind::Duration => Ok(Value::Text(text.to_owned())),
        Kind::List => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Ok(Value::List(parts.map(str::to_owned).collect()))
        }
        Kind::Servers => Err(ConfigError(format!("{place}: can only be set in the settings file"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Layer {
        environment(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_file_becomes_a_layer() {
        let text =
            "http = 8080\n[media]\nworkers = 2\nannounce = [\"203.0.113.7\"]\n[[ice_servers]]\nurls = \"stun:s:1\"\n";
        let layer = file_text(text, "stoa.toml").expect("a good file");
        assert_eq!(layer.get("http"), Some((&Value::Text("8080".into()), "stoa.toml: http")));
        assert_eq!(layer.get("media.workers").map(|(v, _)| v), Some(&Value::Number(2)));
        assert!(
            matches!(layer.get("ice_servers"), Some((Value::Servers(servers), _)) if servers[0].urls == ["stun:s:1"])
        );
    }

    #[test]
    fn bad_files_are_named_in_one_line() {
        let cases = [
            ("media.workres = 2", "stoa.toml: unknown key \"media.workres\"; did you mean \"media.workers\"?"),
            ("[medai]\nworkers = 2", "stoa.toml: unknown key \"medai\""),
            ("dev = 3", "stoa.toml: dev: must be true or false"),
            (
                "[[ice_servers]]\nurls = \"http://x\"",
                "stoa.toml: ice_servers: urls must be stun:, turn: or turns: URLs",
            ),
            ("http = ", "stoa.toml: "),
        ];
        for (text, wanted) in cases {
            let error = file_text(text, "stoa.toml").and_then(|layer| layer.check()).expect_err(text).to_string();
            assert!(error.starts_with(wanted), "{text:?} says {error:?}");
            assert_eq!(error.lines().count(), 1, "{error:?}");
        }
    }

    #[test]
    fn the_environment_knows_keys_and_aliases_and_warns_of_the_rest() {
        let layer = env(&[
            ("STOA_WORKERS", "3"),
            ("LIVEKIT_API_KEY", "theirs"),
            ("STOA_LIVEKIT_API_KEY", "ours"),
            ("STOA_SERVICE_HOST", "10.0.0.1"),
            ("STOA_PORT_7880_TCP_ADDR", "10.0.0.1"),
            ("PATH", "/"),
        ]);
        assert_eq!(layer.get("media.workers").map(|(v, _)| v), Some(&Value::Number(3)));
        assert_eq!(layer.get("livekit.api_key").map(|(v, _)| v), Some(&Value::Text("ours".into())));
        assert_eq!(layer.warnings(), [] as [&str; 0]);
        let layer = env(&[("STOA_HTPP", "1"), ("STOA_HTTP", "2")]);
        let [warning] = layer.warnings() else { panic!("{:?}", layer.warnings()) };
        assert!(warning.contains("STOA_HTPP") && warning.contains("did you mean STOA_HTTP?"), "{warning}");
        assert_eq!(layer.get("http").map(|(v, _)| v), Some(&Value::Text("2".into())), "the rest counts");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_an_error_for_whoever_needs_it() {
        let layer = env(&[("STOA_WORKERS", "many"), ("STOA_DATA_DIR", "/d")]);
        assert_eq!(super::super::data_dir(&layer), Ok("/d".into()));
        let error = layer.check().expect_err("wrong").to_string();
        assert_eq!(error, "STOA_WORKERS: must be a whole number");
        assert_eq!(
            layer.over(env(&[("STOA_WORKERS", "2")])).check(),
            Ok(()),
            "nor where a stronger source has the word"
        );
    }
}
