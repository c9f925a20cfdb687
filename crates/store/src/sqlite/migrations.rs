//! The steps that lead any older database to the schema of this program. Listed by hand: `sqlx::migrate!` would have SQLite
//! built a second time, for the compiler.

use std::sync::LazyLock;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Version, name and statements of each. What has been released never changes: databases remember its checksum.
const STEPS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../../migrations/sqlite/0001_initial.sql")),
    (2, "calls", include_str!("../../migrations/sqlite/0002_calls.sql")),
    (3, "admin", include_str!("../../migrations/sqlite/0003_admin.sql")),
    (4, "account skeletons", include_str!("../../migrations/sqlite/0004_account_skeletons.sql")),
    (5, "nodes", include_str!("../../migrations/sqlite/0005_nodes.sql")),
    (6, "unused tables", include_str!("../../migrations/sqlite/0006_unused_tables.sql")),
    (7, "recordings", include_str!("../../migrations/sqlite/0007_recordings.sql")),
    (8, "call recording", include_str!("../../migrations/sqlite/0008_call_recording.sql")),
];

pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let step = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(STEPS.iter().map(step).collect())
});

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection, Executor};

    use super::*;

    #[test]
    fn every_file_is_a_step_under_its_own_number_and_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let named: Vec<String> =
            STEPS.iter().map(|(version, name, _)| format!("{version:04}_{}.sql", name.replace(' ', "_"))).collect();
        assert_eq!(named, files);
    }

    #[test]
    fn released_steps_are_what_databases_remember() {
        let sums: Vec<String> = MIGRATIONS
            .iter()
            .map(|step| step.checksum[..6].iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        assert_eq!(
            sums,
            [
                "5a18b3e6ca1e",
                "3091804eda0e",
                "320b213622b3",
                "20173eaeb735",
                "825322291800",
                "c731542dc5c8",
                "dfcf5fa63f62",
                "3e502514f4ce",
            ]
        );
    }

    #[tokio::test]
    async fn a_database_with_rows_in_the_unused_tables_loses_these_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stoa.db");
        let mut old = SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
        let before = MIGRATIONS.iter().filter(|step| step.version <= 5).cloned().collect();
        Migrator::with_migrations(before).run(&mut old).await.unwrap();
        old.execute(
            "INSERT INTO users (id, name, name_folded, created_at, updated_at) VALUES ('alice', 'Alice', 'alice', 1, 1);
             INSERT INTO webrtc_connections (id, room, user_id, identity, role, created_at)
               VALUES (zeroblob(16), 'room', 'alice', 'alice', 'both', 1);
             INSERT INTO webhook_endpoints (id, url, secret, created_at, updated_at) VALUES (zeroblob(16), 'u', 's', 1, 1);
             INSERT INTO webhook_outbox (message_id, endpoint_id, event, payload, created_at)
               VALUES (zeroblob(16), zeroblob(16), 'e', '{}', 1)",
        )
        .await
        .unwrap();
        old.close().await.unwrap();

        let report = super::super::open::migrate(&path).await.unwrap();
        assert_eq!((report.from, &report.applied[0]), (5, &(6, "unused tables".to_owned())));
        let mut new = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        let unused = "SELECT count(*) FROM sqlite_schema WHERE name GLOB 'webhook_*' OR name GLOB 'webrtc_*'";
        let unused: i64 = sqlx::query_scalar(unused).fetch_one(&mut new).await.unwrap();
        let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut new).await.unwrap();
        assert_eq!((unused, users), (0, 1));
    }
}
