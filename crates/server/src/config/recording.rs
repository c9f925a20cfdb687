//! Settings for recordings: where they are kept, who may have them, for how long, and how much they may take.

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Secret;
use storage::S3Settings;

use super::ConfigError;
use super::reader::Reader;

const MOST_BYTES: u64 = i64::MAX as u64;
const GIB: u64 = 1 << 30;

/// Where recordings are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket.
    S3(S3Settings),
}

/// Recordings, and the storage that they are kept in.
#[derive(Debug, Clone)]
pub struct RecordingConfig {
    /// Where they are kept.
    pub place: Place,
    /// The file with the keys that seal them; none: they are stored as they are.
    pub key_file: Option<PathBuf>,
    /// Each is composed into one file when it is over.
    pub compose: bool,
    /// How long, how much, and who.
    pub settings: control::RecordingSettings,
    /// How long links to files are good.
    pub link_ttl: Duration,
}

pub(super) fn recording(read: &Reader<'_>, data_dir: &Path) -> Result<RecordingConfig, ConfigError> {
    let limit = |name: &str| Ok::<_, ConfigError>(read.number(name, 0..=MOST_BYTES)?.filter(|bytes| *bytes > 0));
    let settings = control::RecordingSettings {
        retention_days: read
            .number("recording.retention_days", 0..=36_500)?
            .filter(|days| *days > 0)
            .map(|days| days as u32),
        most_bytes: limit("recording.max_bytes")?,
        most_channel_bytes: limit("recording.max_channel_bytes")?,
        most_user_bytes: limit("recording.max_user_bytes")?,
        disk_reserve: read.number("recording.disk_reserve", 0..=MOST_BYTES)?.unwrap_or(GIB),
        channel_members: read.bool("recording.channel_members", false)?,
        most_upload: read.number("recording.max_upload", 1..=MOST_BYTES)?.unwrap_or(2 * GIB),
        ..control::RecordingSettings::new(data_dir.join("recordings"))
    };
    Ok(RecordingConfig {
        place: place(read, data_dir)?,
        key_file: read.text("storage.key_file")?.map(PathBuf::from),
        compose: read.bool("recording.compose", true)?,
        settings,
        link_ttl: read.duration("recording.link_ttl", 3_600, 60, 7 * 86_400)?,
    })
}

fn place(read: &Reader<'_>, data_dir: &Path) -> Result<Place, ConfigError> {
    let folder = read.text("storage.folder")?;
    let Some(bucket) = read.text("storage.s3_bucket")? else {
        for name in [
            "storage.s3_endpoint",
            "storage.s3_region",
            "storage.s3_access_key",
            "storage.s3_secret_key",
            "storage.s3_prefix",
        ] {
            if read.value(name)?.is_some() {
                return Err(read.refuse(name, "needs storage.s3_bucket as well"));
            }
        }
        return Ok(Place::Folder(folder.map_or_else(|| data_dir.join("storage"), PathBuf::from)));
    };
    if folder.is_some() {
        return Err(read.refuse("storage.folder", "cannot be set together with storage.s3_bucket"));
    }
    let is_name =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if !(3..=63).contains(&bucket.len()) || !is_name(&bucket) {
        return Err(read.refuse("storage.s3_bucket", "must be the name of a bucket, without a URL"));
    }
    let key =
        |name: &str| read.text(name)?.ok_or_else(|| ConfigError(format!("storage.s3_bucket needs {name} as well")));
    let endpoint = read.url("storage.s3_endpoint")?;
    let prefix = read.text("storage.s3_prefix")?.unwrap_or_default().trim_matches('/').to_owned();
    if prefix.len() > 200 || !prefix.split('/').all(|part| is_name(part) && part != "." && part != "..") {
        return Err(read.refuse("storage.s3_prefix", "must consist of letters, digits and . - _ /"));
    }
    Ok(Place::S3(S3Settings {
        bucket,
        region: read.text("storage.s3_region")?.unwrap_or_else(|| "us-east-1".to_owned()),
        access_key_id: key("storage.s3_access_key")?,
        secret_access_key: Secret::new(key("storage.s3_secret_key")?),
        prefix,
        // What is not Amazon's seldom has a name for each bucket.
        path_style: read.bool("storage.s3_path_style", endpoint.is_some())?,
        endpoint,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::{flags, validate};
    use super::*;

    fn read(given: &[(&'static str, &'static str)]) -> Result<RecordingConfig, String> {
        let given = given.iter().map(|(name, text)| (*name, *name, (*text).to_owned())).collect();
        validate(&flags(given).map_err(|error| error.0)?, 1).map(|config| config.recording).map_err(|error| error.0)
    }

    #[test]
    fn recordings_are_kept_in_the_data_directory_unless_said_otherwise() {
        let config = read(&[("data_dir", "/srv/stoa")]).unwrap();
        assert_eq!(config.place, Place::Folder("/srv/stoa/storage".into()));
        assert_eq!(config.settings.folder, PathBuf::from("/srv/stoa/recordings"));
        assert_eq!((config.settings.retention_days, config.settings.most_bytes), (None, None));
        let config = read(&[("storage.folder", "/mnt/calls"), ("recording.retention_days", "30")]).unwrap();
        assert_eq!((config.place, config.settings.retention_days), (Place::Folder("/mnt/calls".into()), Some(30)));
    }

    #[test]
    fn a_bucket_needs_its_keys_and_prints_none() {
        let keys = [("storage.s3_access_key", "AKID"), ("storage.s3_secret_key", "s3cr3t")];
        let with = |more: &[(&'static str, &'static str)]| read(&[&keys[..], more].concat());
        let config = with(&[("storage.s3_bucket", "calls"), ("storage.s3_prefix", "/a/b/")]).unwrap();
        assert!(!format!("{config:?}").contains("s3cr3t"));
        let Place::S3(s3) = config.place else { panic!("a bucket") };
        assert_eq!((s3.prefix.as_str(), s3.path_style, s3.region.as_str()), ("a/b", false, "us-east-1"));
        let own = [("storage.s3_bucket", "calls"), ("storage.s3_endpoint", "http://127.0.0.1:9000")];
        assert!(matches!(with(&own).unwrap().place, Place::S3(s3) if s3.path_style));
        for (given, says) in [
            (read(&[("storage.s3_bucket", "calls")]), "needs storage.s3_access_key"),
            (with(&[]), "needs storage.s3_bucket"),
            (with(&[("storage.s3_bucket", "https://x/calls")]), "without a URL"),
            (with(&[("storage.s3_bucket", "calls"), ("storage.s3_prefix", "../x")]), "letters"),
            (with(&[("storage.s3_bucket", "calls"), ("storage.folder", "/x")]), "together"),
            (with(&[("storage.s3_bucket", "calls"), ("storage.s3_endpoint", "minio:9000")]), "URL"),
        ] {
            let error = given.unwrap_err();
            assert!(error.contains(says) && !error.contains("s3cr3t"), "{error}");
        }
    }
}
